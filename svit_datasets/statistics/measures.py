"""The table of what is measured and what is ranked: names, titles, units, and the bins of each. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from svit_datasets.statistics.box_measures import MILLION, STEPS_AN_OCTAVE, ratio_of
from svit_datasets.statistics.collected import Part
from svit_datasets.statistics.counters import Frequencies, Integers
from svit_datasets.statistics.texts import OPENING_WORDS

MAX_BARS = 24
_NICE = (1, 2, 5)
_AREA_EDGES = (0, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
_ASPECT_EDGES_OCTAVES = (-3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3)


class Bin(NamedTuple):
    """A range of counted numbers.

    Attributes:
        low: The smallest in it.
        high: The smallest beyond it; None where it is open.
        label: What to call it.
    """

    low: int
    high: int | None
    label: str


class Scale(NamedTuple):
    """How counted numbers are read.

    Attributes:
        value: Turns a counted number into a value in the measure's unit.
        bins: Gives the bins for all the numbers that were counted.
        text: Writes a value.
        has_mean: Whether a mean of the values says something.
    """

    value: Callable[[int], float]
    bins: Callable[[Integers], list[Bin]]
    text: Callable[[float], str]
    has_mean: bool = True


def whole_bins(seen: Integers) -> list[Bin]:
    """Return bins of one nice width, as many as a plot can show; what is beyond the 99th percentile shares the last.

    >>> [b.label for b in whole_bins(Integers([1, 2, 4]))], [b.label for b in whole_bins(Integers([3, 57]))][-2:]
    (['1', '2', '3', '4'], ['50\\u201354', '55\\u201359'])
    """
    low = min(seen.low, 1)
    top = max(seen.percentile(99), low)
    width = _nice_width(top - low + 1)
    start = low if width == 1 else 0
    edges = list(range(start, top + 1, width))
    bins = [Bin(edge, edge + width, _whole_label(edge, width)) for edge in edges]
    if seen.high >= edges[-1] + width:
        bins[-1] = Bin(edges[-1], None, f"{edges[-1]:,}+")
    return bins


def _nice_width(span: int) -> int:
    scale = 1
    while True:
        for nice in _NICE:
            if span <= nice * scale * MAX_BARS:
                return nice * scale
        scale *= 10


def _whole_label(edge: int, width: int) -> str:
    return f"{edge:,}" if width == 1 else f"{edge:,}\u2013{edge + width - 1:,}"


def percent_text(value: float) -> str:
    """Return a percentage with at most 3 digits.

    >>> percent_text(0.012), percent_text(5), percent_text(12.34), percent_text(100)
    ('0.012%', '5%', '12.3%', '100%')
    """
    return f"{value:.3g}%"


def area_bins(_seen: Integers) -> list[Bin]:
    """Return the bins of areas: 1, 2, 5, 10 and so on, from a hundredth of a percent to the whole image.

    >>> [b.label for b in area_bins(Integers())][:2], area_bins(Integers())[-1]
    (['< 0.01%', '0.01\\u20130.02%'], Bin(low=500000, high=None, label='50\\u2013100%'))
    """
    ends = (*_AREA_EDGES[1:], MILLION)
    names = [f"{low / 10_000:g}\u2013{high / 10_000:g}%" for low, high in zip(_AREA_EDGES, ends, strict=True)]
    names[0] = f"< {_AREA_EDGES[1] / 10_000:g}%"
    return [Bin(*ends) for ends in zip(_AREA_EDGES, (*_AREA_EDGES[1:], None), names, strict=True)]


def ratio_text(value: float, *, digits: int = 3) -> str:
    """Return width over height as a proportion.

    >>> ratio_text(2), ratio_text(0.5), ratio_text(1.414, digits=2)
    ('2:1', '1:2', '1.4:1')
    """
    return f"{value:.{digits}g}:1" if value >= 1 else f"1:{1 / value:.{digits}g}"


def aspect_bins(_seen: Integers) -> list[Bin]:
    """Return the bins of shapes: half octaves of width over height, and more at the ends.

    >>> [b.label for b in aspect_bins(Integers())][:2], aspect_bins(Integers())[-1].label
    (['below 1:8', '1:8 to 1:4'], '8:1 and more')
    """
    edges = [int(octaves * STEPS_AN_OCTAVE) for octaves in _ASPECT_EDGES_OCTAVES]
    names = [ratio_text(ratio_of(edge), digits=2) for edge in edges]
    inner = [Bin(a, b, f"{m} to {n}") for a, b, m, n in zip(edges, edges[1:], names, names[1:], strict=False)]
    low = Bin(-MILLION, edges[0], f"below {names[0]}")
    return [low, *inner, Bin(edges[-1], None, f"{names[-1]} and more")]


def whole_text(value: float) -> str:
    """Return a number of things with thousands separators; a mean with 1 decimal.

    >>> whole_text(1234), whole_text(4.26)
    ('1,234', '4.3')
    """
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


WHOLE = Scale(int, whole_bins, whole_text)
AREA = Scale(lambda key: key / 10_000, area_bins, percent_text)
ASPECT = Scale(ratio_of, aspect_bins, ratio_text, has_mean=False)


class Measure(NamedTuple):
    """Something that is measured.

    Attributes:
        name: Its name in JSON.
        title: Its name in words.
        of: What each number belongs to: what a bar counts.
        unit: What is counted or measured of it.
        values: Where its numbers are.
        scale: How they are read.
    """

    name: str
    title: str
    of: str
    unit: str
    values: Callable[[Part], Integers]
    scale: Scale = WHOLE


MEASURES = (
    Measure("turns_per_conversation", "Turns per conversation", "conversations", "turns", lambda p: p.turns),
    Measure(
        "conversations_per_image",
        "Conversations per image",
        "images",
        "conversations",
        lambda p: p.images.per_image(),
    ),
    Measure("words_per_question", "Words per question", "questions", "words", lambda p: p.questions.words),
    Measure("words_per_answer", "Words per answer", "answers", "words", lambda p: p.answers.words),
    Measure("tokens_per_question", "Tokens per question", "questions", "tokens", lambda p: p.questions.tokens),
    Measure("tokens_per_answer", "Tokens per answer", "answers", "tokens", lambda p: p.answers.tokens),
    Measure("boxes_per_pair", "Boxes per pair", "pairs", "boxes", lambda p: p.pair_boxes),
    Measure("box_area", "Box area", "boxes", "% of the image", lambda p: p.boxes.area, AREA),
    Measure("box_aspect", "Box shape", "boxes", "width : height", lambda p: p.boxes.aspect, ASPECT),
)


class Rank(NamedTuple):
    """Texts that are ranked by how often they occur.

    Attributes:
        name: Its name in JSON.
        title: Its name in words.
        of: What is counted.
        counts: Where the counts are.
    """

    name: str
    title: str
    of: str
    counts: Callable[[Part], Frequencies]


def _openings(kind: str, of: Callable[[Part], tuple[Frequencies, ...]]) -> tuple[Rank, ...]:
    names = [f"{n} word{'s' if n > 1 else ''}" for n in OPENING_WORDS]
    return tuple(
        Rank(
            f"{kind}_openings_{name.replace(' ', '_')}",
            f"{kind.capitalize()} openings, {name}",
            f"{kind}s",
            lambda part, i=i: of(part)[i],  # type: ignore[misc]
        )
        for i, name in enumerate(names)
    )


RANKS = (
    *_openings("answer", lambda part: part.answers.openings.by_length()),
    *_openings("question", lambda part: part.questions.openings.by_length()),
    Rank("phrases", "Marked phrases", "phrases", lambda part: part.phrases.counts()),
    Rank("topics", "Topics", "conversations with a topic", lambda part: part.topics),
)
