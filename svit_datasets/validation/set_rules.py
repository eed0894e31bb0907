"""The records as a set: copies, ids and questions that come again, test images in training data."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import msgspec

from svit_datasets.converters.llava_layout import strip_sentence
from svit_datasets.findings import Finding, finding, quote
from svit_datasets.images.visual_genome import is_held_out
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.first_seen import FirstSeen
from svit_datasets.validation.layouts import PROFILES, values_of

FILE_BITS = 40  # a place is the file's number above these bits, the record's below
NUMBERS = (1 << FILE_BITS) - 1


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
        is_copy = yield from self._check_copy(entry, values)
        if not is_copy and asks_of_image(entry):
            yield from self._check_questions(entry)
        yield from check_alone(entry, values)

    def _check_copy(self, entry: Entry, values: list[str] | None) -> Generator[Finding, None, bool]:
        """Yield whether a record is a copy, or else shares its id; return whether it is a copy."""
        place = self._place(entry)
        first = self._records.add(hash(trained_on(entry, values)), place) if entry.conversations else None
        named = self._ids.add(hash(id_of(entry)), place) if entry.id else None
        if first is not None:
            yield same_record(self._told(first))
        elif named is not None:
            yield same_id(entry.id, self._told(named), is_native=PROFILES[entry.layout].is_native)
        return first is not None

    def _check_questions(self, entry: Entry) -> Iterator[Finding]:
        place = self._place(entry)
        for path, question in questions_of(entry):
            first = self._questions.add(hash((entry.image, question)), place)
            if first is not None:
                yield same_question(quote(question), entry.image or "", self._told(first), path=path)

    def _place(self, entry: Entry) -> int:
        if not self._files or self._files[-1] != entry.file:
            self._files.append(entry.file)
        return (len(self._files) - 1) << FILE_BITS | entry.number

    def _told(self, place: int) -> str:
        return f"{self._files[place >> FILE_BITS]}:{place & NUMBERS}"


def same_record(first: str) -> Finding:
    """Return the finding of a record that trains on what the one at the place ``first`` does."""
    return finding("duplicate-record", f"the same as {first}", path="$")


def same_id(id: str, first: str, *, is_native: bool) -> Finding:
    """Return the finding of a record that has the id of the one at the place ``first``."""
    fault = finding("duplicate-id", f"id {quote(id)}, as {first}", path="$.image_id" if is_native else "$.id")
    return fault if is_native else msgspec.structs.replace(fault, severity="note")  # no trainer reads it


def same_question(quoted: str, image: str, first: str, *, path: str) -> Finding:
    """Return the finding of a question that the record at the place ``first`` asks of the same image."""
    return finding("duplicate-question", f"{quoted}, asked of {image} in {first}", path=path)


def check_alone(entry: Entry, values: list[str] | None) -> Iterator[Finding]:
    """Yield what takes no other record: a native record's repeated questions, and whether its image is held out."""
    is_native = PROFILES[entry.layout].is_native
    if is_native and (values is None or _asks_again(values[::2])):
        yield from _repeated_inside(entry)
    if entry.image_id is not None and is_held_out(entry.image_id):
        found = f"image {entry.image_id}, which SVIT holds out for testing"
        yield finding("image-held-out", found, path="$.image_id" if is_native else "$.image")


def asks_of_image(entry: Entry) -> bool:
    """Tell whether a record's questions are held against those of other records: a LLaVA record with an image."""
    return bool(entry.image) and not PROFILES[entry.layout].is_native


def _asks_again(questions: list[str]) -> bool:
    """Tell whether a question comes again; a formatting sentence ends with a full stop."""
    return len({q if q[-1:] == "?" else strip_sentence(q) for q in questions}) < len(questions)


def trained_on(entry: Entry, values: list[str] | None) -> tuple[int | str | None, ...]:
    """Return what a record trains on: its image, how many conversations it has, and its texts."""
    image = entry.image_id if entry.image is None else entry.image
    if values is None:
        values = [value for c in entry.conversations for value in values_of(entry, c)]
    return image, len(entry.conversations), *values


def id_of(entry: Entry) -> tuple[str, str]:
    """Return a record's id, and what ids must differ in: its task or file, or the layout."""
    return (entry.task or entry.file) if PROFILES[entry.layout].is_native else entry.layout, entry.id


def questions_of(entry: Entry) -> Iterator[tuple[str, str]]:
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
    for path, question in questions_of(entry):
        first = asked.setdefault(question, path)
        if first != path:
            yield finding("duplicate-question", f"{quote(question)}, as at {first}", path=path)
