"""Explain one kind of finding, or one record, at length."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from svit_datasets.check import explain
from svit_datasets.errors import UsageError
from svit_datasets.findings import printable
from svit_datasets.reading.entries import Entry, read_entries
from svit_datasets.rules import FAMILIES, RULES
from svit_datasets.validation.examples import EXAMPLES
from svit_datasets.validation.layouts import PROFILES
from svit_datasets.validation.record_rules import check_entry
from svit_datasets.validation.results import chosen_codes
from svit_datasets.validation.validate import Checks


def explain_code(code: str) -> Iterator[str]:
    """Yield what a code means, line by line.

    Args:
        code: The code.

    Raises:
        UsageError: There is no such code.

    >>> list(explain_code("turn-odd"))[:2]
    ['turn-odd (error; roles and turns)', '  expected: an answer after every question']
    """
    if code not in RULES:
        chosen_codes([code])  # says which is near
        raise UsageError(f"{code!r}: several codes begin so or belong to it; name one")
    rule = RULES[code]
    yield f"{code} ({rule.severity}; {FAMILIES[rule.family]})"
    yield f"  expected: {rule.expected}"
    yield f"  to mend it: {rule.mend}"
    example = EXAMPLES.get(code)
    if example is not None:
        yield f"  bad:  {example.bad}"
        yield f"  good: {example.good}"


def explain_record(inputs: Sequence[str], number: int, checks: Checks) -> Iterator[str]:
    """Yield what is wrong with one record, with the schema's own descriptions, told by its reference implementation.

    Args:
        inputs: The one input.
        number: Number of the record, from 1.
        checks: What to check.

    Raises:
        UsageError: There are several inputs, or the input has no such record.
    """
    if len(inputs) != 1:
        raise UsageError(f"--explain {number} explains a record of one INPUT; {len(inputs)} were given")
    entries = read_entries(list(inputs), layout=checks.layout, task=checks.task)
    entry = next((e for e in entries if e.number == number and e.raw), None)
    if entry is None:
        raise UsageError(f"{inputs[0]}: has no record {number}")
    yield from _explain(entry, checks)


def _explain(entry: Entry, checks: Checks) -> Iterator[str]:
    schema = PROFILES[entry.layout].schema
    named = f" id={entry.id}" if entry.id else ""
    yield printable(f"{entry.file}:{entry.number}{named}, held against schema {schema}")
    try:
        told = explain(json.loads(bytes(entry.raw)), schema)
    except (ValueError, RecursionError) as error:
        told = [str(error)]
    yield from (printable(f"  schema: {line}") for line in told or ["it fits"])
    for fault in check_entry(entry, coordinates=checks.coordinates):
        yield f"  {fault.severity}: {msgspec.structs.replace(fault, file='', record=0, id='')}"
