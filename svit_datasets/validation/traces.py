"""What a record leaves behind for those after it: hashes of what it trains on, of its id, of its questions.

A shard's records are checked as a set where all shards come together. There the hashes tell which record repeats
another; what a message quotes of it travels packed, and is opened where it is needed.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from svit_datasets.findings import Finding, quote
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.set_rules import asks_of_image, check_alone, id_of, questions_of, trained_on

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_BREAK = "\0"


class Keys(NamedTuple):
    """Hashes, and which entry of the shard each belongs to."""

    entries: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]


class Asked(NamedTuple):
    """A question as a message tells it: its place in the record, quoted, and the image that it is asked of."""

    path: str
    quoted: str
    image: str


class Traces(NamedTuple):
    """What the records of a shard leave behind.

    Attributes:
        copies: Hashes of what records train on.
        ids: Hashes of ids with what they must differ in.
        questions: Hashes of the questions of LLaVA records with an image.
        ids_packed: Id of every entry.
        asked_packed: The questions as they are told.
    """

    copies: Keys
    ids: Keys
    questions: Keys
    ids_packed: bytes
    asked_packed: bytes


class Tracer:
    """Checks records as far as it takes no other record, and keeps what the rest takes."""

    def __init__(self) -> None:
        self._count = 0
        self._ids: list[str] = []
        self._asked: list[Asked] = []
        self._keys: tuple[list[tuple[int, int]], ...] = ([], [], [])

    def check(self, entry: Entry, values: list[str] | None = None) -> Iterator[Finding]:
        """Yield what ``SetRules.check`` does, but for what repeats other records."""
        number, self._count = self._count, self._count + 1
        self._ids.append(entry.id)
        if entry.fault is not None:
            return
        copies, ids, questions = self._keys
        if entry.conversations:
            copies.append((number, stable_hash(*trained_on(entry, values))))
        if entry.id:
            ids.append((number, stable_hash(*id_of(entry))))
        if asks_of_image(entry):
            for path, question in questions_of(entry):
                questions.append((number, stable_hash(entry.image, question)))
                self._asked.append(Asked(path, quote(question), entry.image or ""))
        yield from check_alone(entry, values)

    def traces(self) -> Traces:
        """Return what all records left behind."""
        copies, ids, questions = map(_keys, self._keys)
        return Traces(copies, ids, questions, pack(self._ids), pack(self._asked))


def _keys(found: list[tuple[int, int]]) -> Keys:
    import numpy as np

    entries = np.fromiter((entry for entry, _ in found), np.int64, len(found))
    return Keys(entries, np.fromiter((key for _, key in found), np.uint64, len(found)))


def stable_hash(*parts: int | str | None) -> int:
    """Return 64 bits that are the same in every process for the same parts.

    >>> stable_hash(5, "a"), stable_hash("5", "a") == stable_hash(5, "a"), stable_hash("ab") == stable_hash("a", "b")
    (5420925521625429096, False, False)
    """
    # Texts are joined where that can be told apart from other texts, which is quicker than to quote them.
    others = [part for part in parts if not isinstance(part, str)]
    texts = [part for part in parts if isinstance(part, str)]
    joined = _BREAK.join([repr(others), *texts])
    if joined.count(_BREAK) != len(texts) or parts[: len(others)] != tuple(others):
        joined = repr(parts)
    return int.from_bytes(sha256(joined.encode("utf-8", "surrogatepass")).digest()[:8])


def pack(value: Any) -> bytes:
    """Return a value packed small, to travel between processes of one run.

    >>> unpack(pack(["a"]))
    ['a']
    """
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), 1)


def unpack(packed: bytes) -> Any:
    """Return what ``pack`` packed."""
    return pickle.loads(zlib.decompress(packed))
