"""Corners of the pure modules that no larger test reaches: each has a reason to be there, and this shows it."""

from __future__ import annotations

import io
import json

import msgspec
import pytest

from svit_datasets.check import explain
from svit_datasets.converters import provenance, sums
from svit_datasets.converters.llava import FORMAT, Options
from svit_datasets.errors import UsageError
from svit_datasets.reading.split import split
from svit_datasets.records import Conversation, HubRecord, Turn

SIZE_WH = (640, 480)


def row_of(question: str = "Where?", answer: str = "The <st>man<ed> [0.25, 0, 0.5, 1].", **change):
    hub = HubRecord(
        task="referring_qa",
        image_id=2,
        record_index=0,
        conversation_index=0,
        conversation=Conversation([Turn("user", question), Turn("gpt", answer)]),
        image="vg/VG_100K/2.jpg",
        size_wh=SIZE_WH,
    )
    return json.loads(msgspec.json.encode(FORMAT.to_row(hub, Options(**change)).row))


def back(row, size_wh=SIZE_WH):
    return FORMAT.from_row(json.dumps(row).encode(), None, lambda _: size_wh, Options())


def test_marks_that_do_not_fit_are_damage_even_under_a_sum_that_fits():
    row = row_of()
    svit = row["svit"]
    svit["marks"] = "~|99:.25 0 .5 1"
    svit["sum"] = svit["sum"][:6] + sums.own_sum(svit["at"], msgspec.UNSET, svit["marks"], {}) + "AA"
    assert [(f.code, f.path) for f in back(row).findings] == [("provenance-damaged", "$.svit.marks")]
    svit["marks"] = "~|3:.25 0 .5"
    svit["sum"] = svit["sum"][:6] + sums.own_sum(svit["at"], msgspec.UNSET, svit["marks"], {}) + "AA"
    assert [f.found for f in back(row).findings] == ["'.25 0 .5' for [0.25, 0.125, 0.5, 0.875]"]


def test_an_edited_box_needs_the_size_of_its_image():
    row = row_of()
    row["conversations"][1]["value"] = "The child [0.25, 0.125, 0.5, 0.875]."
    assert [f.code for f in back(row, None).findings] == ["image-size-unknown"]
    assert back(row).record.conversation.content[1].value == "The <st>child<ed> [0.25, 0.0, 0.5, 1.0]."
    row["conversations"][1]["value"] = "No, the man [0.25, 0.125, 0.5, 0.875]."
    assert back(row).record.conversation.content[1].value == "No, the <st>man<ed> [0.25, 0.0, 0.5, 1.0]."


def test_an_edited_turn_without_boxes_needs_no_size():
    row = row_of(answer="At the left.")
    row["conversations"][1]["value"] = "At the right."
    made = back(row, None)
    assert [t.value for t in made.record.conversation.content] == ["Where?", "At the right."]
    assert made.inferred == {"turns_restored": 1, "turns_inferred": 1}


def test_an_edit_that_trains_on_nothing_is_a_fault():
    row = row_of()
    row["conversations"][1]["value"] = "  "
    made = back(row)
    assert made.record is None
    assert [(f.code, f.path) for f in made.findings][1:] == [("turn-empty", "$.conversations[1].value")]


def test_an_id_of_another_image_says_nothing():
    row = row_of(provenance="none") | {"id": "detail_description-7-0"}
    made = back(row)
    assert (made.record.task, made.record.conversation_index) == ("referring_qa", -1)
    assert made.inferred["tasks_from_text"] == 1


def test_a_box_beyond_a_float_stays_as_it_is_on_the_way_back():
    huge = "9" * 400
    row = row_of(provenance="none")
    row["conversations"][1]["value"] = f"The man [{huge}, 0, 1, 1]."
    made = back(row)
    assert made.record.conversation.content[1].value == f"The <st>man<ed> [{huge}, 0, 1, 1]."
    assert "boxes_inverted" not in made.inferred


def test_explain_tells_what_the_schema_says_of_a_place_if_it_says_anything():
    row = row_of()
    row["conversations"][0]["from"] = "gpt"
    del row["image"]
    lines = explain(row, "llava")
    assert "$.conversations[0].from: 'human' was expected" in lines
    assert "$: 'image' is a required property (Record: One conversation about one image.)" in lines


def test_an_element_beyond_the_limit_that_is_no_object_ends_the_file():
    stream = io.BytesIO(b'[{"a": 1}, ["' + b"x" * 200_000)
    values = list(split(stream.read, msgspec.json.decode, limit=1000))
    assert [(v.number, v.fault and v.fault.code, v.is_last) for v in values][1:] == [(2, "record-too-large", True)]


def test_options_take_no_other_values():
    for wrong in ({"coordinates": "pad"}, {"box_rounding": "exct"}, {"provenance": "foo"}, {"seed": "x"}):
        with pytest.raises(UsageError, match="expected"):
            Options(**wrong)


def collide(value: str, template: str) -> str:
    """Return a text that ``sum`` takes for the unedited turn: one in 64 has the same character."""
    wanted = sums.turn_sum(value)
    return next(t for t in map(template.format, range(10_000)) if sums.turn_sum(t) == wanted)


def test_a_turn_that_only_looks_unedited_is_converted_by_best_effort():
    row = row_of()
    question = row["conversations"][0]["value"].removeprefix("<image>\n")
    edited = collide(question, "Where, {}?")
    row["conversations"][0]["value"] = f"<image>\n{edited}"
    made = back(row)
    assert [t.value for t in made.record.conversation.content] == [edited, "The <st>man<ed> [0.25, 0, 0.5, 1]."]
    assert made.inferred == {"turns_inferred": 1, "turns_restored": 1}
    row = row_of()
    edited = collide(row["conversations"][1]["value"], "The one, {}")
    row["conversations"][1]["value"] = edited
    assert back(row, None).record.conversation.content[1].value == edited


def test_marks_without_a_place_in_the_text_are_refused():
    with pytest.raises(ValueError, match="no room for a phrase of 99 characters"):
        provenance.restore_turn("x [0.1, 0.2, 0.3, 0.4]", "99:0 0 1 1")


def test_a_question_edited_without_a_size_keeps_its_boxes_out():
    row = row_of("Where is <st>she<ed> [0, 0, 1, 1]?", "There.", instruction=False)
    row["conversations"][1]["value"] = "Here."
    assert [f.code for f in back(row, None).findings] == ["image-size-unknown"]
