"""``grounding``: every documented form of SVIT's markup, hostile text, and the fault of replacing twice."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from svit_datasets import boxes, grounding

B1, B2 = "[0.1, 0.2, 0.3, 0.4]", "[0, 0, 1, 1]"


def groups(text: str) -> list[tuple[str | None, str, str]]:
    return [(g.phrase, g.gap, g.boxes) for g in grounding.find(text)]


def as_written(phrase: str | None, gap: str, boxes: str) -> str:
    """Render a group exactly as it stood."""
    return boxes if phrase is None else f"<st>{phrase}<ed>{gap}{boxes}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"A <st>man<ed> {B1}.", [("man", " ", B1)]),
        (f"Two <st>men<ed> {B1}, {B2} walk.", [("men", " ", f"{B1}, {B2}")]),
        (f"<st>men<ed> {B1},{B2}", [("men", " ", f"{B1},{B2}")]),
        (f"at {B1} and {B2}", [(None, "", B1), (None, "", B2)]),
        (f"at {B1}, {B2}", [(None, "", f"{B1}, {B2}")]),
        ("<st>truck<ed> [0, 0.448, 0.328, 0.795]", [("truck", " ", "[0, 0.448, 0.328, 0.795]")]),
        (f"<st>car {B1}", [(None, "", B1)]),  # <ed> is missing
        (f"car<ed> {B1}", [(None, "", B1)]),  # <st> is missing
        ("<st>car<ed> [0.1, 0.5.1, 0.3, 0.4]", []),
        ("<st>car<ed> [0.1, 0.2, 0.3]", []),
        ("<st>car<ed> [0.1, 0.2, 0.3, 0.4, 0.5]", []),
        ("<st>car<ed> [-0.1, 0.2, 0.3, 0.4]", []),
        ("<st>car<ed> [0.1, 1e-3, 0.3, 0.4]", []),
        (f"<st>car<ed>{B1}", [("car", "", B1)]),
        (f"<st>car<ed>\n {B1}", [("car", "\n ", B1)]),
        ("[ 0.1 ,0.2,\t0.3 , 0.4 ]", [(None, "", "[ 0.1 ,0.2,\t0.3 , 0.4 ]")]),
        ("[.5, 1., 1, 0.25]", [(None, "", "[.5, 1., 1, 0.25]")]),
        (f"<st>the caf\u00e9\nof \U0001f600<ed> {B1}", [("the caf\u00e9\nof \U0001f600", " ", B1)]),
        (f"<st>a < b <i>c</i><ed> {B1}", [("a < b <i>c</i>", " ", B1)]),
        (f"<st><ed> {B1}", [("", " ", B1)]),
        (f"<st>a<st>b<ed> {B1}", [("b", " ", B1)]),
        (f"<st>a<ed>b<ed> {B1}", [(None, "", B1)]),
        (f"<st>a<ed> and {B1}", [(None, "", B1)]),
        (f"<s<st>t>x<ed> {B1}", [("t>x", " ", B1)]),
        (f"{B1}, <st>a<ed> {B2}", [(None, "", B1), ("a", " ", B2)]),
        ("", []),
        ("[]", []),
        ("plain [see 1, 2, 3, 4]", []),
    ],
)
def test_find_reads(text, expected):
    assert groups(text) == expected


def test_coordinates_are_the_numbers_as_written():
    [group] = grounding.find("[ .5,1.,0,  0.250 ],[1, 0.3, 1.0, 00.5]")
    assert group.coordinates == [".5", "1.", "0", "0.250", "1", "0.3", "1.0", "00.5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"A <st>man<ed> {B1} and a <st>dog<ed>.", "A man| and a dog."),
        ("Who<ed> is <st>it?", "Who is it?"),
        (f"<s<st>t>x<ed> {B1}", "<st>x|"),  # a mark that forms when another goes stays: text is read once
        (f"<e<ed>d> {B1}", "<ed> None|"),
        ("<st>car<ed> [0.1, 0.5.1, 0.3, 0.4]", "car [0.1, 0.5.1, 0.3, 0.4]"),
        (f"\u4eba\r\n {B1}\u2028", "\u4eba\r\n None|\u2028"),
        ("a < b > c <ST> <st ><ed >", "a < b > c <ST> <st ><ed >"),
    ],
)
def test_rewrite_renders_groups_and_drops_stray_marks(text, expected):
    assert grounding.rewrite(text, lambda phrase, *_: f"{phrase}|") == expected


def replace_one_by_one(text: str, new: dict[str, str]) -> str:
    """Put new boxes for old as the official converter does, with its fault."""
    for old in re.findall(r"\[[0-9.]+, [0-9.]+, [0-9.]+, [0-9.]+\]", text):
        text = text.replace(old, new[old])
    return text


def test_a_new_box_that_equals_a_later_old_one_is_not_changed_twice():
    x, y = boxes.pad_tables((640, 480), "pixel")
    first, second = "[0.25, 0, 0.5, 1]", "[0.25, 0.125, 0.5, 0.875]"

    def move(_phrase: str | None, _gap: str, box: str) -> str:
        c = grounding.coordinates(box)
        return grounding.write_boxes([x[c[0]], y[c[1]], x[c[2]], y[c[3]]])

    new = {box: move(None, "", box) for box in (first, second)}
    assert new == {first: second, second: "[0.25, 0.219, 0.5, 0.781]"}
    text = f"One {first} and two {second}."
    assert grounding.rewrite(text, move) == f"One {second} and two {new[second]}."
    assert replace_one_by_one(text, new) == f"One {new[second]} and two {new[second]}."  # the official fault


NUMBERS = st.one_of(
    st.integers(0, 1000).map(lambda k: repr(k / 1000)),
    st.sampled_from(
        ["0", "1", "1.0", ".5", "1.", "0.50", "0.1234567", "00.5", "01.5", "17", "0.5.1", "-0.1", "1e-3", ""]
    ),
)
BOXES = st.tuples(
    st.lists(NUMBERS, min_size=4, max_size=4), st.sampled_from([", ", ",", " , ", ",\n"]), st.sampled_from(["", " "])
).map(lambda b: f"[{b[2]}{b[1].join(b[0])}{b[2]}]")
PIECES = st.one_of(
    st.sampled_from(["<st>", "<ed>", "<s", "t>", "<e", "d>", "<", "[", "]", ", ", ",", " ", "\n", "man", "0.5"]),
    BOXES,
    BOXES.map(lambda b: f"<st>man<ed> {b}"),
    st.text(max_size=6),
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)


@settings(max_examples=400)
@given(TEXTS)
@example(f"<s<st>t>{B1}<ed>{B1}, {B2}")
def test_spans_are_exact_slices_in_order(text):
    end = 0
    for group in grounding.find(text):
        assert end <= group.start < group.end
        assert text[group.start : group.end] == as_written(group.phrase, group.gap, group.boxes)
        end = group.end
        assert len(group.coordinates) % 4 == 0
        assert group.boxes.count("[") * 4 == len(group.coordinates)


@settings(max_examples=400)
@given(TEXTS)
def test_rendering_groups_as_they_stood_changes_nothing_but_stray_marks(text):
    end, expected = 0, []
    for group in grounding.find(text):
        expected += [re.sub("<st>|<ed>", "", text[end : group.start]), text[group.start : group.end]]
        end = group.end
    expected.append(re.sub("<st>|<ed>", "", text[end:]))
    assert grounding.rewrite(text, as_written) == "".join(expected)


@settings(max_examples=300)
@given(TEXTS)
def test_text_without_stray_marks_comes_back_as_it_was(text):
    calm = grounding.rewrite(text, as_written)
    spans = [(g.start, g.end) for g in grounding.find(calm)]
    outside = "".join(calm[a:b] for (_, a), (b, _) in zip([(0, 0), *spans], [*spans, (len(calm), 0)], strict=True))
    if "<st>" not in outside and "<ed>" not in outside:
        assert grounding.rewrite(calm, as_written) == calm


@settings(max_examples=300)
@given(TEXTS)
def test_text_that_is_not_grounded_has_no_groups_and_stays(text):
    if not grounding.is_grounded(text):
        assert groups(text) == []
        assert grounding.rewrite(text, lambda *_: "?") == text
        assert grounding.check_text(text) == []


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (f"<st>man<ed> {B1}", []),
        ("[0.1, 0.5.1, 0.3, 0.4]", ["box-malformed"]),
        ("[0.1, 0.2, 0.3]", ["box-malformed"]),
        ("[-0.1, 0.2, 0.3, 0.4]", ["box-malformed"]),
        ("[0.1, 0.2, 0.3, 0.4", ["box-malformed"]),
        ("[0.1, 0.2, 0.3, 1.5]", ["box-outside"]),
        ("[0.4, 0.2, 0.3, 0.4]", ["box-inverted"]),
        ("[0.1, 0.4, 0.3, 0.2]", ["box-inverted"]),
        (f"[0.1, 0.2, 0.3, {'9' * 400}]", ["box-malformed"]),
        (f"<st>man {B1}", ["marks-unbalanced"]),
        (f"man<ed> {B1}", ["marks-unbalanced"]),
        ("<ed><st>", ["marks-unbalanced"]),
        ("<st>a<ed> no box", []),
        (f"{B1}, [0.3, 0.1, 0.2, 0.4]", ["box-inverted"]),
        ("[1, 2, 3] and [4, 5, 6, 7.]", ["box-outside"]),
        ("see [1, 2, 3] and [a, b]", []),
        ("[Mr. Smith, left] waves", []),  # no numbers, so no box
        ("[", []),
    ],
)
def test_check_text_names_the_faults(text, codes):
    assert [f.code for f in grounding.check_text(text)] == codes


@pytest.mark.parametrize(
    "unit",
    [
        "<st>", "<ed>", "<st><ed>", "<st>a<ed> ", "<", "<s<st>t>", "[", "[ ", "[0.1, ", "[0.1, 0.2, 0.3, 0.4], ",
        "0", "[0.1, 0.2, 0.3, 0.4,", "<st>a<ed> [0.1, 0.2, 0.3, 0.4], ", "[" + "0" * 99, "[.,", ",\n", "]", " ",
    ],
)  # fmt: skip
def test_a_megabyte_of_hostile_text_is_read(unit):
    text = "<st>a<ed> [" + unit * (1_000_000 // len(unit))
    assert len(grounding.rewrite(text, as_written)) <= len(text)
    assert all(f.code in ("box-malformed", "box-outside", "marks-unbalanced") for f in grounding.check_text(text))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_boxes_are_written_as_svit_writes_them(count):
    numbers = [f"0.{k}" for k in range(4 * count)]
    text = grounding.write_boxes(numbers)
    assert text.count("[") == count
    assert [g.coordinates for g in grounding.find(text)] == [numbers]
