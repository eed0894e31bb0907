"""Statistics as tables of text: aligned and plain in a pipe, ruled on a terminal. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from svit_datasets.statistics.measures import MEASURES, RANKS
from svit_datasets.statistics.texts import OPENING_WORDS
from svit_datasets.statistics.told import Ranking, Summary, TaskSummary

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLUMNS = ("records", "images", "conversations", "questions", "answers", "boxes", "phrases")
_PERCENTS = ("5", "50", "95", "99")
_SHOWN_CHARACTERS = 48
_JOINER = "\u200d"  # holds an emoji's parts together


class Table(NamedTuple):
    """A table of text.

    Attributes:
        title: What it shows.
        columns: Heads of its columns; those of ``texts`` stand left, numbers right.
        texts: Which columns hold text.
        rows: Its rows, as written.
    """

    title: str
    columns: tuple[str, ...]
    texts: tuple[int, ...]
    rows: list[tuple[str, ...]]


def tables_of(told: Summary) -> Iterator[Table]:
    """Yield the tables of statistics; one without rows is left out."""
    parts = _parts(told)
    made = (
        _counts(parts),
        _distributions(told.all),
        _medians(parts),
        _yes_no(parts),
        *(_openings(told.all, kind) for kind in ("answer", "question")),
        *(_ranking(told.all, name, title) for name, title in (("phrases", "Marked phrases"), ("topics", "Topics"))),
        Table("What could not be read", ("code", "faults"), (0,), [(c, f"{n:,}") for c, n in told.faults.items()]),
    )
    yield from (table for table in made if table.rows)


def _parts(told: Summary) -> dict[str, TaskSummary]:
    return {**told.tasks, "all": told.all}


def _counts(parts: dict[str, TaskSummary]) -> Table:
    rows = [(task, *(_count(part, column) for column in _COLUMNS)) for task, part in parts.items()]
    return Table("What there is", ("task", *_COLUMNS), (0,), rows)


def _count(part: TaskSummary, column: str) -> str:
    about = "about " if column == "images" and not part.counts.images_exact else ""
    return f"{about}{getattr(part.counts, column):,}"


def _distributions(whole: TaskSummary) -> Table:
    rows = []
    for measure in MEASURES:
        spread = whole.distributions.get(measure.name)
        if spread is not None:
            values = [spread.lowest, *(spread.percentiles[p] for p in _PERCENTS), spread.highest]
            mean = "" if spread.mean is None else measure.scale.text(spread.mean)
            rows.append((f"{measure.title.lower()}", mean, *map(measure.scale.text, values)))
    heads = ("of all tasks", "mean", "lowest", *(f"{p}%" for p in _PERCENTS), "highest")
    return Table("How it is spread: so many of 100 do not exceed", heads, (0,), rows)


def _medians(parts: dict[str, TaskSummary]) -> Table:
    measures = [m for m in MEASURES if any(m.name in part.distributions for part in parts.values())]
    rows = []
    for measure in measures:
        spreads = [part.distributions.get(measure.name) for part in parts.values()]
        texts = [measure.scale.text(s.percentiles["50"]) if s else "" for s in spreads]
        rows.append((measure.title.lower(), *texts))
    return Table("Medians by task", ("median of", *parts), (0,), rows if len(parts) > 2 else [])


def _yes_no(parts: dict[str, TaskSummary]) -> Table:
    rows: list[tuple[str, ...]] = []
    for task, part in parts.items():
        said = part.yes_no
        if said.share is not None and said.yes_share is not None:
            rows.append((task, f"{said.yes:,}", f"{said.no:,}", f"{said.share:.1%}", f"{said.yes_share:.1%}"))
    return Table("Yes and no", ("task", "yes", "no", "of all answers", "yes of both"), (0,), rows)


def _openings(whole: TaskSummary, kind: str) -> Table:
    found = [whole.rankings.get(rank.name) for rank in RANKS if rank.name.startswith(f"{kind}_openings")]
    columns = [_rows(ranking) for ranking in found]
    rows = [sum(cells, ()) for cells in zip_longest(*columns, fillvalue=("", ""))]
    heads = tuple(head for n in OPENING_WORDS for head in (f"{n} word{'s' if n > 1 else ''}", f"{kind}s"))
    return Table(f"How {kind}s open", heads, (0, 2, 4), rows)


def _rows(ranking: Ranking | None) -> list[tuple[str, ...]]:
    if ranking is None:
        return []
    least = "" if ranking.is_exact else "at least "
    return [(shorten(row.text), f"{least}{row.count:,}") for row in ranking.top]


def _ranking(whole: TaskSummary, name: str, title: str) -> Table:
    ranking = whole.rankings.get(name)
    of = f" ({ranking.total:,} in all)" if ranking else ""
    return Table(f"{title}{of}", (name, "times"), (0,), _rows(ranking))


def shorten(text: str) -> str:
    """Return a text on one line, without signs that a terminal would obey, '(empty)' for none.

    >>> shorten("a\\x1b[1mb"), shorten("")
    ('a\\ufffd[1mb', '(empty)')
    """
    clean = "".join(c if c.isprintable() or c == _JOINER else "\ufffd" for c in " ".join(text.split()))
    cut = clean if len(clean) <= _SHOWN_CHARACTERS else f"{clean[: _SHOWN_CHARACTERS - 1]}\u2026"
    return cut or "(empty)"


def plain_text(tables: Iterable[Table], notes: Iterable[str]) -> str:
    """Return tables as plain text, columns set apart by two blanks: the same wherever it goes.

    >>> print(plain_text([Table("Things", ("thing", "n"), (0,), [("a", "1"), ("bc", "20")])], ["Mind."]))
    Things
    thing   n
    a       1
    bc     20
    <BLANKLINE>
    - Mind.
    <BLANKLINE>
    """
    return "\n".join([*map(_plain, tables), "".join(f"- {note}\n" for note in notes)])


def _plain(table: Table) -> str:
    lines = [table.columns, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
    written = [table.title]
    for line in lines:
        cells = [
            cell.ljust(width) if i in table.texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        written.append("  ".join(cells).rstrip())
    return "\n".join([*written, ""])


def rich_tables(tables: Iterable[Table], notes: Iterable[str]) -> Iterator[RenderableType]:
    """Yield tables and notes for a terminal."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    for table in tables:
        made = RichTable(title=Text(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for i, head in enumerate(table.columns):
            made.add_column(Text(head), justify="left" if i in table.texts else "right", overflow="fold")
        for row in table.rows:
            made.add_row(*map(Text, row), style="bold" if row[0] == "all" else "")
        yield made
    for note in notes:
        yield Text(f"- {note}")
