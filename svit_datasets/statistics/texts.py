"""What a text holds besides its boxes: its words, how it opens, whether it says yes or no. No I/O."""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import NamedTuple

from svit_datasets.converters.llava_layout import IMAGE_TOKEN, SENTENCES, strip_sentence
from svit_datasets.grounding import PARTS
from svit_datasets.statistics.counters import MAX_CHARACTERS, Frequencies, clip

OPENING_WORDS = (1, 2, 3)
_EDGES = f"{string.punctuation}\u2018\u2019\u201c\u201d\u2013\u2014\u2026"
_PUNCTUATION = string.punctuation.encode()
_RAW_LIMIT, _RAW_CHARACTERS = 8192, 200


class Grounded(NamedTuple):
    """A text apart from its boxes.

    Attributes:
        plain: The text without marks and boxes; the phrases stay.
        boxes: Its runs of boxes, as written.
        phrases: The marked phrases that have boxes.
        bare: The runs of boxes without a marked phrase.
    """

    plain: str
    boxes: list[str]
    phrases: list[str]
    bare: list[str]


def read_grounded(text: str) -> Grounded:
    """Take a text apart.

    >>> read_grounded("A <st>man<ed> [0.1, 0.2, 0.3, 0.4] walks.")
    Grounded(plain='A man walks.', boxes=['[0.1, 0.2, 0.3, 0.4]'], phrases=['man'], bare=[])
    """
    parts = PARTS.split(text)
    if len(parts) == 1:
        return Grounded(text, [], [], [])
    phrases, boxes = parts[1::4], parts[2::4]
    if None not in phrases:
        del parts[2::4], parts[2::3]
        return Grounded("".join(parts), boxes, phrases, [])
    bare = [f"[{rest}" for rest in parts[3::4] if rest is not None]
    marked = [run for run in boxes if run is not None]
    parts[1::4] = [phrase or "" for phrase in phrases]
    parts[2::4] = parts[3::4] = [""] * len(boxes)
    return Grounded("".join(parts), marked + bare, [phrase for phrase in phrases if phrase is not None], bare)


def count_words(plain: str) -> int:
    """Return the number of words: what blanks, tabs and line breaks set apart; punctuation that stands alone is none.

    >>> count_words("It's a dog - or 2.5 cats!"), count_words(" . ")
    (6, 0)
    """
    return len(plain.encode("utf-8", "surrogatepass").translate(None, _PUNCTUATION).split())


def strip_layout(value: str) -> tuple[str, bool]:
    """Return a LLaVA question without formatting sentence, and whether it had one.

    >>> strip_layout("Who?\\nLocate the objects with their coordinates.")
    ('Who?', True)
    """
    if not value.endswith(SENTENCES):
        return value, False
    short = strip_sentence(value)
    return short, len(short) < len(value)


def strip_token(value: str) -> str:
    """Return a text without ``<image>``, which stands for no word.

    >>> strip_token("<image>\\nWho?")
    '\\nWho?'
    """
    return value.replace(IMAGE_TOKEN, "") if IMAGE_TOKEN in value else value


def normalise(phrase: str) -> str:
    """Return a phrase in lower case, its white space made single blanks, cut to what counters keep.

    >>> normalise(" The  brown\\ndog ")
    'the brown dog'
    """
    return clip(" ".join(phrase.lower().split()))


def opening_words(pieces: list[str]) -> list[str]:
    """Return pieces of a text as words: in lower case, without punctuation at their edges.

    >>> opening_words(["Yes,", "-", "it's"])
    ['yes', "it's"]
    """
    return [word for piece in pieces if (word := piece.strip(_EDGES).lower())]


