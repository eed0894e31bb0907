"""What differs between the layouts when a record is checked: schema, roles, JSON paths, whether text is marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from svit_datasets.converters.llava_layout import IMAGE_TOKEN, ROLE_OF, strip_image
from svit_datasets.reading.entries import Entry, Layout
from svit_datasets.records import Conversation


@dataclass(frozen=True)
class Profile:
    """How records of a layout are checked.

    Attributes:
        schema: Name of the schema that a record must fit.
        roles: Role of questions and role of answers, as the layout spells them.
        turns_path: JSON path of a conversation's turns; ``{}`` stands for the conversation's number from 0.
        is_native: Whether it is SVIT's own: phrases are marked, boxes are fractions of the original image.
    """

    schema: str
    roles: tuple[str, str]
    turns_path: str
    is_native: bool

    def path(self, conversation: int) -> str:
        """Return the JSON path of a conversation's turns.

        >>> PROFILES["native"].path(2), PROFILES["llava"].path(0)
        ('$.conversations[2].content', '$.conversations')
        """
        return self.turns_path.format(conversation)


PROFILES: dict[Layout, Profile] = {
    "native": Profile("native", (next(iter(ROLE_OF)), "gpt"), "$.conversations[{}].content", is_native=True),
    "llava": Profile("llava-lenient", (ROLE_OF["user"], "gpt"), "$.conversations", is_native=False),
}


class Text(NamedTuple):
    """One turn's text, as it is checked.

    Attributes:
        value: The text, without the ``<image>`` that a LLaVA record's first question begins or ends with.
        path: JSON path of the text.
        question: The text of the turn before it, for an answer; None for a question.
    """

    value: str
    path: str
    question: str | None


def texts_of(entry: Entry) -> Iterator[Text]:
    """Yield the texts of a record in order.

    >>> from svit_datasets.records import Turn
    >>> turns = [Turn("human", "<image>\\nWhy?"), Turn("gpt", "So.")]
    >>> entry = Entry("a.json", 1, "llava", conversations=[Conversation(turns)])
    >>> [(text.value, text.path) for text in texts_of(entry)]
    [('Why?', '$.conversations[0].value'), ('So.', '$.conversations[1].value')]
    """
    profile = PROFILES[entry.layout]
    for i, conversation in enumerate(entry.conversations):
        values, path = values_of(entry, conversation), profile.path(i)
        for j, turn in enumerate(conversation.content):
            question = values[j - 1] if j and turn.role == profile.roles[1] else None
            yield Text(values[j], f"{path}[{j}].value", question)


def values_of(entry: Entry, conversation: Conversation) -> list[str]:
    """Return the texts of a conversation, without the ``<image>`` that stands for the record's image.

    >>> from svit_datasets.records import Turn
    >>> conversation = Conversation([Turn("human", "Why?\\n<image>")])
    >>> values_of(Entry("a.json", 1, "llava", image="vg/VG_100K/2.jpg"), conversation)
    ['Why?']
    """
    values = [turn.value for turn in conversation.content]
    if not PROFILES[entry.layout].is_native and values:
        values[0] = without_image(values[0])
    return values


def without_image(value: str) -> str:
    """Return a first question without the ``<image>`` at its edge; nothing is left of one that asks nothing.

    >>> without_image("<image>\\nWhy?"), without_image("<image>")
    ('Why?', '')
    """
    return "" if value.strip() == IMAGE_TOKEN else strip_image(value)
