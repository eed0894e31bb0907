"""What the tests of ``from_llava`` with ``resume`` share: stop a run after some shards, and all that a run leaves."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from svit_datasets import SvitWarning, from_llava
from svit_datasets.backward import shards as backward_shards


@contextmanager
def counted(stop: int | None = None) -> Iterator[list[int]]:
    """Give the numbers of the shards that are sorted out; be interrupted, as Ctrl-C does, when so many are."""
    numbers: list[int] = []
    real = backward_shards.sort_out

    def sort_out(job: Any, shard: Any, **given: Any) -> Any:
        if shard.known is None:
            if len(numbers) == stop:
                raise KeyboardInterrupt
            numbers.append(shard.number)
        return real(job, shard, **given)

    with mock.patch.object(backward_shards, "sort_out", sort_out):
        yield numbers


@contextmanager
def starting_over(stage: Path | str, *, is_said: bool = True) -> Iterator[None]:
    """Expect the one warning that what is kept is another run's, or none at all."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", SvitWarning)
        yield
    over = f"{stage}: parts of another run, by its options, inputs or version; starting over"
    assert [str(warning.message) for warning in told if warning.category is SvitWarning] == [over] * is_said


def written(folder: str, **given: Any) -> tuple[Any, ...]:
    """Return what a run writes and reports."""
    made = from_llava("in.json", folder, rest=f"{folder}/rest.json", report="report.json", overwrite=True, **given)
    report = json.loads(Path("report.json").read_bytes())
    named = {Path(name).name: count for name, count in report.pop("outputs").items()}
    files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return files, named, report, made.first, made.counts, made.inferred
