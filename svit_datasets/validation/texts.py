"""Texts: the trainer's own tokens inside them, text that was damaged on its way, white space at its edges."""

from __future__ import annotations

import re

from svit_datasets.findings import Finding, finding, quote

# Tokens that LLaVA's tokenizer, or one of its templates, reads as marks of its own.
SPECIAL_TOKENS = ("<s>", "<unk>", "<pad>", "<im_start>", "<im_end>", "<im_patch>")
_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))
# U+FFFD stands where a decoder gave up; the others are UTF-8 read as Windows-1252: what were quotes and accents.
_GARBLED = re.compile(
    "[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"
    "|\u00e2\u20ac[\u0080-\u00bf\u0150-\u2122]|\u00c3[\u0080-\u00bf\u0192]"
)
_AROUND = 30


def check_text(value: str) -> list[Finding]:
    """Return what is wrong with a text whatever it says.

    Args:
        value: The text, without the ``<image>`` that stands for the image; empty ones are left to the rules on turns.

    Returns:
        Findings without a place.

    >>> [f.code for f in check_text("a caf\\ufffd with <unk> ")]
    ['token-special', 'text-garbled', 'text-untrimmed']
    """
    if not value or value.isspace():
        return []
    found = []
    for code, pattern in (("token-special", _SPECIAL), ("text-garbled", _GARBLED)):
        match = pattern.search(value)
        if match:
            found.append(finding(code, f"{match[0]!a} in {around(value, match)}"))
    if value != value.strip():
        found.append(finding("text-untrimmed", _edges(value)))
    return found


def around(value: str, match: re.Match[str]) -> str:
    """Return a match with some text around it, quoted.

    >>> around("x" * 50 + "cat" + "y" * 50, re.search("cat", "x" * 50 + "cat"))
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxcatyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy'"
    """
    return quote(value[max(0, match.start() - _AROUND) : match.end() + _AROUND])


def _edges(value: str) -> str:
    """Return both ends of a text, quoted."""
    return quote(value, limit=40)
