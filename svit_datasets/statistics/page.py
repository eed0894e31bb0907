"""Statistics as one HTML page that needs no other file, no network and no script."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from svit_datasets.statistics.measures import MEASURES, RANKS, Rank
from svit_datasets.statistics.plots import Plot, RankBar, histogram, rank_bars, yes_no_bars
from svit_datasets.statistics.told import Ranking, Summary
from svit_datasets.statistics.wording import amount

TEMPLATE = "report.html"
_BY_TASK = 10
_TILES = ("images", "conversations", "questions", "answers", "boxes", "phrases")


class RankCard(NamedTuple):
    """A ranking on the page: of all tasks, and the first of each task where there are several."""

    title: str
    ranking: Ranking
    bars: list[RankBar]
    by_task: dict[str, list[RankBar]]


def make_page(told: Summary) -> str:
    """Return statistics as an HTML page; every text in it is escaped.

    Args:
        told: The statistics.

    Returns:
        The page.

    >>> from svit_datasets.statistics.collected import Statistics
    >>> from svit_datasets.statistics.summary import summarise
    >>> page = make_page(summarise(Statistics(inputs=["<x>.json"])))
    >>> page[:15], "<x>" in page, "&lt;x&gt;.json" in page
    ('<!doctype html>', False, True)
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = "{:,}".format
    environment.filters["amount"] = amount
    environment.filters["share"] = "{:.1%}".format
    template = environment.from_string((files(__package__ or "") / TEMPLATE).read_text("utf-8"))
    return template.render(
        told=told,
        tiles=_TILES,
        plots=_plots(told),
        yes_no=yes_no_bars(told.tasks, told.all),
        groups={title: cards for title, names in _GROUPS.items() if (cards := _cards(told, names))},
    )


_GROUPS = {
    "How answers open": tuple(rank for rank in RANKS if rank.name.startswith("answer")),
    "How questions open": tuple(rank for rank in RANKS if rank.name.startswith("question")),
    "What it is about": tuple(rank for rank in RANKS if rank.of not in ("answers", "questions")),
}


def _plots(told: Summary) -> list[Plot]:
    found = ((measure, told.all.distributions.get(measure.name)) for measure in MEASURES)
    return [histogram(measure, told.tasks, whole) for measure, whole in found if whole is not None]


def _cards(told: Summary, ranks: tuple[Rank, ...]) -> list[RankCard]:
    cards = []
    for rank in ranks:
        ranking = told.all.rankings.get(rank.name)
        if ranking is None:
            continue
        parts = {task: part.rankings[rank.name] for task, part in told.tasks.items() if rank.name in part.rankings}
        by_task = {task: rank_bars(part)[:_BY_TASK] for task, part in parts.items()} if len(parts) > 1 else {}
        cards.append(RankCard(rank.title, ranking, rank_bars(ranking), by_task))
    return cards
