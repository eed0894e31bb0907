"""One or more files of a target layout back to native files; what is not SVIT's goes to a file of its own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from svit_datasets.backward.reading import Decode, Rules, Sorter, make_decoder, row_taker
from svit_datasets.backward.regroup import Regrouping
from svit_datasets.backward.shards import open_shards, stage_of
from svit_datasets.backward.work import SortJob
from svit_datasets.backward.writing import NativeWriter
from svit_datasets.converters.llava_layout import Options
from svit_datasets.engines.engine import check_engine
from svit_datasets.errors import UsageError
from svit_datasets.images.known import Images
from svit_datasets.progress import progress
from svit_datasets.reading.containers import STDIN, exists, open_source, path_names
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB, read_items
from svit_datasets.records import TASKS
from svit_datasets.remote.names import join_name
from svit_datasets.report import OnError, Report, refuse_report
from svit_datasets.sharding.stages import forget_parts
from svit_datasets.writing.sidecar import SIDECAR_SUFFIX, Sidecar
from svit_datasets.writing.writers import JsonList, is_same, refuse_file

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
    jobs: int | None = None,
    engine: str = "local",
    address: str | None = None,
    resume: bool = False,
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
        jobs: As in ``to_llava``.
        engine: Likewise.
        address: Likewise.
        resume: Whether to keep what is finished of an interrupted run, in the output folder, and to go on from there.

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
    runs_on = check_engine(engine, jobs, address)
    names, roots = path_names(inputs), path_names(images)
    refuse_file(output, " for the native files")
    made = Report("from-llava", inputs=names, options=asdict(options), on_error=on_error, keep_all=report is not None)
    sidecars = {name: _find_sidecar(name, provenance) for name in names}
    inputs = [*names, *roots, *(s for s in sidecars.values() if s)]
    native = [join_name(output, f"{task}.json") for task in TASKS]
    if report is not None:
        refuse_report(report, inputs, [rest, *native], overwrite=overwrite)
    if rest is not None and any(is_same(rest, path) for path in native):
        raise UsageError(f"{rest}: is named for two outputs; name another")
    rules = Rules(tuple(roots), options, on_error, check, max_record_mb)
    with ExitStack() as stack:
        shards = None
        if resume or not runs_on.is_single:
            job = SortJob(rules, sidecars, keeps_rest=rest is not None)
            shards = stack.enter_context(open_shards(job, names, runs_on, str(output), resume=resume))
        outputs = stack.enter_context(made.open_outputs(report, inputs=inputs, overwrite=overwrite))
        pictures = stack.enter_context(Images(roots, add=made.add))
        foreign = JsonList(outputs.open(rest)) if rest is not None else None
        sorter = Sorter(lambda: Regrouping(outputs.spool(output)), foreign, made, check=check)
        if shards is not None:
            shards.sort_out(sorter, foreign, made, pictures)
        else:
            for name in names:
                beside = sidecars[name]
                sidecar = stack.enter_context(Sidecar(beside)) if beside else None
                _read(name, make_decoder(sidecar, pictures, options), max_record_mb, sorter)
        if sorter.regrouping is not None:
            made.outputs = NativeWriter(outputs, str(output), made, check=check).write(sorter.regrouping)
        if foreign is not None:
            foreign.close()
            made.outputs[foreign.file.name] = foreign.count
        _describe(made)
    if shards is None:
        forget_parts(stage_of(str(output)), str(output))
    return made


def _find_sidecar(name: str, given: str | Path | None) -> str | None:
    if given is not None:
        return str(given)
    beside = f"{name}{SIDECAR_SUFFIX}"
    return beside if name != STDIN and exists(beside) else None


def _read(name: str, decode: Decode, max_record_mb: int, sorter: Sorter) -> None:
    with open_source(name) as source, progress(name, source.total_bytes) as advance:
        for item in read_items(source, decode, max_record_mb=max_record_mb, take=row_taker(source, max_record_mb)):
            sorter.add(name, item)
            advance(source.tell)


def _describe(made: Report) -> None:
    """Say in the report what cannot be known of the tasks that were converted by best effort."""
    for task in TASKS:
        if made.counts[f"records_inferred.{task}"] or made.counts[f"records_edited.{task}"]:
            made.unknowable["every task"] = UNKNOWABLE["every task"]
            if task in UNKNOWABLE:
                made.unknowable[task] = UNKNOWABLE[task]
    made.counts += type(made.counts)()  # drops the zeros that were only asked for
