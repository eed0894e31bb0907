"""Native files to one file of a target layout, streamed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

from svit_datasets.converters import formats
from svit_datasets.converters.llava_layout import Options
from svit_datasets.engines.engine import check_engine
from svit_datasets.forward.conversion import Conversion
from svit_datasets.forward.conversion_runs import convert_all, takes_runs
from svit_datasets.forward.inputs import find_inputs, open_inputs, read_all
from svit_datasets.forward.pieces import Rules
from svit_datasets.forward.shards import open_shards, stage_of
from svit_datasets.images.known import Images
from svit_datasets.reading.containers import path_names
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.report import OnError, Report, refuse_report
from svit_datasets.sharding.stages import forget_parts
from svit_datasets.writing.row_writer import RowWriter, sidecar_name
from svit_datasets.writing.writers import STDOUT, JsonList


class _Keywords(TypedDict, total=False):
    images: Iterable[str | Path] | str | Path
    task: str | None
    options: Options | None
    on_error: OnError
    report: str | Path | None
    check: bool
    overwrite: bool
    max_record_mb: int
    jobs: int | None
    engine: str
    address: str | None
    resume: bool


@overload
def to_llava(inputs: Any, output: str | Path, **keywords: Unpack[_Keywords]) -> Report: ...


@overload
def to_llava(inputs: Any, output: None = None, **keywords: Unpack[_Keywords]) -> list[dict[str, Any]]: ...


def to_llava(
    inputs: Any,
    output: str | Path | None = None,
    *,
    images: Iterable[str | Path] | str | Path = (),
    task: str | None = None,
    options: Options | None = None,
    on_error: OnError = "raise",
    report: str | Path | None = None,
    check: bool = True,
    overwrite: bool = False,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
    jobs: int | None = None,
    engine: str = "local",
    address: str | None = None,
    resume: bool = False,
) -> Report | list[dict[str, Any]]:
    """Convert SVIT's native files, or tables of ``load_dataset``, to the JSON list that LLaVA-v1.5's trainer reads.

    One record comes from each native conversation, in input order. The output appears whole or not at all.

    Args:
        inputs: One input or a list: native files (JSON array or JSON lines, plain, ``.gz`` or ``.zip``; ``-`` is
            standard input); a ``Dataset`` or ``DatasetDict``, a folder written by ``save_to_disk``, a Parquet file or a
            folder of them, with the columns of ``load_dataset("svit", ...)``.
        output: The JSON file to write; ``-`` is standard output; None returns the records instead.
        images: Folders, zips or ``image_data.json``: see ``Images``. A table's rows tell the sizes themselves.
        task: The task of all inputs, where their file names do not say it.
        options: How to write the layout.
        on_error: ``raise`` stops at the first faulty record; ``skip`` leaves faulty conversations out and counts
            them; ``collect`` reads to the end and fails with all faults, writing nothing.
        report: Where to write the report as JSON.
        check: Whether every written record is checked against the schema.
        overwrite: Whether existing files may be replaced.
        max_record_mb: Largest native record, in MiB.
        jobs: Number of processes, 1 by default; the result is the same for any number. With Ray, of tasks at a time.
        engine: ``local`` for processes of this machine, ``ray`` for tasks of a Ray cluster.
        address: Address of the Ray cluster; None is the one that the variable ``RAY_ADDRESS`` names, else one that is
            started for the run.
        resume: Whether to keep what is finished of an interrupted run, beside the output, and to go on from there.

    Returns:
        The report; without ``output``, the records as plain objects, all in memory, and what was left out as a
        ``SvitWarning``.

    Raises:
        UsageError: The options do not fit together.
        InputError: A file cannot be used.
        RecordError: A record is at fault and ``on_error`` is ``raise``.
        FindingsError: Faults were found and ``on_error`` is ``collect``.
        OutputError: The output cannot be written.
    """
    options = options or Options()
    runs_on = check_engine(engine, jobs, address)
    target = None if output is None else str(output)
    found, roots = find_inputs(inputs, task), path_names(images)
    names = [name for one in found for name in one.names]
    kept = [*roots, *(file for one in found for file in one.files)]
    made = Report("to-llava", inputs=names, options=asdict(options), on_error=on_error, keep_all=report is not None)
    beside = sidecar_name(target, options)
    if report is not None:
        refuse_report(report, kept, [output, beside], overwrite=overwrite)
    rules = Rules(tuple(roots), task, options, on_error, check, max_record_mb)
    with ExitStack() as stack:
        parts = stack.enter_context(ExitStack())  # closed last: what is finished goes once the output has its name
        outputs = stack.enter_context(made.open_outputs(report, inputs=kept, overwrite=overwrite))
        opened, is_whole = open_inputs(found, task), runs_on.is_single and not resume
        shards = None if is_whole else open_shards(opened, rules, runs_on, target, parts, resume=resume)
        files = [outputs.open(name) for name in (target, beside) if name is not None]
        rows, sidecar = (JsonList(files[0]) if files else None), (files[1] if beside is not None else None)
        writer = RowWriter(rows, formats()["llava"], options, sidecar=sidecar, check=check)
        pictures = stack.enter_context(Images(roots, add=made.add))
        if shards is None:
            conversion = Conversion(pictures, writer, made)
            convert_all(conversion, read_all(opened, made, max_record_mb, takes_runs=takes_runs(conversion)))
        else:
            shards.convert(pictures, writer, made, files)
        writer.close()
        made.outputs = writer.written
    if shards is None and target not in (None, STDOUT):
        forget_parts(stage_of(target), target)
    if writer.kept is None:
        return made
    made.warn()
    return writer.kept
