"""Statistics as they are told: one record, the same in text, JSON and HTML. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from svit_datasets import VERSION
from svit_datasets.findings import Finding
from svit_datasets.records import TASKS
from svit_datasets.statistics.collected import UNKNOWN_TASK, Part, Statistics
from svit_datasets.statistics.counters import Integers
from svit_datasets.statistics.measures import MEASURES, RANKS, Bin, Measure, Rank

TOP = 20
PERCENTS = (5, 25, 50, 75, 95, 99)


class Bar(Struct, frozen=True):
    """How many numbers lie in a range: from ``low`` to below ``high``, in the measure's unit; None is no bound."""

    label: str
    low: float | None
    high: float | None
    count: int


class Distribution(Struct, frozen=True):
    """How the numbers of a measure are spread.

    Attributes:
        unit: Their unit.
        of: What each belongs to.
        count: How many there are.
        mean: Their mean; None where a mean says nothing.
        lowest: The smallest.
        highest: The largest.
        percentiles: The smallest number that 5, 25, 50, 75, 95 and 99 of 100 do not exceed.
        histogram: How many lie where; the ranges are the same for every task.
    """

    unit: str
    of: str
    count: int
    mean: float | None
    lowest: float
    highest: float
    percentiles: dict[str, float]
    histogram: list[Bar]


class Row(Struct, frozen=True):
    """A text, and how often it occurs."""

    text: str
    count: int


class Ranking(Struct, frozen=True):
    """The most frequent texts of a kind.

    Attributes:
        of: What is counted.
        total: How many there are in all, exact.
        is_exact: Whether the counts of the rows are exact.
        missing_at_most: The most that any count lacks; 0 where they are exact.
        top: The most frequent, in order.
    """

    of: str
    total: int
    is_exact: bool
    missing_at_most: int
    top: list[Row]


class YesNo(Struct, frozen=True):
    """How many answers say yes and no.

    Attributes:
        yes: Answers whose first word is yes.
        no: Answers that begin with no, with punctuation or nothing behind it.
        share: Both as a fraction of all answers; None where there are none.
        yes_share: The yes among both, as a fraction; None where there are none.
    """

    yes: int
    no: int
    share: float | None
    yes_share: float | None


class Counts(Struct, frozen=True):
    """What there is of each thing; ``docs`` and the schema tell each."""

    records: int
    images: int
    images_exact: bool
    without_image: int
    conversations: int
    pairs: int
    questions: int
    answers: int
    other_turns: int
    instructions: int
    topics: int
    boxes: int
    boxes_unmarked: int
    boxes_outside: int
    boxes_inverted: int
    boxes_empty: int
    boxes_area_unknown: int
    boxes_aspect_unknown: int
    phrases: int
    phrases_without_box: int


class TaskSummary(Struct, frozen=True):
    """What was counted of one task, or of all together.

    Attributes:
        counts: What there is of each thing.
        yes_no: Yes and no among the answers.
        distributions: By name of the measure; only those with numbers.
        rankings: By name; only those with texts.
    """

    counts: Counts
    yes_no: YesNo
    distributions: dict[str, Distribution]
    rankings: dict[str, Ranking]


class Summary(Struct, frozen=True):
    """Statistics as they are told.

    Attributes:
        tool: Name of the distribution.
        version: Its version.
        inputs: The inputs as they were named.
        coordinates: The frame that boxes of LLaVA files were taken to be in.
        tokens: Name of the tokenizer, ``estimate`` where there was none; None where nothing counted tokens.
        tokens_estimated: Whether the numbers of tokens are estimates.
        layouts: Records read, by layout.
        all: All tasks together.
        tasks: Each task that has records.
        notes: What to know when reading the numbers, in words.
        unreadable: Faults because of which something is in no count.
        faults: Faults by code.
        first: The first 20 faults.
    """

    tool: str
    version: str
    inputs: list[str]
    coordinates: str
    tokens: str | None
    tokens_estimated: bool
    layouts: dict[str, int]
    all: TaskSummary
    tasks: dict[str, TaskSummary]
    notes: list[str]
    unreadable: int
    faults: dict[str, int]
    first: list[Finding]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain objects, as in JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


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
    return msgspec.structs.replace(told, notes=list(notes_of(told)))


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
