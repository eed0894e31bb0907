"""The command ``svit-convert view``."""

from __future__ import annotations

import signal
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from svit_datasets.errors import UsageError
from svit_datasets.records import TASKS

if TYPE_CHECKING:
    from svit_datasets.viewer.data import Data
    from svit_datasets.viewer.filters import Filter

EXPORT_LIMIT = 200
HUNG_UP = 129
_TASK_NAMES = [*TASKS, "referring", "detail"]


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--images",
    multiple=True,
    metavar="ROOT",
    help="Where the photos are: as in to-llava, or LLaVA's image folder. May be given more than once.",
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["auto", "native", "llava"]),
    default="auto",
    show_default=True,
    help="Layout of the files.",
)
@click.option("--task", type=click.Choice(_TASK_NAMES), help="Task of native inputs, where their names do not say it.")
@click.option(
    "--coordinates",
    type=click.Choice(["padded", "original"]),
    default="padded",
    show_default=True,
    help="Frame of the boxes of LLaVA records.",
)
@click.option(
    "--decode-photos",
    is_flag=True,
    help="Decode every photo whole, not its header alone, to find damaged ones; a few milliseconds a photo.",
)
@click.option(
    "--only-task",
    metavar="TASK",
    default="",
    help="Begin with this filter, or export these records: of a task, or 'none'.",
)
@click.option(
    "--text", metavar="WORDS", default="", help="Likewise: with these words in a turn or topic, upper or lower case."
)
@click.option("--code", metavar="CODE", default="", help="Likewise: with this finding; 'any' for any, 'none' for none.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port on 127.0.0.1; 0 takes a free one."
)
@click.option("--no-open", is_flag=True, help="Print the address only; do not open a browser.")
@click.option(
    "--export", "export_to", metavar="DIR", help="Write a copy that opens without a server, instead of serving."
)
@click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="ID",
    help="With --export: records of this image id or record id. May be given more than once.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"With --export: records at most. [default: {EXPORT_LIMIT}, or all with --id]",
)
@click.option("--overwrite", is_flag=True, help="With --export: replace an earlier export.")
@click.option("--max-record-mb", type=click.IntRange(1), default=64, show_default=True, help="Largest record to read.")
def view(inputs: tuple[str, ...], **given: Any) -> None:
    """Look through records in a browser: photos with their boxes, text, findings.

    INPUT is what validate takes: native or LLaVA files, folders of them, tables. The page is served to this machine
    alone, on 127.0.0.1, until Ctrl-C; its address is printed. With --export DIR a copy is written instead; open
    DIR/index.html.

    \b
    svit-convert view svit-sample/data/referring_qa.json --images svit-sample/raw --export look
    """
    from svit_datasets.viewer.data import Source, open_data
    from svit_datasets.viewer.filters import Filter, check_code, check_task

    _refuse_lonely(given)
    if given["export_to"]:  # said before the inputs are read
        from svit_datasets.viewer.target import refuse_target

        refuse_target(Path(given["export_to"]), overwrite=given["overwrite"])
    asked = Filter(task=check_task(given["only_task"]), text=given["text"], code=check_code(given["code"]))
    _stop_when_hung_up()
    source = Source(
        inputs,
        given["images"],
        given["layout"],
        given["task"],
        given["coordinates"],
        given["max_record_mb"],
        given["decode_photos"],
    )
    with open_data(source) as data:
        _tell(data)
        _export(data, asked, given) if given["export_to"] else _serve(data, asked, given)


def _refuse_lonely(given: dict[str, Any]) -> None:
    """Refuse options that mean something for an export alone, or for serving alone."""
    alone = {"--id": given["ids"], "--limit": given["limit"], "--overwrite": given["overwrite"]}
    named = [name for name, value in alone.items() if value]
    if named and not given["export_to"]:
        raise UsageError(f"{' and '.join(named)}: only with --export DIR; the page itself has filters")
    named = [name for name, value in {"--port": given["port"], "--no-open": given["no_open"]}.items() if value]
    if named and given["export_to"]:
        raise UsageError(f"{' and '.join(named)}: not with --export, which serves nothing; leave out")


def _stop_when_hung_up() -> None:
    """Clean up when the terminal is closed, too, unless the user asked to go on (``nohup``)."""

    def stop(_number: int, _frame: Any) -> None:
        sys.exit(HUNG_UP)

    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, stop)


def _tell(data: Data) -> None:
    facts = data.index.facts()
    for note in data.notes[:20]:
        click.echo(f"{note.severity}: {note}", err=True)
    if len(data.notes) > 20:
        click.echo(f"... and {len(data.notes) - 20:,} more entries of image_data.json left out", err=True)
    click.echo(f"view: {facts.total:,} records, {facts.faulty:,} with findings", err=True)


def _serve(data: Data, asked: Filter, given: dict[str, Any]) -> None:
    from svit_datasets.viewer.server import serve_data, to_address

    def ready(url: str) -> None:
        address = to_address(url, asked)
        click.echo(address)
        click.echo("view: serving to this machine alone; Ctrl-C stops", err=True)
        if not given["no_open"]:
            webbrowser.open(address)

    serve_data(data, port=given["port"], ready=ready)


def _export(data: Data, asked: Filter, given: dict[str, Any]) -> None:
    from svit_datasets.viewer.exporting import export_data

    limit = given["limit"] or (None if given["ids"] else EXPORT_LIMIT)
    written = export_data(
        data, given["export_to"], asked=asked, ids=given["ids"], limit=limit, overwrite=given["overwrite"]
    )
    if written.records < written.matched:
        click.echo(f"view: {written.records:,} of {written.matched:,} records; --limit N for more", err=True)
    told = f"{written.records:,} records and {written.photos:,} photos"
    click.echo(f"view: wrote {told}; open {written.folder / 'index.html'}", err=True)
