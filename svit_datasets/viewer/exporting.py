"""Write chosen records as a folder that opens in a browser without a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from svit_datasets.errors import UsageError
from svit_datasets.reading.entries import Given
from svit_datasets.viewer.app import page_files, start_with
from svit_datasets.viewer.data import Data, Source, as_roots, open_data
from svit_datasets.viewer.filters import EVERYTHING, Filter, check_code
from svit_datasets.viewer.framing import Frame
from svit_datasets.viewer.hiding import Hiding
from svit_datasets.viewer.index import Stored
from svit_datasets.viewer.photo import SUFFIXES, find_photo, read_photo, without_orientation
from svit_datasets.viewer.present import present
from svit_datasets.viewer.shapes import Counted, Exported, Facts, Photo, RecordShown
from svit_datasets.viewer.target import DATA, MARK, new_folder, refuse_target
from svit_datasets.writing.writers import encode_ascii

_DATA_TAG = '<script defer src="data.js"></script>\n    '
_FIRST_SCRIPT = '<script defer src="page/dom.js">'
# No server sends this header for a file; file: is for browsers to which 'self' is no file.
_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'self' file:; "
    "style-src 'self' file:; img-src 'self' file:; base-uri 'none'; form-action 'none'\">\n    "
)


class Written(NamedTuple):
    """What an export holds.

    Attributes:
        folder: The folder.
        records: How many records.
        matched: How many were asked for; more than ``records`` where a limit left some out.
        photos: How many photos.
    """

    folder: Path
    records: int
    matched: int
    photos: int


def export(
    inputs: Any,
    folder: str | Path,
    *,
    images: Iterable[str | Path] | str | Path = (),
    layout: Given = "auto",
    task: str | None = None,
    coordinates: Frame = "padded",
    asked: Filter = EVERYTHING,
    limit: int | None = None,
    overwrite: bool = False,
) -> Written:
    """Write records as a static page that opens without a server.

    Args:
        inputs: One input or several, as in ``read_entries``.
        folder: Where to; an earlier export only with ``overwrite``.
        images: Where photos are looked for, as in ``Photos``.
        layout: Layout of the files; ``auto`` looks at the first record of each.
        task: Task of native inputs, where their names do not say it.
        coordinates: The frame of LLaVA records' boxes.
        asked: Which records.
        limit: How many records at most.
        overwrite: Whether an earlier export may be replaced.

    Returns:
        What was written.

    Raises:
        UsageError: The folder cannot be replaced, no finding has the code, or no record is asked for.
        InputError: An input or a root does not exist, or cannot be opened.
        OutputError: It cannot be written.
    """
    refuse_target(Path(folder), overwrite=overwrite)
    check_code(asked.code)
    with open_data(Source(inputs, as_roots(images), layout, task, coordinates)) as data:
        return export_data(data, folder, asked=asked, limit=limit, overwrite=overwrite)


def export_data(
    data: Data,
    folder: str | Path,
    *,
    asked: Filter = EVERYTHING,
    ids: Iterable[str] = (),
    limit: int | None = None,
    overwrite: bool = False,
) -> Written:
    """Write records that were read already: the same page, its data and photos beside it; whole or not at all.

    Args:
        data: The records, as ``open_data`` gives them.
        folder: Where to; an earlier export only with ``overwrite``.
        asked: Which records.
        ids: Image ids or record ids; of those asked for, only records with one of them.
        limit: How many records at most.
        overwrite: Whether an earlier export may be replaced.

    Returns:
        What was written.

    Raises:
        UsageError: The folder cannot be replaced, no finding has the code, or no record is asked for.
        OutputError: It cannot be written.
    """
    target = Path(folder)
    refuse_target(target, overwrite=overwrite)
    check_code(asked.code)
    numbers = choose_numbers(data, asked, list(ids))
    chosen = numbers[:limit]
    with new_folder(target) as made:
        writer = _Writer(data, made)
        writer.write_page()
        writer.write_data(chosen)
        return Written(target, len(chosen), len(numbers), writer.photos)


def choose_numbers(data: Data, asked: Filter, ids: list[str]) -> list[int]:
    """Return the numbers of the records that are asked for, ascending; ``UsageError`` where there are none."""
    if not ids:
        numbers = list(data.index.select(asked))
    else:
        each = {record_id: data.index.select(asked._replace(image_id=record_id)) for record_id in ids}
        without = [record_id for record_id, found in each.items() if not found]
        if without:
            raise UsageError(f"no record asked for has the id {', '.join(without)}; nothing was written")
        numbers = sorted({number for found in each.values() for number in found})
    if not numbers:
        raise UsageError("no record is asked for by these options; nothing was written")
    return numbers


class _Writer:
    """Writes the files of one export."""

    def __init__(self, data: Data, folder: Path) -> None:
        self._data, self._folder = data, folder
        self._hiding = Hiding(data.photos.names, [file.name for file in data.index.facts().files])
        self._addresses: dict[str, str] = {}
        self.photos = 0

    def write_page(self) -> None:
        pages = page_files()
        (self._folder / "page").mkdir()
        (self._folder / "photos").mkdir()
        index = pages.pop("index.html").decode()
        changed = index.replace("<title>", f"{_POLICY}<title>", 1).replace(_FIRST_SCRIPT, _DATA_TAG + _FIRST_SCRIPT, 1)
        (self._folder / "index.html").write_text(changed, "utf-8")
        for name, content in pages.items():
            (self._folder / "page" / name).write_bytes(content)

    def write_data(self, numbers: list[int]) -> None:
        """Write ``data.js``, a record at a time: a page from a file may load a script, but may not fetch."""
        counts: dict[str, Counter[str]] = {"tasks": Counter(), "codes": Counter(), "files": Counter()}
        faulty = 0
        with (self._folder / DATA).open("wb") as file:
            file.write(b'"use strict";\nglobalThis.svitExport = {"records": [\n')
            for number in numbers:
                stored = self._data.index.get(number)
                assert stored is not None  # it was selected from the same index
                (line,) = self._data.index.lines([number])
                faulty += bool(line.badges)
                counts["tasks"][stored.task] += 1
                counts["files"][stored.file] += 1
                counts["codes"].update(badge.code for badge in line.badges)
                line = self._hiding.line(line, is_readable=stored.is_readable)
                file.write(encode_ascii(Exported(line, self._show(stored))) + b",\n")
            tables = {name: [Counted(*one) for one in table.most_common()] for name, table in counts.items()}
            facts = self._hiding.facts(Facts(total=len(numbers), faulty=faulty, **tables))
            file.write(b'], "start": ' + encode_ascii(start_with(facts)) + b"};\n")
        (self._folder / MARK).write_bytes(encode_ascii({"records": len(numbers)}) + b"\n")

    def _show(self, stored: Stored) -> RecordShown:
        shown = present(stored, self._data.photos, coordinates=self._data.coordinates)
        address = self._copy(stored, shown.photo) if shown.photo.address else ""
        return self._hiding.record(shown, address=address)

    def _copy(self, stored: Stored, photo: Photo) -> str:
        """Copy a photo once, however many records are about it; return its address."""
        known = self._addresses.get(photo.place)
        if known is not None:
            return known
        place = find_photo(stored, self._data.photos)
        file = None if isinstance(place, Photo) else read_photo(place)
        assert file is not None  # it was looked at a moment ago
        file = without_orientation(file)
        self.photos += 1
        address = f"photos/{self.photos}{SUFFIXES[file.content_type]}"
        (self._folder / address).write_bytes(file.content)
        self._addresses[photo.place] = address
        return address
