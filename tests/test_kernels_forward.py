"""``llava_runs``: the rows that it writes are those of ``to_row``, byte for byte; the others it leaves."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plain_records import ODD_FILLS, PlainMaker
from test_rendering import TEXTS

from svit_datasets import boxes
from svit_datasets.boxes import padded_axes
from svit_datasets.check import validator
from svit_datasets.converters.llava import FORMAT
from svit_datasets.converters.llava_layout import Options
from svit_datasets.images.known import Resolved
from svit_datasets.images.visual_genome import FOLDERS, llava_path
from svit_datasets.kernels.forward.axes import pad_thousandth
from svit_datasets.kernels.forward.plain_records import NativeRun
from svit_datasets.kernels.forward.runs import LlavaRuns
from svit_datasets.kernels.forward.scan import native_scanner
from svit_datasets.reading.readers import decode_native
from svit_datasets.records import TASKS, HubRecord, TaskName
from svit_datasets.writing.writers import encode_ascii

SCAN = native_scanner(1 << 20)
SIZES = ((640, 480), (333, 500), (800, 800), (1, 1), (1001, 1000), (2000, 100), None)
OPTIONS = st.builds(
    Options,
    coordinates=st.sampled_from(["padded", "original"]),
    box_rounding=st.sampled_from(["pixel", "exact"]),
    provenance=st.sampled_from(["inline", "inline", "none"]),
    instruction=st.booleans(),
    seed=st.sampled_from([0, 1, -7, 10**20]),
)
RESOLVED = st.builds(lambda size_wh, folder: (size_wh, folder), st.sampled_from(SIZES), st.sampled_from(FOLDERS))
is_valid = validator("llava")


def scan(text: str) -> NativeRun | None:
    data = f"{text},".encode()
    run = SCAN(data, 0, len(data), b",")
    assert run is None or isinstance(run, NativeRun)
    return run


writer_of = cache(LlavaRuns)


def write(run: NativeRun, task: TaskName, options: Options, image: Any, copy: int, position: int) -> bytes | None:
    """Return what the kernels write of the one record of a run."""
    size_wh, folder = image
    path = llava_path(run.image_ids[0], folder)
    writer = writer_of(task, options)
    rows = writer.write(run, 0, position, writer.places(run, [Resolved(path, size_wh)], [copy]))
    if not rows.end:
        assert (rows.count, rows.pairs, len(rows.data), len(rows.first)) == (0, 0, 0, 0)
        return None
    assert bytes(rows.data).startswith(bytes(rows.first))
    assert rows.count == len(json.loads(b"[%b]" % rows.data))
    return bytes(rows.data)


def expected(text: bytes, task: TaskName, options: Options, image: Any, copy: int, position: int) -> bytes | None:
    """Return what the conversations give one by one; None where anything is found about one."""
    record = decode_native(text)
    size_wh, folder = image
    written = []
    for i, conversation in enumerate(record.conversations):
        hub = HubRecord(
            task=task, image_id=record.image_id, record_index=position, conversation_index=i, copy=copy,
            conversation=conversation, image=llava_path(record.image_id, folder), size_wh=size_wh,
        )  # fmt: skip
        made = FORMAT.to_row(hub, options)
        if made.findings or made.row is None or is_valid(made.row):
            return None
        written.append(encode_ascii(made.row))
    return b",\n".join(written)


def check(text: str, task: TaskName, options: Options, image: Any, copy: int = 0, position: int = 7) -> bool:
    """Hold what the kernels write against the plain way; tell whether they write anything."""
    run = scan(text)
    if run is None:
        return False
    made = write(run, task, options, image, copy, position)
    if made is None:
        return False
    assert made == expected(bytes(run.raw(0)), task, options, image, copy, position)
    return True


def record_of(*texts: str, image_id: int = 2315353) -> str:
    pairs = zip(texts[::2], texts[1::2], strict=True)
    blocks = [{"content": [{"from": "user", "value": q}, {"from": "gpt", "value": a}]} for q, a in pairs]
    return json.dumps({"image_id": image_id, "conversations": blocks}, ensure_ascii=False)


@settings(max_examples=600)
@given(
    st.integers(0, 10**9), st.sampled_from([0.0, 0.05, 0.3]), st.sampled_from(list(TASKS)), OPTIONS, RESOLVED,
    st.sampled_from([0, 0, 1, 12]), st.sampled_from([0, 9, 123456789012]),
)  # fmt: skip
def test_any_record_is_written_as_ever_or_left(
    seed: int, odd: float, task: TaskName, options: Options, image: Any, copy: int, position: int
) -> None:
    maker = PlainMaker(seed, odd)
    check(maker.spelt(maker.record()), task, options, image, copy, position)


@settings(max_examples=600)
@given(st.lists(TEXTS, min_size=1, max_size=2), OPTIONS, RESOLVED)
@example([", [0, 0, 1, 1]"], Options(), (SIZES[0], FOLDERS[0]))
@example(["[0.5, 0, 0.50, 1], [1.0, 0, 1, 1.00]"], Options(), (SIZES[0], FOLDERS[0]))
def test_any_text_is_written_as_ever_or_left(texts: list[str], options: Options, image: Any) -> None:
    for text in texts:
        check(record_of("Why?", text), "referring_qa", options, image)
        check(record_of(text, "So."), "referring_qa", options, image)


QUESTION = 'What is the <st>small man<ed> [0.184, 0.062, 0.446, 0.5] "doing"?'
ANSWER = "It\\nis a <st>caf\u00e9<ed> [0, 0.1, 1, 1.0], [0.5, 0.5, 0.75, 1]: at [0.1, 0.2, 0.3, 0.4], it [0, 0, 0, 0]"


def test_a_byte_changed_left_out_or_put_in_anywhere_is_written_as_ever_or_left() -> None:
    options, image = Options(), (SIZES[0], FOLDERS[1])
    text = record_of(QUESTION, ANSWER)
    assert check(text, "referring_qa", options, image)
    taken = 0
    for at in range(text.index("What"), len(text) - 3):
        for put in ("", *'"\\[]<,. 01|n\n\u4eba'):
            taken += check(text[:at] + put + text[at + 1 :], "referring_qa", options, image)
        for put in "\\[], 0":
            check(text[:at] + put + text[at:], "referring_qa", options, image)
    assert taken > len(text)


@given(st.integers(0, 10**9), OPTIONS, st.sampled_from(list(TASKS)))
def test_what_is_plain_is_written(seed: int, options: Options, task: TaskName) -> None:
    maker = PlainMaker(seed, 0)
    boxes_made = [f"<st>a man<ed> {maker.box()}, {maker.box()} and {maker.box()}" for _ in range(3)]
    assert check(record_of(*boxes_made, "So, \u4eba."), task, options, (SIZES[0], FOLDERS[0]))


@pytest.mark.parametrize("text", ODD_FILLS)
def test_odd_texts_are_left_or_written_as_ever(text: str) -> None:
    for options in (Options(), Options(coordinates="original"), Options(provenance="none")):
        for value in (text, f"It is {text}.", f"[0, 0, 1, 1]{text}[0, 0, 1, 1]", f"<st>a{text}<ed> [0, 0, 1, 1]"):
            if "\ud83d" not in value:
                check(record_of("Why?", value), "referring_qa", options, (SIZES[0], FOLDERS[0]))


def test_a_record_is_left_where_its_image_is_not_surely_known() -> None:
    text = record_of("Who?", "<st>a<ed> [0, 0, 1, 1]")
    run = scan(text)
    assert run is not None
    writer = LlavaRuns("referring_qa", Options())
    for path, size_wh in (("", (640, 480)), ("vg/VG_100K/1.jpg", (640, 480)), ("vg/VG_100K/2315353.jpg", None)):
        assert writer.write(run, 0, 0, writer.places(run, [Resolved(path, size_wh)], [0])).end == 0
    assert check(text, "referring_qa", Options(coordinates="original"), (None, FOLDERS[0]))
    assert check(record_of("Who?", "a"), "referring_qa", Options(), (None, FOLDERS[0]))


def test_a_record_too_large_for_the_room_is_left() -> None:
    assert check(record_of("Who?", "a" * 100_000), "referring_qa", Options(), (SIZES[0], FOLDERS[0]))
    run = scan(record_of("Who?", "a" * 900_000))
    assert run is not None
    assert write(run, "referring_qa", Options(), (SIZES[0], FOLDERS[0]), 0, 0) is None


@given(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), st.sampled_from(["pixel", "exact"]))
def test_thousandths_are_padded_as_one_by_one(size_wh: tuple[int, int], rounding: Any) -> None:
    is_exact = rounding == "exact"
    for axis in padded_axes(size_wh):
        one_by_one = [boxes.pad(repr(number / 1000), axis, rounding=rounding) for number in range(1001)]
        assert [repr(pad_thousandth(number, *axis, is_exact) / 1000) for number in range(1001)] == one_by_one


def test_the_middle_of_two_thousandths_goes_to_the_even_one() -> None:
    square = boxes.Axis(8000, 0, 8000)  # 0.0625 is the middle of 0.062 and 0.063, 0.1875 that of 0.187 and 0.188
    for offset_px in range(0, 8000, 4):
        axis = square._replace(offset_px=offset_px)
        assert repr(pad_thousandth(0, *axis, True) / 1000) == boxes.pad("0", axis, rounding="exact")
    assert [pad_thousandth(0, 8000, offset, 8000, False) for offset in (500, 1500)] == [62, 188]
