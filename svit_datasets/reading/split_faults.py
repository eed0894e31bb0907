"""Elements of a file that cannot be decoded: what is wrong, where, and where the next one begins."""

from __future__ import annotations

import json
from typing import TypeVar

from svit_datasets.findings import Finding, finding, quote
from svit_datasets.reading.runs import Value
from svit_datasets.reading.window import FIRST_KEY, SPACE, Window

T = TypeVar("T")


def last_fault(number: int, fault: Finding, head: bytes = b"") -> Value[T]:
    """Return a fault that ends the file; ``head`` is the beginning of its record."""
    return Value(number, head, fault=fault, is_last=True)


def separator_fault(window: Window, separator: bytes) -> Finding:
    """Return what is wrong with a byte, or the file's end, that stands where a comma should."""
    place = f"behind the record, at byte {window.base + window.pos + 1}"
    if not separator:
        return finding("input-truncated", f"the end of the file {place}")
    return finding("input-syntax", f"{quote(separator.decode('latin-1'))} {place}")


def too_large(window: Window, number: int) -> Value[T]:
    """Pass over a record beyond the limit, without holding it, to where the next one begins."""
    fault = finding("record-too-large", f"a record of over {window.limit >> 20} MB")
    marker = FIRST_KEY.match(window.data, window.pos)
    head = window.data[window.pos : window.pos + 10_000]
    if marker:
        window.pos += len(marker[0])
        if window.skip_to(marker[0]):
            return Value(number, head, fault=fault, is_passed=True)
    return last_fault(number, fault, head)


def syntax_fault(window: Window, number: int, text: str, error: json.JSONDecodeError, *, is_whole: bool) -> Value[T]:
    """Return what Python's ``json`` finds wrong with the record that ``text`` begins with."""
    before = len(text[: error.pos].encode("utf-8", "surrogateescape"))
    at_byte = window.base + window.pos + before + 1
    if window.data[window.pos :].lstrip(SPACE)[:1] == b"]":
        fault = finding("input-syntax", f"a ',' before the closing ']', at byte {at_byte}")
        return last_fault(number, fault)
    found = f"{error.msg.removesuffix(' at')} at byte {at_byte}: {quote(text[max(0, error.pos - 20) : error.pos + 20])}"
    broken: Value[T] = broken_record(window, number, finding("record-syntax", found))
    rest = text.rstrip()
    if broken.is_last and is_whole and (error.pos >= len(rest) or not rest.endswith("]")):
        return last_fault(number, finding("input-truncated", f"the end of the file inside the record ({found})"))
    return broken


def find_next(window: Window) -> int:
    """Return where the next record begins, by any first key that was seen so far; -1 if none does."""
    own = FIRST_KEY.match(window.data, window.pos)
    keys = window.keys | ({own[0]} if own else set())
    found = [window.find(key, len(own[0]) if own else 1, window.limit) for key in keys]
    return min((at for at in found if at >= 0), default=-1)


def broken_record(window: Window, number: int, fault: Finding) -> Value[T]:
    """Return a record that cannot be parsed: it ends where the next one begins with a first key seen so far."""
    length = find_next(window)
    if length < 0:
        return last_fault(number, fault, window.data[window.pos : window.pos + 10_000])
    raw = window.data[window.pos : window.pos + length].rstrip(SPACE).removesuffix(b",")
    return Value(number, raw, fault=fault)
