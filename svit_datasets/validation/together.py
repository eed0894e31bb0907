"""The shards of a run as one: their findings in order, and what their records repeat of each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import msgspec

from svit_datasets.findings import Finding
from svit_datasets.rules import RULES
from svit_datasets.validation.apart import Piece, Told
from svit_datasets.validation.first_seen import FirstSeen
from svit_datasets.validation.photo_rules import PhotoKey, is_told_once
from svit_datasets.validation.results import Results
from svit_datasets.validation.set_rules import FILE_BITS, NUMBERS, same_id, same_question, same_record
from svit_datasets.validation.traces import Keys, unpack

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# What is told of a record behind what it repeats of others.
_BEHIND = {"duplicate-question", "image-held-out", *(code for code, rule in RULES.items() if rule.family == "trainer")}


class Together:
    """Takes the pieces of all shards, in order, and puts what is found into results.

    Memory grows by 16 bytes a record, an id and a LLaVA question, as it does where all is read in one process.

    Args:
        results: Where findings go.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._repeats = _Repeats()
        self._stopped: set[str] = set()
        self._photos: set[PhotoKey] = set()  # of which something is told once, and was

    def take(self, piece: Piece, before: int) -> None:
        """Take a piece down.

        Args:
            piece: It.
            before: What to add to the numbers of its records.
        """
        import numpy as np

        numbers = np.array(unpack(piece.numbers), np.int64) + before
        repeated = self._repeats.find(piece, numbers)
        self._results.records += piece.records
        told: dict[int, Told] = {one.entry: one for one in unpack(piece.told)}
        for entry in sorted({*told, *repeated}):
            one = told.get(entry, Told(entry, [], None, None))
            moved = [_moved(fault, before) for fault in self._new(one)]
            at = next((i for i, fault in enumerate(moved) if fault.code in _BEHIND), len(moved))
            ends = [one.end] if one.end is not None and piece.file not in self._stopped else []
            kept = self._results.add([*moved[:at], *repeated.get(entry, ()), *moved[at:], *ends])
            self._results.faulty += bool(kept)
        if piece.stops:
            self._stopped.add(piece.file)

    def _new(self, told: Told) -> list[Finding]:
        """Return findings without what another shard told of the photo already."""
        if told.photo is None:
            return told.found
        is_known = told.photo in self._photos
        self._photos.add(told.photo)
        return [fault for fault in told.found if not (is_known and is_told_once(fault))]


def _moved(fault: Finding, before: int) -> Finding:
    return msgspec.structs.replace(fault, record=fault.record + before) if before else fault


class _Repeats:
    """Which records repeat others: what ``SetRules`` tells, from the hashes of whole pieces."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._records, self._ids, self._questions = FirstSeen(), FirstSeen(), FirstSeen()

    def find(self, piece: Piece, numbers: npt.NDArray[np.int64]) -> dict[int, list[Finding]]:
        """Return what each entry of a piece repeats; those that repeat nothing are left out."""
        import numpy as np

        if not self._files or self._files[-1] != piece.file:
            self._files.append(piece.file)
        places = numbers.astype(np.uint64) | np.uint64((len(self._files) - 1) << FILE_BITS)
        copies = {entry: first for _, entry, first in _known(self._records, piece.traces.copies, places)}
        found: dict[int, list[Finding]] = {entry: [same_record(self._told(at))] for entry, at in copies.items()}
        for _, entry, first in _known(self._ids, piece.traces.ids, places):
            if entry not in copies:
                id = piece.ids()[entry]
                found[entry] = [same_id(id, self._told(first), is_native=piece.is_native)]
        for number, entry, first in _known(self._questions, piece.traces.questions, places, without=copies):
            path, quoted, image = piece.asked()[number]
            found.setdefault(entry, []).append(same_question(quoted, image, self._told(first), path=path))
        return {entry: [_at(fault, piece, entry, numbers) for fault in faults] for entry, faults in found.items()}

    def _told(self, place: int) -> str:
        return f"{self._files[place >> FILE_BITS]}:{place & NUMBERS}"


def _at(fault: Finding, piece: Piece, entry: int, numbers: npt.NDArray[np.int64]) -> Finding:
    return fault.at(file=piece.file, record=int(numbers[entry]), id=piece.ids()[entry])


def _known(
    seen: FirstSeen, keys: Keys, places: npt.NDArray[np.uint64], without: Collection[int] = ()
) -> Iterator[tuple[int, int, int]]:
    """Yield the keys that came before: number of the key, its entry, and the place where it came first.

    Args:
        seen: All keys so far; takes these.
        keys: The keys of a piece.
        places: The place of each entry of the piece.
        without: Entries whose keys are left out, and not remembered.
    """
    import numpy as np

    chosen = np.flatnonzero(~np.isin(keys.entries, list(without)))
    entries = keys.entries[chosen]
    firsts, is_known = seen.add_all(keys.hashes[chosen], places[entries])
    columns = (column[is_known].tolist() for column in (chosen, entries, firsts))
    yield from zip(*columns, strict=True)
