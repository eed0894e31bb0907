"""Errors that say where, what was found, what was expected, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svit_datasets.findings import Finding


class SvitError(Exception):
    """Base of every error that this package raises on purpose.

    Args:
        message: The whole text, one line, with the place first.
        finding: The fault as a record, when there is one.
    """

    def __init__(self, message: str, finding: Finding | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.finding = finding

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[SvitError], tuple[Any, ...]]:
        return type(self), (self.message, self.finding)


class UsageError(SvitError, ValueError):
    """The options do not fit together."""


def choose(name: str, value: object, values: tuple[str, ...]) -> None:
    """Raise ``UsageError`` where an option has none of its values.

    >>> choose("on_error", "ignore", ("raise", "skip"))
    Traceback (most recent call last):
    svit_datasets.errors.UsageError: on_error='ignore': expected one of raise, skip
    """
    if value not in values:
        raise UsageError(f"{name}={value!r}: expected one of {', '.join(values)}")


class InputError(SvitError, OSError):
    """A file or folder cannot be used at all: missing, empty, truncated, not JSON."""

    __str__ = SvitError.__str__


class RecordError(SvitError, ValueError):
    """One record is at fault; ``finding`` holds its place."""


class FindingsError(SvitError, ValueError):
    """The input was read to its end and faults were found (``on_error="collect"``).

    Args:
        message: How many, and the first of them.
        finding: The first.
        first: The first 20.
    """

    def __init__(self, message: str, finding: Finding | None = None, first: tuple[Finding, ...] = ()) -> None:
        super().__init__(message, finding)
        self.first = first

    def __reduce__(self) -> tuple[type[SvitError], tuple[Any, ...]]:
        return type(self), (self.message, self.finding, self.first)


class OutputError(SvitError, OSError):
    """The output cannot be written; nothing was left under its name."""

    __str__ = SvitError.__str__


class SvitWarning(UserWarning):
    """Records or images were left out or set to null, or something about them is odd; counted, with examples.

    Also that something is waited for, or was left for a later run.
    """
