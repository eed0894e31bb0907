"""Plots as values: bars with their lengths, ticks and labels, for a page to draw. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from svit_datasets.statistics.measures import ASPECT, WHOLE, Measure
from svit_datasets.statistics.tables import shorten
from svit_datasets.statistics.told import Distribution, Ranking, TaskSummary, YesNo

MAX_TICKS = 6
_LABELS_ACROSS = 8
_NICE = (1, 2, 5)
DASH = "\u2013"


class Segment(NamedTuple):
    """A piece of a bar: its series, its count, its length in percent of the axis."""

    series: str
    times: int
    percent: float


class Bar(NamedTuple):
    """A bar, stacked of segments.

    Attributes:
        label: The range or text that it stands for.
        tick: What stands at the axis; '' where the next label would touch it.
        times: The sum of its segments.
        segments: Its pieces; those of nothing are left out.
        tip: What a pointer over it shows.
    """

    label: str
    tick: str
    times: int
    segments: list[Segment]
    tip: str


class Tick(NamedTuple):
    """A mark on the axis of counts: its text, its place in percent."""

    text: str
    percent: float


class Plot(NamedTuple):
    """A histogram.

    Attributes:
        title: What it shows.
        axis: What the bars count.
        unit: The unit of the ranges.
        has_ranges: Whether a bar stands for more than one number, so that its tick is where it begins.
        is_upright: Whether bars stand; they lie where their labels are long.
        bars: The bars.
        ticks: Marks on the axis of counts.
        gist: Its middle and ends, in words.
        series: The tasks it is made of.
    """

    title: str
    axis: str
    unit: str
    has_ranges: bool
    is_upright: bool
    bars: list[Bar]
    ticks: list[Tick]
    gist: str
    series: list[str]


def ticks_to(highest: int) -> list[Tick]:
    """Return marks from 0 to a round number that is not below ``highest``.

    >>> [(t.text, t.percent) for t in ticks_to(156)]
    [('0', 0.0), ('50', 25.0), ('100', 50.0), ('150', 75.0), ('200', 100.0)]
    """
    step, scale = 1, 1
    while step * (MAX_TICKS - 1) < highest:
        step = next((n * scale for n in _NICE if n * scale * (MAX_TICKS - 1) >= highest), 0)
        scale *= 10
    count = max(1, -(-highest // step))
    return [Tick(f"{i * step:,}", round(100 * i / count, 3)) for i in range(count + 1)]


def histogram(measure: Measure, tasks: Mapping[str, TaskSummary], whole: Distribution) -> Plot:
    """Return the plot of a measure, its bars stacked of tasks.

    Where one thing belongs to several tasks, as an image does, tasks do not add up: it is drawn as a whole.
    """
    spreads = {
        task: part.distributions[measure.name] for task, part in tasks.items() if measure.name in part.distributions
    }
    if sum(s.count for s in spreads.values()) != whole.count:
        spreads = {"all": whole}
    ticks = ticks_to(max(bar.count for bar in whole.histogram))
    top = int(ticks[-1].text.replace(",", ""))
    is_upright = measure.scale is WHOLE
    every = -(-len(whole.histogram) // _LABELS_ACROSS) if is_upright else 1
    bars = []
    for i, one in enumerate(whole.histogram):
        counts = {task: spread.histogram[i].count for task, spread in spreads.items()}
        tick = _short(one.label) if i % every == 0 else ""
        bars.append(_bar(one.label, tick, counts, top, measure))
    told, has_ranges = gist(measure, whole), any(DASH in bar.label for bar in bars)
    series = list(spreads)
    return Plot(measure.title, measure.of, measure.unit, has_ranges, is_upright, bars, ticks, told, series)


def _short(label: str) -> str:
    """Return the lower edge of a range of whole numbers, the label where it is none."""
    low, dash, _ = label.partition(DASH)
    return low if dash and low.replace(",", "").isdigit() else label


def _bar(label: str, tick: str, counts: Mapping[str, int], top: int, measure: Measure) -> Bar:
    segments = [Segment(task, count, round(100 * count / top, 3)) for task, count in counts.items() if count]
    total = sum(counts.values())
    unit = "" if measure.scale is not WHOLE else f" {measure.unit}"
    told = "".join(f"\n{s.series}: {s.times:,}" for s in segments) if len(segments) > 1 else ""
    return Bar(label, tick, total, segments, f"{label}{unit}: {total:,} {measure.of}{told}")


def gist(measure: Measure, spread: Distribution) -> str:
    """Return the middle and the ends of a distribution, in words."""
    text = measure.scale.text
    mean = "" if spread.mean is None else f"mean {text(spread.mean)}, "
    middle = f"{mean}median {text(spread.percentiles['50'])}"
    ends = f"{text(spread.lowest)} to {text(spread.highest)}"
    if spread.lowest == spread.highest:
        return f"always {text(spread.lowest)}; of {spread.count:,} {measure.of}"
    unit = "" if measure.scale is ASPECT or "%" in measure.unit else f" {measure.unit}"
    return f"{middle}; {ends}{unit}; of {spread.count:,} {measure.of}"


class RankBar(NamedTuple):
    """A text with its count: the bar's length in percent of the longest, its share of all."""

    text: str
    times: int
    percent: float
    share: float


def rank_bars(ranking: Ranking) -> list[RankBar]:
    """Return the bars of a ranking.

    >>> from svit_datasets.statistics.told import Row
    >>> rank_bars(Ranking("answers", 8, True, 0, [Row("yes", 4), Row("no", 1)]))[1]
    RankBar(text='no', times=1, percent=25.0, share=0.125)
    """
    most = max((row.count for row in ranking.top), default=1)
    return [
        RankBar(shorten(row.text), row.count, round(100 * row.count / most, 2), row.count / ranking.total)
        for row in ranking.top
    ]


class YesNoBar(NamedTuple):
    """Yes and no of a task, in percent of both."""

    task: str
    said: YesNo
    yes_percent: float


def yes_no_bars(tasks: Mapping[str, TaskSummary], whole: TaskSummary) -> list[YesNoBar]:
    """Return the bars of yes and no: of each task that has some, and of all where there are several."""
    parts = {**tasks, "all": whole} if len(tasks) > 1 else tasks
    return [
        YesNoBar(task, part.yes_no, round(100 * part.yes_no.yes_share, 3))
        for task, part in parts.items()
        if part.yes_no.yes_share is not None
    ]
