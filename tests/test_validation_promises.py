"""Promises of validate that a review found broken once: inputs stay, mends are listed, nothing is quadratic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import FAULTS, UNUSABLE, encode, record, run

from svit_datasets.findings import finding
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.answers import check_answer
from svit_datasets.validation.fixes import clip_boxes, mend, swap_corners

EMPTY = "Your message is empty."


def llava(*values: str) -> bytes:
    turns = [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]
    return encode({"id": "a", "image": "a.jpg", "conversations": turns})


@pytest.mark.parametrize("option", ["--report", "--fix"])
def test_a_file_of_an_input_folder_is_never_written_over(option: str, tmp_path: Path) -> None:
    file = tmp_path / "data" / "referring_qa.json"
    file.parent.mkdir()
    file.write_bytes(before := encode([record(2)]))
    ran = run("validate", file.parent, option, file, "--overwrite")
    message = f"error: {file}: is an input; inputs are never modified, so name another output\n"
    assert (ran.code, ran.err) == (UNUSABLE, message)
    assert file.read_bytes() == before


def test_image_data_is_never_written_over(tmp_path: Path) -> None:
    file, sizes = tmp_path / "mine.json", tmp_path / "image_data.json"
    file.write_bytes(encode([record(2)]))
    sizes.write_bytes(before := encode([{"image_id": 2, "width": 8, "height": 6}]))
    assert run("validate", file, "--images", sizes, "--report", sizes, "--overwrite").code == UNUSABLE
    assert sizes.read_bytes() == before


def test_a_damaged_file_does_not_hide_the_next_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "conversation.zip").write_bytes(b"PK\x03\x04 cut")
    (tmp_path / "referring_qa.json").write_bytes(encode([record(2, "Why?", "")]))
    (tmp_path / "mix.json").write_bytes(b"[" + llava("<image>\nWhy?", "") + b"]")
    ran = run("validate", tmp_path, "--output", "json", "--ignore", "dataset")
    found = [(Path(f["file"]).name, f["code"]) for f in json.loads(ran.out)["findings"]]
    expected = [("conversation.zip", "input-damaged"), ("referring_qa.json", "turn-empty"), ("mix.json", "turn-empty")]
    assert (ran.code, sorted(found)) == (FAULTS, sorted(expected))


def mended(raw: bytes, path: str) -> tuple[Any, list[tuple[str, str | None]]]:
    wrong = finding("answer-message-empty", "x", path=path)
    made = mend(Entry("a.json", 1, "llava", "a", raw=raw), [wrong])
    values = [turn["value"] for turn in json.loads(made.raw)["conversations"]] if made.raw else None
    return values, [(change.before, change.after) for change in made.changes]


def test_the_token_stays_and_every_text_that_goes_is_listed() -> None:
    raw = llava("Hi?", "Hello.", "<image>\nWhat?", EMPTY, "More?", "No more.")
    values, changes = mended(raw, "$.conversations[3].value")
    assert values == ["<image>\nHi?", "Hello.", "More?", "No more."]
    assert sorted(changes, key=str) == sorted(
        [("<image>\nWhat?", None), (EMPTY, None), ("Hi?", "<image>\nHi?")], key=str
    )


def test_an_answer_behind_an_answer_takes_no_good_one_with_it() -> None:
    turns = [{"from": role, "value": text} for role, text in (("human", "Why?"), ("gpt", "So."), ("gpt", EMPTY))]
    raw = encode({"id": "a", "conversations": turns})
    assert mended(raw, "$.conversations[2].value") == (["Why?", "So.", EMPTY], [])


def test_boxes_in_pixels_and_boxes_of_which_nothing_would_be_left_stay() -> None:
    for text in ("[0, 0, 640, 480]", "[1.0, 0.1, 1.2, 0.9]", "[1, 0.5, 1.3, 0.6]"):
        assert clip_boxes(text) == text
    assert swap_corners("[5, 4, 3, 2]") == "[5, 4, 3, 2]"


def test_a_mended_file_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(encode([record(2)]))
    ran = run("validate", tmp_path / "mine.json", "--fix", tmp_path / "new.jsonl.gz")
    message = f"error: {tmp_path / 'new.jsonl.gz'}: a mended file is not packed; name a .json or .jsonl\n"
    assert (ran.code, ran.err) == (UNUSABLE, message)


@pytest.mark.parametrize("text", ["a" + "\n" * 200_000 + "b", "but\n" * 100_000, "word " * 30 + "\n \n" * 100_000])
def test_no_rule_on_answers_takes_the_square_of_a_texts_length(text: str) -> None:
    """Quadratic, each of these would take hours."""
    check_answer(text, "Why?")
