"""Run a function over the shards of inputs, and hand out its results as those of one reading from beginning to end.

Ranges of a file are read at the same time, each from a guess of where its records begin. Here the guesses are checked:
a range counts where it begins as the one before it ended. Where it does not, the rest of the file is read again, from
its beginning and in this process, so that the results are those of reading it whole whatever is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from svit_datasets.engines.engine import Engine, run_shards
from svit_datasets.errors import OutputError
from svit_datasets.progress import bytes_done
from svit_datasets.sharding.entry_shards import Seen, Shard

R = TypeVar("R")
Work = Callable[[Shard], tuple[R, Seen]]


class Result(NamedTuple, Generic[R]):
    """What was made of a shard.

    Attributes:
        value: It.
        before: Records of its file that come before its first: what to add to their numbers.
        shard: The shard.
    """

    value: R
    before: int
    shard: Shard


@dataclass
class _Chain:
    """How far a file was read by the ranges that were taken."""

    end: int | None = 0
    entries: int = 0
    last_number: int = 0
    first_keys: set[bytes] = field(default_factory=set)

    def is_followed_by(self, seen: Seen) -> bool:
        """Tell whether a range gave what reading on would have given."""
        is_alike = not self.entries or not seen.is_broken or len(self.first_keys | seen.borders.first_keys) < 2
        return self.end is not None and seen.borders.begin == self.end and is_alike

    def is_torn(self, shard: Shard, seen: Seen) -> bool:
        """Tell whether a range that does not follow was to follow, or to be followed by another.

        Behind the end of what can be read of a file nothing follows, and in a range no record need begin.
        """
        is_last = shard.span is not None and shard.span.stop is None
        return self.end is not None and (is_last or seen.borders.begin is not None)

    def take(self, seen: Seen) -> None:
        self.end = seen.borders.end
        self.entries += seen.entries
        self.last_number += seen.last_number
        self.first_keys |= seen.borders.first_keys


def run_in_order(
    title: str, work: Work[R], shards: list[Shard], engine: Engine, *, here: Work[R]
) -> Generator[Result[R], None, None]:
    """Yield what ``work`` makes of each shard, in order; memory grows by the results of the shards that are at work.

    Args:
        title: What is being done, for the progress bar.
        work: A function that travels between processes.
        shards: The shards.
        engine: What runs it.
        here: The same for shards that are read in this process.

    Yields:
        The results; none for ranges behind the end of what can be read of a file.

    Raises:
        OutputError: A process was killed.
    """
    away = [shard for shard in shards if shard.held is None]
    is_of_this_machine = engine._replace(jobs=1).is_single
    if engine.is_single or (is_of_this_machine and len(away) < 2):
        away = []
    chain = _Chain()
    with (
        bytes_done(title, sum(s.size_bytes for s in shards)) as add,
        closing(run_shards(work, away, engine)) as results,
    ):
        for shard in shards:
            value, seen = _next(results, shard) if away and shard.held is None else here(shard)
            add(shard.size_bytes)
            if shard.span is None:
                yield Result(value, 0, shard)
                continue
            if not shard.span.start:
                chain = _Chain()
            if chain.is_followed_by(seen):
                yield Result(value, chain.last_number, shard)
                chain.take(seen)
            elif chain.is_torn(shard, seen):
                rest = shard._replace(span=None, skip=chain.entries)
                yield Result(here(rest)[0], 0, rest)
                chain.end = None


def _next(results: Iterator[tuple[R, Seen]], shard: Shard) -> tuple[R, Seen]:
    try:
        return next(results)
    except OutputError as error:
        raise OutputError(f"{shard.place}: {error}") from error
    except Exception as error:
        error.add_note(f"in {shard.place}")
        raise