def verdict(pieces: list[str]) -> str:
    """Return ``yes`` or ``no`` where a text that opens with ``pieces`` says so, else ''.

    A ``no`` counts where punctuation or nothing follows it: "No one is there" denies nothing.

    >>> verdict(["Yes", "it", "is"]), verdict(["No,", "it"]), verdict(["No", "one", "is"]), verdict(["No"])
    ('yes', 'no', '', 'no')
    """
    if not pieces:
        return ""
    word = pieces[0].strip(_EDGES).lower()
    if word == "yes":
        return word
    ends = pieces[0][-1:] in _EDGES or len(pieces) == 1 or not pieces[1].strip(_EDGES)
    return word if word == "no" and ends else ""


class Openings:
    """How texts open: their first one, two and three words, and yes or no.

    >>> seen = Openings()
    >>> seen.add_all(["Yes, it is.", "Yes."])
    >>> [counts.top(1)[0] for counts in seen.by_length()], seen.verdicts()
    ([Ranked(text='yes', times=2), Ranked(text='yes', times=1), Ranked(text='yes', times=1)], {'yes': 2, 'no': 0})
    """

    __slots__ = ("_counts", "_raw", "_verdicts")

    def __init__(self) -> None:
        self._raw: dict[str, int] = {}  # as written, so that each spelling is made words of once and not every time
        self._counts = tuple(Frequencies() for _ in OPENING_WORDS)
        self._verdicts = {"yes": 0, "no": 0}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Openings):
            return NotImplemented
        return (self.by_length(), self.verdicts()) == (other.by_length(), other.verdicts())

    __hash__ = None  # type: ignore[assignment]

    def add_all(self, plain: Iterable[str]) -> None:
        """Count how texts open."""
        counts = self._raw
        for text in plain:
            raw = " ".join(text.split(None, 3)[:3])
            if len(raw) > _RAW_CHARACTERS:
                raw = " ".join(piece[:MAX_CHARACTERS] for piece in raw.split())
            counts[raw] = counts.get(raw, 0) + 1
        if len(counts) >= _RAW_LIMIT:
            self._fold()

    def _fold(self) -> None:
        for raw, times in self._raw.items():
            pieces = raw.split()
            words = opening_words(pieces)
            for length, counts in zip(OPENING_WORDS, self._counts, strict=True):
                if words:
                    counts.add(clip(" ".join(words[:length])), times)
            if said := verdict(pieces):
                self._verdicts[said] += times
        self._raw = {}

    def by_length(self) -> tuple[Frequencies, ...]:
        """Return the counts of openings of one, two and three words; shorter texts count whole."""
        self._fold()
        return self._counts

    def verdicts(self) -> dict[str, int]:
        """Return how many texts say yes and no."""
        self._fold()
        return self._verdicts

    def take(self, other: Openings) -> None:
        """Count all that ``other`` has seen."""
        for mine, theirs in zip(self.by_length(), other.by_length(), strict=True):
            mine.take(theirs)
        for said, times in other.verdicts().items():
            self._verdicts[said] += times


class Phrases:
    """Marked phrases, counted in the spelling that ``normalise`` gives.

    >>> seen = Phrases()
    >>> seen.add_all(["The man", "the  man"])
    >>> seen.counts().top(1)
    [Ranked(text='the man', times=2)]
    """

    __slots__ = ("_counts", "_raw")

    def __init__(self) -> None:
        self._raw: dict[str, int] = {}
        self._counts = Frequencies()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Phrases) and self.counts() == other.counts()

    __hash__ = None  # type: ignore[assignment]

    def add_all(self, phrases: Iterable[str]) -> None:
        """Count phrases."""
        counts = self._raw
        for phrase in phrases:
            raw = phrase if len(phrase) <= _RAW_CHARACTERS else normalise(phrase)
            counts[raw] = counts.get(raw, 0) + 1
        if len(counts) >= _RAW_LIMIT:
            self._fold()

    def _fold(self) -> None:
        for raw, times in self._raw.items():
            self._counts.add(normalise(raw), times)
        self._raw = {}

    def counts(self) -> Frequencies:
        """Return the counts."""
        self._fold()
        return self._counts

    def take(self, other: Phrases) -> None:
        """Count all that ``other`` has seen."""
        self.counts().take(other.counts())
