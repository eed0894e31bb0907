"""The records as a set: copies, ids and questions that come again, test images in training data."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import msgspec

from svit_datasets.converters.llava_layout import strip_sentence
from svit_datasets.entries import Entry
from svit_datasets.findings import Finding, finding, quote
from svit_datasets.validation.first_seen import FirstSeen
from svit_datasets.validation.layouts import PROFILES, values_of
from svit_datasets.visual_genome import is_held_out

_FILE_BITS = 40  # a place is the file's number above these bits, the record's below


class SetRules:
    """Checks records against those that came before; memory grows by 16 bytes a record and LLaVA question."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._records, self._ids, self._questions = FirstSeen(), FirstSeen(), FirstSeen()

    def check(self, entry: Entry, values: list[str] | None = None) -> Iterator[Finding]:
        """Yield what a record repeats, and whether its image is held out.

        Args:
            entry: The record; each may be checked once.
            values: Its texts where they are question and answer in turn, to be quick; None else.

        Yields:
            Findings without file, record number and id.
        """
        if entry.fault is not None:
            return
        is_native = PROFILES[entry.layout].is_native
        is_copy = yield from self._check_copy(entry, values)
        if is_native:
            if values is None or _asks_again(values[::2]):
                yield from _repeated_inside(entry)
        elif not is_copy and entry.image:
            yield from self._check_questions(entry)
        if entry.image_id is not None and is_held_out(entry.image_id):
            found = f"image {entry.image_id}, which SVIT holds out for testing"
            yield finding("image-held-out", found, path="$.image_id" if is_native else "$.image")

    def _check_copy(self, entry: Entry, values: list[str] | None) -> Generator[Finding, None, bool]:
        """Yield whether a record is a copy, or else shares its id; return whether it is a copy."""
        place = self._place(entry)
        first = self._records.add(_digest(entry, values), place) if entry.conversations else None
        is_native = PROFILES[entry.layout].is_native
        group = (entry.task or entry.file) if is_native else entry.layout
        named = self._ids.add(hash((group, entry.id)), place) if entry.id else None
        if first is not None:
            yield finding("duplicate-record", f"the same as {self._told(first)}", path="$")
        elif named is not None:
            found = f"id {quote(entry.id)}, as {self._told(named)}"
            fault = finding("duplicate-id", found, path="$.image_id" if is_native else "$.id")
            yield fault if is_native else msgspec.structs.replace(fault, severity="note")  # no trainer reads it
        return first is not None

    def _check_questions(self, entry: Entry) -> Iterator[Finding]:
        place = self._place(entry)
        for path, question in _questions(entry):
            first = self._questions.add(hash((entry.image, question)), place)
            if first is not None:
                found = f"{quote(question)}, asked of {entry.image} in {self._told(first)}"
                yield finding("duplicate-question", found, path=path)

    def _place(self, entry: Entry) -> int:
        if not self._files or self._files[-1] != entry.file:
            self._files.append(entry.file)
        return (len(self._files) - 1) << _FILE_BITS | entry.number

    def _told(self, place: int) -> str:
        number, file = place & ((1 << _FILE_BITS) - 1), self._files[place >> _FILE_BITS]
        return f"{file}:{number}"


def _asks_again(questions: list[str]) -> bool:
    """Tell whether a question comes again; a formatting sentence ends with a full stop."""
    return len({q if q[-1:] == "?" else strip_sentence(q) for q in questions}) < len(questions)


def _digest(entry: Entry, values: list[str] | None) -> int:
    """Return a hash of what a record trains on: its image and its texts."""
    image = entry.image_id if entry.image is None else entry.image
    if values is None:
        values = [value for c in entry.conversations for value in values_of(entry, c)]
    return hash((image, len(entry.conversations), *values))


def _questions(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield JSON path and text of every question, without ``<image>`` and formatting sentence."""
    profile = PROFILES[entry.layout]
    for i, conversation in enumerate(entry.conversations):
        path, values = profile.path(i), values_of(entry, conversation)
        for j, turn in enumerate(conversation.content):
            if turn.role == profile.roles[0]:
                question = strip_sentence(values[j])
                if question.strip():
                    yield f"{path}[{j}].value", question


def _repeated_inside(entry: Entry) -> Iterator[Finding]:
    """Yield the questions that a native record asks again: all of one image and task."""
    asked: dict[str, str] = {}
    for path, question in _questions(entry):
        first = asked.setdefault(question, path)
        if first != path:
            yield finding("duplicate-question", f"{quote(question)}, as at {first}", path=path)
