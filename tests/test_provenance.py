"""Provenance that is damaged, missing, doubled or in conflict; rows with keys of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import svit_datasets
from svit_datasets import Options

from . import native_files as made
from .there_and_back import conversation, convert, record, restore, values

FIRST, SECOND = made.IMAGE_IDS[:2]
GROUNDED = {"referring_qa": [record(FIRST, conversation("Who?", "The <st>man<ed> [0.25, 0, 0.5, 1]."))]}
GOOD_AT = f"r0.0.{FIRST}"


@pytest.mark.parametrize(
    "damage",
    [
        {"at": "q0.0.1"}, {"at": "r0.0"}, {"at": "r0.0.x"}, {"at": 5}, {"sum": None}, {"marks": ["~"]}, {"topic": 5},
        {"new": 1}, {"extra": []}, {"extra": {"turns": {"0": 1}}}, {"text": {"0": 1}}, {"marks": "~|x:.25 0 .5 1"},
        {"marks": "~|99:.25 0 .5 1"}, {"marks": "~|3:.25 0 .5 1;0 0 1 1"}, {"marks": "~|~3:.25 0 .5 1"},
        {"marks": "~|3:.25 0 .5"}, {"marks": "~|3:.25 0 .5 1 0"}, {"marks": "~|3:a b c d"},
        {"marks": "~|-1:.25 0 .5 1"},
    ],
    ids=str,
)  # fmt: skip
def test_damaged_provenance_is_named_and_the_record_left_out(tmp_path, damage):
    rows = convert(tmp_path, GROUNDED, Options())
    assert (rows[0]["svit"]["at"], rows[0]["svit"]["marks"]) == (GOOD_AT, "~|3:.25 0 .5 1")
    rows[0]["svit"] |= damage
    _, report = restore(tmp_path, rows, on_error="skip")
    assert report.by_code == {"provenance-damaged": 1}
    assert dict(report.counts) == {"records_read": 1, "records_skipped": 1}
    [fault] = report.first
    assert (fault.file, fault.record, fault.id) == (str(tmp_path / "rows.json"), 1, rows[0]["id"])
    assert fault.path.startswith("$.svit")


@pytest.mark.parametrize("svit", [None, 5, "x", [], {}], ids=repr)
def test_a_provenance_key_that_is_no_provenance_stops_the_run(tmp_path, svit):
    rows = convert(tmp_path, GROUNDED, Options())
    rows[0]["svit"] = svit
    with pytest.raises(
        svit_datasets.RecordError,
        match=rf"rows\.json:1 id=referring_qa-{FIRST}-0 \$\.svit: found .* \[provenance-damaged\]$",
    ):
        restore(tmp_path, rows)
    assert not (tmp_path / "back").exists()


def test_a_row_that_stands_twice_is_written_once_and_counted(tmp_path):
    native = {"conversation": [record(FIRST, conversation("Why?", "So."), conversation("Who?", "She."))]}
    rows = convert(tmp_path, native, Options())
    back, report = restore(tmp_path, [rows[1], rows[0], rows[1], rows[1]])
    assert back == native
    assert dict(report.by_code) == {"provenance-copy": 2}
    assert (report.counts["records_copies"], report.counts["conversations_written"]) == (2, 2)
    assert [f.record for f in report.first] == [3, 4]


def test_two_texts_for_one_place_are_a_conflict(tmp_path):
    one = convert(tmp_path, {"conversation": [record(FIRST, conversation("Why?", "So."))]}, Options())
    two = convert_again(tmp_path, {"conversation": [record(FIRST, conversation("Why?", "No."))]})
    found = r"rows\.json:2 id=conversation-\d+-0: found conversation 0 of image \d+ for the second time; .*-conflict\]$"
    with pytest.raises(svit_datasets.RecordError, match=found):
        restore(tmp_path, one + two)
    back, report = restore(tmp_path, one + two, on_error="skip", overwrite=True)
    assert values(back) == ["Why?", "So."]
    assert (report.by_code["provenance-conflict"], report.counts["records_skipped"]) == (1, 1)


def convert_again(root: Path, native: dict[str, Any]) -> list[dict[str, Any]]:
    (root / "other").mkdir()
    return convert(root / "other", native, Options())


def test_rows_without_the_key_are_inferred_beside_those_with_it(tmp_path):
    native = {
        "conversation": [
            record(FIRST, conversation("Why?", "So."), conversation("Who?", "She.")),
            record(SECOND, conversation("A?", "B.")),
        ]
    }
    rows = convert(tmp_path, native, Options())
    del rows[0]["svit"]
    back, report = restore(tmp_path, rows)
    assert back == {
        "conversation": [
            record(FIRST, conversation("Who?", "She.")),
            native["conversation"][1],
            record(FIRST, conversation("Why?", "So.")),
        ]
    }
    assert (report.counts["records_restored"], report.counts["records_inferred"]) == (2, 1)


def test_extra_keys_of_a_row_are_noted_and_change_nothing(tmp_path):
    rows = convert(tmp_path, GROUNDED, Options())
    back, report = restore(tmp_path, [{"split": "train", **rows[0], "n": 1.5}])
    assert back == GROUNDED
    assert report.counts["records_restored"] == 1
    assert [(f.code, f.severity, f.path) for f in report.first] == [
        ("row-extra-key", "note", "$.split"),
        ("row-extra-key", "note", "$.n"),
    ]
