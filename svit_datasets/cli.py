"""The command ``svit-convert``: a thin face over the package's functions."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

import svit_datasets
from svit_datasets.engines.options import engine_options
from svit_datasets.errors import FindingsError, RecordError, SvitError, SvitWarning
from svit_datasets.publish.building.command import build
from svit_datasets.publish.fetching.command import download
from svit_datasets.publish.pushing.command import push
from svit_datasets.schemas import NAMES
from svit_datasets.statistics.command import stats
from svit_datasets.validation.command import validate
from svit_datasets.viewer.command import view

if TYPE_CHECKING:
    from svit_datasets.report import Report

DONE, FAULTS, UNUSABLE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
_TASKS = ("conversation", "complex_reasoning", "referring_qa", "detail_description", "referring", "detail")


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every conversion has."""
    options = (
        click.option("--images", multiple=True, metavar="ROOT", help="Folder with VG_100K/ and VG_100K_2/ (at its root, under vg/ or raw/), flat folder of ID.jpg, images.zip, or image_data.json. May be given more than once. EXIF orientation is ignored: boxes are in stored pixels."),
        click.option("--coordinates", type=click.Choice(["padded", "original"]), default="padded", show_default=True, help="Frame of the boxes on LLaVA's side: the square that it pads images to, or the image itself."),
        click.option("--on-error", type=click.Choice(["raise", "skip", "collect"]), default="raise", show_default=True, help="At a faulty record: stop; leave it out and count it; or read to the end, list all faults and write nothing."),
        click.option("--report", metavar="FILE", help="Write what was read, written, left out and inferred, with every finding, as JSON."),
        click.option("--no-check", is_flag=True, help="Do not check written records against their schema."),
        click.option("--overwrite", is_flag=True, help="Replace existing output files."),
        click.option("--max-record-mb", type=click.IntRange(1), default=64, show_default=True, help="Largest record to read."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return engine_options(command)


_resume = click.option("--resume", is_flag=True, help="Go on with what an interrupted run had finished, and keep what is finished where this one is interrupted.")  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(svit_datasets.VERSION, prog_name="svit-convert")
def cli() -> None:
    """Convert SVIT between its native files and the LLaVA-v1.5 layout, without losing a character.

    Before you train, look: validate, stats, view.

    Exit status: 0 done (faults left out with --on-error skip are done), 1 faults in records or differences, 2 wrong
    usage, unusable input or output, 130 interrupted.
    """


@cli.command("to-llava")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="OUT.json", help="File to write; - is standard output.")
@click.option("--task", type=click.Choice(_TASKS), help="Task of the inputs, where their names do not say it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the formatting sentences.")
@click.option("--no-instruction", is_flag=True, help="No formatting sentence behind referring questions.")
@click.option("--box-rounding", type=click.Choice(["pixel", "exact"]), default="pixel", show_default=True, help="Step through whole pixels as SVIT's own copy does, or not.")  # fmt: skip
@click.option("--provenance", type=click.Choice(["inline", "sidecar", "none"]), default="inline", show_default=True, help="Keep the way back in the key 'svit', in OUT.json.svit.jsonl, or nowhere.")  # fmt: skip
@_resume
@_shared
def to_llava(inputs: tuple[str, ...], **given: Any) -> None:
    """Write the JSON list that LLaVA's trainer reads from native SVIT files, or from tables of load_dataset("svit").

    INPUT is a JSON array or JSON lines, plain, .gz or .zip; - is standard input. The task comes from the file's stem:
    conversation, complex_reasoning, referring_qa, detail_description. Or INPUT is a folder that save_to_disk wrote, a
    Parquet file, a folder of Parquet files, or hf://datasets/ORG/NAME[@REVISION][/FOLDER], of which the text alone is
    fetched; the task comes from the configuration or from a folder's name, and the rows tell the images' sizes.

    \b
    svit-convert to-llava SVIT/data/referring_qa.zip --images SVIT/raw -o referring.json
    """
    options = svit_datasets.Options(
        coordinates=given["coordinates"],
        box_rounding=given["box_rounding"],
        instruction=not given["no_instruction"],
        seed=given["seed"],
        provenance=given["provenance"],
    )
    report = svit_datasets.to_llava(
        inputs,
        given["output"],
        task=given["task"],
        options=options,
        resume=given["resume"],
        **_engine(given),
        **_common(given),
    )
    _tell_parts(report)
    _close(
        report, f"{report.counts['records_written']:,} records from {report.counts['records_read']:,} native records"
    )


@cli.command("from-llava")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="DIR", help="Folder for the native files.")
@click.option(
    "--no-infer",
    is_flag=True,
    help="Take every record without provenance for foreign, even one that looks like SVIT's.",
)
@click.option("--rest", metavar="FILE", help="Write records that are not SVIT's here, untouched.")
@click.option("--provenance", metavar="FILE", help="The sidecar; by default INPUT.svit.jsonl if it is there.")
@_resume
@_shared
def from_llava(inputs: tuple[str, ...], **given: Any) -> None:
    """Write native SVIT files again from LLaVA files, shuffled, filtered and mixed as they may be.

    \b
    svit-convert from-llava mix.json -o native --rest others.json
    """
    report = svit_datasets.from_llava(
        inputs,
        given["output"],
        rest=given["rest"],
        provenance=given["provenance"],
        options=svit_datasets.Options(coordinates=given["coordinates"], infer=not given["no_infer"]),
        resume=given["resume"],
        **_engine(given),
        **_common(given),
    )
    _tell_parts(report)
    kinds = ("restored", "edited", "inferred", "foreign", "copies")
    told = ", ".join(f"{report.counts[f'records_{k}']:,} {k}" for k in kinds if report.counts[f"records_{k}"])
    _close(report, f"{report.counts['records_read']:,} records: {told or 'none of use'}")
    if report.counts["records_foreign"] and not given["rest"]:
        _say("the foreign records were left out; --rest FILE keeps them")


