"""Counters whose memory does not grow with the data: of whole numbers, exact, and of texts, bounded. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

LIMIT = 8192
MAX_CHARACTERS = 80


class Integers:
    """How often each whole number was seen: exact, for numbers of few different values such as words in a text.

    >>> seen = Integers([3, 5, 5, 9])
    >>> seen.count, seen.mean, seen.percentile(50), (seen.low, seen.high)
    (4, 5.5, 5, (3, 9))
    """

    __slots__ = ("counts",)

    def __init__(self, values: Iterable[int] = ()) -> None:
        self.counts = Counter(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Integers) and self.counts == other.counts

    __hash__ = None  # type: ignore[assignment]

    def add(self, value: int, times: int = 1) -> None:
        """Count a number."""
        self.counts[value] += times

    def add_all(self, values: Iterable[int]) -> None:
        """Count numbers."""
        self.counts.update(values)

    def take(self, other: Integers) -> None:
        """Count all that ``other`` has seen."""
        self.counts.update(other.counts)

    @property
    def count(self) -> int:
        """How many numbers were seen."""
        return sum(self.counts.values())

    @property
    def total(self) -> int:
        """Their sum."""
        return sum(value * times for value, times in self.counts.items())

    @property
    def mean(self) -> float:
        """Their mean; 0 where none were seen."""
        return self.total / self.count if self.counts else 0.0

    @property
    def low(self) -> int:
        """The smallest; 0 where none were seen."""
        return min(self.counts, default=0)

    @property
    def high(self) -> int:
        """The largest; 0 where none were seen."""
        return max(self.counts, default=0)

    def percentile(self, percent: int) -> int:
        """Return the smallest number seen that at least ``percent`` of 100 numbers do not exceed; 0 where none were.

        >>> Integers(list(range(1, 101))).percentile(95)
        95
        """
        rest = -(-self.count * percent // 100)
        for value in sorted(self.counts):
            rest -= self.counts[value]
            if rest <= 0:
                return value
        return 0

    def within(self, low: int, high: int | None) -> int:
        """Return how many numbers lie from ``low`` to below ``high``; None is no bound.

        >>> Integers([3, 5, 5, 9]).within(4, 9)
        2
        """
        return sum(times for value, times in self.counts.items() if low <= value and (high is None or value < high))


class Ranked(NamedTuple):
    """A text and how often it was seen, at least."""

    text: str
    times: int


def clip(text: str) -> str:
    """Return ``text``, cut to the length that counters keep.

    >>> len(clip("a" * 100)), clip("a")
    (80, 'a')
    """
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}\u2026"


class Frequencies:
    """How often each text was seen, of texts without number, in bounded memory.

    Counts are exact until more than ``2 * limit`` different texts were seen. Then, as Misra and Gries do it, the
    ``limit + 1``-th largest count is taken from every count, and what falls to zero is forgotten. From there on a count
    is a lower bound, which lacks at most ``slack``; ``slack`` is at most ``total / (limit + 1)``. Two counters add up
    to a third with the same promise.

    Attributes:
        total: How many texts were seen, exact.
        slack: The most that any count lacks; 0 where all are exact.

    >>> seen = Frequencies()
    >>> for word in "a b a".split():
    ...     seen.add(word)
    >>> seen.top(1), seen.total, seen.is_exact
    ([Ranked(text='a', times=2)], 3, True)
    """

    __slots__ = ("counts", "limit", "slack", "total")

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.counts = limit, dict[str, int]()
        self.total = self.slack = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frequencies):
            return NotImplemented
        return (self.counts, self.total, self.slack) == (other.counts, other.total, other.slack)

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_exact(self) -> bool:
        """Whether no text was forgotten."""
        return self.slack == 0

    def add(self, text: str, times: int = 1) -> None:
        """Count a text."""
        counts = self.counts
        counts[text] = counts.get(text, 0) + times
        self.total += times
        if len(counts) > 2 * self.limit:
            self._prune()

    def add_all(self, texts: Iterable[str]) -> None:
        """Count texts."""
        for text in texts:
            self.add(text)

    def _prune(self) -> None:
        cut = sorted(self.counts.values(), reverse=True)[self.limit]
        self.counts = {text: times - cut for text, times in self.counts.items() if times > cut}
        self.slack += cut

    def take(self, other: Frequencies) -> None:
        """Count all that ``other`` has seen."""
        for text, times in other.counts.items():
            self.counts[text] = self.counts.get(text, 0) + times
        self.total += other.total
        self.slack += other.slack
        if len(self.counts) > 2 * self.limit:
            self._prune()

    def top(self, count: int) -> list[Ranked]:
        """Return the most frequent texts, the most frequent first, equals in the order of the alphabet."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [Ranked(*item) for item in ranked[:count]]
