"""What was counted: of each task, and of all that was read; parts add up to the whole. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from msgspec import structs

from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding
from svit_datasets.statistics.box_measures import BoxCounts
from svit_datasets.statistics.counters import Frequencies, Integers, clip
from svit_datasets.statistics.held import Asked, Held
from svit_datasets.statistics.image_counts import ImageCounts
from svit_datasets.statistics.texts import Openings, Phrases, count_words

if TYPE_CHECKING:
    from svit_datasets.statistics.told import Summary

SHOWN = 20
UNKNOWN_TASK = "unknown"
Coordinates = Literal["padded", "original"]


@dataclass
class Texts:
    """Questions, or answers.

    Attributes:
        words: Words in each, marks, boxes, ``<image>`` and formatting sentences left out.
        tokens: Tokens in each as it stands, without ``<image>``; empty where no tokens were counted.
        openings: How they open.
    """

    words: Integers = field(default_factory=Integers)
    tokens: Integers = field(default_factory=Integers)
    openings: Openings = field(default_factory=Openings)

    def add(self, asked: Asked, count_tokens: Callable[[str], int] | None) -> None:
        """Count the questions, or the answers, of a record."""
        self.words.add_all(map(count_words, asked.plain))
        self.openings.add_all(asked.plain)
        if count_tokens is not None:
            self.tokens.add_all(map(count_tokens, asked.shown))

    def take(self, other: Texts) -> None:
        """Count all that ``other`` has seen."""
        self.words.take(other.words)
        self.tokens.take(other.tokens)
        self.openings.take(other.openings)


@dataclass
class Part:
    """What was counted of one task.

    Attributes:
        counts: ``records``, ``conversations``, ``pairs``, ``questions``, ``answers``, ``other_turns``, ``boxes``,
            ``boxes_unmarked``, ``phrases``, ``phrases_without_box``, ``instructions`` (formatting sentences),
            ``topics``, ``without_image``.
        images: Conversations per image.
        turns: Turns per conversation.
        questions: The questions.
        answers: The answers.
        pair_boxes: Boxes per pair of a question and the answer right behind it.
        boxes: Areas and shapes of the boxes.
        phrases: Marked phrases.
        topics: Topics of conversations.
    """

    counts: Counter[str] = field(default_factory=Counter)
    images: ImageCounts = field(default_factory=ImageCounts)
    turns: Integers = field(default_factory=Integers)
    questions: Texts = field(default_factory=Texts)
    answers: Texts = field(default_factory=Texts)
    pair_boxes: Integers = field(default_factory=Integers)
    boxes: BoxCounts = field(default_factory=BoxCounts)
    phrases: Phrases = field(default_factory=Phrases)
    topics: Frequencies = field(default_factory=Frequencies)

    def add(self, held: Held, count_tokens: Callable[[str], int] | None) -> None:
        """Count what a record holds, but for its image and the places of its boxes."""
        counts = self.counts
        counts["records"] += 1
        counts["conversations"] += len(held.turns)
        counts["pairs"] += len(held.pair_boxes)
        counts["questions"] += len(held.questions.plain)
        counts["answers"] += len(held.answers.plain)
        counts["other_turns"] += held.other_turns
        counts["boxes"] += "".join(held.boxes).count("[")
        counts["boxes_unmarked"] += held.boxes_unmarked
        counts["phrases"] += len(held.phrases)
        counts["phrases_without_box"] += held.phrases_without_box
        counts["instructions"] += held.instructions
        counts["topics"] += len(held.topics)
        self.turns.add_all(held.turns)
        self.questions.add(held.questions, count_tokens)
        self.answers.add(held.answers, count_tokens)
        self.pair_boxes.add_all(held.pair_boxes)
        self.phrases.add_all(held.phrases)
        self.topics.add_all(map(clip, held.topics))

    def take(self, other: Part) -> None:
        """Count all that ``other`` has counted."""
        self.counts.update(other.counts)
        self.images.take(other.images)
        self.turns.take(other.turns)
        self.questions.take(other.questions)
        self.answers.take(other.answers)
        self.pair_boxes.take(other.pair_boxes)
        self.boxes.take(other.boxes)
        self.phrases.take(other.phrases)
        self.topics.take(other.topics)


@dataclass
class Statistics:
    """What was counted of some inputs.

    Attributes:
        inputs: The inputs as they were named.
        coordinates: The frame that boxes of LLaVA records made by ``to-llava`` were taken to be in.
        tokens: Name of the tokenizer, ``estimate`` where there was none, '' where nothing counted tokens.
        is_estimate: Whether the numbers of tokens are estimates.
        layouts: Records read, by their layout.
        tasks: What was counted of each task; ``unknown`` holds what no task is told of.
        faults: What could not be read, or was odd about a file, by code.
        errors: How many of those are errors: records, or rests of files, that are in no count.
        first: The first 20 faults.
    """

    inputs: list[str] = field(default_factory=list)
    coordinates: Coordinates = "padded"
    tokens: str = ""
    is_estimate: bool = False
    layouts: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, Part] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    first: list[Finding] = field(default_factory=list)

    @property
    def settings(self) -> tuple[str, str, bool]:
        """What the counts depend on besides the data."""
        return self.coordinates, self.tokens, self.is_estimate

    def part(self, task: str | None) -> Part:
        """Return what is counted of a task, begun where it is new."""
        return self.tasks.setdefault(task or UNKNOWN_TASK, Part())

    def add_fault(self, fault: Finding, *, is_of_data: bool = True) -> None:
        """Count a fault, of the data or of what tells the sizes of its images."""
        self.faults[fault.code] += 1
        self.errors += is_of_data and fault.severity == "error"
        if len(self.first) < SHOWN:
            self.first.append(fault)

    def moved(self, before: int) -> Statistics:
        """Return the statistics of a part of a file, as those of records with so many others before them."""
        return replace(self, first=[structs.replace(f, record=f.record + before) if before else f for f in self.first])

    def take(self, other: Statistics) -> None:
        """Count all that ``other`` has counted, which was read behind this."""
        self.inputs += other.inputs
        self.layouts.update(other.layouts)
        for task, part in other.tasks.items():
            self.part(task).take(part)
        self.faults.update(other.faults)
        self.errors += other.errors
        self.first = [*self.first, *other.first][:SHOWN]

    def summary(self, *, top: int = 20) -> Summary:
        """Return the statistics as they are told in text, JSON and HTML, with the ``top`` most frequent texts."""
        from svit_datasets.statistics.summary import summarise

        return summarise(self, top=top)

    def whole(self) -> Part:
        """Return what was counted of all tasks together."""
        return add_up(*self.tasks.values())


def add_up(*parts: Part) -> Part:
    """Return parts counted together.

    >>> one, two = Part(), Part()
    >>> one.images.add("2"), two.images.add("2")
    (None, None)
    >>> add_up(one, two).images.images
    1
    """
    whole = Part()
    for part in parts:
        whole.take(part)
    return whole


def merge(first: Statistics, *others: Statistics) -> Statistics:
    """Return statistics of parts of the data as one: the statistics of the whole, in whatever parts it was read.

    Counts of texts that are lower bounds stay so, and may be other lower bounds than those of the whole.

    Args:
        first: Statistics of the first part.
        others: Statistics of the parts behind it.

    Returns:
        New statistics.

    Raises:
        UsageError: They took boxes to be in other frames, or counted tokens in other ways.

    >>> merge(Statistics(inputs=["a.json"], errors=1), Statistics(inputs=["b.json"], errors=2)).errors
    3
    """
    new = Statistics(coordinates=first.coordinates, tokens=first.tokens, is_estimate=first.is_estimate)
    for part in (first, *others):
        if part.settings != new.settings:
            raise UsageError(f"statistics of {part.settings} do not add to those of {new.settings}; count both alike")
        new.take(part)
    return new
