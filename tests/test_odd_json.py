"""JSON that decoders give up on, in keys that nobody reads: it is carried, not parsed."""

from __future__ import annotations

import pytest

import svit_datasets
from svit_datasets import Options


@pytest.mark.parametrize(
    "row",
    [
        b'{"id": "a", "n": 1e400}',
        b'{"id": "a", "n": ' + b"9" * 5000 + b"}",
        b'{"id": "a", "n": ' + b"[" * 400 + b"]" * 400 + b"}",
    ],
    ids=["float beyond 64 bits", "integer of 5,000 digits", "400 brackets"],
)
def test_a_foreign_record_that_is_odd_json_comes_out_byte_for_byte(tmp_path, row):
    (tmp_path / "a.json").write_bytes(b"[" + row + b"]")
    svit_datasets.from_llava(tmp_path / "a.json", tmp_path / "back", rest=tmp_path / "rest.json")
    assert (tmp_path / "rest.json").read_bytes() == b"[\n" + row + b"\n]\n"


ODD_EXTRA = {
    "float": "1e400",
    "integer": "9" * 4300,  # the longest that the trainer's json reads; more is a finding
    "brackets": "[" * 400 + "]" * 400,
    "surrogate": '"\\ud83d\\ude00"',
}


@pytest.mark.parametrize("provenance", ["inline", "sidecar"])
@pytest.mark.parametrize("value", ODD_EXTRA.values(), ids=ODD_EXTRA)
def test_an_unknown_key_that_is_odd_json_comes_back_as_spelt(tmp_path, value, provenance):
    turns = '[{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]'
    text = f'[{{"image_id": 2, "conversations": [{{"content": {turns}}}], "n": {value}}}]'
    (tmp_path / "conversation.json").write_text(text)
    options = Options(provenance=provenance)
    svit_datasets.to_llava(tmp_path / "conversation.json", tmp_path / "llava.json", options=options)
    svit_datasets.from_llava(tmp_path / "llava.json", tmp_path / "back")
    back = (tmp_path / "back" / "conversation.json").read_text()
    assert "".join(back.split()) == "".join(text.split())
    assert list(svit_datasets.compare(tmp_path / "conversation.json", tmp_path / "back" / "conversation.json")) == []


def test_compare_reads_records_that_hold_what_looks_like_records(tmp_path):
    turns = '[{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]'
    text = f'[{{"image_id": 2, "conversations": [{{"content": {turns}}}], "n": [1, {{"image_id": 3}}]}}]'
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(text)
    assert list(svit_datasets.compare(tmp_path / "a.json", tmp_path / "b.json")) == []
