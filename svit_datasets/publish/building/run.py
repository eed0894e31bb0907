"""One run of a build, in the folder that grows: what is missing is written, and the whole gets its name."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pyarrow as pa

from svit_datasets import VERSION
from svit_datasets.engines.engine import Engine, run_shards
from svit_datasets.errors import InputError, SvitError
from svit_datasets.findings import Finding, finding
from svit_datasets.images.joining import OnMissing
from svit_datasets.progress import bytes_done
from svit_datasets.publish.building.choice import files_of
from svit_datasets.publish.building.finish import release_of
from svit_datasets.publish.building.prepare import Limits, has_same_photos, prepare
from svit_datasets.publish.building.recipe import Done, Job, Recipe
from svit_datasets.publish.building.shard_writer import forget_images, write_shards
from svit_datasets.publish.building.staging import Plan, Staging
from svit_datasets.publish.card.card import render_card
from svit_datasets.publish.card.croissant import render_croissant
from svit_datasets.publish.card.naming import Naming
from svit_datasets.publish.layout import CROISSANT, README
from svit_datasets.publish.origin import write_origin
from svit_datasets.publish.release import LeftOut, Release
from svit_datasets.reading.containers import input_error
from svit_datasets.reading.sources import stamp
from svit_datasets.report import Report
from svit_datasets.writing.writers import output_error

_CHANGED, _EMPTY = "input-changed", "input-missing"

Tell = Callable[[str], object]


class BuildRun:
    """One run of a build, in its staging folder."""

    def __init__(
        self, recipe: Recipe, limits: Limits, staging: Staging, made: Report, tell: Tell, naming: Naming
    ) -> None:
        self.recipe, self.limits, self.staging, self.made, self.tell = recipe, limits, staging, made, tell
        self.naming = naming
        self.files = files_of(recipe)
        self.before = stamp(self.files)
        # The title and the licence are written last, from the shards: a build may go on under another title.
        options = {name: value for name, value in made.options.items() if name not in Naming._fields}
        told = [VERSION, pa.__version__, options, recipe.coco_captions, str(recipe.root.absolute()), self.before]
        self.key = hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def run(self, engine: Engine, target: Path, *, overwrite: bool) -> tuple[Release, int]:
        """Write what is missing, and give the whole its name."""
        forget_images()
        try:
            plan = self._plan()
            done = self.staging.finished()
            resumed = len(done)
            if resumed:
                self.tell(f"going on: {_parts(resumed, plan)} there already")
            try:
                self._write(plan, done, engine)
                release = self._finish([done[i] for i in range(len(plan.spans))])
            except BaseException as error:
                if done and not _is_hopeless(error):
                    self._say_kept(plan, done)
                else:
                    self.staging.clear()
                raise
            self.staging.become(target, overwrite=overwrite)
            self.made.outputs = {str(target / s.path): s.counts.rows for s in release.shards}
        except OSError as error:
            if isinstance(error, SvitError):
                raise
            raise output_error(str(target), error) from error
        finally:
            forget_images()
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
            mend = "choose another split or configuration"
            if counts["records_skipped"]:
                mend += "; --on-error raise tells of records left out"
            where = str(self.recipe.root)
            raise input_error(finding("input-missing", found, file=where, expected="one at least", mend=mend))
        self.made.counts.update(counts)
        plan = Plan(self.key, tuple(spans), dict(counts), tuple(findings))
        self.staging.write_plan(plan)
        return plan

    def _write(self, plan: Plan, done: dict[int, Done], engine: Engine) -> None:
        """Write the spans that are not done, and take each down as it is."""
        places = [i for i in range(len(plan.spans)) if i not in done]
        total = sum(span.bytes for span in plan.spans)
        with bytes_done("writing shards", total) as add:
            add(sum(plan.spans[i].bytes for i in done))
            jobs_to_do = [Job(self.recipe, plan.spans[i]) for i in places]
            with closing(run_shards(write_shards, jobs_to_do, engine)) as results:
                for place, one in zip(places, results, strict=True):
                    self.staging.note(place, one)
                    done[place] = one
                    add(plan.spans[place].bytes)

    def _say_kept(self, plan: Plan, done: dict[int, Done]) -> None:
        kept = f"{_parts(len(done), plan)} kept in {self.staging.path}"
        self.tell(f"{kept}; the same command goes on from there, and removing that folder forgets them")

    def _finish(self, done: list[Done]) -> Release:
        if stamp(self.files) != self.before:
            name = str(self.recipe.root)
            raise input_error(finding(_CHANGED, "another size or time of change than at the start", file=name))
        for one in done:
            for fault in one.findings:
                self.made.add(_settled(fault, self.recipe.on_missing_image))
        release = release_of(self.recipe, done, self.naming)
        if not release.shards:
            found, mend = "no rows: every photo is missing or cannot be decoded", "pass --on-missing-image null"
            where = str(self.recipe.root)
            raise input_error(finding(_EMPTY, found, file=where, expected="one photo at least", mend=mend))
        left_out = LeftOut(self.made.counts["records_skipped"], sum(one.dropped for one in done))
        release = release._replace(left_out=left_out)
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


def _parts(count: int, plan: Plan) -> str:
    """Return how many parts of a build are done, and what a part is."""
    verb = "is" if count == 1 else "are"
    return f"{count:,} of {len(plan.spans):,} parts, each a shard of every configuration, {verb}"


def _is_hopeless(error: BaseException) -> bool:
    """Tell whether what is written is of no use: the source is another one than it was planned with, or empty."""
    return isinstance(error, InputError) and error.finding is not None and error.finding.code in (_CHANGED, _EMPTY)


_OUTCOMES = {"null": "its rows are kept without the photo", "drop": "its rows were left out"}


def _settled(fault: Finding, policy: OnMissing) -> Finding:
    """Return a photo's fault as what became of it: it did not stop the build."""
    if fault.severity != "error":
        return fault
    mend = f"{_OUTCOMES[policy]}; fetch the image and build again"
    return msgspec.structs.replace(fault, severity="warning", mend=mend)
