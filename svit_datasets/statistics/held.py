"""What one record holds, text by text, ready to be counted. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from svit_datasets import grounding
from svit_datasets.converters.llava_layout import ROLE_OF
from svit_datasets.records import Conversation
from svit_datasets.statistics.texts import read_grounded, strip_layout, strip_token

_ASKING, _ANSWERING = ("user", "gpt")
ASKING, ANSWERING = ((role, ROLE_OF[role]) for role in (_ASKING, _ANSWERING))


@dataclass(slots=True)
class Asked:
    """Questions, or answers, of one record.

    Attributes:
        plain: Each without marks, boxes, ``<image>`` and formatting sentence: its words.
        shown: Each as a trainer sees it, without ``<image>``: its tokens.
    """

    plain: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Held:
    """What one record holds.

    Attributes:
        turns: Turns of each conversation.
        topics: Topics of the conversations that have one.
        questions: The questions.
        answers: The answers.
        other_turns: Turns that are neither.
        instructions: Questions with a formatting sentence.
        pair_boxes: Boxes of each pair: a question and the answer right behind it.
        boxes: Runs of boxes as written.
        phrases: Marked phrases as written.
        phrases_without_box: How many of those have no box.
        boxes_unmarked: Boxes without a marked phrase.
        has_boxes: Whether its texts are looked through for boxes and marks.
    """

    turns: list[int] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    questions: Asked = field(default_factory=Asked)
    answers: Asked = field(default_factory=Asked)
    other_turns: int = 0
    instructions: int = 0
    pair_boxes: list[int] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    phrases: list[str] = field(default_factory=list)
    phrases_without_box: int = 0
    boxes_unmarked: int = 0
    has_boxes: bool = True


def hold(conversations: Iterable[Conversation], *, is_llava: bool, has_boxes: bool = True) -> Held:
    """Return what the conversations of a record hold.

    Args:
        conversations: The conversations.
        is_llava: Whether they are in the LLaVA layout: with ``<image>`` and formatting sentences.
        has_boxes: Whether brackets may be boxes; in records of text alone they are code and mathematics.

    Returns:
        It, in order.

    >>> from svit_datasets.records import Turn
    >>> turns = [Turn("user", "Who is <st>this<ed> [0, 0, 1, 1]?"), Turn("gpt", "A man.")]
    >>> held = hold([Conversation(turns)], is_llava=False)
    >>> held.questions.plain, held.pair_boxes, held.phrases
    (['Who is this?'], [1], ['this'])
    """
    held = Held(has_boxes=has_boxes)
    for conversation in conversations:
        held.turns.append(len(conversation.content))
        if isinstance(conversation.topic, str):
            held.topics.append(conversation.topic)
        asked: int | None = None
        for turn in conversation.content:
            value = strip_token(turn.value) if is_llava else turn.value
            if turn.role in ASKING:
                asked = _add_question(held, value, is_llava=is_llava)
                continue
            boxes = _add_answer(held, value) if turn.role in ANSWERING else _add_other(held, value)
            if asked is not None and turn.role in ANSWERING:
                held.pair_boxes.append(asked + boxes)
            asked = None
    return held


def _add_question(held: Held, shown: str, *, is_llava: bool) -> int:
    value = shown
    if is_llava:
        value, has_sentence = strip_layout(shown)
        held.instructions += has_sentence
    plain, boxes = _take_apart(held, value)
    held.questions.plain.append(plain)
    held.questions.shown.append(shown)
    return boxes


def _add_answer(held: Held, value: str) -> int:
    plain, boxes = _take_apart(held, value)
    held.answers.plain.append(plain)
    held.answers.shown.append(value)
    return boxes


def _add_other(held: Held, value: str) -> int:
    held.other_turns += 1
    return _take_apart(held, value)[1]


def _take_apart(held: Held, value: str) -> tuple[str, int]:
    """Add the boxes and phrases of a text; return its words and how many boxes it has."""
    if not held.has_boxes or ("[" not in value and "<" not in value):
        return value, 0
    read = read_grounded(value)
    held.boxes += read.boxes
    held.phrases += read.phrases
    if read.bare:
        held.boxes_unmarked += "".join(read.bare).count("[")
    if value.count(grounding.ST) > len(read.phrases):
        loose = [marked.phrase for marked in grounding.find_marked(value) if not marked.boxes]
        held.phrases += loose
        held.phrases_without_box += len(loose)
    return read.plain, "".join(read.boxes).count("[")
