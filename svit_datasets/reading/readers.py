"""Read native SVIT files as a stream of records: JSON array, JSON lines, ``.gz``, ``.zip``, standard input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from svit_datasets.errors import InputError, UsageError, choose
from svit_datasets.findings import Finding
from svit_datasets.kernels.available import use_kernels
from svit_datasets.reading.containers import Source, fault_error, open_source
from svit_datasets.reading.diagnosis import MAX_DIGITS, has_more_keys, refuse_duplicate_keys
from svit_datasets.reading.runs import Run, Take
from svit_datasets.reading.split import Ends, split
from svit_datasets.records import (
    TASKS,
    Conversation,
    ConversationWithExtra,
    NativeRecord,
    NativeRecordWithExtra,
    TaskName,
    Turn,
    TurnWithExtra,
    find_task,
)

T = TypeVar("T")
DEFAULT_MAX_RECORD_MB = 64


class Item(Struct, Generic[T], frozen=True):
    """One element of a file: its number from 1, its bytes, and the record or the fault.

    Where runs are taken, ``run`` has several elements in place of one, and ``number`` is that of the first.
    """

    number: int
    raw: bytes | memoryview
    record: T | None = None
    fault: Finding | None = None
    run: Run | None = None


class _LenientTurn(Struct):
    role: str = msgspec.field(name="from")
    value: str


class _LenientConversation(Struct):
    content: list[_LenientTurn]
    topic: str | None = None


class _LenientRecord(Struct):
    image_id: int
    conversations: list[_LenientConversation]


LINE_BREAK = re.compile(rb"[ \t\r]*+[\r\n][ \t\r\n]*+")
_ID = re.compile(rb'"(?:image_id|id)"\s*+:\s*+("[^"\\]{0,80}"|[-+.0-9a-zA-Z]{1,40}+)')
_STRICT = msgspec.json.Decoder(NativeRecord)
_LENIENT = msgspec.json.Decoder(_LenientRecord)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[dict[str, Raw]])


def decode_native(raw: bytes | memoryview) -> NativeRecord:
    """Decode one native record; unknown keys are kept at every level, as raw JSON text.

    Args:
        raw: The record's JSON text.

    Returns:
        The record.

    Raises:
        msgspec.DecodeError: Not JSON, or (``msgspec.ValidationError``) not of this shape.
        UnicodeDecodeError: Not UTF-8.
        DuplicateKeyError: A key stands twice in one object.
        HugeNumberError: An unknown key holds a number of over 4,300 digits.

    >>> decode_native(b'{"image_id": 5, "conversations": [], "n": 1.50}').extra
    {'n': <msgspec.Raw object at ...>}
    """
    try:
        record = _STRICT.decode(raw)
    except msgspec.ValidationError:
        if b'"image_id"' not in bytes(raw) and b'"human"' in bytes(raw):
            message = "Expected a native record, got a LLaVA one (svit-convert from-llava converts it)"
            raise msgspec.ValidationError(message) from None
        _LENIENT.decode(raw)  # raises again where more than unknown keys is wrong, with the full path
        refuse_duplicate_keys(raw, max_digits=MAX_DIGITS)
        str(raw, "utf-8")
        return _with_extra(raw)
    if has_more_keys(raw, _expected_keys(record)):
        refuse_duplicate_keys(raw)
    return record


def known_part(raw: bytes) -> Any:
    """Return a native record without its unknown keys, as plain objects, to hold against the schema.

    >>> known_part(b'{"image_id": 5, "conversations": [], "n": 1e999}')
    {'image_id': 5, 'conversations': []}
    """
    return msgspec.to_builtins(_LENIENT.decode(raw))


def _with_extra(raw: bytes | memoryview) -> NativeRecord:
    # A line break in JSON text is always between tokens; without them a record fits a line wherever it goes.
    top = _OBJECT.decode(LINE_BREAK.sub(b" ", raw))
    image_id = msgspec.json.decode(top.pop("image_id"), type=int)
    conversations = [_conversation(c) for c in _ARRAY.decode(top.pop("conversations"))]
    return NativeRecordWithExtra(image_id, conversations, top) if top else NativeRecord(image_id, conversations)


def _conversation(parts: dict[str, Raw]) -> Conversation:
    content = [_turn(t) for t in _ARRAY.decode(parts.pop("content"))]
    topic = msgspec.json.decode(parts.pop("topic"), type=str | None) if "topic" in parts else msgspec.UNSET
    return ConversationWithExtra(content, topic, parts) if parts else Conversation(content, topic)


def _turn(parts: dict[str, Raw]) -> Turn:
    role = msgspec.json.decode(parts.pop("from"), type=str)
    value = msgspec.json.decode(parts.pop("value"), type=str)
    return TurnWithExtra(role, value, parts) if parts else Turn(role, value)


def _expected_keys(record: NativeRecord) -> int:
    counts = [(1 if c.topic is msgspec.UNSET else 2) + 2 * len(c.content) for c in record.conversations]
    return 2 + sum(counts)


def read_items(
    source: Source,
    decode: Callable[[bytes | memoryview], T],
    *,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
    base: int = 0,
    ends: Ends | None = None,
    is_lines: bool = False,
    take: Take | None = None,
    stop: int | None = None,
) -> Iterator[Item[T]]:
    """Yield every element of an open source, decoded, faults in their places.

    A fault that ends the file is the last item; the archive's own faults come as one too.

    Args:
        source: The open input.
        decode: Decodes one element.
        max_record_mb: Largest element, in MiB.
        base: See ``split``.
        ends: Likewise.
        is_lines: Likewise.
        take: Likewise.
        stop: Likewise.

    Yields:
        The elements, in order.
    """
    number = 0
    try:
        limit = max_record_mb << 20
        for value in split(
            source.read, decode, limit=limit, base=base, ends=ends, is_lines=is_lines, take=take, stop=stop
        ):
            if value.run is not None:
                number = value.number + value.run.count - 1
                yield Item(value.number, b"", run=value.run)
                continue
            number, fault = value.number, value.fault
            if fault is not None:
                fault = fault.at(file=source.name, record=number, id=_image_id(value.raw))
            yield Item(number, value.raw, value.value, fault)
    except InputError as error:
        if error.finding is None:
            raise
        yield Item(number, b"", None, error.finding.at(record=number))


def plain_taker(source: Source, *, max_record_mb: int = DEFAULT_MAX_RECORD_MB) -> Take | None:
    """Return what takes runs of plain native records from an input, for ``read_items``; they are ``NativeRun``.

    Args:
        source: The open input.
        max_record_mb: Largest element, in MiB.

    Returns:
        The function; None where the input is small, or kernels are switched off or cannot be compiled.
    """
    if not use_kernels(source.text_bytes or source.total_bytes):
        return None
    from svit_datasets.kernels.forward.scan import native_scanner

    return native_scanner(max_record_mb << 20)


def _image_id(raw: bytes | memoryview) -> str:
    """Return the id of a record that may not decode, for its message."""
    match = _ID.search(raw)
    return match[1].decode("ascii", "replace").strip('"') if match else ""


def task_of(name: str | Path, task: str | None = None) -> TaskName:
    """Return the task of a native file: ``task`` if given, else what the file's stem says.

    Args:
        name: Path of the file; ``.zip``, ``.gz``, ``.json`` and ``.jsonl`` are taken off.
        task: A file stem or config name.

    Returns:
        The task.

    Raises:
        UsageError: Neither says it.

    >>> task_of("data/referring_qa.json.gz"), task_of("x.json", "detail")
    ('referring_qa', 'detail_description')
    """
    stem = Path(name).name.split(".")[0]
    found = find_task(stem if task is None else task)
    if found is None:
        known = ", ".join(TASKS)
        said = f"{name}: the file name does not say the task" if task is None else f"no task is called {task!r}"
        raise UsageError(f"{said}; pass --task with one of {known}")
    return found


def read(
    path: str | Path,
    *,
    on_error: Literal["raise", "skip"] = "raise",
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
    found: list[Finding] | None = None,
) -> Iterator[NativeRecord]:
    """Yield the records of a native SVIT file, one at a time; memory does not grow with the file.

    Args:
        path: A JSON array or JSON lines, plain, ``.gz`` or a ``.zip`` with one JSON inside; ``-`` is standard
            input.
        on_error: ``raise`` stops at the first faulty record, ``skip`` leaves it out.
        max_record_mb: Largest record, in MiB.
        found: A list that every fault and note is added to.

    Yields:
        The records, in order.

    Raises:
        InputError: The file as a whole cannot be used.
        RecordError: A record is at fault and ``on_error`` is ``raise``.
    """
    choose("on_error", on_error, ("raise", "skip"))
    with open_source(path) as source:
        for item in read_items(source, decode_native, max_record_mb=max_record_mb):
            if item.record is not None:
                yield item.record
            if item.fault is None:
                continue
            if found is not None:
                found.append(item.fault)
            if item.fault.severity == "error" and on_error == "raise":
                raise fault_error(item.fault)
