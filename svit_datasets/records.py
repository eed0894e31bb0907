"""Native SVIT records, and the hub record that every layout is converted through. No I/O.

The native layout (SVIT's ``data/*.json``)::

    {"image_id": 2315353, "conversations": [{"topic": "...", "content": [{"from": "user", "value": "..."},
                                                                         {"from": "gpt", "value": "..."}]}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

TaskName = Literal["conversation", "complex_reasoning", "referring_qa", "detail_description"]
Extra: TypeAlias = Mapping[str, Raw]


@dataclass(frozen=True)
class Task:
    """One of SVIT's four tasks.

    Attributes:
        stem: Stem of the published file, and the task's name in this package.
        config: Name of its configuration in ``load_dataset("svit", config)``.
        letter: One letter that stands for it in compact provenance.
    """

    stem: TaskName
    config: str
    letter: str


TASKS: dict[str, Task] = {
    task.stem: task
    for task in (
        Task("conversation", "conversation", "c"),
        Task("complex_reasoning", "complex_reasoning", "x"),
        Task("referring_qa", "referring", "r"),
        Task("detail_description", "detail", "d"),
    )
}
_ALIASES = {name: task for task in TASKS.values() for name in (task.stem, task.config)}


def find_task(name: str) -> TaskName | None:
    """Return the task that ``name`` means: a file stem or a config name, ``-`` and ``_`` alike.

    >>> find_task("complex-reasoning"), find_task("referring"), find_task("svit")
    ('complex_reasoning', 'referring_qa', None)
    """
    task = _ALIASES.get(name.strip().lower().replace("-", "_"))
    return task.stem if task else None


class Turn(Struct, forbid_unknown_fields=True, gc=False):
    """One turn of a conversation: ``role`` is ``user`` or ``gpt``, ``value`` is in native markup."""

    role: str = field(name="from")
    value: str


class Conversation(Struct, forbid_unknown_fields=True, gc=False):
    """One conversation about an image. ``topic`` is ``UNSET`` where the key is absent, not null."""

    content: list[Turn]
    topic: str | UnsetType | None = UNSET


class NativeRecord(Struct, forbid_unknown_fields=True, gc=False):
    """One native record: an image and its conversations of one task."""

    image_id: int
    conversations: list[Conversation]


class TurnWithExtra(Turn):
    """A turn with keys that the layout does not name, each as its raw JSON text."""

    extra: Extra = {}


class ConversationWithExtra(Conversation):
    """A conversation with keys that the layout does not name, each as its raw JSON text."""

    extra: Extra = {}


class NativeRecordWithExtra(NativeRecord):
    """A record with keys that the layout does not name, each as its raw JSON text."""

    extra: Extra = {}


def extra_of(part: NativeRecord | Conversation | Turn) -> Extra:
    """Return the unknown keys of a record, conversation or turn as raw JSON text; none is the rule.

    >>> extra_of(Turn("user", "Why?"))
    {}
    >>> {k: bytes(v) for k, v in extra_of(TurnWithExtra("user", "Why?", {"n": Raw(b"1.50")})).items()}
    {'n': b'1.50'}
    """
    extra: Extra = getattr(part, "extra", {})
    return extra


def to_native(record: NativeRecord) -> dict[str, Any]:
    """Return ``record`` as the JSON object of the native layout, unknown keys behind the known ones.

    Args:
        record: The record.

    Returns:
        A dict that ``msgspec.json.encode`` writes; unknown keys are ``msgspec.Raw``.

    >>> to_native(NativeRecord(5, [Conversation([Turn("user", "Why?"), Turn("gpt", "So.")], topic="T")]))
    {'image_id': 5, 'conversations': [{'topic': 'T', 'content': [{'from': 'user', 'value': 'Why?'}, \
{'from': 'gpt', 'value': 'So.'}]}]}
    """
    return {
        "image_id": record.image_id,
        "conversations": [to_native_conversation(c) for c in record.conversations],
        **extra_of(record),
    }


def to_native_conversation(conversation: Conversation) -> dict[str, Any]:
    """Return ``conversation`` as the JSON object of the native layout.

    >>> to_native_conversation(Conversation([Turn("user", "Why?")]))
    {'content': [{'from': 'user', 'value': 'Why?'}]}
    """
    topic = {} if conversation.topic is UNSET else {"topic": conversation.topic}
    content = [{"from": t.role, "value": t.value, **extra_of(t)} for t in conversation.content]
    return {**topic, "content": content, **extra_of(conversation)}


class HubRecord(Struct, frozen=True, kw_only=True):
    """One conversation with its place and its image: what every layout is made from and returns to.

    Attributes:
        task: One of ``TASKS``.
        image_id: Id of the image.
        record_index: Number of the native record among those of its task, from 0.
        conversation_index: Number of the conversation in its record, from 0.
        copy: How many earlier records of this task have the same ``image_id``; 0 is the rule.
        image: Path of the image below the trainer's image folder, such as ``vg/VG_100K/2.jpg``.
        size_wh: Width and height in stored pixels, EXIF orientation ignored; None when nothing needs it.
        conversation: Topic, turns in native markup, unknown keys.
        record_extra: Unknown keys of the native record, as raw JSON text.
    """

    task: TaskName
    image_id: int
    record_index: int
    conversation_index: int
    conversation: Conversation
    image: str
    size_wh: tuple[int, int] | None = None
    copy: int = 0
    record_extra: Extra = msgspec.field(default_factory=dict)
