"""Make the generated parts of docs/: the command reference, the findings, the columns, the pictures.

python scripts/make_docs.py          # all
python scripts/make_docs.py --check  # fail where a text is not up to date; writes nothing
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import click

from svit_datasets.cli import cli
from svit_datasets.configs import IMAGES_CONFIG
from svit_datasets.publish.card.text import cell_text, type_text
from svit_datasets.rules import FAMILIES, RULES
from svit_datasets.tables.columns import columns_of
from svit_datasets.tables.parts import GRANULARITIES
from svit_datasets.validation.examples import EXAMPLES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
COLUMNS_INTRODUCTION = """\
`load_dataset("svit", CONFIG)` gives one row an image, with the photo and all that is asked about it. The configuration
`images` has the photos alone. Braces hold named parts, brackets a list.
"""
NOTE = "<!-- Made by scripts/make_docs.py from the code; edit there. -->\n"


def commands_page() -> str:
    lines = ["# Commands\n", NOTE, f"{help_text(cli)}\n"]
    for name in sorted(cli.commands):
        command = cli.commands[name]
        context = click.Context(command, info_name=f"svit-convert {name}")
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [f"## svit-convert {name}\n", f"```\nsvit-convert {name} {usage}\n```\n", f"{help_text(command)}\n"]
        options = [p for p in command.params if isinstance(p, click.Option)]
        if options:
            lines += ["| option | meaning |", "|---|---|"]
            lines += [f"| {spelling(o)} | {o.help}{default(o)} |" for o in options]
            lines.append("")
    return "\n".join(lines)


def help_text(command: click.Command) -> str:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    shown = [f"```\n{p.removeprefix(chr(8)).strip()}\n```" if p.startswith("\b") else p for p in paragraphs]
    return "\n\n".join(shown)


def spelling(option: click.Option) -> str:
    kind = option.type
    values = ", ".join(kind.choices) if isinstance(kind, click.Choice) else (option.metavar or kind.name.upper())
    return ", ".join(f"`{o}`" for o in option.opts) + ("" if option.is_flag else f" {values}")


def default(option: click.Option) -> str:
    is_told = not option.is_flag and not option.multiple and not option.required
    return f" Default: {option.default}." if is_told and isinstance(option.default, str | int) else ""


def findings_page() -> str:
    lines = [
        "# Findings\n",
        NOTE,
        "Every fault has a code. In conversions an *error* follows `--on-error`, a *warning* and a *note* never stop a",
        "run; in `validate` they decide about the exit status, by `--fail-on`. `validate --explain CODE` tells of one.",
        "A JSON example is a record, or several, or the whole of a file; some take `--task` or a size. What cannot be",
        "seen there is told in words. In LLaVA files `duplicate-id` is a note: no trainer reads ids.",
    ]
    for family, title in FAMILIES.items():
        codes = {code: rule for code, rule in RULES.items() if rule.family == family}
        lines += ["", f"## {title[0].upper()}{title[1:]} (`{family}`)", ""]
        lines += ["| code | severity | expected | how to mend it |", "|---|---|---|---|"]
        rows = [(code, rule.severity, rule.expected, rule.mend) for code, rule in codes.items()]
        lines += ["| `{}` | {} | {} | {} |".format(*map(escape, row)) for row in rows]
        for code in codes:
            example = EXAMPLES[code]
            lines += ["", f"**{code}**", "", "```", *shown("bad ", example.bad), *shown("good", example.good), "```"]
    return "\n".join(lines) + "\n"


def shown(word: str, text: str) -> list[str]:
    """Return an example's lines, the first with its word before it; what cannot be seen is spelled out."""
    visible = text.replace("\ufeff", "<U+FEFF>") or "(an empty file)"
    first, *rest = visible.split("\n")
    return [f"{word}  {first}", *(f"      {line}" for line in rest)]


def escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def columns_page() -> str:
    meanings = ("one row an image, the default", "one row a conversation", "one row a pair")
    titles = dict(zip(GRANULARITIES, meanings, strict=True))
    of_image = columns_of(IMAGES_CONFIG, "image", has_captions=True)
    tables = {g: [c for c in columns_of("referring", g, has_captions=True) if c not in of_image] for g in titles}
    shared = [c for c in tables["image"] if all(c in table for table in tables.values())]
    parts = [("Every configuration", of_image)]
    for granularity, table in tables.items():
        parts.append((f'`granularity="{granularity}"`: {titles[granularity]}', [c for c in table if c not in shared]))
    parts.append(("Every configuration with text", shared))
    lines = ["# Columns\n", NOTE, COLUMNS_INTRODUCTION]
    for title, columns in parts:
        lines += [f"## {title}", "", "| column | type | meaning |", "|---|---|---|"]
        lines += ["| `{}` | {} | {} |".format(*map(cell_text, (c.name, type_text(c.type), c.meaning))) for c in columns]
        lines.append("")
    return "\n".join([*lines, "`objects` is in `referring` alone, `captions` with `coco_captions=` alone.\n"])


PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "commands.md": commands_page,
    DOCS / "findings.md": findings_page,
    DOCS / "columns.md": columns_page,
}


def main() -> None:
    if "--check" in sys.argv:
        stale = [page.name for page, make in PAGES.items() if page.read_text() != make()]
        sys.exit(f"not up to date, run make docs: {', '.join(stale)}" if stale else 0)
    from docs_pictures import make_pictures

    for page, make in PAGES.items():
        page.write_text(make())
    make_pictures(DOCS / "pictures")


if __name__ == "__main__":
    main()
