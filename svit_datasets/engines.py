"""Run one function over many shards, here or in processes: the results come in order, the first fault stops all."""

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
from typing import TypeVar

from svit_datasets.errors import OutputError

S = TypeVar("S")
R = TypeVar("R")
_ENDED = (
    "a process ended on its own: it was killed, for lack of memory most likely, or the script that called it does so "
    'outside of if __name__ == "__main__"; use fewer --jobs'
)
_AHEAD = 2  # shards that wait beyond those at work, so that no process is idle


def run_shards(function: Callable[[S], R], shards: Sequence[S], *, jobs: int = 1) -> Generator[R, None, None]:
    """Yield what ``function`` makes of each shard, in order.

    With one job it runs in this process. With more, each process runs one shard at a time; a fault, an interruption or
    leaving the iterator ends them all, and they end by themselves where this process dies.

    Args:
        function: A function at the top of a module; its argument and result travel between processes.
        shards: What to run it on.
        jobs: Number of processes.

    Yields:
        The results.

    Raises:
        OutputError: A process was killed.

    >>> list(run_shards(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    if jobs <= 1 or len(shards) <= 1:
        yield from map(function, shards)
        return
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(jobs, len(shards)), mp_context=context, initializer=_begin)
    try:
        yield from _in_order(pool, function, shards, min(jobs, len(shards)) + _AHEAD)
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
