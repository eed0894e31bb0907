"""The buffers that kernels fill with the columns of native records."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# Places in ``Texts.filled``: how many of each there are.
RECORDS, CONVERSATIONS, TURNS = 0, 1, 2


class Texts(NamedTuple):
    """Some records as Arrow lays them out: ``*_ends`` are offsets, one more than there are, from 0.

    Attributes:
        filled: How many records, conversations and turns there are.
        ids: Image id of each record.
        places: Number of each record among those passed over, from 0.
        begins: Index at which its JSON text begins.
        sizes: Bytes of that.
        record_ends: Conversations up to the end of each record.
        topics: Text of the topics.
        topic_ends: Bytes up to the end of each conversation's topic.
        has_topic: Whether each conversation has one.
        content_ends: Turns up to the end of each conversation.
        roles: Text of the roles.
        role_ends: Bytes up to the end of each turn's role.
        values: Text of the turns.
        value_ends: Bytes up to the end of each turn's text.
    """

    filled: Any
    ids: Any
    places: Any
    begins: Any
    sizes: Any
    record_ends: Any
    topics: Any
    topic_ends: Any
    has_topic: Any
    content_ends: Any
    roles: Any
    role_ends: Any
    values: Any
    value_ends: Any


class Objects(NamedTuple):
    """The marked phrases of some texts, likewise.

    Attributes:
        text_ends: Objects up to the end of each text.
        objects: Three rows: the number of each object's text, and where in it the phrase starts and ends.
        phrases: Text of the phrases.
        phrase_ends: Bytes up to the end of each object's phrase.
        box_ends: Boxes up to the end of each object.
        numbers: Coordinates, four a box.
    """

    text_ends: Any
    objects: Any
    phrases: Any
    phrase_ends: Any
    box_ends: Any
    numbers: Any


def make_texts(size: int) -> Texts:
    """Return room for all that JSON text of so many bytes can hold; what is not used costs no memory.

    >>> make_texts(1000).filled.tolist()
    [0, 0, 0]
    """
    records, turns = size // 60 + 2, size // 22 + 2  # bytes of the shortest of each
    ids, places, begins, sizes = (np.empty(records, np.int64) for _ in range(4))
    topics, roles, values = (np.empty(size, np.uint8) for _ in range(3))
    topic_ends, content_ends, role_ends, value_ends = (_ends(turns) for _ in range(4))
    return Texts(
        np.zeros(3, np.int64), ids, places, begins, sizes, _ends(records), topics, topic_ends,
        np.zeros(turns, np.bool_), content_ends, roles, role_ends, values, value_ends,
    )  # fmt: skip


def make_objects(size: int, texts: int) -> Objects:
    """Return room for all objects that so many texts of so many bytes can hold.

    >>> len(make_objects(80, 3).text_ends)
    4
    """
    objects, numbers = size // 8 + 2, 4 * (size // 9 + 2)
    return Objects(
        _ends(texts), np.empty((3, objects), np.int32), np.empty(size, np.uint8), _ends(objects), _ends(objects),
        np.empty(numbers, np.float64),
    )  # fmt: skip


def _ends(count: int) -> Any:
    return np.zeros(count + 1, np.int32)
