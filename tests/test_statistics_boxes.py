"""Which boxes ``stats`` measures: frames that nobody knows, boxes in the padding, brackets that are no boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from svit_datasets.statistics.box_measures import REASONS, BoxCounts, Frame
from svit_datasets.statistics.gather import stats
from svit_datasets.statistics.notes import ALWAYS, notes_of
from svit_datasets.statistics.summary import summarise
from svit_datasets.statistics.told import Summary
from svit_datasets.validation.layouts import PROFILES

BOX = "[0.25, 0.25, 0.75, 0.75]"
OURS, THEIRS = "referring_qa-7-0", "000000033471"
MEND = "pass --images with the photos or image_data.json"


def llava(row_id: str, *values: str, image: str | None = "vg/VG_100K/7.jpg") -> dict[str, Any]:
    """Return a LLaVA record; ``image`` None leaves its key out."""
    turns = [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]
    return {"id": row_id, **({} if image is None else {"image": image}), "conversations": turns}


def count(folder: Path, *records: dict[str, Any], **given: Any) -> Summary:
    """Return the statistics of records whose image 7 is 640 by 480."""
    (folder / "sizes.json").write_text(json.dumps([{"image_id": 7, "width": 640, "height": 480}]))
    (folder / "mine.json").write_text(json.dumps(records))
    counted = stats(folder / "mine.json", images=folder / "sizes.json", **given)
    boxes = counted.whole().boxes
    assert (
        boxes.area.count + sum(boxes.unmeasured[r] for r in REASONS if r != "aspect_unknown")
        == (counted.whole().counts["boxes"])
    ), "a box is neither measured nor told of"
    return summarise(counted)


def said(told: Summary, *words: str) -> list[str]:
    """Return the notes that hold one of ``words``, but for those that always stand there."""
    return [note for note in told.notes if note not in ALWAYS and any(word in note for word in words)]


@pytest.mark.parametrize("coordinates", ["padded", "original"])
def test_of_records_that_to_llava_did_not_make_no_frame_is_claimed(tmp_path: Path, coordinates: Any) -> None:
    theirs = llava(THEIRS, f"Where? {BOX}", f"{BOX} and {BOX}, not [0.5, 2, 0.6, 3].")
    told = count(tmp_path, theirs, llava(OURS, "Where?", BOX), coordinates=coordinates)
    assert told.all.counts.boxes == 5
    assert told.all.distributions["boxes_per_pair"].highest == 4
    unknown, ours = told.tasks["unknown"], told.tasks["referring_qa"]
    assert not {"box_area", "box_aspect"} & set(unknown.distributions)
    assert (unknown.counts.boxes_area_unknown, unknown.counts.boxes_aspect_unknown) == (0, 0)
    assert unknown.counts.boxes_outside == 1  # in whatever frame
    expected_percent, shape = {"padded": (33.35, 1), "original": (25, 4 / 3)}[coordinates]
    assert ours.distributions["box_area"].mean == pytest.approx(expected_percent, abs=0.1)
    assert ours.distributions["box_aspect"].lowest == pytest.approx(shape, rel=0.01)
    assert said(told, "area") == [
        "Of 5 boxes 1 reaches beyond the image: this one has no area and no shape here.",
        "The area and shape of 3 boxes are not known: to-llava did not make the records, and nothing tells whether "
        "they are fractions of the image or of the padded square.",
    ]


def test_provenance_shows_that_to_llava_made_a_record(tmp_path: Path) -> None:
    told = count(tmp_path, {**llava("7", "Where?", BOX), "svit": {}})
    assert told.all.distributions["box_area"].count == told.all.counts.boxes == 1
    assert said(told, "area") == []


# 640 by 480: the image lies between 0.125 and 0.875 of the square's height
BESIDE = ("[0.1, 0.0, 0.5, 0.125]", "[0.1, 0.02, 0.5, 0.1]", "[0, 0.875, 1, 1]", "[0.2, 0.9, 0.3, 0.95]")
TOUCHING = ("[0.1, 0.0, 0.5, 0.13]", "[0, 0.87, 1, 1]", "[0, 0, 1, 1]", "[0, 0.125, 0.1, 0.875]")


def test_a_box_in_the_padding_has_no_area(tmp_path: Path) -> None:
    told = count(tmp_path, llava(OURS, "Where?", " ".join((*BESIDE, *TOUCHING))))
    assert told.all.counts.boxes == 8
    area = told.all.distributions["box_area"]
    assert (area.count, area.highest) == (4, 100)
    assert area.lowest > 0
    assert told.all.distributions["box_aspect"].count == 4
    assert said(told, "area") == [
        "Of 8 boxes 4 lie in the padding beside their images: these have no area and no shape here."
    ]
    upright = BoxCounts()
    upright.add(["0", "0", "0.125", "1", "0.875", "0", "1", "1", "0", "0", "0.126", "1"], Frame("padded", (480, 640)))
    assert (upright.unmeasured["in_padding"], upright.area.count) == (2, 1)


@pytest.mark.parametrize("frame", [Frame("original", (640, 480)), Frame("padded", None), Frame("unknown", None)])
def test_only_a_padded_square_of_known_size_has_padding(frame: Frame) -> None:
    counts = BoxCounts()
    counts.add(["0.1", "0.02", "0.5", "0.1"], frame)
    assert counts.unmeasured["in_padding"] == 0
    assert (frame.kind == "unknown") == bool(counts.unmeasured["frame_unknown"])


def test_brackets_in_records_of_text_alone_are_words(tmp_path: Path) -> None:
    code = "a = [0.1, 0.2, 0.3, 0.4] and [1, 2, 3, 4] <st>b<ed> [0, 0, 1, 1]"
    told = count(tmp_path, llava("sharegpt", "Sort it?", code, image=None))
    counts = told.all.counts
    assert (counts.boxes, counts.boxes_unmarked, counts.boxes_outside, counts.phrases) == (0, 0, 0, 0)
    assert told.all.distributions["boxes_per_pair"].highest == 0
    assert told.all.distributions["words_per_answer"].highest == 15
    assert said(told, "brackets", "box") == [
        "1 record has no image; brackets in records of text alone are words, not boxes."
    ]
    assert count(tmp_path, llava("other", "Sort it?", code)).all.counts.boxes == 3


def test_every_layout_is_counted_by_its_profile(tmp_path: Path) -> None:
    assert sorted(PROFILES) == ["llava", "native"]
    native = {"image_id": 7, "conversations": [{"content": [{"from": "user", "value": BOX}]}]}
    (tmp_path / "n.json").write_text(json.dumps([native, {"image_id": 7, "conversations": []}]))
    (tmp_path / "l.json").write_text(json.dumps([llava(OURS, BOX), {"id": "b", "conversations": []}]))
    counted = stats([tmp_path / "n.json", tmp_path / "l.json"])
    boxes = counted.whole().boxes.unmeasured
    assert (counted.layouts, boxes["aspect_unknown"], boxes["area_unknown"]) == ({"native": 2, "llava": 2}, 1, 1)


def test_notes_of_one_thing_speak_of_one(tmp_path: Path) -> None:
    marked = "<st>It<ed> is here"
    turns = [("human", f"Who? {BOX}\nLocate the objects with their coordinates."), ("system", marked)]
    odd = {"id": "a", "conversations": [{"from": r, "value": v} for r, v in turns], "image": "a.jpg"}
    (tmp_path / "mine.json").write_text(json.dumps([odd, {"id": 5, "image": 5}]))
    told = summarise(stats(tmp_path / "mine.json"))
    one = dict.fromkeys(REASONS, 1)
    assert list(notes_of(told, one))[len(ALWAYS) + 1 :] == [
        "1 record is in the LLaVA layout, which has no marks around phrases and no topics: phrases and topics are "
        "those of native records.",
        "Of 1 box 1 reaches beyond the image, 1 has corners in the wrong order, 1 is empty, 1 lies in the padding "
        "beside its image: these have no area and no shape here.",
        "The area and shape of 1 box are not known: to-llava did not make the record, and nothing tells whether it is "
        "a fraction of the image or of the padded square.",
        "The area of 1 box is not known: it is on the padded square, and nothing tells the size of its image; "
        f"{MEND}, or --coordinates original where it was never padded.",
        f"The shape of 1 box is not known: nothing tells the size of its image; {MEND}.",
        "1 box has no marked phrase.",
        "1 marked phrase has no box.",
        "1 question belongs to no pair: a pair is a question and the answer right behind it.",
        "1 turn is of a role other than user, human and gpt: neither question nor answer.",
        "1 question ends in one of SVIT's formatting sentences, which count as tokens and not as words.",
        "The task of 1 record is not told: neither --task, nor the file's name, nor the record's id says it.",
        "1 fault kept a record, or the rest of a file, from being read: it is in no count.",
    ]
