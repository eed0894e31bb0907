"""Progress on a terminal, with rate and time left; silent in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

Advance = Callable[[Callable[[], int]], None]
_EVERY = 256  # records between two looks at the file's position


@contextmanager
def progress(title: str, total_bytes: int | None, *, every: int = _EVERY) -> Iterator[Advance]:
    """Show how much of an input was read while the block runs.

    Args:
        title: What is being read.
        total_bytes: Its size; None shows the rate alone.
        every: Calls between two looks at it.

    Yields:
        A function to call for every record, with one that tells the number of bytes read so far.
    """
    if not sys.stderr.isatty():
        yield lambda _tell: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:  # no thread
        task = bar.add_task(escape(title), total=total_bytes)
        calls = count(1)

        def advance(tell: Callable[[], int]) -> None:
            if next(calls) % every == 0:
                bar.update(task, completed=tell(), refresh=True)

        yield advance


@contextmanager
def bytes_done(title: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """Show how many bytes are done while the block runs, for work that is told of in large steps.

    Args:
        title: What is being done.
        total_bytes: How many there are to do.

    Yields:
        A function that takes how many more are done.
    """
    done = 0
    with progress(title, total_bytes, every=1) as advance:

        def add(number: int) -> None:
            nonlocal done
            done += number
            advance(lambda: done)

        yield add
