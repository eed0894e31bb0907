"""What becomes of an entry in LLaVA's trainer: the record that it reads, walked, and measured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from svit_datasets.converters.llava import to_row
from svit_datasets.converters.llava_layout import IMAGE_TOKEN, ROLE_OF, Options
from svit_datasets.findings import Finding, finding
from svit_datasets.reading.entries import Entry
from svit_datasets.records import Conversation, HubRecord, TaskName
from svit_datasets.validation.layouts import PROFILES
from svit_datasets.validation.lengths import Lengths, check_length
from svit_datasets.validation.record_rules import Coordinates
from svit_datasets.validation.trainer import ANSWER_BEGINS, Walked, walk

_ANY_TASK: TaskName = "conversation"
_HALF = re.compile("[\ud800-\udfff]")
_HEAD_BYTES = 4096
_HEADS = {
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip file",
    b"\xef\xbb\xbf": "a byte-order mark in front",
    b"{": "JSON lines, or a single object",
}


def records_of(entry: Entry, coordinates: Coordinates = "padded") -> Iterator[tuple[str, Any]]:
    """Yield what the trainer would read of an entry: a LLaVA record itself, a native one as ``to-llava`` writes it.

    Args:
        entry: The record.
        coordinates: Frame that ``to-llava`` would move boxes to; without the image's size they stay where they are.

    Yields:
        JSON path that stands for the record's ``$.conversations``, and the record as plain objects.

    Raises:
        ValueError: The loader's own ``json`` cannot read it.
        RecursionError: Likewise.

    >>> from svit_datasets.records import Turn
    >>> conversation = Conversation([Turn("user", "Why?"), Turn("gpt", "So.")])
    >>> [(path, record["conversations"][0]) for path, record in records_of(
    ...     Entry("a.json", 1, "native", "5", conversations=[conversation]))]
    [('$.conversations[0].content', {'from': 'human', 'value': '<image>\\nWhy?'})]
    """
    profile = PROFILES[entry.layout]
    if not profile.is_native:
        yield "$.conversations", json.loads(bytes(entry.raw))
        return
    for i, conversation in enumerate(entry.conversations):
        yield profile.path(i), _as_written(entry, i, conversation, coordinates)


def _as_written(entry: Entry, number: int, conversation: Conversation, coordinates: Coordinates) -> Any:
    """Return a native conversation as a LLaVA record, also where ``to-llava`` would refuse it."""
    hub = HubRecord(
        task=entry.task or _ANY_TASK,
        image_id=entry.image_id or 0,
        record_index=0,
        conversation_index=number,
        conversation=conversation,
        image=f"{entry.id}.jpg",
        size_wh=entry.size_wh,
    )
    options = Options(coordinates=coordinates if entry.size_wh else "original", provenance="none")
    row = to_row(hub, options).row
    if row is not None:
        return row
    texts = [f"{IMAGE_TOKEN}\n{t.value}" if not j else t.value for j, t in enumerate(conversation.content)]
    turns = [
        {"from": ROLE_OF.get(t.role, t.role), "value": text}
        for t, text in zip(conversation.content, texts, strict=True)
    ]
    return {"image": hub.image, "conversations": turns}


def check_trainer(entry: Entry, lengths: Lengths, coordinates: Coordinates = "padded") -> Iterator[Finding]:
    """Yield what becomes of an entry in the trainer, with its whole place.

    Args:
        entry: The record.
        lengths: How long a prompt may be.
        coordinates: As in ``records_of``.
    """
    try:
        for path, record in records_of(entry, coordinates):
            walked = walk(record)
            for fault in [*walked.found, *_measured(walked, lengths)]:
                placed = msgspec.structs.replace(fault, path=fault.path.replace("$.conversations", path, 1))
                yield placed.at(file=entry.file, record=entry.number, id=entry.id)
    except (ValueError, RecursionError) as error:
        text = f"what its json cannot read: {str(error).lower()}, so that the whole file fails"
        yield finding("trainer-crash", text, path="").at(file=entry.file, record=entry.number, id=entry.id)


def _measured(walked: Walked, lengths: Lengths) -> Iterator[Finding]:
    """Yield what takes a prompt's length: whether it is masked, whether it is too long."""
    if not walked.pieces:
        return
    prompt, path = "".join(walked.pieces), "$.conversations"
    half = _HALF.search(prompt)
    if half:
        yield finding("trainer-crash", f"half a character, {half[0]!a}: the tokenizer stops at it", path=path)
        return
    reason = walked.masked
    if not lengths.is_surely_below(prompt):
        reason = _reason(walked, lengths)
        too_long = check_length(walked.pieces, lengths, has_image=walked.has_image)
        yield from [too_long.at(path=path)] if too_long else []
    if reason:
        yield finding("trainer-zero-tokens", reason, path=path)


def _reason(walked: Walked, lengths: Lengths) -> str:
    """Return why a long prompt is not trained on; '' where some of it is.

    Lengths are compared below ``model_max_length`` alone, and no answer behind it is left.
    """
    if walked.masked and lengths.tokens(walked.read, has_image=walked.has_image, image_tokens=1) < lengths.limit:
        return walked.masked
    first, _, _ = "".join(walked.pieces).partition(ANSWER_BEGINS)
    asked = lengths.tokens(first + ANSWER_BEGINS, has_image=walked.has_image, image_tokens=lengths.image_tokens)
    return f"{asked:,} tokens before the first answer" if asked >= lengths.limit else ""


def check_file(name: str) -> Finding | None:
    """Return why the trainer cannot read a file at all: it takes one plain JSON list.

    Args:
        name: Path of the file.

    Returns:
        A finding, None where it begins like a list.
    """
    with Path(name).open("rb") as file:
        head = file.read(_HEAD_BYTES)
    found = next((text for begins, text in _HEADS.items() if head.lstrip().startswith(begins)), "")
    mend = "write one plain JSON list, as to-llava does"
    return finding("trainer-crash", found, file=name, expected="a plain JSON list", mend=mend) if found else None
