"""Phrases of many texts found in one go are those of each text, and numbers are the doubles that Python reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svit_datasets import grounding
from svit_datasets.tables.objects import find_all_marked, parse_numbers

PIECES = (
    "<st>",
    "<ed>",
    " ",
    "\n",
    "a man",
    "\0",
    "<",
    "é",
    "[0, 0, 1, 1]",
    ", [0.5, .25, 1., 1]",
    "[0.1, 0.5.1, 1, 1]",
)
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=9).map("".join), max_size=6)


@given(TEXTS)
def test_phrases_of_all_texts_are_those_of_each(texts: list[str]) -> None:
    found = find_all_marked(texts)
    told = list(
        zip(found.text.tolist(), found.phrase, found.start.tolist(), found.end.tolist(), found.boxes, strict=True)
    )
    assert told == [(i, *marked) for i, text in enumerate(texts) for marked in grounding.find_marked(text)]
    assert all(texts[i][start:end] == phrase for i, phrase, start, end, _ in told)


NUMBER = st.one_of(
    st.integers(0, 1000).map(lambda n: str(n / 1000)),
    st.sampled_from(
        ["0", "1", "0.", ".5", "1.000000000000000055", "0.1e".rstrip("e"), "00.30", "9" * 400, "0." + "3" * 400]
    ),
)


@given(st.lists(st.lists(NUMBER, min_size=4, max_size=4), max_size=5))
def test_numbers_are_the_nearest_doubles(boxes: list[list[str]]) -> None:
    runs = ["", *(f"[{', '.join(box)}]" for box in boxes), ""]
    assert parse_numbers(runs).to_pylist() == [float(number) for box in boxes for number in box]


@pytest.mark.parametrize("space", ["", " ", "\t", "\n", "  \r\n"])
def test_numbers_stand_in_any_white_space(space: str) -> None:
    run = f"[{space}0.1{space},{space}0.2{space},{space}3{space},4{space}]"
    assert parse_numbers([run, run]).to_pylist() == [0.1, 0.2, 3.0, 4.0] * 2


def test_a_number_beyond_all_doubles_is_infinite() -> None:
    assert parse_numbers([f"[{'9' * 400}, 0, 0, 0]"]).to_pylist()[0] == math.inf
