"""Lay records into a temporary SQLite database, one at a time, so that any of them can be shown at once."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from svit_datasets import grounding
from svit_datasets.errors import OutputError
from svit_datasets.findings import Finding
from svit_datasets.reading.entries import Entry
from svit_datasets.viewer.filters import NO_TASK, fold
from svit_datasets.viewer.segments import to_plain

_BEFORE_MARK = re.compile(r" +(?=[?.,;:!])")  # what a box leaves behind
_AT_ONCE, _BYTES_AT_ONCE = 500, 4 << 20  # records a statement, and how long they are together
OPENING_LIMIT = 160
_TABLES = """
CREATE TABLE record (
    number INTEGER PRIMARY KEY, file TEXT NOT NULL, place INTEGER NOT NULL, layout TEXT NOT NULL, task TEXT NOT NULL,
    id TEXT NOT NULL, image_id TEXT, image TEXT, width INTEGER, height INTEGER, opening TEXT NOT NULL,
    badges TEXT NOT NULL, is_readable INTEGER NOT NULL
);
CREATE TABLE body (number INTEGER PRIMARY KEY, raw BLOB NOT NULL, findings BLOB NOT NULL);
CREATE TABLE words (number INTEGER PRIMARY KEY, folded BLOB NOT NULL);
CREATE TABLE found (code TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (code, number)) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX record_task ON record (task);
CREATE INDEX record_id ON record (id);
CREATE INDEX record_image_id ON record (image_id) WHERE image_id IS NOT NULL;
CREATE INDEX record_image ON record (image) WHERE image IS NOT NULL;
"""
_SETTINGS = "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"


class Rows(NamedTuple):
    """What one record puts into the tables ``record``, ``body``, ``words`` and ``found``."""

    record: tuple[Any, ...]
    body: tuple[int, bytes, bytes]
    words: tuple[int, bytes]
    found: list[tuple[str, int]]


def build_index(path: Path, examined: Iterable[tuple[Entry, list[Finding]]]) -> int:
    """Write an index; memory does not grow with the number of records.

    Args:
        path: The database to make.
        examined: Records with their findings, in order.

    Returns:
        How many records it has.

    Raises:
        OutputError: There is no room for it.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.executescript(_SETTINGS + _TABLES)
            database.execute("BEGIN")
            count = 0
            for batch in to_batches(examined):
                _insert(database, batch)
                count = batch[-1].body[0]
            database.execute("COMMIT")
            database.executescript(f"{_INDEXES}ANALYZE;")
            return count
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        message = f"{path.parent}: {error}; the index of the records needs room there. Make room or set TMPDIR"
        raise OutputError(message) from error


def to_batches(examined: Iterable[tuple[Entry, list[Finding]]]) -> Iterator[list[Rows]]:
    """Yield the rows of records in batches that fit into memory, however long the records are.

    Args:
        examined: Records with their findings, in order.

    Yields:
        The rows of at most 500 records; of fewer, once they come to 4 MiB.

    >>> entries = [Entry("a.json", n, "native", raw=b" " * (3 << 20)) for n in (1, 2, 3)]
    >>> [len(batch) for batch in to_batches((entry, []) for entry in entries)]
    [2, 1]
    """
    batch: list[Rows] = []
    length = 0
    for number, (entry, found) in enumerate(examined, 1):
        batch.append(to_rows(number, entry, found))
        length += len(entry.raw) + len(batch[-1].body[2])
        if len(batch) == _AT_ONCE or length >= _BYTES_AT_ONCE:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


def _insert(database: sqlite3.Connection, batch: list[Rows]) -> None:
    database.executemany(f"INSERT INTO record VALUES ({', '.join('?' * 13)})", (rows.record for rows in batch))
    database.executemany("INSERT INTO body VALUES (?, ?, ?)", (rows.body for rows in batch))
    database.executemany("INSERT INTO words VALUES (?, ?)", (rows.words for rows in batch))
    database.executemany("INSERT INTO found VALUES (?, ?)", (pair for rows in batch for pair in rows.found))


def to_rows(number: int, entry: Entry, found: list[Finding]) -> Rows:
    """Return what a record puts into the tables.

    Args:
        number: Its number among the records of all inputs, from 1.
        entry: The record.
        found: Its findings.

    Returns:
        The rows.

    >>> to_rows(7, Entry("a.json", 3, "native", "5", "referring_qa", 5, raw=b"{}"), []).record
    (7, 'a.json', 3, 'native', 'referring_qa', '5', '5', None, None, None, '', '', 1)
    """
    if entry.fault is not None and not any(one.code == entry.fault.code for one in found):
        found = [entry.fault, *found]
    severities = {finding.code: finding.severity for finding in found}
    width, height = entry.size_wh or (None, None)
    words = list(_words(entry))
    record = (
        number,
        to_utf8(entry.file),
        entry.number,
        entry.layout,
        entry.task or NO_TASK,
        to_utf8(entry.id),
        None if entry.image_id is None else str(entry.image_id),
        entry.image if entry.image is None else to_utf8(entry.image),
        width,
        height,
        shorten("\n".join(words)) or (to_utf8(entry.fault.found) if entry.fault else ""),
        " ".join(f"{severity}:{code}" for code, severity in severities.items()),
        int(entry.fault is None),
    )
    body = (number, zlib.compress(entry.raw, 1), _encode(found))
    shown = fold("\n".join(map(to_plain, words)))
    return Rows(record, body, (number, shown), [(code, number) for code in severities])


def _words(entry: Entry) -> Iterator[str]:
    """Yield the turns, then the topics: the first words of a record are its first question's."""
    for conversation in entry.conversations:
        yield from (turn.value for turn in conversation.content)
    for conversation in entry.conversations:
        if isinstance(conversation.topic, str):
            yield conversation.topic


def shorten(text: str, *, limit: int = OPENING_LIMIT) -> str:
    """Return the first words of a text on one line, without marks, boxes and the image token.

    >>> shorten("<image>\\nWhat is the <st>red dog<ed> [0, 0, 1, 1] doing there?", limit=24)
    'What is the red dog doi\u2026'
    """
    head = text[: 3 * limit].replace("<image>", "")
    is_grounded = grounding.is_grounded(head)
    line = " ".join((grounding.rewrite(head, _keep_phrase) if is_grounded else head).split())
    line = _BEFORE_MARK.sub("", line) if is_grounded else line
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}\u2026"


def _keep_phrase(phrase: str | None, _gap: str, _boxes: str) -> str:
    return phrase or ""


def to_utf8(text: str) -> str:
    """Return text that UTF-8 can hold; a file's name may have bytes that it cannot.

    >>> to_utf8("a\\udcff.json")
    'a?.json'
    """
    return text.encode("utf-8", "replace").decode()


def _encode(found: list[Finding]) -> bytes:
    try:
        return msgspec.json.encode(found)
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        return msgspec.json.encode([_clean(one) for one in found])


def _clean(found: Finding) -> Finding:
    parts = {name: getattr(found, name) for name in found.__struct_fields__}
    return msgspec.structs.replace(found, **{name: to_utf8(v) for name, v in parts.items() if isinstance(v, str)})
