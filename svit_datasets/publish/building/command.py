"""The command ``svit-convert build``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from svit_datasets.engines.options import ENGINE_OPTIONS

if TYPE_CHECKING:
    from svit_datasets.publish.building.build import Built

_INTERRUPTED = 130
_UNCHECKED = "no_check_images"
BUILD_OPTIONS = (
    *(
        "configs",
        "splits",
        "images",
        "max_shard_size",
        "jobs",
        "engine",
        "address",
        "on_error",
        "on_missing_image",
        "coco_captions",
    ),
    *("title", "licence", "max_record_mb", _UNCHECKED),
)


def _find_configs(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the configurations that the names mean, each once."""
    from svit_datasets.configs import find_config

    return tuple(dict.fromkeys(map(find_config, names)))


def build_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is built."""
    options = (
        click.option("--config", "configs", multiple=True, metavar="NAME", callback=_find_configs, help="Configuration to build: conversation, complex_reasoning, referring, detail or images; all tasks that ROOT has by default. May be given more than once."),
        click.option("--split", "splits", multiple=True, type=click.Choice(["train", "test"]), help="Split to build; both by default: test has SVIT's held-out images. May be given more than once."),
        click.option("--images", type=click.Choice(["embed", "separate", "none"]), default="embed", show_default=True, help="Where the photos go, bit for bit: into every configuration; into the configuration 'images' alone; or nowhere."),
        click.option("--max-shard-size", default="500MB", show_default=True, metavar="SIZE", help="Most bytes of a shard, about."),
        *ENGINE_OPTIONS,
        click.option("--on-error", type=click.Choice(["raise", "skip"]), default="raise", show_default=True, help="At a faulty record: stop, or leave it out and count it."),
        click.option("--on-missing-image", type=click.Choice(["error", "null", "drop"]), default="error", show_default=True, help="At a photo that is missing or cannot be decoded: stop, keep its rows without it, or leave them out."),
        click.option("--no-check-images", is_flag=True, help="Do not decode every photo once."),
        click.option("--coco-captions", multiple=True, metavar="FILE", help="COCO caption file, for a column 'captions'. May be given more than once."),
        click.option("--title", default="SVIT", show_default=True, metavar="TEXT", help="What the dataset is called. The card of SVIT tells SVIT's authors, origin and terms; with another title it tells of the layout alone."),
        click.option("--licence", default="cc-by-4.0", show_default=True, metavar="ID", help="Licence that the card states, by the Hub's id; 'other' is one."),
        click.option("--max-record-mb", type=click.IntRange(1), default=64, show_default=True, help="Largest record to read."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def build_keywords(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of ``build_options`` as keywords of ``build``."""
    kept = {name: given[name] for name in BUILD_OPTIONS if name != _UNCHECKED}
    return {**kept, "check_images": not given[_UNCHECKED], "tell": say}


def say(text: str) -> None:
    """Write a line to standard error."""
    click.echo(text, err=True)


@click.command()
@click.argument("root", metavar="ROOT")
@click.option("-o", "--output", required=True, metavar="DIR", help="Folder to write; it appears whole or not at all.")
@build_options
@click.option(
    "--report", metavar="FILE", help="Write what was read, written and left out, with every finding, as JSON."
)
@click.option("--overwrite", is_flag=True, help="Replace a folder that build made.")
def build(root: str, output: str, **given: Any) -> None:
    """Write SVIT as Parquet shards that plain datasets loads, with a card: a folder ready for the Hub.

    ROOT is a folder with SVIT's files as published, or with files in its layout. A build that was interrupted goes on
    where it was when the same command runs again.

    \b
    svit-convert build svit-sample -o svit-hub
    """
    from svit_datasets.publish.building.build import build as run

    try:
        built = run(root, output, report=given["report"], overwrite=given["overwrite"], **build_keywords(given))
    except KeyboardInterrupt:
        say(f"interrupted; {output} was not written")
        sys.exit(_INTERRUPTED)
    close(built)


def close(built: Built) -> None:
    """Say what was found and built."""
    import pyarrow

    from svit_datasets.publish.building import parquet
    from svit_datasets.publish.card.text import counted
    from svit_datasets.sizes import show_size

    report = built.report
    for fault in report.first:
        say(f"{fault.severity}: {fault}")
    more = sum(report.by_code.values()) - len(report.first)
    if more:
        say(f"... and {more:,} more; --report FILE lists all")
    counts = report.counts
    for count, noun, one, several in (
        (counts["records_skipped"], "faulty record", "left out", "left out"),
        (counts["images_dropped"], "image", "left out with all its rows", "left out with all their rows"),
        (counts["images_null"], "image", "kept without its photo", "kept without their photo"),
    ):
        if count:
            say(f"{counted(count, noun)} {one if count == 1 else several}")
    empty = sorted(set(report.options["configs"]) - {config.name for config in built.release.configs})
    if empty:
        say(f"no rows, so not written: {', '.join(empty)}")
    if built.absent:
        say(f"not in the source: {', '.join(built.absent)}")
    for config in built.release.configs:
        splits = ", ".join(f"{name} {counted(c.rows, 'row')}" for name, c in config.splits.items())
        say(f"{config.name}: {splits}, {counted(config.counts.pairs, 'pair')}, {show_size(config.counts.shard_bytes)}")
    if not parquet.HAS_CHUNKING:
        told = "cuts no chunks by content, so the Hub keeps less of what repeats once; 21 does"
        say(f"pyarrow {pyarrow.__version__} {told}")
    if built.release.naming.is_svit and not built.release.has_known_images:
        say("no image is Visual Genome's, and the card speaks of SVIT: --title NAME for a dataset that is not")
    files = f"{counted(len(built.release.shards), 'shard')}, {show_size(built.release.counts.shard_bytes)}"
    example = built.release.configs[0].name
    say(f'build: wrote {files} to {built.folder}; load_dataset("{built.folder}", "{example}") reads it')
