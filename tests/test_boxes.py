"""``boxes``: the arithmetic of SVIT's own LLaVA copy, held against a plain second implementation."""

from __future__ import annotations

import itertools

import pytest

from svit_datasets import boxes

SIZES = (
    (1, 1), (1, 2), (2, 1), (1, 1000), (3, 2), (4, 3), (7, 10), (336, 336), (500, 333), (333, 500), (375, 500),
    (500, 375), (640, 480), (480, 640), (800, 600), (800, 599), (999, 998), (1000, 1000), (1001, 1001), (1000, 1001),
    (1001, 1000), (1024, 683), (683, 1024), (1280, 847), (2000, 100), (100, 2000), (3000, 2999),
)  # fmt: skip
THOUSANDTHS = [repr(k / 1000) for k in range(1001)]
ODD = ["0", "1", "1.0", "0.0", ".5", "0.50", "1.", "0.", "0.1234567", "00.5", "000", "1.001", "2.5", "17", "0.9996"]
ROUNDINGS = ("pixel", "exact")


def plain_pad(coordinate: str, size_wh: tuple[int, int], axis: int, rounding: str) -> str:
    """Pad as formats.md, section 2 point 3, says it: written from the words, not from the code."""
    w, h = size_wh
    m = max(w, h)
    value = float(coordinate) * size_wh[axis]
    if rounding == "pixel":
        value = round(value)
    if w > h and axis == 1:
        value += (m - h) // 2
    elif h > w and axis == 0:
        value += (m - w) // 2
    return repr(round(value / m, 3))


def axes():
    return [(size, axis, boxes.padded_axes(size)[axis]) for size in SIZES for axis in (0, 1)]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("size_wh", SIZES, ids=str)
def test_pad_equals_the_published_arithmetic_for_every_coordinate(size_wh, rounding):
    for index, axis in enumerate(boxes.padded_axes(size_wh)):
        for coordinate in THOUSANDTHS + ODD:
            expected = plain_pad(coordinate, size_wh, index, rounding)
            assert boxes.pad(coordinate, axis, rounding=rounding) == expected, (coordinate, axis)


def test_pad_steps_through_pixels_unless_told_otherwise():
    x, _ = boxes.padded_axes((3, 2))
    assert (boxes.pad("0.5", x), boxes.pad("0.5", x, rounding="exact")) == ("0.667", "0.5")


@pytest.mark.parametrize(
    ("size_wh", "coordinate", "index", "expected"),
    [
        ((640, 480), "0", 1, "0.125"),
        ((640, 480), "1", 1, "0.875"),
        ((640, 480), "0", 0, "0.0"),
        ((640, 480), "1", 0, "1.0"),
        ((500, 333), "0", 1, "0.166"),  # (500 - 333) // 2 = 83, not 83.5
        ((333, 500), "0", 0, "0.166"),
        ((10, 10), "0.25", 0, "0.2"),  # round(2.5) is 2: Python rounds halves to even
        ((10, 10), "0.35", 0, "0.4"),  # and 3.5 is 4
        ((1, 1), "0.5", 0, "0.0"),
        ((1001, 1001), "0.5", 0, "0.5"),
    ],
)
def test_pad_worked_out_by_hand(size_wh, coordinate, index, expected):
    assert boxes.pad(coordinate, boxes.padded_axes(size_wh)[index]) == expected


def test_a_square_image_gets_no_offset_but_is_rounded_to_pixels_all_the_same():
    x, y = boxes.padded_axes((10, 10))
    assert x == y == boxes.Axis(10, 0, 10)
    assert boxes.pad("0.471", x) == "0.5"


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_pad_refuses_a_number_beyond_a_float(rounding):
    x, _ = boxes.padded_axes((640, 480))
    with pytest.raises(OverflowError):
        boxes.pad("9" * 400, x, rounding=rounding)


