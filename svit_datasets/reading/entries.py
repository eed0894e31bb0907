"""Records of any input as one stream of entries: native and LLaVA files, tables; for those who look, not convert."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from svit_datasets.boxes import Size
from svit_datasets.converters.llava_layout import parse_id
from svit_datasets.converters.llava_rows import Loose, decode_row
from svit_datasets.errors import UsageError, choose
from svit_datasets.findings import Finding, finding
from svit_datasets.images.visual_genome import parse_path
from svit_datasets.progress import progress
from svit_datasets.reading.containers import STDIN, check_exists, input_error, open_source
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB, Item, decode_native, read_items, task_of
from svit_datasets.reading.sources import Text, find_texts
from svit_datasets.records import TASKS, Conversation, NativeRecord, TaskName, find_task, to_native
from svit_datasets.remote.names import is_remote, path_of, protocol_of
from svit_datasets.table_inputs.inputs import TableInput, is_dataset, open_tables
from svit_datasets.table_inputs.records import TableItem

Layout = Literal["native", "llava"]
Given = Literal["auto", "native", "llava"]
LAYOUTS: tuple[Layout, ...] = ("native", "llava")

_UNTOLD: Layout = "native"  # what a record is held against while nothing shows the layout
_ANY_TASK: TaskName = "conversation"
_NATIVE_KEY = re.compile(rb'\A\s*+\{\s*+"image_id"\s*+:')
_ANYWHERE = re.compile(rb'"image_id"\s*+:')
_LLAVA_TURN = re.compile(rb'"conversations"\s*+:\s*+\[\s*+\{\s*+"(?:from|value)"')
_LLAVA_SIGN = re.compile(rb'"(?:image|id|model)"\s*+:|"human"')


class Entry(NamedTuple):
    """One record as it stands in its input, or why it could not be read.

    Attributes:
        file: The input as the user named it.
        number: Number of the record in it, from 1; 0 for a fault of the whole file.
        layout: Whether it is a native record or one of the LLaVA layout.
        id: ``image_id`` of a native record, ``id`` of a LLaVA record; '' if it has none.
        task: Its task; None where nothing tells.
        image_id: Visual Genome's id of its image; None for another image, or none.
        image: The image path that a LLaVA record tells; None in a native record, or where it has none.
        size_wh: Size of the image in stored pixels, where a table's row tells it.
        conversations: Its conversations: one in a LLaVA record, none where its turns are not of the layout's shape.
            Roles are spelled as they stand: ``human`` in LLaVA records, ``user`` in native ones.
        raw: Its JSON text, valid until the next entry is asked for; of a table's row, the native record it stands for.
        fault: Why it could not be read; only file, number, layout and id tell something then.
    """

    file: str
    number: int
    layout: Layout
    id: str = ""
    task: TaskName | None = None
    image_id: int | None = None
    image: str | None = None
    size_wh: Size | None = None
    conversations: tuple[Conversation, ...] | list[Conversation] = ()
    raw: bytes | memoryview = b""
    fault: Finding | None = None


def detect_layout(raw: bytes | memoryview) -> Layout | None:
    """Return the layout that a record's JSON text looks like, None where it looks like neither.

    >>> [detect_layout(raw) for raw in (b'{"image_id": 5}', b'{"id": "5", "conversations": []}', b"null")]
    ['native', 'llava', None]
    """
    if _LLAVA_TURN.search(raw):
        return "llava"
    if _NATIVE_KEY.match(raw) or _ANYWHERE.search(raw):
        return "native"
    return "llava" if _LLAVA_SIGN.search(raw) else None


DECODERS: dict[Layout, Callable[[bytes | memoryview], NativeRecord | Loose]] = {
    "native": decode_native,
    "llava": decode_row,
}


class _Decoder:
    """Decodes the records of one file in the layout that the first of them shows, or that was given."""

    def __init__(self, given: Given) -> None:
        self.layout: Layout | None = None if given == "auto" else given

    def __call__(self, raw: bytes | memoryview) -> NativeRecord | Loose:
        if self.layout is None:
            self.layout = detect_layout(raw)
        return DECODERS[self.layout or _UNTOLD](raw)


def read_entries(
    inputs: Any,
    *,
    layout: Given = "auto",
    task: str | None = None,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
) -> Iterator[Entry]:
    """Yield the records of all inputs, one at a time, faults in their places; memory does not grow with a file.

    Args:
        inputs: One input or several: native or LLaVA files (JSON array or JSON lines, plain, ``.gz`` or ``.zip``;
            ``-`` is standard input), folders of them, tables as in ``to_llava``.
        layout: Layout of the files; ``auto`` looks at the first record of each that shows one.
        task: Task of native inputs, where their names do not say it.
        max_record_mb: Largest record, in MiB.

    Yields:
        The entries, in order.

    Raises:
        UsageError: An option has none of its values, or a table's task is not told.
        InputError: An input does not exist, or cannot be opened.
    """
    for part in open_entries(inputs, layout=layout, task=task, max_record_mb=max_record_mb):
        yield from part.entries


class Part(NamedTuple):
    """A file or table of an input: its name, its files, its task, and its records, read as they are asked for."""

    name: str
    files: tuple[str, ...]
    task: TaskName | None
    entries: Iterator[Entry]
    is_table: bool = False


def open_entries(
    inputs: Any,
    *,
    layout: Given = "auto",
    task: str | None = None,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
) -> Iterator[Part]:
    """Yield every file and table of the inputs, in order; arguments and errors are those of ``read_entries``."""
    choose("layout", layout, ("auto", *LAYOUTS))
    if task is not None and find_task(task) is None:
        raise UsageError(f"no task is called {task!r}; pass one of {', '.join(TASKS)}")
    for one in split_inputs(inputs):
        tables = None if str(one) == STDIN else open_tables(_local(one), task)
        for table in tables or ():
            yield Part(table.name, table.files, table.task, _read_table(table), is_table=True)
        for text in _texts(one) if tables is None else ():
            told = text.member or told_task(text.name, task)
            files = () if str(text.path) == STDIN else (str(text.path),)
            yield Part(text.name, files, told, _read_file(text, layout, told, max_record_mb))


def _texts(one: Any) -> list[Text]:
    if not isinstance(one, str | Path):
        raise UsageError(f"inputs: expected paths, a Dataset or a DatasetDict, got {type(one).__name__}")
    if str(one) == STDIN:
        return [Text(Path(STDIN))]
    if is_remote(one):
        return [Text(check_exists(str(one)))]
    path = path_of(str(one))
    if not path.is_dir():
        check_exists(str(one))
    texts = find_texts(path)
    if not texts:
        mend = "name a file, or a folder with native or LLaVA files in it or under data/"
        raise input_error(finding("input-missing", "no .json, .jsonl, .json.gz or .zip", file=str(one), mend=mend))
    return texts


def _local(one: Any) -> Any:
    """Return an input, ``file://`` taken off."""
    is_url = isinstance(one, str) and not is_remote(one) and protocol_of(one) is not None
    return path_of(one) if is_url else one


