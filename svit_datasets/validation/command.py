"""The command ``svit-convert validate``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from svit_datasets.engines.options import engine_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from svit_datasets.validation.results import Results
    from svit_datasets.validation.validate import Checks

_FOUND = 1
_TASKS = ("conversation", "complex_reasoning", "referring_qa", "detail_description", "referring", "detail")
_STYLES: dict[str, dict[str, Any]] = {
    "error": {"fg": "red"},
    "warning": {"fg": "yellow"},
    "note": {"fg": "cyan"},
    "title": {"bold": True},
    "faint": {"dim": True},
    "": {},
}


@click.command()
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("--images", multiple=True, metavar="ROOT", help="Folder or zip with the photos: as in to-llava, or LLaVA's image folder; each photo is decoded once. image_data.json gives sizes alone. May be given more than once.")  # fmt: skip
@click.option("--format", "layout", type=click.Choice(["auto", "native", "llava"]), default="auto", show_default=True, help="Layout of the inputs; auto looks at the first record of each.")  # fmt: skip
@click.option("--task", type=click.Choice(_TASKS), help="Task of native inputs, where their names do not say it.")
@click.option("--coordinates", type=click.Choice(["padded", "original"]), default="padded", show_default=True, help="Frame of the boxes in LLaVA files that to-llava made.")  # fmt: skip
@click.option("--look", type=click.Choice(["decode", "header"]), default="decode", show_default=True, help="Decode every photo, or read its header alone.")  # fmt: skip
@click.option("--trainer", type=click.Choice(["llava"]), help="Walk every record as this trainer's loader does; native ones as they convert.")  # fmt: skip
@click.option("--tokenizer", metavar="NAME", help="Folder with tokenizer.json, or a repository of the Hub, that counts tokens for --trainer; without it they are estimated.")  # fmt: skip
@click.option("--model-max-length", type=click.IntRange(1), default=2048, show_default=True, help="Most tokens that the model takes.")  # fmt: skip
@click.option("--image-tokens", type=click.IntRange(0), default=576, show_default=True, help="Tokens that an image becomes in the model.")  # fmt: skip
@click.option("--select", multiple=True, metavar="CODE", help="Look only for this code, codes that begin so, or a family. May be given more than once, or with commas.")  # fmt: skip
@click.option("--ignore", multiple=True, metavar="CODE", help="Pass over this code, codes that begin so, or a family.")
@click.option("--output", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True, help="How to write the findings to standard output: grouped with the first of each; all of them as JSON; all as SARIF 2.1.0.")  # fmt: skip
@click.option("--report", metavar="FILE", help="Write all findings and changes to FILE as JSON, whatever --output is.")
@click.option("--fail-on", type=click.Choice(["error", "warning", "note", "never"]), default="error", show_default=True, help="Exit with status 1 where a finding is as grave as this or graver.")  # fmt: skip
@click.option("--fix", metavar="FILE", help="Write the one INPUT to FILE with its safe mends: known broken answers dropped, inverted corners swapped, boxes clipped to the image, edges trimmed. A name in .jsonl makes JSON lines. The input stays as it is.")  # fmt: skip
@click.option("--explain", metavar="CODE|NUMBER", help="Explain a code, with a bad and a good example; or one record of the one INPUT, by its number from 1.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace existing output files.")
@click.option("--max-record-mb", type=click.IntRange(1), default=64, show_default=True, help="Largest record to read.")
@engine_options
def validate(inputs: tuple[str, ...], **given: Any) -> None:
    """Report everything that is wrong with native files, LLaVA files or tables: where, what, and how to mend it.

    INPUT is a file, a folder of files, or a table, as in to-llava; or a LLaVA file, JSON or JSON lines.

    \b
    svit-convert validate svit-sample --images svit-sample
    """
    from svit_datasets.errors import UsageError
    from svit_datasets.validation.explain import explain_code, explain_record
    from svit_datasets.validation.validate import Checks, refuse_fix
    from svit_datasets.validation.validate import validate as run

    checks = Checks(
        **{name: given[name] for name in ("layout", "task", "coordinates", "look", "trainer", "tokenizer")},
        model_max_length=given["model_max_length"],
        image_tokens=given["image_tokens"],
        select=_words(given["select"]),
        ignore=_words(given["ignore"]),
    )
    explained = given["explain"]
    if explained is not None:
        lines = explain_record(inputs, int(explained), checks) if explained.isdecimal() else explain_code(explained)
        for line in lines:
            click.echo(line)
        return
    if not inputs:
        raise UsageError("no INPUT: name a file, a folder of files or a table")
    refuse_fix(given["fix"], list(inputs))
    read = _files(inputs, given)
    refuse_clash(given["report"], given["fix"], read, overwrite=given["overwrite"])
    results = run(
        inputs, images=given["images"], checks=checks, fix=given["fix"],
        overwrite=given["overwrite"], max_record_mb=given["max_record_mb"],
        **{name: given[name] for name in ("jobs", "engine", "address")},
    )  # fmt: skip
    try:
        _tell(results, inputs, read, checks, given)
    finally:
        results.close()
    if results.is_failed(given["fail_on"]):
        sys.exit(_FOUND)


def _words(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip() for words in given for word in words.split(",") if word.strip())


def refuse_clash(report: str | None, fix: str | None, inputs: list[str], *, overwrite: bool) -> None:
    """Raise ``UsageError`` before a long run where an output could not be written as it is named."""
    from svit_datasets.errors import UsageError
    from svit_datasets.writing.writers import is_same, refuse_target

    for target in (report, fix):
        if target is not None:
            refuse_target(target, inputs=inputs, overwrite=overwrite)
    if report is not None and fix is not None and is_same(report, fix):
        raise UsageError(f"{report}: is named for two outputs; name another")


def _files(inputs: tuple[str, ...], given: dict[str, Any]) -> list[str]:
    """Return what is read, and so must not be written over."""
    from svit_datasets.reading.entries import open_entries

    parts = open_entries(inputs, layout=given["layout"], task=given["task"])
    return [*(file for part in parts for file in part.files), *given["images"]]


def _tell(results: Results, inputs: tuple[str, ...], read: list[str], checks: Checks, given: dict[str, Any]) -> None:
    from svit_datasets.validation.json_output import to_json
    from svit_datasets.validation.sarif import to_sarif
    from svit_datasets.validation.text_output import summary
    from svit_datasets.writing.writers import OutputSet

    documents: dict[str, Callable[[], Iterator[bytes]]] = {
        "json": lambda: to_json(results, inputs, checks),
        "sarif": lambda: to_sarif(results),
    }
    with OutputSet(inputs=read, overwrite=given["overwrite"]) as outputs:
        wanted = [(given["report"], "json")] if given["report"] is not None else []
        wanted += [("-", given["output"])] if given["output"] in documents else []
        for target, kind in wanted:
            file = outputs.open(target)
            for piece in documents[kind]():
                file.write(piece)
    if given["output"] in documents:
        click.echo(summary(results), err=True)
    else:
        _tell_text(results, checks, given["fix"])


def _tell_text(results: Results, checks: Checks, fix: str | None) -> None:
    from svit_datasets.validation.text_output import changes_of, lines_of

    for text, style in (*lines_of(results), *changes_of(results, fix)):
        click.echo(click.style(text, **_STYLES[style]) if style else text)
    if checks.trainer is not None and checks.tokenizer is None:
        click.echo("lengths are estimates: --tokenizer FOLDER counts tokens", err=True)
