"""Run one function over many shards, here, in processes or on Ray: results in order, the first fault stops all."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import connection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from svit_datasets.errors import OutputError, SvitError, UsageError, choose

S = TypeVar("S")
R = TypeVar("R")
_ENDED = (
    "a process ended on its own: it was killed, for lack of memory most likely, or the script that called it does so "
    'outside of if __name__ == "__main__"; use fewer --jobs'
)
_ENDING = (signal.SIGINT, signal.SIGTERM)
_SENT_BYTES = 2048  # half of what a pipe takes in one piece
_AHEAD = 2  # shards that wait beyond those at work, so that no process is idle


class Engine(NamedTuple):
    """What runs the shards.

    Attributes:
        name: ``local``, the processes of this machine; or ``ray``, the tasks of a Ray cluster.
        jobs: Number of processes, or of tasks at a time; None is one process, or as many tasks as the cluster has CPUs.
        address: Address of the Ray cluster; None is the one that the variable
            ``RAY_ADDRESS`` names, else one that lives as long as the run.
    """

    name: str = "local"
    jobs: int | None = None
    address: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether all shards run on this machine."""
        return self.name in _HERE

    @property
    def is_single(self) -> bool:
        """Whether all shards run in this process."""
        return self.is_here and (self.jobs or 1) <= 1


ENGINES = ("local", "ray")
_HERE = ENGINES[:1]
LOCAL = Engine()


def check_engine(name: str = "local", jobs: int | None = None, address: str | None = None) -> Engine:
    """Return an engine.

    Raises:
        UsageError: There is none of this name, or the options do not fit together.

    >>> check_engine("local", 2)
    Engine(name='local', jobs=2, address=None)
    """
    choose("engine", name, ENGINES)
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise UsageError(f"jobs={jobs!r}: expected a whole number from 1")
    if address is not None and name in _HERE:
        raise UsageError(f"address={address!r}: processes of this machine have none; choose engine='ray'")
    return Engine(name, jobs, address)


def run_shards(function: Callable[[S], R], shards: Sequence[S], engine: Engine = LOCAL) -> Generator[R, None, None]:
    """Yield what ``function`` makes of each shard, in order.

    With one job it runs in this process. With more, each process runs one shard at a time; a fault, an interruption or
    leaving the iterator ends them all, and they end by themselves where this process dies.

    Args:
        function: A function at the top of a module; its argument and result travel between processes.
        shards: What to run it on.
        engine: What runs it.

    Yields:
        The results.

    Raises:
        OutputError: A process was killed.
        UsageError: Ray is asked for and not installed.

    >>> list(run_shards(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    if not engine.is_here:
        from svit_datasets.engines.ray_tasks import run_on_ray

        yield from run_on_ray(function, shards, jobs=engine.jobs, address=engine.address)
        return
    jobs = min(engine.jobs or 1, len(shards))
    if jobs <= 1:
        yield from map(function, shards)
        return
    kept = _KEPT.get((threading.get_ident(), engine))
    pool = kept or _Pool(jobs)
    try:
        yield from pool.run(function, shards)
    finally:
        if pool is not kept:
            pool.end()


@contextmanager
def keep_workers(engine: Engine) -> Iterator[None]:
    """Start the workers of an engine once for all ``run_shards`` of the block; what was loaded before they share.

    Args:
        engine: The engine.

    Raises:
        UsageError: Ray is asked for and not installed, or does not answer.
    """
    if not engine.is_here:
        from svit_datasets.engines.ray_cluster import connected

        with connected(jobs=engine.jobs, address=engine.address):
            yield
        return
    key = threading.get_ident(), engine
    if engine.is_single or key in _KEPT:
        yield
        return
    pool = _KEPT[key] = _Pool(engine.jobs or 1)
    try:
        yield
    finally:
        del _KEPT[key]
        pool.end()


class _Pool:
    """Processes of this machine.

    They are forks of this process where that is safe, which is where it has one thread; so they start at once and share
    what it has loaded. Else each is a new interpreter.
    """

    def __init__(self, jobs: int) -> None:
        self._own: set[Any] = set()
        context = multiprocessing.get_context("fork" if _has_one_thread() else "spawn")
        self._folder = tempfile.mkdtemp(prefix="svit-")
        self._jobs = jobs
        self._pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(self._folder,))

    def run(self, function: Callable[[S], R], shards: Sequence[S]) -> Generator[R, None, None]:
        """Yield the results in order; few are begun beyond those that are taken."""
        rest, waiting = iter(shards), deque[Future[_Sent]]()
        try:
            waiting.extend(self._begin(function, islice(rest, self._jobs + _AHEAD)))
            while waiting:
                yield _receive(waiting.popleft().result())
                waiting.extend(self._begin(function, islice(rest, 1)))
        except BrokenProcessPool as error:
            raise OutputError(_ENDED) from error
        except BaseException:
            if waiting:
                for child in self._own:
                    child.terminate()
            raise

    def _begin(self, function: Callable[[S], R], shards: Iterator[S]) -> list[Future[_Sent]]:
        with _STARTING, _uninterrupted():  # a process that starts has no way yet to end without a word
            before = set(multiprocessing.active_children())
            begun = [self._pool.submit(_work, function, shard, self._folder) for shard in shards]
            self._own |= set(multiprocessing.active_children()) - before
        return begun

    def end(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)


class _Sent(NamedTuple):
    """A result on its way, pickled: itself, or the file that it lies in; or the fault that came instead."""

    data: bytes = b""
    file: str = ""


def _work(function: Callable[[S], R], shard: S, folder: str) -> _Sent:
    """Run a shard. What is sent fits one write to a pipe, so a process that is killed leaves no half of a message.

    Half of one would be waited for without end.
    """
    try:
        outcome: tuple[R | None, SvitError | None] = (function(shard), None)
    except SvitError as error:
        outcome = (None, error)
    data = pickle.dumps(outcome)
    if len(data) <= _SENT_BYTES:
        return _Sent(data)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(data)
    return _Sent(file=file.name)


def _receive(sent: _Sent) -> Any:
    data = Path(sent.file).read_bytes() if sent.file else sent.data
    if sent.file:
        Path(sent.file).unlink()
    result, error = pickle.loads(data)
    if error is not None:
        raise error
    return result


_KEPT: dict[tuple[int, Engine], _Pool] = {}  # of each thread
_STARTING = threading.Lock()  # so that a pool knows which processes are its own


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let signals that end a run wait until the block has ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _has_one_thread() -> bool:
    """Tell whether no other thread, of Python's or of a library's, could hold a lock while this process is forked."""
    try:
        return sys.platform == "linux" and sum(1 for _ in Path("/proc/self/task").iterdir()) == 1
    except OSError:
        return False


def _begin(folder: str) -> None:
    """Leave an interruption to the parent, and end where that is gone, with the folder of what was on its way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    gc.freeze()  # what the parent has loaded is not looked through again, for that would copy it
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel, folder), daemon=True).start()


def _end_with(sentinel: int, folder: str) -> None:
    connection.wait([sentinel])
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
