"""Make the generated parts of docs/: the command reference, the table of findings, the pictures.

python scripts/make_docs.py          # all
python scripts/make_docs.py --check  # fail where a text is not up to date; writes nothing
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import click

from svit_datasets.cli import cli
from svit_datasets.findings import RULES

DOCS = Path(__file__).parent.parent / "docs"
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
        "Every fault has a code. An *error* follows `--on-error`; a *warning* and a *note* never stop a run.",
        "",
        "| code | severity | expected | how to mend it |",
        "|---|---|---|---|",
    ]
    rows = [(code, r.severity, r.expected, r.mend) for code, r in RULES.items()]
    return "\n".join([*lines, *("| `{}` | {} | {} | {} |".format(*map(escape, row)) for row in rows)]) + "\n"


def escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


PAGES: dict[str, Callable[[], str]] = {"commands.md": commands_page, "findings.md": findings_page}


def main() -> None:
    if "--check" in sys.argv:
        stale = [name for name, make in PAGES.items() if (DOCS / name).read_text() != make()]
        sys.exit(f"not up to date, run make docs: {', '.join(stale)}" if stale else 0)
    from docs_pictures import make_pictures

    for name, make in PAGES.items():
        (DOCS / name).write_text(make())
    make_pictures(DOCS / "pictures")


if __name__ == "__main__":
    main()
