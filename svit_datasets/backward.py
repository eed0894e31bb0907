"""One or more files of a target layout back to native files; what is not SVIT's goes to a file of its own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import msgspec
from msgspec import Raw

from svit_datasets.boxes import Size
from svit_datasets.check import Validator, validator
from svit_datasets.containers import STDIN, fault_error, open_source, path_names
from svit_datasets.converters import formats
from svit_datasets.converters.base import Back
from svit_datasets.converters.llava_layout import Options
from svit_datasets.converters.llava_rows import known_keys
from svit_datasets.errors import UsageError
from svit_datasets.findings import finding
from svit_datasets.images import Images
from svit_datasets.progress import progress
from svit_datasets.readers import DEFAULT_MAX_RECORD_MB, Item, known_part, read_items
from svit_datasets.records import TASKS
from svit_datasets.regroup import Group, Origin, Regrouping
from svit_datasets.report import OnError, Report, refuse_report
from svit_datasets.sidecar import SIDECAR_SUFFIX, Sidecar
from svit_datasets.writers import JsonList, OutputSet, encode_ascii, is_same, refuse_file

UNKNOWABLE = {
    "every task": "unknown keys, and records that were dropped before",
    "conversation": "topics",
    "referring_qa": "which words were marked (guessed from the words before each box), the spelling of coordinates, "
    "and coordinates closer than box_error_bound_max",
}


def from_llava(
    inputs: Iterable[str | Path] | str | Path,
    output: str | Path,
    *,
    images: Iterable[str | Path] | str | Path = (),
    rest: str | Path | None = None,
    provenance: str | Path | None = None,
    options: Options | None = None,
    on_error: OnError = "raise",
    report: str | Path | None = None,
    check: bool = True,
    overwrite: bool = False,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
) -> Report:
    """Convert LLaVA-v1.5 files back to native SVIT files, under their published stems.

    Records with provenance come back value for value, also after the files were shuffled, filtered or mixed. Others
    that look like SVIT's are converted by best effort; the report counts what was inferred. Foreign records go to
    ``rest``, byte for byte.

    Args:
        inputs: LLaVA files: JSON list or JSON lines, plain, ``.gz`` or ``.zip``; ``-`` is standard input.
        output: Folder for ``conversation.json``, ``complex_reasoning.json``, ``referring_qa.json`` and
            ``detail_description.json``; only tasks that occur are written.
        images: As in ``to_llava``; needed only where boxes must be moved back without provenance.
        rest: The JSON file for foreign records.
        provenance: The sidecar; by default ``INPUT.svit.jsonl`` where that exists.
        options: How the files were written; ``coordinates`` counts where provenance is missing.
        on_error: As in ``to_llava``.
        report: Where to write the report as JSON.
        check: Whether every written record is checked against its schema.
        overwrite: Whether existing files may be replaced.
        max_record_mb: Largest record, in MiB.

    Returns:
        The report.

    Raises:
        UsageError: The options do not fit together.
        InputError: A file cannot be used.
        RecordError: A record is at fault and ``on_error`` is ``raise``.
        FindingsError: Faults were found and ``on_error`` is ``collect``.
        OutputError: The output cannot be written.
    """
    options = options or Options()
    names, roots = path_names(inputs), path_names(images)
    refuse_file(output, " for the native files")
    made = Report("from-llava", inputs=names, options=asdict(options), on_error=on_error, keep_all=report is not None)
    sidecars = {name: _find_sidecar(name, provenance) for name in names}
    inputs = [*names, *roots, *(s for s in sidecars.values() if s)]
    native = [Path(output) / f"{task}.json" for task in TASKS]
    if report is not None:
        refuse_report(report, inputs, [rest, *native], overwrite=overwrite)
    if rest is not None and any(is_same(rest, path) for path in native):
        raise UsageError(f"{rest}: is named for two outputs; name another")
    with ExitStack() as stack:
        outputs = stack.enter_context(made.open_outputs(report, inputs=inputs, overwrite=overwrite))
        pictures = stack.enter_context(Images(roots, add=made.add))
        sorter = _Sorter(outputs, Path(output), rest, made, check=check)
        for name, beside in sidecars.items():
            sidecar = stack.enter_context(Sidecar(beside)) if beside else None
            _read(name, sidecar, pictures, options, max_record_mb, sorter)
        made.outputs = sorter.write()
    return made


def _find_sidecar(name: str, given: str | Path | None) -> str | None:
    if given is not None:
        return str(given)
    beside = f"{name}{SIDECAR_SUFFIX}"
    return beside if name != STDIN and Path(beside).exists() else None


def _read(
    name: str,
    sidecar: Sidecar | None,
    pictures: Images,
    options: Options,
    max_record_mb: int,
    sorter: _Sorter,
) -> None:
    from_row = formats()["llava"].from_row
    find = sidecar.get if sidecar else None

    def size_of(image_id: int) -> Size | None:
        return pictures.resolve(image_id).size_wh

    def decode(raw: bytes | memoryview) -> Back:
        return from_row(raw, find, size_of, options)

    with open_source(name) as source, progress(name, source.total_bytes) as advance:
        for item in read_items(source, decode, max_record_mb=max_record_mb):
            sorter.add(name, item)
            advance(source.tell)


class _Sorter:
    """Sends every row where it belongs: to its task, or to the rest."""

    def __init__(self, outputs: OutputSet, folder: Path, rest: str | Path | None, made: Report, *, check: bool) -> None:
        self._outputs, self._folder, self._made = outputs, folder, made
        self._tasks: dict[str, Regrouping] = {}
        self._rest = JsonList(outputs.open(rest)) if rest is not None else None
        self._native: Validator | None = validator("native") if check else None
        self._lenient: Validator | None = validator("llava-lenient") if check else None

    def add(self, file: str, item: Item[Back]) -> None:
        """Take in an element of the input."""
        counts = self._made.counts
        if item.fault is not None:
            if item.fault.severity == "error" and not item.number:
                raise fault_error(item.fault)  # nothing can be read of the file
            self._made.add(item.fault)
            if item.fault.severity == "error":
                counts["records_read"] += 1
                counts["records_skipped"] += 1
        back = item.record
        if back is None:
            return
        counts["records_read"] += 1
        for fault in back.findings:
            self._made.add(fault.at(file=file, record=item.number, id=back.row_id))
        if back.outcome == "foreign":
            self._add_foreign(file, item, back.row_id)
            return
        if back.record is None:
            counts["records_skipped"] += 1
            return
        counts[f"records_{back.outcome}"] += 1
        counts[f"records_{back.outcome}.{back.record.task}"] += 1
        self._made.infer(back.inferred)
        task = self._tasks.get(back.record.task)
        if task is None:
            task = self._tasks[back.record.task] = Regrouping(self._outputs.spool(self._folder))
        task.add(back.record, Origin(file, item.number, back.row_id))

    def _add_foreign(self, file: str, item: Item[Back], row_id: str) -> None:
        raw = bytes(item.raw).strip()
        self._made.counts["records_foreign"] += 1
        if self._lenient:
            known = known_keys(raw)
            wrong = self._lenient(known) if known is not None else [("$", "values that cannot be decoded")]
            for path, message in wrong:
                fault = finding("row-lenient", message, path=path)
                self._made.add(fault.at(file=file, record=item.number, id=row_id))
        if self._rest:
            self._rest.append(raw)

    def write(self) -> dict[str, int]:
        """Write the native files and end the rest; return files and numbers of records."""
        written = {}
        for task in TASKS:
            if task in self._tasks:
                native = JsonList(self._outputs.open(self._folder / f"{task}.json"))
                self._write_task(task, self._tasks[task], native)
                native.close()
                written[native.file.name] = native.count
        if self._rest:
            self._rest.close()
            written[self._rest.file.name] = self._rest.count
        self._describe()
        return written

    def _write_task(self, task: str, regrouping: Regrouping, native: JsonList) -> None:
        for group in regrouping.groups():
            conversations = self._without_copies(group)
            missing = group.parts[-1].conversation_index + 1 - len(conversations)
            if 0 < missing < 1 << 40:
                self._made.counts[f"conversations_missing.{task}"] += missing
            extra = msgspec.json.decode(group.extra, type=dict[str, Raw])
            data = encode_ascii({"image_id": group.image_id, "conversations": conversations, **extra})
            wrong = self._native(known_part(data)) if self._native else []
            for path, message in wrong:
                self._made.add(finding("row-check", message, path=path, id=group.image_id, file=native.file.name))
            if wrong:
                self._made.counts["records_skipped"] += len(conversations)
                continue
            self._made.counts["conversations_written"] += len(conversations)
            self._made.counts["records_written"] += 1
            native.append(data)

    def _without_copies(self, group: Group) -> list[Raw]:
        """Return the conversations of a record; one that came twice is kept once, and counted."""
        kept: dict[int, Raw] = {}
        for part in group.parts:
            before = kept.setdefault(part.conversation_index, part.conversation)
            if before is part.conversation:
                continue
            code = "provenance-copy" if bytes(before) == bytes(part.conversation) else "provenance-conflict"
            place = f"conversation {part.conversation_index} of image {group.image_id} for the second time"
            self._made.counts["records_copies" if code == "provenance-copy" else "records_skipped"] += 1
            file, number, row_id = part.origin
            self._made.add(finding(code, place, file=file, record=number, id=row_id))
        return list(kept.values())

    def _describe(self) -> None:
        """Say in the report what cannot be known of the tasks that were converted by best effort."""
        for task in TASKS:
            counts = self._made.counts
            if counts[f"records_inferred.{task}"] or counts[f"records_edited.{task}"]:
                self._made.unknowable["every task"] = UNKNOWABLE["every task"]
                if task in UNKNOWABLE:
                    self._made.unknowable[task] = UNKNOWABLE[task]
        self._made.counts += type(self._made.counts)()  # drops the zeros that were only asked for
