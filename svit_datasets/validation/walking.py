"""Walk a stream of entries as a trainer's loader does: what it stops at, each file of theirs once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from svit_datasets.findings import Finding, finding
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.checks import Checks
from svit_datasets.validation.layouts import PROFILES
from svit_datasets.validation.lengths import ESTIMATE, Lengths, load_tokenizer
from svit_datasets.validation.training import check_file, check_trainer

_STOP_TRAINING = ("image-missing", "image-undecodable", "image-folder-differs")


class Walker:
    """Walks entries with the trainer's loader.

    Args:
        checks: Whose loader, and how tokens are counted; without a trainer nothing is found.
        begun: Files that were looked at as a whole already.

    Attributes:
        stopped: Files in which the loader stopped at a record that cannot be read.
    """

    def __init__(self, checks: Checks, begun: Collection[str] = ()) -> None:
        counter = ESTIMATE if checks.tokenizer is None else load_tokenizer(checks.tokenizer)
        self._lengths = Lengths(counter, checks.model_max_length, checks.image_tokens)
        self._checks, self._begun = checks, set(begun)
        self.stopped: set[str] = set()

    def walk(self, entry: Entry, found: list[Finding]) -> Iterator[Finding]:
        """Yield what becomes of an entry; ``found`` is what the other rules found, its photo among it."""
        if self._checks.trainer is None:
            return
        if PROFILES[entry.layout].is_native:
            if entry.fault is None:
                yield from check_trainer(entry, self._lengths, self._checks.coordinates)
            return
        if entry.file not in self._begun:
            self._begun.add(entry.file)
            whole = check_file(entry.file) if Path(entry.file).is_file() else None
            yield from [whole] if whole else []
        if entry.raw:
            told = list(check_trainer(entry, self._lengths, self._checks.coordinates))
            if entry.fault is not None and told:
                self.stopped.add(entry.file)
            yield from told
            yield from (_of_photo(fault) for fault in found if fault.code in _STOP_TRAINING)

    def end(self, entry: Entry) -> Finding | None:
        """Return what the end of a file that cannot be read does, where the loader came so far."""
        if self._checks.trainer is None or PROFILES[entry.layout].is_native or entry.raw or entry.fault is None:
            return None
        if entry.fault.severity != "error" or entry.file in self.stopped:
            return None
        return finding("trainer-crash", f"a file that ends in a fault: {entry.fault.found}", file=entry.file)


def _of_photo(fault: Finding) -> Finding:
    """Return what a photo that cannot be opened does to the trainer."""
    crash = finding("trainer-crash", f"a photo that cannot be opened: {fault.found}", path="$.image")
    return crash.at(file=fault.file, record=fault.record, id=fault.id)
