"""A connection to Ray: to a cluster that runs, or to one of this machine that lives as long as the block."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TextIO

from svit_datasets.errors import UsageError

_MISSING = "the engine 'ray' needs Ray: pip install 'svit-datasets[ray]'"
_START = "start one with `ray start --head`, or leave the address out for one on this machine"
_ADDRESS = "expected HOST:PORT, ray://HOST:PORT, or auto"
_CLIENT = "ray://"
_AUTO = "auto"  # Ray looks for a cluster on this machine
_STORE_BYTES = 256 * 2**20  # what waits beyond goes to disk; Ray's own 30% of memory would be no bound
_THREADS = "ray_"  # how the names of its threads begin
_ANSWER_SECONDS = 10  # Ray itself tries for minutes
_QUIET = {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
# Read by Ray as it is imported: it tells its makers nothing, and a cluster of this machine stays on loopback.
_NO_STATISTICS = {"RAY_USAGE_STATS_ENABLED": "0"}
_LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@contextmanager
def connected(*, jobs: int | None = None, address: str | None = None) -> Iterator[Any]:
    """Connect to Ray while the block runs; a connection that is there already is used as it is and left.

    Args:
        jobs: CPUs of a cluster that is started here; None is all of this machine.
        address: ``HOST:PORT``, ``ray://HOST:PORT``, or ``auto`` for one that runs on this machine. None takes that of
            the variable ``RAY_ADDRESS``, else starts a cluster here, on loopback, and ends it with the block.

    Yields:
        The module ``ray``.

    Raises:
        UsageError: Ray is not installed, or no cluster answers at the address.
    """
    place = address or os.environ.get("RAY_ADDRESS") or None
    ray = _import_ray(is_own=place is None)
    with _output_kept():
        if ray.is_initialized():
            yield ray
            return
        with _signals_kept():
            try:
                _connect(ray, place, jobs)
                yield ray
            finally:
                ray.shutdown()


def check_address(address: str) -> None:
    """Raise ``UsageError`` where an address has no shape of Ray's.

    >>> check_address("10.0.0.1:6379")
    >>> check_address("http://10.0.0.1:8265")
    Traceback (most recent call last):
    svit_datasets.errors.UsageError: Ray at http://10.0.0.1:8265: expected HOST:PORT, ray://HOST:PORT, or auto
    """
    host, _, port = address.removeprefix(_CLIENT).rpartition(":")
    if address != _AUTO and not (host and port.isdigit() and "/" not in host):
        raise UsageError(f"Ray at {address}: {_ADDRESS}")


def _import_ray(*, is_own: bool) -> Any:
    for name, value in {**_NO_STATISTICS, **(_LOOPBACK_ONLY if is_own else {})}.items():
        os.environ.setdefault(name, value)
    try:
        return import_module("ray")
    except ImportError as error:
        raise UsageError(_MISSING) from error


def _connect(ray: Any, address: str | None, jobs: int | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        options |= {"num_cpus": jobs, **_QUIET}
    else:
        check_address(address)
        _expect_answer(address)
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, ImportError, RuntimeError, ValueError) as error:
        raise UsageError(f"Ray at {address or 'this machine'}: {_first_line(error)}; {_START}") from error


def _expect_answer(address: str) -> None:
    if address == _AUTO:
        return
    host, _, port = address.removeprefix(_CLIENT).rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"Ray at {address}: no cluster answers ({_first_line(error)}); {_START}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Give SIGTERM back to who had it: Ray takes it, to end the process as an exit does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Parted:
    """Standard output, but for what Ray's own threads print, which is for people: that goes to standard error."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __getattr__(self, name: str) -> Any:
        is_ray = threading.current_thread().name.startswith(_THREADS)
        return getattr(sys.stderr if is_ray else self._out, name)


@contextmanager
def _output_kept() -> Iterator[None]:
    """Keep what Ray tells of lost workers out of an output that may be a file in a pipe."""
    before = sys.stdout
    parted: Any = _Parted(before)
    sys.stdout = parted
    try:
        yield
    finally:
        if sys.stdout is parted:
            sys.stdout = before