def split_inputs(inputs: Any) -> list[Any]:
    """Return one input or several as a list.

    >>> split_inputs("a.json"), split_inputs(["a.json", "b.json"])
    (['a.json'], ['a.json', 'b.json'])
    """
    is_one = isinstance(inputs, str | Path) or is_dataset(inputs) or not isinstance(inputs, Iterable)
    return [inputs] if is_one else list(inputs)


def is_folder_of_files(one: Any) -> bool:
    """Tell whether an input is a folder, or a zip, that holds several files of records; a table is none.

    >>> is_folder_of_files("referring_qa.json")
    False
    """
    if not isinstance(one, str | Path) or str(one) == STDIN or is_remote(one) or not path_of(str(one)).exists():
        return False
    return len(find_texts(path_of(str(one)))) > 1 and open_tables(_local(one), _ANY_TASK) is None


def told_task(name: str, task: str | None = None) -> TaskName | None:
    """Return the task of a native file, as given or as its name says; None where neither tells.

    >>> told_task("referring_qa.json.gz"), told_task("mine.json"), told_task("mine.json", "detail")
    ('referring_qa', None, 'detail_description')
    """
    try:
        return task_of(name, task)
    except UsageError:
        return None


def _read_file(text: Text, layout: Given, task: TaskName | None, max_record_mb: int) -> Iterator[Entry]:
    name, decode = text.name, _Decoder(layout)
    with open_source(text.path, member=text.member) as source, progress(name, source.total_bytes) as advance:
        for item in read_items(source, decode, max_record_mb=max_record_mb):
            yield to_entry(name, item, decode.layout or _UNTOLD, task)
            advance(source.tell)


def to_entry(name: str, item: Item[NativeRecord | Loose], layout: Layout, task: TaskName | None) -> Entry:
    """Return an element that was read as an entry of its layout."""
    record = item.record
    if isinstance(record, NativeRecord):
        return _native(name, item.number, record, item.raw, task)
    if isinstance(record, Loose):
        return _llava(name, item.number, record, item.raw)
    fault = item.fault and msgspec.structs.replace(item.fault, file=name)
    return Entry(name, item.number, layout, fault.id if fault else "", raw=item.raw, fault=fault)


def _native(
    name: str,
    number: int,
    record: NativeRecord,
    raw: bytes | memoryview,
    task: TaskName | None,
    size_wh: Size | None = None,
) -> Entry:
    image_id = record.image_id
    return Entry(name, number, "native", str(image_id), task, image_id, None, size_wh, record.conversations, raw)


def _llava(name: str, number: int, row: Loose, raw: bytes | memoryview) -> Entry:
    place, told = parse_path(row.image) if row.image else None, parse_id(row.id)
    return Entry(
        name,
        number,
        "llava",
        row.id,
        task=told.task if told else None,
        image_id=place[1] if place else None,
        image=row.image,
        conversations=() if row.turns is None else (Conversation(row.turns),),
        raw=raw,
    )


def _read_table(table: TableInput) -> Iterator[Entry]:
    for item in table.items():
        yield _of_row(*table.place(item.number), item, table.task)


def _of_row(name: str, number: int, item: TableItem, task: TaskName) -> Entry:
    if item.record is None:
        fault = item.fault and item.fault.at(file=name, record=number)
        return Entry(name, number, "native", fault.id if fault else "", fault=fault)
    image = item.image
    size_wh = (image.width, image.height) if image and image.width and image.height else None
    raw = msgspec.json.encode(to_native(item.record))
    return _native(name, number, item.record, raw, task, size_wh)
