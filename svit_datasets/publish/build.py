"""SVIT's files to a folder that plain ``datasets`` loads: shards of every configuration, the card, Croissant."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import pyarrow as pa

from svit_datasets import VERSION
from svit_datasets.configs import find_config
from svit_datasets.containers import check_exists, input_error, path_names
from svit_datasets.engines import run_shards
from svit_datasets.errors import InputError, SvitError, UsageError, choose
from svit_datasets.findings import Finding, finding
from svit_datasets.joining import ON_MISSING, OnMissing
from svit_datasets.progress import bytes_done
from svit_datasets.publish.card import render_card
from svit_datasets.publish.choice import PHOTOS_MODES, PhotosMode, choose_configs, files_of, make_recipe
from svit_datasets.publish.croissant import render_croissant
from svit_datasets.publish.finish import release_of
from svit_datasets.publish.layout import CROISSANT, README, SPLITS
from svit_datasets.publish.origin import write_origin
from svit_datasets.publish.prepare import Limits, has_same_photos, prepare
from svit_datasets.publish.recipe import Done, Job, Recipe
from svit_datasets.publish.release import Release
from svit_datasets.publish.shard_writer import write_shards
from svit_datasets.publish.staging import Plan, Staging, open_staging, refuse_output
from svit_datasets.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.report import Report, refuse_report
from svit_datasets.sizes import parse_size
from svit_datasets.sources import stamp
from svit_datasets.writers import output_error

_CHANGED = "input-changed"
DEFAULT_SHARD_SIZE = "500MB"
Tell = Callable[[str], object]


class Built(NamedTuple):
    """What a build made.

    Attributes:
        folder: Where it is.
        release: What is in it.
        report: What was read and left out.
        absent: Configurations that the source does not have.
        resumed: How many spans of images an earlier, interrupted build had written.
    """

    folder: Path
    release: Release
    report: Report
    absent: tuple[str, ...] = ()
    resumed: int = 0


def build(
    root: str | Path,
    output: str | Path,
    *,
    configs: Iterable[str] | str = (),
    splits: Iterable[str] | str = (),
    images: PhotosMode = "embed",
    max_shard_size: str | int = DEFAULT_SHARD_SIZE,
    jobs: int = 1,
    on_error: Literal["raise", "skip"] = "raise",
    on_missing_image: OnMissing = "error",
    check_images: bool = True,
    coco_captions: Iterable[str | Path] | str | Path = (),
    report: str | Path | None = None,
    overwrite: bool = False,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
    tell: Tell = lambda _: None,
) -> Built:
    """Write SVIT as Parquet shards in the Hub's own layout, loaded by ``datasets`` without this package.

    Every configuration has its rows by image id, and its shards and row groups begin at the same images, so that the
    Hub keeps photos that are in several of them once. The photos are the original files, bit for bit. The same input
    gives the same bytes, whatever ``jobs`` is. A build that was interrupted goes on where it was.

    Args:
        root: Folder with SVIT's files, as for ``load_dataset``.
        output: The folder to write; it appears whole or not at all.
        configs: Configurations; all tasks that ``root`` has by default.
        splits: ``train``, ``test``; both by default.
        images: ``embed`` puts the photos into every configuration, ``separate`` into the configuration ``images``
            alone, ``none`` nowhere.
        max_shard_size: Most bytes of a shard, about; such as ``500MB``.
        jobs: Number of processes.
        on_error: ``raise`` stops at a faulty record, ``skip`` leaves it out.
        on_missing_image: ``error`` stops at a photo that is missing or cannot be decoded, ``null`` keeps its rows
            without it, ``drop`` leaves them out.
        check_images: Whether every photo is decoded once.
        coco_captions: COCO caption files, to add a column ``captions``.
        report: Where to write what was read and left out, as JSON.
        overwrite: Whether a folder that an earlier build made may be replaced.
        max_record_mb: Largest record, in MiB.
        tell: Takes lines on how it goes.

    Returns:
        What was built.

    Raises:
        UsageError: The options do not fit together.
        InputError: A file cannot be used, or changed while it was read.
        RecordError: A record or a photo is at fault and the policy is to stop.
        OutputError: The output cannot be written.
    """
    choose("images", images, PHOTOS_MODES)
    choose("on_error", on_error, ("raise", "skip"))
    choose("on_missing_image", on_missing_image, ON_MISSING)
    if jobs < 1:
        raise UsageError(f"jobs={jobs}: expected 1 or more")
    limits = Limits(tuple(path_names(splits)) or SPLITS, parse_size(max_shard_size), max_record_mb)
    for split in limits.splits:
        choose("split", split, SPLITS)
    source, target = Path(root), Path(output)
    refuse_output(target, source, overwrite=overwrite)
    parts, absent = choose_configs(source, [find_config(name) for name in path_names(configs)], images)
    options: dict[str, object] = {
        **limits._asdict(),
        "configs": [c.name for c in parts],
        "images": images,
        "on_error": on_error,
        "on_missing_image": on_missing_image,
        "check_images": check_images,
    }
    made = Report("build", inputs=[str(source)], options=options, on_error=on_error, keep_all=report is not None)
    if report is not None:
        refuse_report(report, [source], [target], overwrite=overwrite)
    captions = tuple(check_exists(str(Path(p).absolute())) for p in path_names(coco_captions))
    with (
        made.open_outputs(report, inputs=[source], overwrite=overwrite),
        open_staging(target, overwrite=overwrite) as staging,
    ):
        recipe = make_recipe(
            source,
            parts,
            on_missing_image=on_missing_image,
            check_images=check_images,
            coco_captions=captions,
            staging=(staging.records, staging.folder),
        )
        release, resumed = _Build(recipe, limits, staging, made, tell).run(jobs, target)
    return Built(target, release, made, tuple(absent), resumed)


class _Build:
    """One run of a build, in its staging folder."""

    def __init__(self, recipe: Recipe, limits: Limits, staging: Staging, made: Report, tell: Tell) -> None:
        self.recipe, self.limits, self.staging, self.made, self.tell = recipe, limits, staging, made, tell
        self.files = files_of(recipe)
        self.before = stamp(self.files)
        told = [VERSION, pa.__version__, made.options, recipe.coco_captions, str(recipe.root.absolute()), self.before]
        self.key = hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def run(self, jobs: int, target: Path) -> tuple[Release, int]:
        """Write what is missing, and give the whole its name."""
        try:
            plan = self._plan()
            done = self.staging.finished()
            resumed = len(done)
            if resumed:
                self.tell(f"going on: {resumed} of {len(plan.spans)} parts were written before")
            try:
                self._write(plan, done, jobs)
            except BaseException as error:
                if done and not _is_changed(error):
                    self._say_kept(plan, done)
                else:
                    self.staging.clear()
                raise
            release = self._finish([done[i] for i in range(len(plan.spans))])
            self.staging.become(target)
            self.made.outputs = {str(target / s.path): s.counts.rows for s in release.shards}
        except OSError as error:
            if isinstance(error, SvitError):
                raise
            raise output_error(str(target), error) from error
        return release, resumed

    def _plan(self) -> Plan:
        """Return what is to be written: as an earlier run decided, or decided now."""
        had_plan = self.staging.has_plan
        known = self.staging.read_plan(self.key)
        if known is not None and not has_same_photos(self.recipe):
            self.staging.clear()
            known = None
        if had_plan and known is None:
            self.tell(f"{self.staging.path}: parts of another build, by its options or its source; starting over")
        if known is not None:
            for fault in known.findings:
                self.made.add(fault)
            self.made.counts.update(known.counts)
            return known
        findings: list[Finding] = []
        counts: Counter[str] = Counter()

        def add(fault: Finding) -> None:
            findings.append(fault)
            self.made.add(fault)

        spans = prepare(self.recipe, self.limits, add, counts)
        if not spans:
            found = f"no image of {' or '.join(self.limits.splits)}"
            mend = "choose another split or configuration; --on-error raise tells of records left out"
            where = str(self.recipe.root)
            raise input_error(finding("input-missing", found, file=where, expected="one at least", mend=mend))
        self.made.counts.update(counts)
        plan = Plan(self.key, tuple(spans), dict(counts), tuple(findings))
        self.staging.write_plan(plan)
        return plan

    def _write(self, plan: Plan, done: dict[int, Done], jobs: int) -> None:
        """Write the spans that are not done, and take each down as it is."""
        places = [i for i in range(len(plan.spans)) if i not in done]
        total = sum(span.bytes for span in plan.spans)
        with bytes_done("writing shards", total) as add:
            add(sum(plan.spans[i].bytes for i in done))
            jobs_to_do = [Job(self.recipe, plan.spans[i]) for i in places]
            with closing(run_shards(write_shards, jobs_to_do, jobs=jobs)) as results:
                for place, one in zip(places, results, strict=True):
                    self.staging.note(place, one)
                    done[place] = one
                    add(plan.spans[place].bytes)

    def _say_kept(self, plan: Plan, done: dict[int, Done]) -> None:
        kept = f"{len(done)} of {len(plan.spans)} parts are kept in {self.staging.path}"
        self.tell(f"{kept}; the same command goes on from there, and removing that folder forgets them")

    def _finish(self, done: list[Done]) -> Release:
        if stamp(self.files) != self.before:
            self.staging.remove()
            name = str(self.recipe.root)
            raise input_error(finding(_CHANGED, "another size or time of change than at the start", file=name))
        for one in done:
            for fault in one.findings:
                self.made.add(_settled(fault, self.recipe.on_missing_image))
        release = release_of(self.recipe, done)
        if not release.shards:
            self.staging.clear()
            found, mend = "no rows: every photo is missing or cannot be decoded", "pass --on-missing-image null"
            where = str(self.recipe.root)
            raise input_error(finding("input-missing", found, file=where, expected="one photo at least", mend=mend))
        self.made.counts.update(
            rows_written=release.counts.rows,
            images_dropped=sum(one.dropped for one in done),
            images_null=sum(one.nulls for one in done),
        )
        folder = self.staging.folder
        kept = {shard.path for shard in release.shards}
        for path in folder.rglob("*.parquet"):
            if path.relative_to(folder).as_posix() not in kept:
                path.unlink()  # a split that has no rows at all
        (folder / README).write_text(render_card(release), "utf-8")
        (folder / CROISSANT).write_bytes(render_croissant(release))
        write_origin(folder, self.recipe.root, self.files)
        return release


def _is_changed(error: BaseException) -> bool:
    """Tell whether a build cannot go on because the source is another one than it planned with."""
    return isinstance(error, InputError) and error.finding is not None and error.finding.code == _CHANGED


_OUTCOMES = {"null": "its rows are kept without the photo", "drop": "its rows were left out"}


def _settled(fault: Finding, policy: OnMissing) -> Finding:
    """Return a photo's fault as what became of it: it did not stop the build."""
    if fault.severity != "error":
        return fault
    mend = f"{_OUTCOMES[policy]}; fetch the image and build again"
    return msgspec.structs.replace(fault, severity="warning", mend=mend)
