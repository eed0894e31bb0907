"""What a stream of JSON values is handed on as: single elements, and runs of them that were taken at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from svit_datasets.findings import Finding
from svit_datasets.reading.window import Window

T = TypeVar("T")
_LONGEST_PAUSE = 63  # records between two questions for a run where none is found


class Run(Protocol):
    """Elements that were taken at once."""

    @property
    def count(self) -> int:
        """How many."""

    @property
    def end(self) -> int:
        """Index behind the comma, or the line break, behind the last."""


class Take(Protocol):
    """What takes several elements at once; they must be elements that the decoder takes too."""

    def __call__(self, data: bytes, begin: int, stop: int, separator: bytes) -> Run | None:
        """Return the elements from the index ``begin`` on that can be taken, None where the first cannot.

        What stands behind each of them, a comma or a line break, must stand before the index ``stop``.
        """


@dataclass(frozen=True, slots=True)
class Value(Generic[T]):
    """One element of a file.

    Attributes:
        number: Its number, from 1.
        raw: Its bytes as they stand; valid until the next value is asked for.
        value: What the decoder made of it; None with a fault.
        fault: Why it could not be decoded, without file and id.
        is_last: The fault ends the file: nothing behind it can be read.
        is_passed: The window already stands at the next element.
        run: Elements that were taken at once, in place of one; ``number`` is that of the first.
    """

    number: int
    raw: bytes | memoryview
    value: T | None = None
    fault: Finding | None = None
    is_last: bool = False
    is_passed: bool = False
    run: Run | None = None


class Taking:
    """Asks for runs of elements; more rarely the longer there are none."""

    def __init__(self, take: Take | None, stop: int | None) -> None:
        self._take, self._stop = take, stop
        self._pause = self._failures = 0

    def run(self, window: Window, separator: bytes) -> Run | None:
        """Return the elements that can be taken at once where the window stands, if any."""
        if self._take is None:
            return None
        if self._pause:
            self._pause -= 1
            return None
        stop = len(window.data) if self._stop is None else self._stop - window.base
        run = self._take(window.data, window.pos, stop, separator)
        if run is None:
            self._failures += 1
            self._pause = min((1 << (self._failures - 1)) - 1, _LONGEST_PAUSE)
            return None
        self._failures = 0
        window.remember_key(window.data, window.pos)
        return run
