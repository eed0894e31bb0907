"""Statistics as they are told: one record, the same in text, JSON and HTML. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from svit_datasets import VERSION
from svit_datasets.records import TASKS
from svit_datasets.statistics.collected import UNKNOWN_TASK, Part, Statistics
from svit_datasets.statistics.counters import Integers
from svit_datasets.statistics.measures import MEASURES, RANKS, Bin, Measure, Rank
from svit_datasets.statistics.told import Bar, Counts, Distribution, Ranking, Row, Summary, TaskSummary, YesNo

TOP = 20
PERCENTS = (5, 25, 50, 75, 95, 99)


def summarise(counted: Statistics, *, top: int = TOP) -> Summary:
    """Return statistics as they are told.

    Args:
        counted: The statistics.
        top: How many of the most frequent texts.

    Returns:
        The summary.

    >>> summarise(Statistics(inputs=["a.json"])).all.counts.questions
    0
    """
    from svit_datasets.statistics.notes import notes_of

    whole = counted.whole()
    bins = {measure.name: measure.scale.bins(measure.values(whole)) for measure in MEASURES}
    order = [task for task in (*TASKS, UNKNOWN_TASK) if task in counted.tasks]
    told = Summary(
        tool="svit-datasets",
        version=VERSION,
        inputs=counted.inputs,
        coordinates=counted.coordinates,
        tokens=counted.tokens or None,
        tokens_estimated=counted.is_estimate,
        layouts=dict(sorted(counted.layouts.items())),
        all=_of_part(whole, bins, top),
        tasks={task: _of_part(counted.tasks[task], bins, top) for task in order},
        notes=[],
        unreadable=counted.errors,
        faults=dict(sorted(counted.faults.items())),
        first=counted.first,
    )
    return msgspec.structs.replace(told, notes=list(notes_of(told, whole.boxes.unmeasured)))


def _of_part(part: Part, bins: dict[str, list[Bin]], top: int) -> TaskSummary:
    said = part.answers.openings.verdicts()
    both, answers = said["yes"] + said["no"], part.counts["answers"]
    return TaskSummary(
        counts=_counts(part),
        yes_no=YesNo(
            said["yes"],
            said["no"],
            round(both / answers, 6) if answers else None,
            round(said["yes"] / both, 6) if both else None,
        ),
        distributions={m.name: spread for m in MEASURES for spread in _spread(part, m, bins[m.name])},
        rankings={r.name: ranking for r in RANKS for ranking in _ranking(part, r, top)},
    )


def _counts(part: Part) -> Counts:
    counted = {**part.counts, **{f"boxes_{reason}": times for reason, times in part.boxes.unmeasured.items()}}
    told = {name: counted.get(name, 0) for name in Counts.__struct_fields__}
    images = part.images
    return msgspec.convert({**told, "images": images.images, "images_exact": images.is_exact}, Counts)


def _spread(part: Part, measure: Measure, bins: list[Bin]) -> Iterator[Distribution]:
    seen, scale = measure.values(part), measure.scale
    if not seen.counts:
        return
    yield Distribution(
        unit=measure.unit,
        of=measure.of,
        count=seen.count,
        mean=round(scale.value(1) * seen.mean, 6) if scale.has_mean else None,
        lowest=_told(scale.value(seen.low)),
        highest=_told(scale.value(seen.high)),
        percentiles={str(percent): _told(scale.value(seen.percentile(percent))) for percent in PERCENTS},
        histogram=[_bar(seen, measure, one) for one in bins],
    )


def _bar(seen: Integers, measure: Measure, one: Bin) -> Bar:
    low, high = (None if edge is None else _told(measure.scale.value(edge)) for edge in (one.low, one.high))
    return Bar(one.label, low, high, seen.within(one.low, one.high))


def _told(value: float) -> float:
    return round(value, 6)


def _ranking(part: Part, rank: Rank, top: int) -> Iterator[Ranking]:
    seen = rank.counts(part)
    if seen.total:
        rows = [Row(*row) for row in seen.top(top)]
        yield Ranking(rank.of, seen.total, seen.is_exact, seen.slack, rows)
