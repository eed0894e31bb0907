"""The way back without provenance: every number in the report is held against a count made with the files."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

import svit_datasets
from svit_datasets import Options, boxes
from svit_datasets.detail_questions import DETAIL_QUESTIONS

from . import native_files as made
from .there_and_back import conversation, convert, record, restore, values

BOX = re.compile(r"\[[^\]]*\]")
FIRST, SECOND = made.IMAGE_IDS[:2]


class Truth:
    """Native files whose every inference is known, made from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.boxes = self.marked = self.bare = self.questions = 0
        self.images: set[int] = set()
        ids = [int(i) for i in made.IMAGE_IDS]
        several = (conversation("Who?", "She.", "Why?", "So."), conversation("A?", "B.", "C?", "D."))
        asked = zip(ids, DETAIL_QUESTIONS, strict=False)
        self.native = {
            "conversation": [record(i, *several) for i in ids[:2]],
            "complex_reasoning": [record(i, *[conversation(f"Why {k}?", "Because.") for k in range(3)]) for i in ids],
            "referring_qa": [record(i, *[self._referring(i) for _ in range(4)]) for i in ids],
            "detail_description": [record(i, conversation(question, "A cat sits.")) for i, question in asked],
        }
        self.rows = {task: sum(len(r["conversations"]) for r in records) for task, records in self.native.items()}

    def _box(self) -> str:
        self.boxes += 1
        (x1, x2), (y1, y2) = (sorted(self._random.sample(range(1001), 2)) for _ in range(2))
        return "[{}, {}, {}, {}]".format(*(repr(v / 1000) for v in (x1, y1, x2, y2)))

    def _run(self) -> str:
        return ", ".join(self._box() for _ in range(self._random.randint(1, 2)))

    def _referring(self, image_id: int) -> dict[str, Any]:
        texts = []
        for question in ("Where is the", "Look at the"):
            self.questions += 1
            texts.append(f"{question} {self._marked()}?")
            texts.append(
                f"It is a {self._marked()}, and here: {self._bare()}." if self._random.random() < 0.7 else "No."
            )
        self.images.add(image_id)
        return conversation(*texts)

    def _marked(self) -> str:
        self.marked += 1
        return f"<st>{self._random.choice(('man', 'red car', 'big old oak tree'))}<ed> {self._run()}"

    def _bare(self) -> str:
        self.bare += 1
        return self._run()

    @property
    def bound(self) -> float:
        """The largest bound among the images that have boxes."""
        sizes = (made.SIZES[i] for i in made.IMAGE_IDS if int(i) in self.images)
        return max(boxes.unpad_error_bound(axis) for size in sizes for axis in boxes.padded_axes(size))


@pytest.mark.parametrize("coordinates", ["padded", "original"])
@pytest.mark.parametrize("seed", [1, 2])
def test_without_provenance_every_number_in_the_report_is_true(tmp_path, seed, coordinates):
    truth, options = Truth(seed), Options(provenance="none", coordinates=coordinates)
    rows = convert(tmp_path, truth.native, options)
    assert not any("svit" in row for row in rows)
    back, report = restore(tmp_path, rows, options)
    total = sum(truth.rows.values())
    assert dict(report.counts) == {
        "records_read": total,
        "records_inferred": total,
        **{f"records_inferred.{task}": count for task, count in truth.rows.items()},
        "conversations_written": total,
        "records_written": sum(map(len, truth.native.values())),
    }
    inferred = {
        "tasks_from_id": total,
        "places_from_id": total,
        "sentences_removed": truth.questions,
        "phrases_marked": truth.marked,
        "groups_left_bare": truth.bare,
    }
    if coordinates == "padded":
        inferred |= {"boxes_inverted": truth.boxes, "box_error_bound_max": truth.bound}
    assert report.inferred == pytest.approx(inferred)
    assert set(report.unknowable) == {"every task", "conversation", "referring_qa"}
    assert report.by_code == {}
    assert report.outputs == {str(tmp_path / "back" / f"{task}.json"): len(rs) for task, rs in truth.native.items()}
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["counts"] == dict(report.counts)
    assert written["inferred"] == pytest.approx(inferred)
    if coordinates == "original":
        assert back == truth.native


@pytest.mark.parametrize("rounding", ["pixel", "exact"])
def test_coordinates_come_back_within_the_bound_that_the_report_names(tmp_path, rounding):
    truth, options = Truth(3), Options(provenance="none", box_rounding=rounding)
    back, report = restore(tmp_path, convert(tmp_path, truth.native, options), options)
    worst = 0.0
    for before, after in zip(values(truth.native), values(back), strict=True):
        assert BOX.sub("[]", before) == BOX.sub("[]", after)
        for one, two in zip(BOX.findall(before), BOX.findall(after), strict=True):
            worst = max(worst, *(abs(a - b) for a, b in zip(json.loads(one), json.loads(two), strict=True)))
    assert 0 < worst <= report.inferred["box_error_bound_max"]


def test_without_ids_the_task_is_read_off_the_text(tmp_path):
    truth, options = Truth(4), Options(provenance="none", coordinates="original")
    rows = convert(tmp_path, truth.native, options)
    for row in rows:
        del row["id"]
    back, report = restore(tmp_path, rows, options)
    assert back == truth.native
    assert report.inferred["tasks_from_text"] == report.inferred["places_from_order"] == len(rows)
    assert "tasks_from_id" not in report.inferred


def test_a_conversation_that_was_dropped_is_counted_where_it_can_be_known(tmp_path):
    native = {"conversation": [record(FIRST, *[conversation(f"{k}?", "So.") for k in range(4)])]}
    rows = convert(tmp_path, native, Options())
    back, report = restore(tmp_path, [rows[0], rows[3]])
    assert back == {"conversation": [record(FIRST, conversation("0?", "So."), conversation("3?", "So."))]}
    assert report.counts["conversations_missing.conversation"] == 2


def test_boxes_without_a_size_stop_the_run_where_they_must_be_moved_back(tmp_path):
    native = {"referring_qa": [record(FIRST, conversation("Who?", "The <st>man<ed> [0.25, 0, 0.5, 1]."))]}
    rows = convert(tmp_path, native, Options(provenance="none"))
    (tmp_path / "rows.json").write_text(made.dumps(rows))
    with pytest.raises(
        svit_datasets.RecordError, match=rf"\$\.image: found no size of image {FIRST}; .* \[image-size-unknown\]$"
    ):
        svit_datasets.from_llava(tmp_path / "rows.json", tmp_path / "back")
