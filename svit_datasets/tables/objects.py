"""The phrases that many texts mark, found in one go: ``grounding.find_marked`` for a column. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from svit_datasets import grounding

_SEPARATOR = "\0"


class MarkedPhrases(NamedTuple):
    """Marked phrases of many texts, in order.

    Attributes:
        text: Number of the text that each stands in.
        start: Index of its first character in that text.
        end: Index behind its last character.
        phrase: The phrase.
        boxes: Its boxes as written; '' where none follow.
    """

    text: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    phrase: list[str]
    boxes: list[str]


def find_all_marked(texts: Sequence[str]) -> MarkedPhrases:
    """Return the marked phrases of all texts.

    The texts are searched as one, set apart by a character that no phrase can reach across; where a text holds that
    character itself, they are searched one by one.

    Args:
        texts: Texts in native markup.

    Returns:
        The phrases.

    >>> found = find_all_marked(["a <st>cat<ed> [0, 0, 1, 1]", "none", "<st>dog<ed>"])
    >>> found.phrase, found.text.tolist(), found.start.tolist(), found.boxes
    (['cat', 'dog'], [0, 2], [6, 4], ['[0, 0, 1, 1]', ''])
    """
    whole = _SEPARATOR.join(texts)
    if whole.count(_SEPARATOR) != max(0, len(texts) - 1):
        return _one_by_one(texts)
    # Lists of numbers and strings, not of tuples: those would set the garbage collector to work on all records.
    starts: list[int] = []
    phrases: list[str] = []
    boxes: list[str] = []
    for match in grounding.MARKED_IN_LINE.finditer(whole):
        starts.append(match.start(1))
        phrases.append(match[1])
        boxes.append(match[2] or "")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    begins = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]]) if len(texts) else np.zeros(0, np.int64)
    at = np.array(starts, np.int64)
    number = np.searchsorted(begins, at, side="right") - 1
    start = at - begins[number]
    end = start + np.fromiter(map(len, phrases), np.int64, len(phrases))
    return MarkedPhrases(number, start, end, phrases, boxes)


def _one_by_one(texts: Sequence[str]) -> MarkedPhrases:
    found = [(i, *marked) for i, text in enumerate(texts) for marked in grounding.find_marked(text)]
    number, phrases, starts, ends, boxes = map(list, zip(*found, strict=True)) if found else ([], [], [], [], [])
    text, start, end = (np.array(part, np.int64) for part in (number, starts, ends))
    return MarkedPhrases(text, start, end, phrases, boxes)


def parse_numbers(runs: Sequence[str]) -> pa.Array:
    """Return the numbers of runs of boxes, each the double that is nearest to what is written.

    Args:
        runs: Boxes as written, such as ``[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]``; '' is none.

    Returns:
        All numbers in order, as doubles.

    >>> parse_numbers(["[0.1, .5, 1., 1]", "", "[0, 0, 1, 1]"]).to_pylist()
    [0.1, 0.5, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    """
    text = ",".join(run for run in runs if run).replace("[", "").replace("]", "").replace(" ", "")
    if not text:
        return pa.array([], pa.float64())
    try:
        return pc.split_pattern(pa.array([text], pa.large_string()), ",").flatten().cast(pa.float64())
    except pa.ArrowInvalid:  # a spelling that Python reads and Arrow does not, such as 400 digits
        return pa.array(list(map(float, text.split(","))), pa.float64())
