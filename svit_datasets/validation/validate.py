"""``validate``: read everything, check everything, mend what was asked, and keep what was found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from svit_datasets.containers import path_names
from svit_datasets.entries import Entry, Given, Layout, Part, is_folder_of_files, open_entries, split_inputs
from svit_datasets.errors import InputError, UsageError, choose
from svit_datasets.findings import Finding, finding
from svit_datasets.photos import Photos
from svit_datasets.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.rules import RULES
from svit_datasets.validation.engine import examine
from svit_datasets.validation.fixed_file import FixedFile
from svit_datasets.validation.layouts import PROFILES
from svit_datasets.validation.lengths import ESTIMATE, IMAGE_TOKENS, MODEL_MAX_LENGTH, Lengths, load_tokenizer
from svit_datasets.validation.photo_rules import PHOTO_CODES, Looking
from svit_datasets.validation.record_rules import Coordinates
from svit_datasets.validation.results import Results, chosen_codes
from svit_datasets.validation.training import check_file, check_trainer
from svit_datasets.writers import OutputSet

TRAINERS = ("llava",)
_UNUSABLE = "input-missing"
_PACKED = (".gz", ".zip")
_STOP_TRAINING = ("image-missing", "image-undecodable", "image-folder-differs")


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What to check, and how.

    Attributes:
        layout: Layout of the files; ``auto`` looks at the first record of each.
        task: Task of native inputs, where their names do not say it.
        coordinates: Frame of the boxes in LLaVA records that ``to-llava`` made.
        look: Whether photos are decoded or their headers read.
        trainer: Whose loader to walk the records with: ``llava``, or None.
        tokenizer: Folder or name of the tokenizer that counts tokens for the trainer; None estimates.
        model_max_length: Most tokens that the model takes.
        image_tokens: Tokens that an image becomes.
        select: Codes, beginnings of codes or families that count; none means all.
        ignore: Likewise, those that do not.
    """

    layout: Given = "auto"
    task: str | None = None
    coordinates: Coordinates = "padded"
    look: Looking = "decode"
    trainer: Literal["llava"] | None = None
    tokenizer: str | Path | None = None
    model_max_length: int = MODEL_MAX_LENGTH
    image_tokens: int = IMAGE_TOKENS
    select: tuple[str, ...] = field(default=())
    ignore: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        words: tuple[object, ...] = (self.select, self.ignore)
        if any(isinstance(word, str) for word in words):
            raise UsageError("select and ignore: expected a tuple of codes, not one text")
        if self.model_max_length < 1 or self.image_tokens < 0:
            raise UsageError(
                f"model_max_length={self.model_max_length}, image_tokens={self.image_tokens}: out of range"
            )
        choose("coordinates", self.coordinates, ("padded", "original"))
        choose("look", self.look, ("decode", "header"))
        if self.trainer is not None:
            choose("trainer", self.trainer, TRAINERS)
        elif self.tokenizer is not None:
            raise UsageError("a tokenizer counts tokens for a trainer: pass trainer='llava' (--trainer llava) too")

    def told(self) -> dict[str, Any]:
        """Return the options as they stand in a report."""
        counted = {} if self.trainer is None else {"tokenizer": str(self.tokenizer or ESTIMATE.name)}
        return {**asdict(self), "select": list(self.select), "ignore": list(self.ignore), "tokenizer": None, **counted}


