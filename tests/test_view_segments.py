"""Text in pieces and boxes in both frames: nothing of a text is lost, and the arithmetic is that of the documents."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_files import ODD_NUMBERS

from svit_datasets.drawing import label_boxes
from svit_datasets.viewer.framing import to_boxes, to_frames
from svit_datasets.viewer.segments import Groups, cut, to_plain
from svit_datasets.viewer.shapes import Box, Segment

PIECES = (
    "A man ",
    "the red dog ",
    "<st>a cat<ed> ",
    "<st>men<ed>",
    "[0.1, 0.2, 0.3, 0.4]",
    "[0, 0, 1, 1], [0.5, .5, 1., 0.9]",
    "<st>",
    "<ed>",
    " and\n",
    "<script>",
    "[1, 2]",
    "",
)
ONE_BOX = r"\[[0-9.]+(?:, [0-9.]+){3}\]"
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def without_marks(text: str) -> str:
    """Return a text as it is shown: closed marks are gone, others stand as they are.

    Marks around a box are none of a phrase, unless another box follows them.
    """
    inside = r"[^<]*(?:<(?!st>|ed>)[^<]*)*"

    def replace(match: re.Match[str]) -> str:
        is_group = re.match(rf"\s*{ONE_BOX}", text[match.end() :])
        return match[1] if is_group or not re.search(ONE_BOX, match[1]) else match[0]

    return re.sub(rf"<st>({inside})<ed>", replace, text)


@given(TEXTS)
def test_the_pieces_put_together_are_the_text_without_closed_marks(text: str) -> None:
    assert "".join(piece.text for piece in cut(text, Groups())) == without_marks(text)


@given(TEXTS)
def test_what_is_searched_is_what_is_shown(text: str) -> None:
    assert to_plain(text) == "".join(piece.text for piece in cut(text, Groups()))


def test_a_box_between_marks_keeps_them() -> None:
    assert to_plain("<st>a [0, 0, 1, 1] b<ed>") == "<st>a [0, 0, 1, 1] b<ed>"


@given(TEXTS)
def test_each_box_has_the_phrase_that_draw_gives_it(text: str) -> None:
    groups = Groups()
    phrase, found = "", []
    for piece in cut(text, groups):
        if piece.kind == "phrase" and piece.group:
            phrase = piece.text
        if piece.kind == "boxes":
            found += [
                (phrase, tuple(map(float, re.findall(r"[0-9.]+", box))))
                for box in re.findall(r"\[[^\]]*\]", piece.text)
            ]
            phrase = ""
    assert found == [tuple(labelled) for labelled in label_boxes(text)]


def test_words_before_an_unmarked_box_are_guessed_and_marked_ones_are_not() -> None:
    pieces = cut("Near the white van [0, 0, 1, 1] a <st>man<ed> [0, 0, 0.5, 1] and <st>no box<ed>.", Groups())
    assert [p for p in pieces if p.kind == "phrase"] == [
        Segment("phrase", "white van", 1, True),
        Segment("phrase", "man", 2, False),
        Segment("phrase", "no box", 0, False),
    ]


def test_the_same_boxes_are_one_group_wherever_they_stand() -> None:
    groups = Groups()
    cut("[0, 0, 1, 1] <st>x<ed> [0.5, 0, 1, 1]", groups, conversation=0)
    cut("<st>the dog<ed> [0.0, 0, 1.0, 1]", groups, conversation=2)
    shown = groups.show([[], []])
    assert [(g.number, g.phrase, g.is_guessed, g.conversations) for g in shown] == [
        (1, "the dog", False, [0, 2]),
        (2, "x", False, [0]),
    ]


def padded_by_hand(value: float, length: int, side: int) -> float:
    """Section 2.3 of the published arithmetic, written down again."""
    return round((round(value * length) + (side - length) // 2) / side, 3)


@given(
    st.tuples(*[st.integers(0, 1000).map(lambda n: n / 1000)] * 4),
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
)
def test_native_boxes_are_padded_by_the_published_arithmetic(
    box: tuple[float, float, float, float], size_wh: tuple[int, int]
) -> None:
    [shown] = to_boxes([repr(v) for v in box], size_wh, "original")
    lengths, side = size_wh * 2, max(size_wh)
    assert shown.original == box
    assert shown.padded == tuple(padded_by_hand(v, length, side) for v, length in zip(box, lengths, strict=True))


@pytest.mark.parametrize("size_wh", [(640, 480), (333, 500), (800, 800)])
def test_padded_boxes_go_back_to_the_photo(size_wh: tuple[int, int]) -> None:
    [there] = to_boxes(["0.25", "0.1", "0.75", "0.9"], size_wh, "original")
    assert there.padded is not None
    [back] = to_boxes([repr(v) for v in there.padded], size_wh, "padded")
    assert back.padded == there.padded
    assert back.original == pytest.approx((0.25, 0.1, 0.75, 0.9), abs=0.003)


def test_without_a_size_only_the_written_frame_is_known() -> None:
    assert to_boxes(["0", "0", "1", "1"], None, "padded") == [Box(original=None, padded=(0, 0, 1, 1))]


def test_the_photo_is_centred_on_its_square() -> None:
    assert to_frames((333, 500), "padded").offset_xy_px == (83, 0)
    assert to_frames((640, 481), "padded").offset_xy_px == (0, 79)


@given(
    st.lists(
        st.sampled_from([n for n in ODD_NUMBERS if re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", n)]),
        min_size=4,
        max_size=4,
    )
)
def test_odd_numbers_are_drawn_or_left_out_but_never_raise(numbers: list[str]) -> None:
    [box] = to_boxes(numbers, (640, 480), "original")
    is_small = all(float(n) < 1e6 for n in numbers)
    assert (box.original is not None) == is_small
