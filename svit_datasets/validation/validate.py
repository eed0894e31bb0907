"""``validate``: read everything, check everything, mend what was asked, and keep what was found."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from svit_datasets.engines.engine import check_engine
from svit_datasets.errors import UsageError
from svit_datasets.images.photos import Photos
from svit_datasets.reading.containers import path_names
from svit_datasets.reading.entries import Part, is_folder_of_files, open_entries, split_inputs
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.rules import RULES
from svit_datasets.sharding.entry_shards import is_held
from svit_datasets.validation.checks import Checks as Checks
from svit_datasets.validation.engine import examine
from svit_datasets.validation.fixed_file import FixedFile
from svit_datasets.validation.photo_rules import PHOTO_CODES
from svit_datasets.validation.results import Results, chosen_codes
from svit_datasets.validation.shard_run import validate_by_shards
from svit_datasets.validation.stream import read_all
from svit_datasets.validation.walking import Walker
from svit_datasets.writing.writers import OutputSet

_PACKED = (".gz", ".zip")


def validate(
    inputs: Any,
    *,
    images: Iterable[str | Path] | str | Path = (),
    checks: Checks | None = None,
    fix: str | Path | None = None,
    overwrite: bool = False,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
    jobs: int | None = None,
    engine: str = "local",
    address: str | None = None,
) -> Results:
    """Report everything that is wrong with data: every finding, with its place and how to mend it.

    Args:
        inputs: One input or several: native or LLaVA files, folders of them, tables; as in ``read_entries``.
        images: Folders or zips with the photos, LLaVA's image folder, or ``image_data.json`` for sizes alone.
        checks: What to check, and how.
        fix: A new file for the one input with its safe mends; ``.jsonl`` makes JSON lines.
        overwrite: Whether ``fix`` may be replaced.
        max_record_mb: Largest record, in MiB.
        jobs: Number of processes, or of tasks at a time on a cluster; what is found is the same for any number. With
            ``fix`` all is read in this process, as are standard input and objects.
        engine: ``local``, or ``ray`` for a Ray cluster, which reads inputs and images by the names given here.
        address: Address of the cluster.

    Returns:
        The findings, and the changes where ``fix`` was asked for. Iterate over it for all findings; close it after.

    Raises:
        UsageError: The options do not fit together.
        InputError: An input or image folder does not exist; or an input changed while processes read it.
        OutputError: The mended file cannot be written.
    """
    checks = checks or Checks()
    given, roots = split_inputs(inputs), path_names(images)
    results = Results(chosen_codes(checks.select, checks.ignore))
    if not given:
        raise UsageError("inputs: none were given")
    refuse_blind(checks, roots)
    refuse_fix(fix, given)
    runs_on = check_engine(engine, jobs, address)
    parts = list(open_entries(inputs, layout=checks.layout, task=checks.task, max_record_mb=max_record_mb))
    kept = [file for part in parts for file in part.files]
    try:
        with ExitStack() as stack:
            outputs = stack.enter_context(OutputSet(inputs=[*kept, *roots], overwrite=overwrite))
            fixed = None if fix is None else FixedFile(outputs.open(fix), results)
            photos = stack.enter_context(Photos(roots, add=lambda fault: results.add([fault])))
            can_part = fixed is None and not (photos.has_files and any(map(is_held, given)))  # which are read once
            if can_part and not runs_on.is_single:
                validate_by_shards(inputs, checks, roots, photos, results, runs_on, max_record_mb=max_record_mb)
                return results
            _validate_here(parts, checks, photos, results, fixed)
            if fixed is not None:
                fixed.close()
                results.outputs[str(fix)] = fixed.count
    except BaseException:
        results.close()
        raise
    return results


def _validate_here(
    parts: list[Part], checks: Checks, photos: Photos, results: Results, fixed: FixedFile | None
) -> None:
    walker = Walker(checks)
    examined = examine(read_all(parts), coordinates=checks.coordinates, photos=photos, looking=checks.look)
    for entry, found in examined:
        end = walker.end(entry)
        kept = results.take(entry, [*found, *walker.walk(entry, found), *([end] if end else [])])
        if fixed is not None:
            fixed.write(entry, kept)


def refuse_fix(fix: str | Path | None, given: list[Any]) -> None:
    """Raise ``UsageError`` where the mended file could not be what it is asked to be."""
    if fix is None:
        return
    if len(given) != 1:
        raise UsageError(f"{fix}: mends one input at a time; {len(given)} were given")
    if str(fix).endswith(_PACKED):
        raise UsageError(f"{fix}: a mended file is not packed; name a .json or .jsonl")
    if is_folder_of_files(given[0]):
        raise UsageError(f"{fix}: mends one file at a time; {given[0]} holds several")


def refuse_blind(checks: Checks, roots: Collection[str]) -> None:
    """Raise ``UsageError`` where nothing that is selected can be found with what is given."""
    selected = chosen_codes(checks.select, checks.ignore) if checks.select else frozenset()
    needs = {
        "--trainer llava": [code for code in selected if RULES[code].family == "trainer"] if not checks.trainer else [],
        "--images ROOT": [code for code in selected if code in PHOTO_CODES] if not roots else [],
    }
    blind = {code for codes in needs.values() for code in codes}
    if selected and selected <= blind:
        how = " and ".join(option for option, codes in needs.items() if codes)
        raise UsageError(f"{', '.join(checks.select)}: found with {how} alone")