def validate(
    inputs: Any,
    *,
    images: Iterable[str | Path] | str | Path = (),
    checks: Checks | None = None,
    fix: str | Path | None = None,
    overwrite: bool = False,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
) -> Results:
    """Report everything that is wrong with data: every finding, with its place and how to mend it.

    Args:
        inputs: One input or several: native or LLaVA files, folders of them, tables; as in ``read_entries``.
        images: Folders or zips with the photos, LLaVA's image folder, or ``image_data.json`` for sizes alone.
        checks: What to check, and how.
        fix: A new file for the one input with its safe mends; ``.jsonl`` makes JSON lines.
        overwrite: Whether ``fix`` may be replaced.
        max_record_mb: Largest record, in MiB.

    Returns:
        The findings, and the changes where ``fix`` was asked for. Iterate over it for all findings; close it after.

    Raises:
        UsageError: The options do not fit together.
        InputError: An input or image folder does not exist.
        OutputError: The mended file cannot be written.
    """
    checks = checks or Checks()
    given, roots = split_inputs(inputs), path_names(images)
    results = Results(chosen_codes(checks.select, checks.ignore))
    if not given:
        raise UsageError("inputs: none were given")
    refuse_blind(checks, roots)
    refuse_fix(fix, given)
    parts = list(open_entries(inputs, layout=checks.layout, task=checks.task, max_record_mb=max_record_mb))
    kept = [file for part in parts for file in part.files]
    try:
        with ExitStack() as stack:
            outputs = stack.enter_context(OutputSet(inputs=[*kept, *roots], overwrite=overwrite))
            fixed = None if fix is None else FixedFile(outputs.open(fix), results)
            photos = stack.enter_context(Photos(roots, add=lambda fault: results.add([fault])))
            trainer = _trainer(checks)
            for entry, found in examine(
                _read(parts), coordinates=checks.coordinates, photos=photos, looking=checks.look
            ):
                kept_here = results.take(entry, [*found, *trainer(entry, found)])
                if fixed is not None:
                    fixed.write(entry, kept_here)
            if fixed is not None:
                fixed.close()
                results.outputs[str(fix)] = fixed.count
    except BaseException:
        results.close()
        raise
    return results


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


def _read(parts: Iterable[Part]) -> Iterator[Entry]:
    """Yield the records of all files; one that is damaged ends with a fault, and the next is read all the same."""
    for part in parts:
        layout: Layout = "llava" if part.task is None else "native"
        count = 0
        try:
            for entry in part.entries:
                count += 1
                yield entry
            if not count:
                empty = finding("input-empty", "no record at all", file=part.name, expected="at least one record")
                yield Entry(part.name, 0, layout, fault=empty)
        except InputError as error:
            if error.finding is None or error.finding.code == _UNUSABLE:
                raise
            yield Entry(part.name, 0, layout, fault=error.finding)


class _Trainer:
    """Walks entries with the trainer's loader, each file of theirs once."""

    def __init__(self, checks: Checks) -> None:
        counter = ESTIMATE if checks.tokenizer is None else load_tokenizer(checks.tokenizer)
        self._lengths = Lengths(counter, checks.model_max_length, checks.image_tokens)
        self._coordinates = checks.coordinates
        self._files: set[str] = set()
        self._stopped: set[str] = set()

    def __call__(self, entry: Entry, found: list[Finding]) -> Iterator[Finding]:
        """Yield what becomes of an entry; ``found`` is what the other rules found, its photo among it."""
        if PROFILES[entry.layout].is_native:
            if entry.fault is None:
                yield from check_trainer(entry, self._lengths, self._coordinates)
            return
        if entry.file not in self._files:
            self._files.add(entry.file)
            whole = check_file(entry.file) if Path(entry.file).is_file() else None
            yield from [whole] if whole else []
        if entry.raw:
            told = list(check_trainer(entry, self._lengths, self._coordinates))
            if entry.fault is not None and told:
                self._stopped.add(entry.file)
            yield from told
            yield from (_of_photo(fault) for fault in found if fault.code in _STOP_TRAINING)
        elif entry.fault is not None and entry.fault.severity == "error" and entry.file not in self._stopped:
            yield finding("trainer-crash", f"a file that ends in a fault: {entry.fault.found}", file=entry.file)


def _of_photo(fault: Finding) -> Finding:
    """Return what a photo that cannot be opened does to the trainer."""
    crash = finding("trainer-crash", f"a photo that cannot be opened: {fault.found}", path="$.image")
    return crash.at(file=fault.file, record=fault.record, id=fault.id)


def _nothing(_entry: Entry, _found: list[Finding]) -> Iterator[Finding]:
    return iter(())


def _trainer(checks: Checks) -> Any:
    return _nothing if checks.trainer is None else _Trainer(checks)
