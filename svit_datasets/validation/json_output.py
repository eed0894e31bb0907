"""Findings as JSON: the same report that conversions write, under the same schema; written one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from svit_datasets import VERSION
from svit_datasets.validation.results import Results
from svit_datasets.validation.validate import Checks
from svit_datasets.writing.writers import encode_ascii


def to_json(results: Results, inputs: Iterable[str], checks: Checks) -> Iterator[bytes]:
    """Yield a report piece by piece.

    Args:
        results: What was found and changed.
        inputs: The inputs as they were named.
        checks: What was checked.

    Yields:
        Pieces of one JSON document in ASCII, which fits ``schemas/report.schema.json``.

    >>> import json
    >>> from svit_datasets.validation.results import chosen_codes
    >>> report = json.loads(b"".join(to_json(Results(chosen_codes()), ["a.json"], Checks())))
    >>> report["command"], report["counts"], report["findings"]
    ('validate', {'records_read': 0, 'records_with_findings': 0}, [])
    """
    counts = {"records_read": results.records, "records_with_findings": results.faulty}
    head: dict[str, Any] = {
        "tool": "svit-datasets",
        "version": VERSION,
        "command": "validate",
        "inputs": list(inputs),
        "outputs": results.outputs,
        "options": checks.told(),
        "counts": {**counts, **{f"changed.{code}": count for code, count in results.changed.items()}},
        "inferred": {},
        "unknowable": _unknowable(checks),
        "findings_by_code": dict(results.by_code),
    }
    yield encode_ascii(head)[:-1]
    yield from _list(b'"findings"', results)
    if results.outputs:
        yield from _list(b'"changes"', results.changes())
    yield b"}\n"


def _list(name: bytes, values: Iterable[Any]) -> Iterator[bytes]:
    yield b"," + name + b":["
    for number, value in enumerate(values):
        yield (b",\n" if number else b"\n") + encode_ascii(value)
    yield b"]"


def _unknowable(checks: Checks) -> dict[str, str]:
    if checks.trainer is None or checks.tokenizer is not None:
        return {}
    return {"tokens": "counted by an estimate, for no tokenizer was given"}
