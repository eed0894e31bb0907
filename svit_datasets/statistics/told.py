"""What is told of a dataset: plain values, the same in text, JSON and HTML."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from svit_datasets.findings import Finding


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
    boxes_in_padding: int
    boxes_frame_unknown: int
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
        coordinates: The frame that boxes of LLaVA records made by ``to-llava`` were taken to be in.
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
