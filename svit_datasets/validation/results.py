"""What was found: counted, with examples, all of it kept on disk, so that memory stays flat."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from types import TracebackType
from typing import IO, Generic, TypeVar

import msgspec

from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding
from svit_datasets.reading.entries import Entry
from svit_datasets.rules import FAMILIES, RULES, SEVERITIES, Severity
from svit_datasets.validation.fixes import Change
from svit_datasets.writing.writers import close_quietly, encode_ascii

EXAMPLES = 3
T = TypeVar("T")


def chosen_codes(select: Iterable[str] = (), ignore: Iterable[str] = ()) -> frozenset[str]:
    """Return the codes that are asked for.

    Args:
        select: Codes, beginnings of codes, or families; nothing means all.
        ignore: Likewise; what is ignored is left out of what is selected.

    Returns:
        Codes.

    Raises:
        UsageError: A word means no code.

    >>> sorted(chosen_codes(["turn", "dataset"], ["dup"]))
    ['design-count', 'image-held-out', 'turn-empty', 'turn-odd', 'turn-role']
    """
    selected = _meant(select) or frozenset(RULES)
    return selected - _meant(ignore)


def _meant(words: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for word in words:
        codes = {code for code, rule in RULES.items() if word and (code.startswith(word) or rule.family == word)}
        if not codes:
            close = get_close_matches(word, [*RULES, *FAMILIES], n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"{word!r}: neither a code, nor the beginning of one, nor a family{hint}")
        found |= codes
    return frozenset(found)


class _Spool(Generic[T]):
    """Values kept on disk, in order; the file is made with the first."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._file: IO[bytes] | None = None
        self._is_closed = False

    def add(self, value: T) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=1 << 20)
        self._file.write(encode_ascii(value) + b"\n")

    def __iter__(self) -> Iterator[T]:
        if self._is_closed:
            raise ValueError("these results are closed: go through them first, or keep them in a list")
        if self._file is not None:
            self._file.seek(0)
            for line in self._file:
                yield self._decode(line)

    def _decode(self, line: bytes) -> T:
        try:
            return msgspec.json.decode(line, type=self._kind)
        except msgspec.DecodeError:  # the name of a file that is not UTF-8
            return msgspec.convert(json.loads(line), self._kind)

    def close(self) -> None:
        self._is_closed = True
        if self._file is not None:
            close_quietly(self._file)
            self._file = None


class Results:
    """What a run found and changed.

    Args:
        codes: Codes that count; others are passed over.

    Attributes:
        codes: Codes that count.
        records: Records looked at.
        faulty: Records with a finding.
        by_code: How often each code was found.
        by_severity: How often each severity.
        examples: The first findings of each code.
        changed: How often each code was mended.
        left_out: Records, or rests of files, that a mended file does not hold because they cannot be read.
        outputs: Files written, with their numbers of records.
    """

    def __init__(self, codes: frozenset[str]) -> None:
        self.codes = codes
        self.records = 0
        self.faulty = 0
        self.by_code: Counter[str] = Counter()
        self.by_severity: Counter[Severity] = Counter()
        self.examples: dict[str, list[Finding]] = {}
        self.changed: Counter[str] = Counter()
        self.left_out = 0
        self.outputs: dict[str, int] = {}
        self._found, self._changes = _Spool(Finding), _Spool(Change)

    def take(self, entry: Entry, found: Iterable[Finding]) -> list[Finding]:
        """Count a record and take down its findings; return those that count."""
        self.records += entry.fault is None or bool(entry.raw)
        kept = self.add(found)
        self.faulty += bool(kept)
        return kept

    def add(self, found: Iterable[Finding]) -> list[Finding]:
        """Take down findings; return those that count."""
        kept = [fault for fault in found if fault.code in self.codes]
        for fault in kept:
            self.by_code[fault.code] += 1
            self.by_severity[fault.severity] += 1
            examples = self.examples.setdefault(fault.code, [])
            if len(examples) < EXAMPLES:
                examples.append(fault)
            self._found.add(fault)
        return kept

    def change(self, changes: Iterable[Change]) -> None:
        """Take down changes."""
        for change in changes:
            self.changed[change.code] += 1
            self._changes.add(change)

    def __iter__(self) -> Iterator[Finding]:
        """Yield all findings, in the order in which they were found."""
        return iter(self._found)

    def changes(self) -> Iterator[Change]:
        """Yield all changes, in order."""
        return iter(self._changes)

    def is_failed(self, fail_on: str) -> bool:
        """Tell whether something as grave as ``fail_on`` or graver was found; ``never`` is graver than all.

        A mended file that lacks what could not be read has failed, whatever was looked for.

        >>> results = Results(chosen_codes())
        >>> results.is_failed("note")
        False
        """
        if fail_on not in SEVERITIES:
            return False
        if self.left_out:
            return True
        return any(self.by_severity[severity] for severity in SEVERITIES[: SEVERITIES.index(fail_on) + 1])

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the disk that findings and changes are kept on."""
        self._found.close()
        self._changes.close()
