"""``rendering``: what it calls plain is without fault and is restored; what it renders is what the boxes' rules say."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from svit_datasets import boxes, grounding
from svit_datasets.converters import provenance
from svit_datasets.converters.llava_layout import Options
from svit_datasets.converters.rendering import Renderer

SIZES = ((640, 480), (333, 500), (1, 1), (1001, 1000), (2000, 100))
NUMBERS = st.one_of(
    st.integers(0, 1000).map(lambda k: repr(k / 1000)),
    st.sampled_from(["0", "1", "1.0", "1.00", ".5", "1.", "0.", "0.50", "0.1234567", "00.5", "01.5", "17", "9" * 400]),
    st.sampled_from(["0.5.1", "-0.1", "1e-3", "", "\u0661", "1.01"]),
)
BOXES = st.tuples(
    st.lists(NUMBERS, min_size=4, max_size=4), st.sampled_from([", ", ", ", ",", ",\n"]), st.sampled_from(["", "", " "])
).map(lambda b: f"[{b[2]}{b[1].join(b[0])}{b[2]}]")
ORDERED = st.lists(st.integers(0, 1000), min_size=4, max_size=4).map(
    lambda v: "[{}, {}, {}, {}]".format(*(repr(min(v[i], v[j]) / 1000) if i < j else repr(max(v[i], v[j]) / 1000)
                                          for i, j in ((0, 2), (1, 3), (2, 0), (3, 1))))
)  # fmt: skip
PHRASES = st.sampled_from(
    ["man", "two men", "", " man", "0.5", "\u4eba", "\u0661", "(a)", "a [b]", "a < b", "x]", "[0", "a,"]
)
GAPS = st.sampled_from([" ", " ", " ", "", "  ", "\n"])
PIECES = st.one_of(
    st.tuples(
        PHRASES, GAPS, st.lists(st.one_of(ORDERED, BOXES), min_size=1, max_size=3), st.sampled_from([", ", ","])
    ).map(lambda p: f"<st>{p[0]}<ed>{p[1]}{p[3].join(p[2])}"),
    ORDERED,
    BOXES,
    st.sampled_from(
        [", ", ",", " ", "\n", " and ", "<st>", "<ed>", "<", "<s", "t>", "[", "]", "man ", "|", ";", ":", "~"]
    ),
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)
OPTIONS = st.builds(
    Options, coordinates=st.sampled_from(["padded", "original"]), box_rounding=st.sampled_from(["pixel", "exact"])
)


@settings(max_examples=1500)
@given(TEXTS, st.sampled_from(SIZES), OPTIONS)
@example("[0.7, 0, 00.5, 1]", (640, 480), Options())
@example("[0, 0, 01.5, 1]", (640, 480), Options())
@example("[0, 0, 1, 1], <st>a<ed> [0, 0, 1, 1]", (640, 480), Options())
@example("[0, 0, 1, 1], <st><ed> [0, 0, 1, 1]", (640, 480), Options())
def test_plain_text_is_without_fault_and_restored_by_its_piece(native, size_wh, options):
    rendered = Renderer(size_wh, options).turn(native)
    if rendered.is_plain:
        assert grounding.check_text(native) == []
        assert provenance.restore_turn(rendered.text, rendered.piece) == native
        sentence = f"{rendered.text}\nLocate the objects with their coordinates."
        assert provenance.restore_turn(sentence, f"~{rendered.piece}") == native


def test_every_genuine_form_is_plain():
    spellings = ["0", *(repr(k / 1000) for k in range(1001))]
    renderer = Renderer((640, 480), Options())
    for low, high in zip(spellings, spellings[7:], strict=False):
        box = f"[{low}, {low}, {high}, {high}]"
        for text in (f"A <st>man<ed> {box}.", f"at {box}", f"<st>men<ed> {box}, {box} and <st>2 dogs<ed> {box}"):
            assert renderer.turn(text).is_plain, text


def plain_render(native: str, size_wh: tuple[int, int], options: Options) -> str:
    """Render as formats.md says, group by group, without tables and short cuts."""
    x, y = boxes.padded_axes(size_wh)

    def render(phrase, gap, run):
        numbers = grounding.coordinates(run)
        if options.coordinates == "padded":
            try:
                rounding = options.box_rounding
                moved = [boxes.pad(c, y if i % 2 else x, rounding=rounding) for i, c in enumerate(numbers)]
                four = [f"[{', '.join(moved[i : i + 4])}]" for i in range(0, len(moved), 4)]
                run = ", ".join(four)
            except OverflowError:
                pass
        return run if phrase is None else f"{phrase}{gap}{run}"

    return grounding.rewrite(native, render)


@settings(max_examples=600)
@given(TEXTS, st.sampled_from(SIZES), OPTIONS)
def test_text_is_rendered_group_by_group(native, size_wh, options):
    assert Renderer(size_wh, options).turn(native).text == plain_render(native, size_wh, options)


@pytest.mark.parametrize("text", ["", "none", "a | b ; c : d ~", "x > y", "\u4eba\U0001f600"])
def test_text_without_marks_is_left_alone(text):
    assert Renderer((640, 480), Options()).turn(text) == (text, "", True)


@pytest.mark.parametrize(
    ("native", "text", "piece"),
    [
        ("A <st>man<ed> [0.25, 0, 0.5, 1].", "A man [0.25, 0.125, 0.5, 0.875].", "3:.25 0 .5 1"),
        ("[0, 0, 1, 1], [1, 0, 1, 1.0]", "[0.0, 0.125, 1.0, 0.875], [1.0, 0.125, 1.0, 0.875]", "0 0 1 1 1 0 1 1.0"),
        ("<st>a<ed> [0, 0, 1, 1] [0, 0, 0, 1]",
         "a [0.0, 0.125, 1.0, 0.875] [0.0, 0.125, 0.0, 0.875]", "1:0 0 1 1;0 0 0 1"),
    ],
)  # fmt: skip
def test_a_padded_image_rendered_by_hand(native, text, piece):
    assert Renderer((640, 480), Options()).turn(native) == (text, piece, True)
