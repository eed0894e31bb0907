"""Look records up in the index: which ones a filter leaves, a page of them, one in full."""

from __future__ import annotations

import sqlite3
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding
from svit_datasets.reading.entries import Layout
from svit_datasets.viewer.filters import Filter, to_sql
from svit_datasets.viewer.shapes import Badge, Counted, Facts, Line, Listing

PAGE_SIZE = 50
_FINDINGS = msgspec.json.Decoder(list[Finding])
_LINE = "number, file, place, id, task, opening, badges"


class Stored(NamedTuple):
    """One record as the index holds it.

    Attributes:
        number: Its number among the records of all inputs, from 1.
        file: The input that it stands in.
        place: Its number there, from 1; 0 for a fault of the whole file.
        layout: ``native`` or ``llava``.
        task: Its task, or ``none``.
        id: Image id of a native record, id of a LLaVA record.
        image_id: Visual Genome's id of its image; None for another image, or none.
        image: The image path that a LLaVA record tells.
        size_wh: Size of the image in stored pixels, where a table's row tells it.
        is_readable: Whether it could be read.
        raw: Its JSON text.
        findings: What is wrong with it.
    """

    number: int
    file: str
    place: int
    layout: Layout
    task: str
    id: str
    image_id: int | None
    image: str | None
    size_wh: Size | None
    is_readable: bool
    raw: bytes
    findings: list[Finding]


class Index:
    """An index that ``build_index`` wrote, for reading from any thread.

    Args:
        path: The database.
    """

    def __init__(self, path: Path) -> None:
        self._address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        self.select = lru_cache(maxsize=32)(self._select)
        self.facts = lru_cache(maxsize=1)(self._facts)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._address, uri=True)) as database:
            yield database

    def _select(self, asked: Filter) -> array[int]:
        """Return the numbers of the records that a filter leaves, ascending; the last few answers are kept."""
        statement, values = to_sql(asked)
        with self._open() as database:
            return array("L", (number for (number,) in database.execute(statement, values)))

    def page(self, asked: Filter, *, page: int = 0, around: int | None = None) -> Listing:
        """Return one page of the records that a filter leaves.

        Args:
            asked: The filter.
            page: Which page, from 0; the last one where there are not that many.
            around: Number of a record whose page is wanted; ``page`` counts where the filter does not leave it.

        Returns:
            The page.
        """
        numbers = self.select(asked)
        place = find_place(numbers, around)
        last = max(0, (len(numbers) - 1) // PAGE_SIZE)
        page = min(max(0, page), last) if place is None else place // PAGE_SIZE
        shown = numbers[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
        first = page * PAGE_SIZE + 1
        return Listing(total=len(numbers), page=page, pages=last + 1, first=first, lines=self.lines(shown))

    def lines(self, numbers: Sequence[int]) -> list[Line]:
        """Return records as the list shows them, in order; a page of them at most."""
        marks = ", ".join("?" * len(numbers))
        query = f"SELECT {_LINE} FROM record WHERE number IN ({marks}) ORDER BY number"
        with self._open() as database:
            return [_line(*row) for row in database.execute(query, tuple(numbers))]

    def get(self, number: int) -> Stored | None:
        """Return one record, None where there is none of that number."""
        query = (
            "SELECT file, place, layout, task, id, image_id, image, width, height, is_readable, raw, findings "
            "FROM record JOIN body USING (number) WHERE number = ?"
        )
        with self._open() as database:
            row = database.execute(query, (min(number, 1 << 62),)).fetchone()
        if row is None:
            return None
        file, place, layout, task, id_, image_id, image, width, height, is_readable, raw, findings = row
        return Stored(
            number,
            file,
            place,
            layout,
            task,
            id_,
            int(image_id) if image_id else None,
            image,
            (width, height) if width and height else None,
            bool(is_readable),
            zlib.decompress(raw),
            _FINDINGS.decode(findings),
        )

    def find(self, record_id: str) -> int | None:
        """Return the number of the first record with an id: an image's or a record's own, or an image path."""
        found = self.select(Filter(image_id=record_id)) if record_id else ()
        return found[0] if found else None

    def _facts(self) -> Facts:
        """Return how many records there are of each task and with each finding."""
        with self._open() as database:
            total, faulty = database.execute("SELECT count(*), coalesce(sum(badges != ''), 0) FROM record").fetchone()
            tasks = database.execute("SELECT task, count(*) FROM record GROUP BY task ORDER BY 2 DESC, 1").fetchall()
            codes = database.execute("SELECT code, count(*) FROM found GROUP BY code ORDER BY 2 DESC, 1").fetchall()
            files = database.execute("SELECT file, count(*) FROM record GROUP BY file ORDER BY min(number)").fetchall()
        return Facts(
            total=total,
            faulty=faulty,
            tasks=[Counted(*task) for task in tasks],
            codes=[Counted(*code) for code in codes],
            files=[Counted(*file) for file in files],
        )


def find_place(numbers: array[int], number: int | None) -> int | None:
    """Return where a number stands among ascending ones, None if it does not.

    >>> find_place(array("L", [2, 5, 9]), 5), find_place(array("L", [2, 5, 9]), 4)
    (1, None)
    """
    if number is None:
        return None
    place = bisect_left(numbers, number)
    return place if place < len(numbers) and numbers[place] == number else None


def _line(number: int, file: str, place: int, id_: str, task: str, opening: str, badges: str) -> Line:
    return Line(
        number=number,
        file=file,
        place=place,
        id=id_,
        task=task,
        opening=opening,
        badges=[Badge(*badge.split(":", 1)) for badge in badges.split()],
    )