def test_unpad_refuses_a_number_beyond_a_float():
    x, _ = boxes.padded_axes((640, 480))
    with pytest.raises(OverflowError):
        boxes.unpad("9" * 400, x)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_unpad_comes_back_within_its_bound(rounding):
    for _, _, axis in axes():
        bound = boxes.unpad_error_bound(axis)
        for k in range(0, 10001, 1 if axis.side_px < 700 else 7):
            value = k / 10000
            back = float(boxes.unpad(boxes.pad(repr(value), axis, rounding=rounding), axis))
            assert abs(back - value) <= bound, (value, axis)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_unpad_comes_back_within_its_bound_for_every_published_spelling(rounding):
    for _, _, axis in axes():
        bound = boxes.unpad_error_bound(axis)
        for coordinate in THOUSANDTHS:
            back = float(boxes.unpad(boxes.pad(coordinate, axis, rounding=rounding), axis))
            assert abs(back - float(coordinate)) <= bound, (coordinate, axis)


def test_the_bound_is_no_more_than_four_times_the_worst_seen():
    for _, _, axis in axes():
        errors = (abs(float(boxes.unpad(boxes.pad(repr(k / 10000), axis), axis)) - k / 10000) for k in range(10001))
        worst = max(errors)
        assert boxes.unpad_error_bound(axis) <= 4 * worst + 1e-8, axis


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_order_is_kept_there_and_back(rounding):
    for _, _, axis in axes():
        there = [boxes.pad(c, axis, rounding=rounding) for c in THOUSANDTHS]
        back = [boxes.unpad(c, axis) for c in there]
        for run in (there, back):
            numbers = [float(c) for c in run]
            assert numbers == sorted(numbers), axis


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_boxes_stay_on_the_part_of_the_canvas_that_the_image_fills(rounding):
    for _, _, axis in axes():
        first = round(axis.offset_px / axis.side_px, 3)
        last = round((axis.offset_px + axis.length_px) / axis.side_px, 3)
        for coordinate in THOUSANDTHS:
            assert first <= float(boxes.pad(coordinate, axis, rounding=rounding)) <= last, (coordinate, axis)


def test_unpad_stays_inside_the_image_whatever_it_is_given():
    for _, _, axis in axes():
        for coordinate in [*THOUSANDTHS, *ODD, "123456789"]:
            assert 0.0 <= float(boxes.unpad(coordinate, axis)) <= 1.0


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_box_without_extent_keeps_none(rounding):
    for _, _, axis in axes():
        spellings = ("0.5", "0.50", ".5", "0.500")
        padded = {boxes.pad(s, axis, rounding=rounding) for s in spellings}
        assert len(padded) == 1
        assert len({boxes.unpad(p, axis) for p in padded}) == 1


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_tables_hold_what_the_functions_say(rounding):
    for size_wh in SIZES:
        tables = boxes.pad_tables(size_wh, rounding)
        for table, axis in zip(tables, boxes.padded_axes(size_wh), strict=True):
            for coordinate in [*THOUSANDTHS[::9], *ODD]:
                assert table[coordinate] == boxes.pad(coordinate, axis, rounding=rounding)
        backward = boxes.unpad_tables(size_wh)
        for table, axis in zip(backward, boxes.padded_axes(size_wh), strict=True):
            for coordinate in [*THOUSANDTHS[::9], *ODD]:
                assert table[coordinate] == boxes.unpad(coordinate, axis)


def test_tables_are_bounded_and_right_beyond_their_bound():
    x, _ = boxes.padded_axes((641, 479))
    table, _ = boxes.pad_tables((641, 479), "exact")
    spellings = [f"0.{k:05d}" for k in range(9000)]
    for _, spelling in itertools.product(range(2), spellings):
        assert table[spelling] == boxes.pad(spelling, x, rounding="exact")
    assert len(table) <= 4096


def test_a_table_raises_again_for_what_it_cannot_hold():
    table, _ = boxes.pad_tables((640, 480), "pixel")
    for _ in range(2):
        with pytest.raises(OverflowError):
            table["9" * 400]
