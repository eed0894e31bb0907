"""The command ``svit-convert stats``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from svit_datasets.engines.options import engine_options
from svit_datasets.statistics.wording import amount

if TYPE_CHECKING:
    from svit_datasets.statistics.told import Summary

_TASKS = ("conversation", "complex_reasoning", "referring_qa", "detail_description", "referring", "detail")
_IMAGES = "Photos or image_data.json, as in to-llava: they tell the sizes that areas and shapes of boxes need."
_COORDINATES = (
    "Frame of the boxes in LLaVA files that to-llava made: the square that images are padded to, or the image itself."
)
_TOKENIZER = (
    "Count tokens with this: a folder with tokenizer.json, or a name on the Hub. Without it they are estimated."
)


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--format", "layout", type=click.Choice(["auto", "native", "llava"]), default="auto", show_default=True, help="Layout of the files; auto looks at the first record of each.")  # fmt: skip
@click.option("--task", type=click.Choice(_TASKS), help="Task of native inputs, where their names do not say it.")
@click.option("--images", multiple=True, metavar="ROOT", help=_IMAGES)
@click.option("--coordinates", type=click.Choice(["padded", "original"]), default="padded", show_default=True, help=_COORDINATES)  # fmt: skip
@click.option("--tokenizer", metavar="NAME", help=_TOKENIZER)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print.")
@click.option("--html", metavar="FILE", help="Write one page with plots, which needs no other file and no network.")
@click.option("--top", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many openings, phrases and topics to list.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
@engine_options
def stats(inputs: tuple[str, ...], **given: Any) -> None:
    """Count what native files, LLaVA files or tables hold, per task and in all.

    Images, conversations, questions, answers, boxes and phrases; turns, words and tokens; how questions and answers
    open, yes and no; boxes per pair, their areas and shapes; the most frequent phrases and topics. Nothing is written
    but what --html asks for. Exit status 1 if records, or rests of files, could not be read.

    \b
    svit-convert stats svit-sample/data --images svit-sample/raw --html stats.html
    """
    from svit_datasets.statistics.gather import stats as count
    from svit_datasets.statistics.summary import summarise
    from svit_datasets.writing.writers import OutputSet, refuse_target

    html, overwrite = given.pop("html"), given.pop("overwrite")
    output, top = given.pop("output"), given.pop("top")
    kept = [*inputs, *given["images"]]
    if html is not None:
        refuse_target(html, inputs=kept, overwrite=overwrite)
    told = summarise(count(inputs, **given), top=top)
    if html is not None:
        from svit_datasets.statistics.page import make_page

        with OutputSet(inputs=kept, overwrite=overwrite) as outputs:
            outputs.open(html).write(make_page(told).encode("utf-8", "replace"))
    PRINTERS[output](told)
    _close(told, html)


def _print_json(told: Summary) -> None:
    import msgspec

    from svit_datasets.writing.writers import encode_ascii

    click.echo(msgspec.json.format(encode_ascii(told), indent=2))


def _print_text(told: Summary) -> None:
    from svit_datasets.statistics.tables import plain_text, rich_tables, tables_of

    tables = list(tables_of(told))
    if not sys.stdout.isatty():
        click.echo(plain_text(tables, told.notes), nl=False)
        return
    from rich.console import Console

    console = Console(highlight=False)
    for part in rich_tables(tables, told.notes):
        console.print(part)


PRINTERS = {"text": _print_text, "json": _print_json}


def _close(told: Summary, html: str | None) -> None:
    """Say to standard error what could not be read and what was written; end with 1 where something is in no count."""
    for fault in told.first:
        click.echo(f"{fault.severity}: {fault}", err=True)
    more = sum(told.faults.values()) - len(told.first)
    if more:
        click.echo(f"... and {more:,} more: {', '.join(f'{code} {n:,}' for code, n in told.faults.items())}", err=True)
    wrote = f"; wrote {html}" if html else ""
    counts = told.all.counts
    click.echo(f"stats: {amount(counts.records, 'record')}, {amount(counts.pairs, 'pair')}{wrote}", err=True)
    if told.unreadable:
        sys.exit(1)
