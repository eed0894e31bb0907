"""Say why one JSON value could not be decoded, as exactly as can be told."""

from __future__ import annotations

import json
import re

import msgspec

from svit_datasets.findings import Finding, finding, quote

MAX_DIGITS = 4300
_SPACED = (b'" ', b'"\t', b'"\n', b'"\r')
_KEY = re.compile(rb'(?<!\\)"[ \t\r\n]*+:')
TOO_DEEP = "brackets nested past the decoder's limit"


class DuplicateKeyError(ValueError):
    """An object holds a key twice."""


class HugeNumberError(ValueError):
    """A number has more digits than Python's ``json`` takes."""


def refuse_duplicate_keys(raw: bytes | memoryview, *, max_digits: int | None = None) -> None:
    """Raise if an object in ``raw`` holds a key twice, or a number is too long.

    Args:
        raw: JSON text.
        max_digits: Most digits of an integer; None allows any number of them.

    Raises:
        DuplicateKeyError: A key stands twice.
        HugeNumberError: A number has over ``max_digits`` digits.

    >>> refuse_duplicate_keys(b'[{"a": 1}, {"a": 2}]')
    >>> refuse_duplicate_keys(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    svit_datasets.reading.diagnosis.DuplicateKeyError: 'a' twice
    """

    def refuse(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise DuplicateKeyError(f"{next(n for n in names if names.count(n) > 1)!r} twice")

    def integer(digits: str) -> None:
        count = len(digits.lstrip("-"))
        if max_digits is not None and count > max_digits:
            raise HugeNumberError(f"a number of {count:,} digits")

    json.loads(bytes(raw), object_pairs_hook=refuse, parse_int=integer)


def count_keys(raw: bytes | memoryview) -> int:
    """Return how many keys ``raw`` has, for the usual spelling; a cheap hint that some stand twice.

    >>> count_keys(b'{"a": 1, "b": {"c": "\\\\":"}}')
    3
    """
    text = bytes(raw)
    if any(spaced in text for spaced in _SPACED):
        return len(_KEY.findall(text))
    return text.count(b'":') - text.count(b'\\":')


def has_more_keys(raw: bytes | memoryview, expected: int, part: bytes = b"") -> bool:
    """Tell whether ``raw`` may have more keys than ``expected``; False is certain.

    Each key has its colon, so as many colons as keys leave none for another key; with more, the keys are counted.

    Args:
        raw: JSON text.
        expected: How many keys the decoder found in it.
        part: A value inside it whose keys do not count.

    >>> has_more_keys(b'{"a": "b:c"}', 1), has_more_keys(b'{"a" : 1, "a": 2}', 1)
    (False, True)
    """
    text = bytes(raw)
    return text.count(b":") != expected + part.count(b":") and count_keys(text) != expected + count_keys(part)


def diagnose(raw: bytes, error: Exception) -> Finding:
    """Return why one element could not be decoded, as exactly as can be told.

    Args:
        raw: The element's bytes.
        error: What the decoder raised.

    Returns:
        A finding without file and id.

    >>> diagnose(b'{"a": NaN}', msgspec.DecodeError("malformed")).code
    'record-nan'
    >>> diagnose(b'["\\\\ud800"]', msgspec.DecodeError("malformed")).found
    "'\\\\ud800'"
    """
    if isinstance(error, DuplicateKeyError):
        return finding("record-duplicate-key", str(error))
    if isinstance(error, HugeNumberError):
        return finding("record-number", str(error))
    if isinstance(error, msgspec.ValidationError):
        message, _, path = str(error).partition(" - at `")
        return finding("record-shape", message, path=path.rstrip("`"))
    if isinstance(error, RecursionError):
        return finding("record-depth", TOO_DEEP)
    try:
        text = raw.decode()
    except UnicodeDecodeError as bad:
        context = ascii(raw[max(0, bad.start - 20) : bad.start + 20])
        return finding("record-utf8", f"byte {bad.start + 1} of the record, in {context}")
    constants: list[str] = []
    try:
        parsed = json.loads(text, parse_constant=constants.append, parse_int=str)
    except RecursionError:
        return finding("record-depth", TOO_DEEP)
    except json.JSONDecodeError as bad:
        context = quote(text[max(0, bad.pos - 20) : bad.pos + 20])
        return finding("record-syntax", f"{bad.msg} at character {bad.pos + 1} of the record: {context}")
    if constants:
        return finding("record-nan", constants[0])
    lone = re.search("[\ud800-\udfff]", json.dumps(parsed, ensure_ascii=False))
    if lone:
        return finding("record-surrogate", ascii(lone[0]))
    return finding("record-syntax", str(error))
