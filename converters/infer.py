"""Best effort where provenance is missing: the task, which words were marked, where boxes stood."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from svit_datasets import grounding
from svit_datasets.boxes import Size, padded_axes, unpad_error_bound, unpad_tables
from svit_datasets.converters.llava_layout import strip_sentence
from svit_datasets.detail_questions import DETAIL_QUESTIONS
from svit_datasets.records import TaskName

# Visual Genome's own records in mix-665K ask for regions in these words; they are not SVIT's.
_REGION_PROMPT = re.compile(
    r"provide (?:a short description for this region|the bounding box coordinates? of the region)", re.I
)
_PHRASE_ENDS = frozenset(
    "a an the this that these those his her its their my your our some several another both each all any no one two "
    "three four five of in on at by to from with without near behind beside between above below under over around "
    "across along into onto inside outside through against toward towards and or but as than is are was were be been "
    "being has have had do does did can could may might will would should while which who what where why how when "
    "there here it he she they i you we not also".split()
)
_WORDS_BEFORE = re.compile(r"(?:[\w'-]+ ){1,8}\Z")
MAX_PHRASE_WORDS = 4


def is_region_prompt(questions: Sequence[str]) -> bool:
    """Tell whether questions are those of Visual Genome's region records in mix-665K.

    >>> is_region_prompt(["Please provide a short description for this region: [0.1, 0.2, 0.3, 0.4]."])
    True
    """
    return any(_REGION_PROMPT.search(q) for q in questions)


def infer_task(questions: Sequence[str], answers: Sequence[str]) -> TaskName:
    """Return the task that a conversation looks like.

    A formatting sentence or a box speaks for referring, one of SVIT's 34 questions for detail, several pairs for
    conversation, and what is left is complex reasoning.

    >>> infer_task(["Elaborate on the details of the image."], ["A cat."]), infer_task(["Why?"], ["So."])
    ('detail_description', 'complex_reasoning')
    """
    if any(strip_sentence(q) != q for q in questions):
        return "referring_qa"
    if any(True for text in (*questions, *answers) for _ in grounding.find(text)):
        return "referring_qa"
    if len(questions) == 1 and questions[0].strip() in DETAIL_QUESTIONS:
        return "detail_description"
    return "conversation" if len(questions) > 1 else "complex_reasoning"


def infer_phrase(before: str) -> str:
    """Return the words that a box probably belongs to: those right before it, back to an article or the like.

    Args:
        before: The text before the box.

    Returns:
        One to four words, or '' when none stands out.

    >>> infer_phrase("Near the white vehicle "), infer_phrase("It is in "), infer_phrase("Look: ")
    ('white vehicle', '', '')
    """
    match = _WORDS_BEFORE.search(before[-200:])
    words = match[0].split() if match else []
    phrase: list[str] = []
    while words and words[-1].lower() not in _PHRASE_ENDS:
        phrase.insert(0, words.pop())
    return " ".join(phrase) if len(phrase) <= MAX_PHRASE_WORDS else ""


def infer_text(text: str, size_wh: Size | None, counts: Counter[str]) -> str:
    """Return converted text in native markup: boxes moved back to the image, the words before them marked.

    Args:
        text: The text, without ``<image>`` and formatting sentence.
        size_wh: Size of the image; None when the boxes are not padded.
        counts: Is added to: boxes moved back, phrases marked, groups left bare, the largest error bound.

    Returns:
        The text.

    >>> counts = Counter()
    >>> infer_text("The man [0.25, 0.125, 0.5, 0.875].", (640, 480), counts)
    'The <st>man<ed> [0.25, 0.0, 0.5, 1.0].'
    >>> counts["boxes_inverted"], counts["phrases_marked"]
    (1, 1)
    """
    parts, end = [], 0
    for group in grounding.find(text):
        boxes = _unpad(group, size_wh, counts)
        before = text[end : group.start]
        phrase = infer_phrase(before)
        if phrase:
            counts["phrases_marked"] += 1
            before = f"{before[: len(before) - len(phrase) - 1]}{grounding.ST}{phrase}{grounding.ED} "
        else:
            counts["groups_left_bare"] += 1
        parts += [before, boxes]
        end = group.end
    return "".join([*parts, text[end:]])


def _unpad(group: grounding.Group, size_wh: Size | None, counts: Counter[str]) -> str:
    if size_wh is None:
        return group.boxes
    x, y = unpad_tables(size_wh)
    moved = group.coordinates
    try:
        moved[0::2] = map(x.__getitem__, moved[0::2])
        moved[1::2] = map(y.__getitem__, moved[1::2])
    except OverflowError:
        return group.boxes
    counts["boxes_inverted"] += len(moved) // 4
    counts["boxes_in_padding"] += _count_outside(group.coordinates, size_wh)
    return grounding.write_boxes(moved)


def count_in_padding(text: str, size_wh: Size) -> int:
    """Return how many boxes reach into the padding by more than a pixel or two: a sign of another frame.

    Args:
        text: Text with boxes in the padded frame.
        size_wh: Size of the image in pixels.

    >>> count_in_padding("a [0.25, 0.0, 0.5, 0.875] and a [0.25, 0.125, 0.5, 0.875]", (640, 480))
    1
    """
    return sum(_count_outside(group.coordinates, size_wh) for group in grounding.find(text))


def _count_outside(coordinates: Sequence[str], size_wh: Size) -> int:
    axes = padded_axes(size_wh) * (len(coordinates) // 2)
    places = [float(c) * axis.side_px - axis.offset_px for c, axis in zip(coordinates, axes, strict=True)]
    is_out = [not -2 <= p <= axis.length_px + 2 for p, axis in zip(places, axes, strict=True)]
    return sum(any(is_out[i : i + 4]) for i in range(0, len(is_out), 4))


def error_bound(size_wh: Size) -> float:
    """Return the most that a coordinate moved back can be off, in fractions of the image.

    >>> round(error_bound((640, 480)), 6)
    0.002208
    """
    return max(unpad_error_bound(axis) for axis in padded_axes(size_wh))
