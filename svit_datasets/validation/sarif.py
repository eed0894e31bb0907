"""Findings in SARIF 2.1.0, which code hosts and editors show; written one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from svit_datasets import VERSION
from svit_datasets.findings import Finding
from svit_datasets.rules import RULES

_LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def to_sarif(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Yield a SARIF log piece by piece.

    A record has no line of its own in a JSON array, so that its number, id and JSON path stand as the logical
    location, and as properties.

    Args:
        findings: In order.

    Yields:
        Pieces of one JSON document in ASCII.

    >>> import json
    >>> log = json.loads(b"".join(to_sarif([])))
    >>> log["version"], log["runs"][0]["results"]
    ('2.1.0', [])
    """
    from svit_datasets.writing.writers import encode_ascii

    rules = list(RULES)
    driver = {"name": "svit-datasets", "version": VERSION, "rules": [_rule(code) for code in rules]}
    yield (
        b'{"version":"2.1.0","runs":[{"tool":{"driver":' + encode_ascii(driver) + b'},"columnKind":"unicodeCodePoints"'
    )
    yield b',"results":['
    index = {code: i for i, code in enumerate(rules)}
    for number, fault in enumerate(findings):
        yield (b"," if number else b"") + encode_ascii(_result(fault, index[fault.code]))
    yield b"]}]}\n"


def _rule(code: str) -> dict[str, Any]:
    rule = RULES[code]
    return {
        "id": code,
        "shortDescription": {"text": f"Expected: {rule.expected}"},
        "help": {"text": rule.mend},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.family]},
    }


def _result(fault: Finding, index: int) -> dict[str, Any]:
    where = {"artifactLocation": {"uri": _uri(fault.file)}} if fault.file else {}
    logical = {"fullyQualifiedName": f"record {fault.record} {fault.path}".strip()} if fault.record else {}
    location = {
        **({"physicalLocation": where} if where else {}),
        **({"logicalLocations": [logical]} if logical else {}),
    }
    place = {k: v for k, v in msgspec.to_builtins(fault).items() if k in ("record", "id", "path")}
    return {
        "ruleId": fault.code,
        "ruleIndex": index,
        "level": _LEVELS[fault.severity],
        "message": {"text": f"found {fault.found}; expected {fault.expected}; {fault.mend}"},
        **({"locations": [location]} if location else {}),
        **({"properties": place} if place else {}),
    }


def _uri(file: str) -> str:
    """Return a file's name as a URI: relative as it was named, ``file:`` where it is absolute.

    >>> _uri("a b.json"), _uri("/data/a.json")
    ('a%20b.json', 'file:///data/a.json')
    """
    path = quote(file, safe="/", errors="surrogateescape")
    return f"file://{path}" if Path(file).is_absolute() else path
