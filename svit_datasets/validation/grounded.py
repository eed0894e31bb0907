"""Grounded text: marks that do not pair, phrases without boxes, boxes that are none or mark nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from svit_datasets import grounding
from svit_datasets.boxes import Size, pad_tables
from svit_datasets.findings import Finding, finding, quote

_MARKS = re.compile(f"{grounding.ST}|{grounding.ED}")
_OF_ONE_BOX = ("box-outside", "box-inverted")


def check_marked(text: str, size_wh: Size | None = None) -> list[Finding]:
    """Return the faults of grounded text in native markup.

    Args:
        text: The text; boxes are fractions of the original image.
        size_wh: The image's size, to tell which boxes vanish on the padded square; None leaves that out.

    Returns:
        Findings without a place, one for each box at fault.

    >>> text = "a <st>car<ed> and a [0.1, 0.1, 0.1, 0.5] by <st>it<ed> [0, 0, 0.001, 1]"
    >>> [f.code for f in check_marked(text, (500, 333))]
    ['box-empty', 'box-without-phrase', 'box-degenerate', 'phrase-without-box']
    """
    if not grounding.is_grounded(text):
        return []
    whole = [_unsigned(f) for f in grounding.check_text(text) if f.code not in _OF_ONE_BOX]
    is_whole = not whole
    for group in grounding.find(text):
        for written in _boxes(group):
            whole += _check_box(written, size_wh)
        if group.phrase is None and is_whole:
            whole.append(finding("box-without-phrase", quote(group.boxes)))
    if is_whole:
        bare = (m for m in grounding.find_marked(text) if not m.boxes)
        whole += [finding("phrase-without-box", quote(f"<st>{m.phrase}<ed>")) for m in bare]
    return whole


def check_unmarked(text: str) -> list[Finding]:
    """Return the faults of boxes in a trainer's text, where phrases are not marked.

    Args:
        text: The text; boxes are fractions of whatever frame.

    Returns:
        Findings without a place.

    >>> [f.code for f in check_unmarked("the <st>car<ed> [0.3, 0.1, 0.2, 1.5]")]
    ['box-outside', 'box-inverted', 'marks-left']
    """
    if not grounding.is_grounded(text):
        return []
    found = [_unsigned(f) for f in grounding.check_text(text) if f.code == "box-malformed"]
    for group in grounding.find(text):
        for written in _boxes(group):
            found += _check_box(written, None)
    mark = _MARKS.search(text)
    if mark:
        found.append(finding("marks-left", quote(text[max(0, mark.start() - 30) : mark.end() + 30])))
    return found


def _unsigned(fault: Finding) -> Finding:
    """Return a finding on a malformed box that says what is expected of the numbers of one with a sign."""
    if fault.code != "box-malformed" or "-" not in fault.found:
        return fault
    return msgspec.structs.replace(fault, expected="[x1, y1, x2, y2], four numbers without a sign, 0 to 1")


def _boxes(group: grounding.Group) -> Iterator[list[str]]:
    """Yield the coordinates of each box of a run, as written."""
    numbers = group.coordinates
    for i in range(0, len(numbers), 4):
        yield numbers[i : i + 4]


def _check_box(written: list[str], size_wh: Size | None) -> list[Finding]:
    x1, y1, x2, y2 = (float(c) for c in written)
    shown = f"[{', '.join(written)}]"
    found = []
    if max(x1, y1, x2, y2) > 1:
        found.append(finding("box-outside", quote(shown)))
    if x1 > x2 or y1 > y2:
        found.append(finding("box-inverted", quote(shown)))
    elif x1 == x2 or y1 == y2:
        found.append(finding("box-empty", quote(shown)))
    elif size_wh is not None and not found:
        x, y = pad_tables(size_wh, "pixel")
        padded = [x[written[0]], y[written[1]], x[written[2]], y[written[3]]]
        if padded[0] == padded[2] or padded[1] == padded[3]:
            text = f"{shown}, on the padded square [{', '.join(padded)}]"
            found.append(finding("box-degenerate", quote(text, limit=120)))
    return found
