"""What an export leaves out: where folders and files lie on this machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from svit_datasets.findings import Finding
from svit_datasets.viewer.index_build import to_utf8
from svit_datasets.viewer.shapes import Facts, Line, Photo, RecordShown


class Hiding:
    """Takes the places of this machine out of what a copy holds.

    Args:
        roots: Where photos were looked for; the last name of each is left.
        files: The inputs; their own names are left.

    >>> Hiding(["/data/me/raw"], ["/data/me/a.json"]).text("no 5.jpg under /data/me/raw, as in /data/me/a.json:3")
    'no 5.jpg under raw, as in a.json:3'
    """

    def __init__(self, roots: Iterable[str], files: Iterable[str]) -> None:
        names = {place: Path(place).name for root in roots for place in _spellings(root)}
        parents = {str(Path(file).parent) for file in files}
        names |= {f"{place.rstrip('/')}/": "" for parent in parents for place in _spellings(parent)}
        self._names = {to_utf8(place): to_utf8(name) for place, name in names.items()}
        # The longest first: a root may lie in another. A relative one is no part of a longer path.
        each = sorted(self._names, key=len, reverse=True)
        self._place = re.compile("|".join(("" if p.startswith("/") else r"(?<![\w./-])") + re.escape(p) for p in each))

    def text(self, text: str) -> str:
        """Return a text with the last name of each folder for its place."""
        return self._place.sub(lambda match: self._names[match[0]], text) if self._names else text

    def line(self, line: Line, *, is_readable: bool) -> Line:
        """Return a line of the list; that of a record that could not be read tells of its fault."""
        opening = line.opening if is_readable else self.text(line.opening)
        return msgspec.structs.replace(line, file=file_name(line.file), opening=opening)

    def record(self, record: RecordShown, *, address: str) -> RecordShown:
        """Return a record; its own text stays as it is.

        Args:
            record: The record.
            address: Where the copy has its photo.

        Returns:
            The record as the copy has it.
        """
        photo = self._photo(record.photo, address)
        findings = [self._finding(one) for one in record.findings]
        return msgspec.structs.replace(record, file=file_name(record.file), photo=photo, findings=findings)

    def _photo(self, photo: Photo, address: str) -> Photo:
        states = {"missing": f"There was no {photo.name} when this copy was made."}
        message = states.get(photo.state, self.text(photo.message))
        return msgspec.structs.replace(photo, place="", message=message, address=address)

    def _finding(self, one: Finding) -> Finding:
        texts = {name: self.text(getattr(one, name)) for name in ("found", "expected", "mend")}
        return msgspec.structs.replace(one, file=file_name(one.file), **texts)

    def facts(self, facts: Facts) -> Facts:
        """Return the facts with the inputs' own names; two inputs of one name stay two."""
        files = [msgspec.structs.replace(one, name=file_name(one.name)) for one in facts.files]
        return msgspec.structs.replace(facts, files=files)


def file_name(file: str) -> str:
    """Return an input's own name.

    >>> file_name("/data/me/data/referring_qa.json"), file_name("-")
    ('referring_qa.json', '-')
    """
    return Path(file).name


def _spellings(place: str) -> set[str]:
    """Return a folder as it was given and in full; nothing short that other words may hold.

    >>> _spellings("/data/me/raw"), _spellings("/")
    ({'/data/me/raw'}, set())
    """
    found = {place, str(Path(place).absolute()), str(Path(place).resolve())}
    return {one for one in found if Path(one).name not in ("", "..") and "/" in one}
