"""Run one function over many shards, here, in processes or on Ray: results in order, the first fault stops all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from typing import NamedTuple, TypeVar

from svit_datasets.errors import OutputError, UsageError, choose

S = TypeVar("S")
R = TypeVar("R")
_ENDED = (
    "a process ended on its own: it was killed, for lack of memory most likely, or the script that called it does so "
    'outside of if __name__ == "__main__"; use fewer --jobs'
)
_AHEAD = 2  # shards that wait beyond those at work, so that no process is idle


class Engine(NamedTuple):
    """What runs the shards.

    Attributes:
        name: ``local``, the processes of this machine; or ``ray``, the tasks of a Ray cluster.
        jobs: Number of processes, or of tasks at a time; None is one process, or as many tasks as the cluster has CPUs.
        address: Address of the Ray cluster; None is one that runs already, else one that lives as long as the run.
    """

    name: str = "local"
    jobs: int | None = None
    address: str | None = None

    @property
    def is_single(self) -> bool:
        """Whether all shards run in this process."""
        return self.name in _HERE and (self.jobs or 1) <= 1


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
    if engine.name not in _HERE:
        from svit_datasets.ray_engine import run_on_ray

        yield from run_on_ray(function, shards, jobs=engine.jobs, address=engine.address)
        return
    jobs = min(engine.jobs or 1, len(shards))
    if jobs <= 1:
        yield from map(function, shards)
        return
    yield from _in_processes(function, shards, jobs)


def _in_processes(function: Callable[[S], R], shards: Sequence[S], jobs: int) -> Generator[R, None, None]:
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin)
    try:
        yield from _in_order(pool, function, shards, jobs + _AHEAD)
    except BrokenProcessPool as error:
        raise OutputError(_ENDED) from error
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, function: Callable[[S], R], shards: Sequence[S], most: int) -> Iterator[R]:
    rest = iter(shards)
    waiting: deque[Future[R]] = deque(pool.submit(function, shard) for shard in islice(rest, most))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(function, shard) for shard in islice(rest, 1))


def _begin() -> None:
    """Leave an interruption to the parent, and end where that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
