"""SVIT's grounded text: ``<st>phrase<ed> [x1, y1, x2, y2], [..]`` and bare boxes. The one place that knows it.

A *group* is a run of boxes, with the marked phrase before it if there is one. Everything else is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from svit_datasets.findings import Finding, finding, quote

ST, ED = "<st>", "<ed>"

_NUMBER = r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)"
_BOX = rf"\[\s*+{_NUMBER}(?:\s*+,\s*+{_NUMBER}){{3}}\s*+\]"
_BOXES = rf"{_BOX}(?:,\s*+{_BOX})*+"
_PHRASE = r"[^<]*+(?:<(?!st>|ed>)[^<]*+)*+"

_ONE_BOX = re.compile(_BOX)
_GROUP = re.compile(rf"(?:<st>({_PHRASE})<ed>(\s*+))?+({_BOXES})|<st>|<ed>")
_MARKED = re.compile(rf"<st>({_PHRASE})<ed>(?:\s*+({_BOXES}))?+")
# The same for many texts set apart by NUL, which no phrase and no run of boxes reaches across.
_PHRASE_IN_LINE = _PHRASE.replace("[^<]", r"[^<\0]")
MARKED_IN_LINE = re.compile(rf"<st>({_PHRASE_IN_LINE})<ed>(?:\s*+({_BOXES}))?+")
# The groups of ``find`` and lone marks, to split a text at: phrase, boxes, and boxes without their first "[". Written
# so that the search can leap to the next "<" or "[", which makes it twice as fast.
PARTS = re.compile(rf"<st>({_PHRASE})<ed>\s*+({_BOXES})|\[({_BOXES.removeprefix(chr(92) + '[')})|<st>|<ed>")
_COORDINATE = re.compile(_NUMBER)
# A bracket that holds numbers with a point and a comma and was not read as a box: "[0.1, 0.5.1, ..", "[-0.2, ..".
_NEAR = r"[-+0-9.,;\seE]*"
_NEAR_BOX = re.compile(rf"\[(?={_NEAR}?\.)(?={_NEAR}?,)(?={_NEAR}?[0-9]){_NEAR}+\]?")
_MARK = re.compile(r"<st>|<ed>")


Render = Callable[[str | None, str, str], str]


class Group(NamedTuple):
    """A run of boxes and the phrase that it belongs to.

    Attributes:
        phrase: What stands between ``<st>`` and ``<ed>``; None for bare boxes.
        gap: White space between ``<ed>`` and the first box.
        boxes: The boxes exactly as written, such as ``[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]``.
        start: Index of the group's first character in its text.
        end: Index behind its last character.
    """

    phrase: str | None
    gap: str
    boxes: str
    start: int
    end: int

    @property
    def coordinates(self) -> list[str]:
        """The numbers as written, x and y in turn, 4 a box."""
        return coordinates(self.boxes)


def coordinates(boxes: str) -> list[str]:
    """Return the numbers of a run of boxes as written: x1, y1, x2, y2 of each box in turn.

    >>> coordinates("[0.1, 0.2, 0.30, 1], [0, 0, 1, 1.0]")
    ['0.1', '0.2', '0.30', '1', '0', '0', '1', '1.0']
    """
    return _COORDINATE.findall(boxes)


def find(text: str) -> Iterator[Group]:
    """Yield the groups of ``text`` from left to right.

    >>> [g] = find("Two <st>men<ed> [0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1] walk.")
    >>> g.phrase, g.coordinates[:4], (g.start, g.end)
    ('men', ['0.1', '0.2', '0.3', '0.4'], (4, 50))
    """
    for match in _GROUP.finditer(text):
        if match[3] is not None:
            yield Group(match[1], match[2] or "", match[3], match.start(), match.end())


class Marked(NamedTuple):
    """A marked phrase.

    Attributes:
        phrase: What stands between ``<st>`` and ``<ed>``.
        start: Index of the phrase's first character in its text.
        end: Index behind its last character.
        boxes: Its boxes as written; '' where none follow.
    """

    phrase: str
    start: int
    end: int
    boxes: str


def find_marked(text: str) -> Iterator[Marked]:
    """Yield the marked phrases of ``text`` from left to right, with or without boxes.

    >>> text = "The <st>cat<ed> [0, 0, 1, 1] sees a <st>dog<ed>."
    >>> [(m.phrase, m.boxes, text[m.start : m.end]) for m in find_marked(text)]
    [('cat', '[0, 0, 1, 1]', 'cat'), ('dog', '', 'dog')]
    """
    for match in _MARKED.finditer(text):
        yield Marked(match[1], *match.span(1), match[2] or "")


def rewrite(text: str, render: Render) -> str:
    """Replace every group of ``text`` by what ``render`` gives for it, and drop marks that belong to no group.

    Each group is replaced where it stands, once: a new box that happens to equal a later old one is not
    changed again. What is no group stays as it is, character by character.

    Args:
        text: Text in native markup.
        render: Gives the text that stands for a group, from its phrase (None for bare boxes), the white space
            before its boxes, and its boxes as written.

    Returns:
        The rewritten text.

    >>> rewrite("A <st>man<ed> [0.1, 0.2, 0.3, 0.4] and a <st>dog<ed>.", lambda phrase, gap, boxes: f"{phrase}!")
    'A man! and a dog.'
    """

    def replace(match: re.Match[str]) -> str:
        phrase, gap, boxes = match.groups()
        return "" if boxes is None else render(phrase, gap or "", boxes)

    return _GROUP.sub(replace, text)


def write_boxes(coordinates: list[str]) -> str:
    """Return a run of boxes in SVIT's spelling.

    >>> write_boxes(["0.1", "0.2", "0.3", "0.4", "0", "0", "1", "1"])
    '[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]'
    """
    if len(coordinates) == 4:
        return f"[{', '.join(coordinates)}]"
    return ", ".join(f"[{', '.join(coordinates[i : i + 4])}]" for i in range(0, len(coordinates), 4))


def is_grounded(text: str) -> bool:
    """Tell whether ``text`` may hold marks or boxes; False is certain, True is worth a look.

    >>> is_grounded("a cat"), is_grounded("a <st>cat<ed>")
    (False, True)
    """
    return "[" in text or ST in text or ED in text


def check_text(text: str) -> list[Finding]:
    """Return the faults of grounded text: malformed boxes, boxes outside 0..1 or inverted, unbalanced marks.

    Args:
        text: Text in native markup.

    Returns:
        Findings without a place.

    >>> [f.code for f in check_text("<st>car [0.1, 0.5.1, 0.3, 0.4] and [0.3, 0.1, 0.2, 1.5]")]
    ['box-malformed', 'box-outside', 'box-inverted', 'marks-unbalanced']
    """
    found = [
        finding("box-malformed", quote(match[0]))
        for match in _NEAR_BOX.finditer(text)
        if not _ONE_BOX.match(text, match.start())
    ]
    for group in find(text):
        numbers = [float(c) for c in group.coordinates]
        for i in range(0, len(numbers), 4):
            found += _check_box(numbers[i : i + 4], group.boxes)
    if not _is_balanced(text):
        found.append(finding("marks-unbalanced", f"{text.count(ST)} <st> and {text.count(ED)} <ed>"))
    return found


def _check_box(box_xyxy: list[float], written: str) -> list[Finding]:
    x1, y1, x2, y2 = box_xyxy
    found = []
    if max(box_xyxy) > 1:
        code = "box-malformed" if max(box_xyxy) > 1e300 else "box-outside"
        found.append(finding(code, quote(written)))
    if x1 > x2 or y1 > y2:
        found.append(finding("box-inverted", quote(written)))
    return found


def _is_balanced(text: str) -> bool:
    """Tell whether ``<st>`` and ``<ed>`` stand in turn, ``<st>`` first."""
    marks = _MARK.findall(text)
    return marks == [ST, ED] * (len(marks) // 2)
