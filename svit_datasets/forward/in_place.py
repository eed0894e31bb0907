"""A conversion whose shards write straight to their places in the output, at the same time: nothing is written twice.

What stands before a shard, and where its rows begin, it learns from the shard before it, while both are at work. That
needs one machine, an output that is a file of it, and no parts that are to be kept for a later run.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

import msgspec

from svit_datasets.engines.engine import Engine, run_shards
from svit_datasets.errors import SvitError
from svit_datasets.findings import Finding
from svit_datasets.forward.in_place_work import TURNS_FILE, Output, Placed, PlaceJob, convert_in_place
from svit_datasets.forward.pieces import Piece, Rules
from svit_datasets.progress import bytes_done
from svit_datasets.report import Report
from svit_datasets.sharding.folder import Part
from svit_datasets.writing.row_writer import RowWriter
from svit_datasets.writing.writers import OutputFile

SHARD_BYTES = 8 << 20  # the last shards end at about the same time where they are small
_MOST_KEPT_BYTES = 32 << 20  # of the text of a shard that is kept between its two passes


class InPlace:
    """A conversion in place.

    Args:
        pieces: The shards.
        rules: How they are converted.
        engine: What runs them.
        key: Of the run.
        files: The rows' file and the sidecar's, where there is one; nothing was written to them yet.
    """

    def __init__(
        self, pieces: Sequence[Piece], rules: Rules, engine: Engine, key: str, files: Sequence[OutputFile]
    ) -> None:
        self._pieces, self._rules, self._engine, self._key, self._files = pieces, rules, engine, key, files

    def open_folder(self) -> tempfile.TemporaryDirectory[str]:
        """Return a folder for what the shards tell each other, and their findings, where the output has its room."""
        beside = self._files[0].local
        return tempfile.TemporaryDirectory(prefix=".svit-", dir=None if beside is None else beside.part.parent)

    def convert(self, own: str, writer: RowWriter, made: Report) -> bool:
        """Convert everything; tell whether that was possible. If not, nothing has happened.

        Args:
            own: The empty folder that ``open_folder`` made.
            writer: Takes account of what was written.
            made: Takes the counts and findings.

        Raises:
            SvitError: The first fault of all shards.
        """
        Path(own, TURNS_FILE).touch()
        done: list[Part] = []
        counts: Counter[str] = Counter()
        fault: SvitError | None = None
        try:
            for result, fault in self._results(own):
                if result.is_odd:
                    self._empty()
                    return False
                counts.update(result.counts)
                done += [result.notes] if result.notes else []
                if fault is not None:
                    break
        except SvitError as error:  # what was found before it is told too
            fault = error
        made.counts.update(counts)
        for found in _findings(own, done):
            made.add(found)
        if fault is not None:
            raise fault
        made.shards = len(self._pieces)
        self._pass_over(result, writer)
        return True

    def _results(self, folder: str) -> Iterator[tuple[Placed, SvitError | None]]:
        outputs = tuple(Output(file.name, file.local.part) for file in self._files if file.local)
        jobs = [
            PlaceJob(place, piece, self._rules, self._key, folder, outputs, fits)
            for place, (piece, fits) in enumerate(_with_fits(self._pieces))
        ]
        with (
            bytes_done("converting", len(jobs)) as add,
            closing(run_shards(convert_in_place, jobs, self._engine)) as run,
        ):
            for result in run:
                yield result
                add(1)

    def _pass_over(self, last: Placed, writer: RowWriter) -> None:
        for file, end in zip(self._files, last.ends, strict=True):
            file.pass_over(end.byte)
        writer.pass_over(*(end.elements for end in last.ends))

    def _empty(self) -> None:
        for file in self._files:
            if file.local:
                os.truncate(file.local.part, 0)


def _with_fits(pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bool]]:
    """Yield the shards, with whether each fits memory; of a file that was not cut nobody knows."""
    for _, several in groupby(pieces, key=lambda piece: piece.number):
        of_one = list(several)
        fits = of_one[0].stop is not None and of_one[0].stop <= _MOST_KEPT_BYTES
        yield from ((piece, fits) for piece in of_one)


def _findings(folder: str, parts: Sequence[Part]) -> Iterator[Finding]:
    for part in parts:
        if part.count:
            with Path(folder, part.name).open("rb") as lines:
                for line in lines:
                    yield msgspec.convert(json.loads(line), Finding)
