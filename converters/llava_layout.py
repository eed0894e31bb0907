"""The LLaVA-v1.5 layout's own words: its options, ids, formatting sentences, and how grounded text is rendered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict
from zlib import crc32

from svit_datasets.boxes import Rounding
from svit_datasets.errors import UsageError, choose
from svit_datasets.records import TASKS, HubRecord, TaskName

# The three sentences of SVIT's own LLaVA copy, behind every referring question.
SENTENCES = (
    "Provide the bounding boxes of the mentioned objects.",
    "Include the coordinates for each mentioned object.",
    "Locate the objects with their coordinates.",
)
IMAGE_TOKEN = "<image>"
ROLE_OF = {"user": "human", "gpt": "gpt"}


LlavaTurn = TypedDict("LlavaTurn", {"from": str, "value": str})


class LlavaRow(TypedDict):
    """One record of the layout."""

    id: str
    image: str
    conversations: list[LlavaTurn]
    svit: NotRequired[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to write the layout, and how it was written.

    Attributes:
        coordinates: ``padded`` for trainers that pad images to a square, ``original`` for those that do not.
        box_rounding: ``pixel`` steps through whole pixels as SVIT's own copy does, ``exact`` does not.
        instruction: Whether a formatting sentence goes behind every referring question.
        seed: Chooses the sentences, together with each record's id.
        infer: Whether, on the way back, records without provenance that look like SVIT's are converted by best
            effort; otherwise they are foreign.
        provenance: ``inline`` keeps the way back in the key ``svit``, ``sidecar`` beside, ``none`` nowhere.

    Raises:
        UsageError: A value is none of these.
    """

    coordinates: Literal["padded", "original"] = "padded"
    box_rounding: Rounding = "pixel"
    instruction: bool = True
    seed: int = 0
    infer: bool = True
    provenance: Literal["inline", "sidecar", "none"] = "inline"

    def __post_init__(self) -> None:
        choose("coordinates", self.coordinates, ("padded", "original"))
        choose("box_rounding", self.box_rounding, ("pixel", "exact"))
        choose("provenance", self.provenance, ("inline", "sidecar", "none"))
        if type(self.seed) is not int or type(self.instruction) is not bool:
            raise UsageError(f"seed={self.seed!r}, instruction={self.instruction!r}: expected an int and a bool")


def make_id(hub: HubRecord) -> str:
    """Return the id of a conversation's record: task, image, conversation; stable, and unique in a file.

    >>> from svit_datasets.records import Conversation
    >>> make_id(HubRecord(task="detail_description", image_id=5, record_index=7, conversation_index=0,
    ...                   conversation=Conversation([]), image="", copy=1))
    'detail_description-5.1-0'
    """
    copy = f".{hub.copy}" if hub.copy else ""
    return f"{hub.task}-{hub.image_id}{copy}-{hub.conversation_index}"


class RowId(NamedTuple):
    """What ``make_id`` put into an id."""

    task: TaskName
    image_id: int
    copy: int
    conversation_index: int


_ID = re.compile(rf"({'|'.join(TASKS)})-([0-9]{{1,18}})(?:\.([0-9]{{1,9}}))?-([0-9]{{1,9}})")


def parse_id(row_id: str) -> RowId | None:
    """Return what ``make_id`` put into an id, None if it is another's.

    >>> parse_id("detail_description-5.1-0")
    RowId(task='detail_description', image_id=5, copy=1, conversation_index=0)
    """
    match = _ID.fullmatch(row_id)
    if not match:
        return None
    task = TASKS[match[1]].stem
    return RowId(task, int(match[2]), int(match[3] or 0), int(match[4]))


def choose_sentence(row_id: str, turn: int, seed: int) -> str:
    """Return the formatting sentence of a question: one of three, by a checksum, the same in every run.

    >>> choose_sentence("referring_qa-5-0", 0, 0)
    'Locate the objects with their coordinates.'
    """
    return SENTENCES[crc32(f"{seed}/{row_id}/{turn}".encode()) % len(SENTENCES)]


def strip_image(value: str) -> str:
    """Return the first question without ``<image>`` and its line break, before it or behind it.

    >>> strip_image("<image>\\nWhy?"), strip_image("Why?\\n<image>"), strip_image("Why?")
    ('Why?', 'Why?', 'Why?')
    """
    head, tail = f"{IMAGE_TOKEN}\n", f"\n{IMAGE_TOKEN}"
    return value.removeprefix(head) if value.startswith(head) else value.removesuffix(tail)


def strip_sentence(question: str) -> str:
    """Return a question without its formatting sentence, joined by a line break or a space.

    >>> strip_sentence("Who?\\nLocate the objects with their coordinates.")
    'Who?'
    """
    if not question.endswith(SENTENCES):
        return question
    for sentence in SENTENCES:
        for joint in ("\n", " "):
            if question.endswith(joint + sentence):
                return question.removesuffix(joint + sentence)
    return question