def _common(given: dict[str, Any]) -> dict[str, Any]:
    names = ("images", "on_error", "report", "overwrite", "max_record_mb")
    return {**{name: given[name] for name in names}, "check": not given["no_check"]}


def _engine(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("jobs", "engine", "address")}


def _tell_parts(report: Report) -> None:
    if report.shards_there:
        _say(f"went on: {report.shards_there:,} of {report.shards:,} parts were there already")


def _close(report: Report, told: str) -> None:
    """Print what was found and done, to standard error."""
    for fault in report.first:
        _say(f"{fault.severity}: {fault}")
    more = sum(report.by_code.values()) - len(report.first)
    if more:
        _say(f"... and {more:,} more; --report FILE lists all")
    if report.by_code:
        _say("found: " + ", ".join(f"{code} {n:,}" for code, n in report.by_code.most_common()))
    left_out = {"records": "records_skipped", "conversations": "conversations_skipped"}
    skipped = [f"{report.counts[key]:,} {name}" for name, key in left_out.items() if report.counts[key]]
    if skipped:
        _say(f"left out: {', '.join(skipped)}")
    written = ", ".join(f"{name} ({count:,})" for name, count in report.outputs.items()) or "nothing"
    _say(f"{report.command}: {told}; wrote {written}")


def _say(text: str) -> None:
    click.echo(text, err=True)


@cli.command()
@click.argument("folder", metavar="DIR")
def sample(folder: str) -> None:
    """Write a small SVIT to DIR: six photos with records of all four tasks.

    \b
    svit-convert sample svit-sample
    """
    written = svit_datasets.write_sample(folder)
    _say(f"sample: wrote {len(written)} files to {folder}")


@cli.command()
@click.argument("source", metavar="INPUT")
@click.option(
    "--images", multiple=True, required=True, metavar="ROOT", help="Folder or zip with the images: as in to-llava."
)
@click.option("-o", "--output", required=True, metavar="DIR", help="Folder for the pictures.")
@click.option(
    "--coordinates",
    type=click.Choice(["padded", "original"]),
    default="padded",
    show_default=True,
    help="Frame of a LLaVA file's boxes.",
)
@click.option("--id", "image_ids", type=int, multiple=True, help="Image to draw; may be given more than once.")
@click.option("--limit", type=click.IntRange(1), default=8, show_default=True, help="Images at most, without --id.")
@click.option("--overwrite", is_flag=True, help="Replace existing pictures.")
def draw(source: str, output: str, **given: Any) -> None:
    """Draw the boxes of a native or LLaVA file on its photos, as PNGs, in the frame that they are in.

    \b
    svit-convert draw svit-sample/data/referring_qa.json --images svit-sample/raw -o pictures
    """
    for path in svit_datasets.draw(source, output, **given):
        click.echo(path)


@cli.command()
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
def compare(left: str, right: str) -> None:
    """Compare two native files, or two folders of them, value for value; exit status 1 if they differ.

    A table of load_dataset("svit"), saved to disk or as Parquet, counts as the native file that it was made from.
    A built folder or hf://datasets/ORG/NAME is compared task by task with a folder of native files, by image id.

    \b
    svit-convert compare svit-sample/data native
    """
    count = 0
    for count, difference in enumerate(svit_datasets.compare(left, right), 1):
        if count <= 20:
            click.echo(str(difference))
    click.echo(f"compare: {count:,} records differ" if count else "compare: equal, value for value")
    if count:
        sys.exit(FAULTS)


@cli.command()
@click.argument("name", type=click.Choice(NAMES))
def schema(name: str) -> None:
    """Print the JSON Schema of a layout.

    \b
    svit-convert schema native
    """
    from svit_datasets.schemas import load

    click.echo(json.dumps(load(name), indent=2))


for command in (validate, stats, view, build, push, download):
    cli.add_command(command)


def _terminate(_number: int, _frame: Any) -> None:
    sys.exit(TERMINATED)


def main(args: list[str] | None = None) -> None:
    """Run the command line; errors go to standard error in one line, with the exit status of their kind.

    Args:
        args: Arguments; those of the process by default.
    """
    signal.signal(signal.SIGTERM, _terminate)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would be idle, and stand in the way of a fork
    warnings.simplefilter("always", SvitWarning)
    warnings.showwarning = lambda text, *_, **__: _say(str(text))
    try:
        cli.main(args=args, standalone_mode=False)
    except click.exceptions.Abort:
        _say("interrupted; nothing was written")
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(UNUSABLE)
    except SvitError as error:
        for fault in getattr(error, "first", ()):
            _say(f"{fault.severity}: {fault}")
        _say(f"error: {error}")
        sys.exit(FAULTS if isinstance(error, RecordError | FindingsError) else UNUSABLE)
    except OSError as error:
        _say(f"error: standard output: {(error.strerror or str(error)).lower()}")
        sys.stdout = None  # nothing more goes there, not at the exit either
        sys.exit(UNUSABLE)
