"""Conversations in any order to native records in the order of their file, on disk but for a small index."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Raw, Struct

from svit_datasets.backward.spool_index import UNKNOWN_INDEX, SpoolIndex, Stretch
from svit_datasets.backward.spool_reader import SpoolReader
from svit_datasets.records import TASKS, HubRecord, TaskName, to_native_conversation
from svit_datasets.writing.writers import encode_ascii

if TYPE_CHECKING:
    from svit_datasets.kernels.backward.block import TakenRows

_KNOWN, _INFERRED = 0, 1
_RUN_BYTES = 4 << 20
_NO_EXTRA = Raw(b"{}")
_NUMBER_OF: dict[str, int] = {task: i for i, task in enumerate(TASKS)}


class Origin(NamedTuple):
    """Where a conversation stands in the LLaVA input: file, record number from 1, id."""

    file: str
    number: int
    id: str


class _Head(Struct, array_like=True, gc=False):
    """What stands before a conversation that was converted on its own."""

    image_id: int
    extra: Raw
    id: str


class Part(NamedTuple):
    """One conversation of a regrouped record: its number in the record, native JSON text, and where it came from."""

    conversation_index: int
    conversation: Raw
    origin: Origin


class Group(NamedTuple):
    """One native record: image, unknown keys as JSON text, conversations in order, copies among them."""

    image_id: int
    extra: Raw
    parts: list[Part]


class Run(NamedTuple):
    """Some native records on which nothing is out of the ordinary, as they are written.

    Attributes:
        joined: Their JSON text, joined as in a list.
        first: That of the first.
        records: How many they are.
        conversations: How many conversations they have.
        missing: How many conversations are missing of each before its last; an array.
        groups: Gives them one by one.
    """

    joined: bytes
    first: bytes
    records: int
    conversations: int
    missing: Any
    groups: Callable[[], Iterator[Group]]


_DECODE = msgspec.json.Decoder(_Head).decode


class Regrouping:
    """Collects conversations and gives them back as native records.

    Conversations with a known place come first, in the order of their native file; those without follow in the order
    in which their images first appear. In memory are 46 bytes a conversation.

    Args:
        spool: A temporary file.
    """

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._index = SpoolIndex()
        self._first_seen: dict[tuple[str, int, int], int] = {}
        self._files: list[str] = []
        self._file_begins: list[int] = []

    def add(self, hub: HubRecord, origin: Origin) -> None:
        """Take in a conversation."""
        self._begin_file(origin.file)
        is_known = hub.record_index >= 0
        number = len(self._index)
        head = encode_ascii(_Head(hub.image_id, Raw(encode_ascii(hub.record_extra)), origin.id))
        body = encode_ascii(to_native_conversation(hub.conversation))
        self._spool.write(head)
        self._spool.write(body)
        self._index.append(
            kind=2 * _NUMBER_OF[hub.task] + (_KNOWN if is_known else _INFERRED),
            record=hub.record_index if is_known else self._appearance(hub),
            image=hash(hub.image_id) if is_known else 0,
            conversation=hub.conversation_index if hub.conversation_index >= 0 else UNKNOWN_INDEX + number,
            number=origin.number,
            head_bytes=len(head),
            body_bytes=len(body),
        )

    def add_rows(self, rows: TakenRows, file: str, number: int) -> None:
        """Take in rows that stand one behind the other in a file, the first of them as its ``number``th record."""
        self._begin_file(file)
        self._spool.write(rows.stored.tobytes())
        self._index.extend(rows, 2 * rows.tasks + _KNOWN, number)

    def __len__(self) -> int:
        return len(self._index)

    def holds(self, task: TaskName) -> bool:
        """Tell whether there are conversations of a task."""
        return self._index.holds(2 * _NUMBER_OF[task])

    def dump(self) -> bytes:
        """Return all but what is in the temporary file; see ``join``."""
        return encode_ascii([[task, str(image), copy] for task, image, copy in self._first_seen]) + self._index.dump()

    def join(self, dumped: bytes, spooled: Iterable[bytes], file: str, before: int) -> None:
        """Take in what was collected elsewhere of a file.

        Args:
            dumped: What ``dump`` gave there.
            spooled: What is in the temporary file there, in pieces.
            file: The file.
            before: How many of its records come before.
        """
        self._begin_file(file)
        for chunk in spooled:
            self._spool.write(chunk)
        end = dumped.index(b"]]") + 2 if dumped.startswith(b"[[") else len(b"[]")
        known: list[tuple[str, str, int]] = msgspec.json.decode(dumped[:end], type=list[tuple[str, str, int]])
        places = [self._appear((task, int(image), copy)) for task, image, copy in known]
        self._index.join(dumped[end:], np.array(places, np.int64), before)

    def _begin_file(self, file: str) -> None:
        if not self._files or self._files[-1] != file:
            self._files.append(file)
            self._file_begins.append(len(self._index))

    def _appearance(self, hub: HubRecord) -> int:
        return self._appear((hub.task, hub.image_id, hub.copy))

    def _appear(self, image: tuple[str, int, int]) -> int:
        return self._first_seen.setdefault(image, len(self._first_seen))

    def records(self, task: TaskName) -> Iterator[Group | Run]:
        """Yield the native records of a task, in order; those on which nothing is odd in runs."""
        self._spool.flush()
        reader = SpoolReader(self._spool)
        for stretch in self._index.stretches(2 * _NUMBER_OF[task], _RUN_BYTES):
            if stretch.is_ready:
                yield self._run(stretch, reader)
            else:
                yield from self._groups(stretch, reader)

    def _run(self, stretch: Stretch, reader: SpoolReader) -> Run:
        from svit_datasets.kernels.backward.join import RECORD_BYTES, join_records

        entries, firsts = stretch.entries, stretch.firsts
        pieces = reader.read_all(*self._index.bodies(entries))
        images = self._index.images(entries[firsts[:-1]])
        size = int((pieces.ends - pieces.begins).sum()) + len(entries) + RECORD_BYTES * len(images)
        out = np.empty(size, np.uint8)
        first, end = join_records(*pieces, firsts, images, out)
        joined = out[:end].tobytes()
        return Run(
            joined, joined[:first], len(images), len(entries), stretch.missing, lambda: self._groups(stretch, reader)
        )

    def _groups(self, stretch: Stretch, reader: SpoolReader) -> Iterator[Group]:
        entries, firsts = stretch.entries.tolist(), stretch.firsts.tolist()
        for begin, end in itertools.pairwise(firsts):
            loaded = [self._load(entry, reader) for entry in entries[begin:end]]
            head = loaded[0][0]
            yield Group(head.image_id, head.extra, [part for _, part in loaded])

    def _load(self, entry: int, reader: SpoolReader) -> tuple[_Head, Part]:
        begin, body, end = self._index.place(entry)
        image_id, conversation, number = self._index.keys(entry)
        data = reader.read(begin, end)
        written = data[: body - begin]
        is_ready = self._index.is_ready(entry)
        head = _Head(image_id, _NO_EXTRA, written.decode()) if is_ready else _DECODE(written)
        file = self._files[bisect_right(self._file_begins, entry) - 1]
        return head, Part(conversation, Raw(data[body - begin :]), Origin(file, number, head.id))
