"""Structure: where a record departs from its layout's schema, every place of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from svit_datasets.check import validator
from svit_datasets.findings import Finding, finding
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.layouts import PROFILES

_SHAPE = "record-shape"


def check_structure(entry: Entry) -> list[Finding]:
    """Return why a record could not be read, or every place where it departs from its schema.

    Roles and empty lists of turns are left to the rules on turns, so that one fault is one finding.

    Args:
        entry: The record.

    Returns:
        Findings without a place in the file.

    >>> [str(f) for f in check_structure(Entry("a.json", 1, "llava", raw=b'{"image": null, "conversations": []}'))]
    ['$.image: found null is not of type "string"; expected a record that fits the schema; compare it with the schema: \
svit-convert schema native, llava-lenient or image_data [record-shape]']
    """
    fault = entry.fault
    if fault is not None and (fault.code != _SHAPE or not fault.path):
        return [fault]
    try:
        value = msgspec.json.decode(entry.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [fault] if fault else []  # a number that no float holds, under a key that is kept as text
    wrong = list(_told_here(validator(PROFILES[entry.layout].schema)(value), value))
    found = [finding(_SHAPE, message, path=path) for path, message in wrong]
    return found or ([fault] if fault else [])


def _told_here(wrong: list[tuple[str, str]], value: object) -> Iterator[tuple[str, str]]:
    """Yield what no other rule tells."""
    for path, message in wrong:
        is_role = path.endswith(".from") and "is not one of" in message
        is_no_turns = path == "$.conversations" and isinstance(value, dict) and value["conversations"] == []
        if not is_role and not is_no_turns:
            yield path, message
