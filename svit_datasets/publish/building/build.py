"""SVIT's files to a folder that plain ``datasets`` loads: shards of every configuration, the card, Croissant."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from svit_datasets.configs import find_config
from svit_datasets.engines.engine import check_engine
from svit_datasets.errors import UsageError, choose
from svit_datasets.images.joining import ON_MISSING, OnMissing
from svit_datasets.publish.building.choice import PHOTOS_MODES, PhotosMode, choose_configs, find_terms, make_recipe
from svit_datasets.publish.building.prepare import Limits
from svit_datasets.publish.building.run import BuildRun, Tell
from svit_datasets.publish.building.staging import open_staging, refuse_output
from svit_datasets.publish.card.naming import DEFAULT_LICENCE, DEFAULT_TITLE, check_naming
from svit_datasets.publish.layout import SPLITS
from svit_datasets.publish.release import Release
from svit_datasets.reading.containers import check_exists, path_names
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.remote.names import is_remote, path_of, shown_name
from svit_datasets.report import Report, refuse_report
from svit_datasets.sizes import parse_size

DEFAULT_SHARD_SIZE = "500MB"


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
    jobs: int | None = None,
    engine: str = "local",
    address: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    on_missing_image: OnMissing = "error",
    check_images: bool = True,
    coco_captions: Iterable[str | Path] | str | Path = (),
    title: str = DEFAULT_TITLE,
    licence: str = DEFAULT_LICENCE,
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
        jobs: Number of processes, 1 by default. With Ray, of tasks at a time.
        engine: ``local`` for processes of this machine, ``ray`` for tasks of a Ray cluster, whose machines all see the
            source and the output.
        address: Address of the Ray cluster; None is the one that the variable ``RAY_ADDRESS`` names, else one
            that is started for the run.
        on_error: ``raise`` stops at a faulty record, ``skip`` leaves it out.
        on_missing_image: ``error`` stops at a photo that is missing or cannot be decoded, ``null`` keeps its rows
            without it, ``drop`` leaves them out.
        check_images: Whether every photo is decoded once.
        coco_captions: COCO caption files, to add a column ``captions``.
        title: What the dataset is called. The card of ``SVIT`` tells SVIT's authors, origin and terms; with another
            title it tells of SVIT's layout alone.
        licence: The licence, by the Hub's id, such as ``cc-by-4.0`` or ``other``.
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
    runs_on = check_engine(engine, jobs, address)
    naming = check_naming(title, licence)
    limits = Limits(tuple(path_names(splits)) or SPLITS, parse_size(max_shard_size), max_record_mb)
    for split in limits.splits:
        choose("split", split, SPLITS)
    source = _local(root, "copy the files into a folder here, and name that")
    target = _local(output, "name a folder here, and copy it there when it is built")
    refuse_output(target, source, overwrite=overwrite)
    _refuse_inside(target, source)
    parts, absent = choose_configs(source, [find_config(name) for name in path_names(configs)], images)
    options: dict[str, object] = {
        **limits._asdict(),
        "configs": [c.name for c in parts],
        "images": images,
        "on_error": on_error,
        "on_missing_image": on_missing_image,
        "check_images": check_images,
        **naming._asdict(),
    }
    made = Report("build", inputs=[str(source)], options=options, on_error=on_error, keep_all=report is not None)
    if report is not None:
        refuse_report(report, [source], [target], overwrite=overwrite)
    captions = tuple(
        check_exists(str(_local(p, "copy the file here, and name the copy").absolute()))
        for p in path_names(coco_captions)
    )
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
        release, resumed = BuildRun(recipe, limits, staging, made, tell, naming).run(
            runs_on, target, overwrite=overwrite
        )
    for path in find_terms(source):
        tell(f"{path}: read it; its terms are not on the card")
    return Built(target, release, made, tuple(absent), resumed)


def _local(name: str | Path, mend: str) -> Path:
    """Return the path of a file or folder; raise ``UsageError`` where it is in a store."""
    if is_remote(name):
        raise UsageError(f"{shown_name(str(name))}: build reads and writes folders of this machine; {mend}")
    return path_of(str(name))


def _refuse_inside(target: Path, source: Path) -> None:
    """Raise where the output would lie in the source, whose readers would find its shards among the native files."""
    if target.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{target}: inside the source; name a folder beside it")
