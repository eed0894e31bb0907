"""Parts of validate by themselves: where a key was seen first, mends that change nothing, findings as SARIF."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import svit_datasets
from svit_datasets.findings import Finding, finding
from svit_datasets.images.stores import Place
from svit_datasets.reading.entries import Entry
from svit_datasets.validation import photo_rules
from svit_datasets.validation.first_seen import FirstSeen
from svit_datasets.validation.fixes import mend
from svit_datasets.validation.lengths import ESTIMATE, Lengths, check_length, estimate_tokens
from svit_datasets.validation.results import Results, chosen_codes
from svit_datasets.validation.sarif import to_sarif
from svit_datasets.validation.text_output import changes_of

PHOTO = next((Path(svit_datasets.__file__).parent / "sample").rglob("*.jpg"))
# Keys that share the bitmap's place and differ above it, too.
KEYS = st.integers(0, 40).map(lambda n: n % 7 | (n // 7) << 40) | st.integers(-(1 << 63), (1 << 64) - 1)


@given(st.lists(KEYS, max_size=60), st.integers(1, 9))
def test_the_first_value_of_a_key_is_remembered_however_often_keys_are_packed(keys: list[int], recent: int) -> None:
    seen, first = FirstSeen(recent), {}
    for value, key in enumerate(keys):
        known = first.setdefault(key % (1 << 64), value)
        assert seen.add(key, value) == (None if known == value else known)


@given(st.lists(st.tuples(KEYS, st.booleans()), max_size=40), st.integers(1, 9))
def test_keys_added_together_are_remembered_as_those_added_alone(keys: list[tuple[int, bool]], recent: int) -> None:
    seen, first = FirstSeen(recent), {}
    for value, (key, is_alone) in enumerate(keys):
        known = first.setdefault(key % (1 << 64), value)
        if is_alone:
            assert seen.add(key, value) == (None if known == value else known)
        else:
            several = np.array([key % (1 << 64)], np.uint64), np.array([value], np.uint64)
            firsts, is_known = seen.add_all(*several)
            assert (firsts.tolist(), is_known.tolist()) == ([known], [known != value])


def test_a_photo_that_ends_while_it_is_read_is_named() -> None:
    opened = iter([io.BytesIO(PHOTO.read_bytes())])

    def open_once() -> io.BytesIO:
        for file in opened:
            return file
        raise OSError(5, "Input/output error")

    found, digest = photo_rules._open(Place("VG_100K", "photos", "photo", open_once, 1), "decode")
    assert isinstance(found, Finding)
    assert (found.code, digest) == ("image-undecodable", None)


def test_many_keys_stay_apart() -> None:
    seen = FirstSeen(recent=1000)
    keys = [hash((i, "x")) for i in range(20_000)]
    assert [seen.add(key, i) for i, key in enumerate(keys)] == [None] * len(keys)
    assert [seen.add(key, 0) for key in keys] == list(range(len(keys)))


def test_a_box_that_lies_wholly_outside_changes_nothing() -> None:
    raw = b'{"image_id": 5,  "conversations":[{"content":[{"from":"user","value":"a <st>b<ed> [1.2, 0, 1.5, 1]"}]}]}'
    wrong = finding("box-outside", "'[1.2, 0, 1.5, 1]'", path="$.conversations[0].content[0].value")
    mended = mend(Entry("a.json", 1, "native", "5", raw=raw), [wrong])
    assert (mended.raw, mended.changes) == (raw, [])


def test_a_finding_without_a_place_and_one_of_an_absolute_file() -> None:
    found = [finding("turn-odd", "3 turns"), finding("input-empty", "0 bytes", file="/a b.json")]
    results = json.loads(b"".join(to_sarif(found)))
    first, second = results["runs"][0]["results"]
    assert "locations" not in first
    assert "properties" not in first
    [location] = second["locations"]
    assert location == {"physicalLocation": {"artifactLocation": {"uri": "file:///a%20b.json"}}}
    assert (first["ruleId"], first["level"]) == ("turn-odd", "error")
    assert results["runs"][0]["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "turn-odd"


def test_a_mended_file_without_changes_is_told() -> None:
    results = Results(chosen_codes())
    results.outputs["new.json"] = 1
    assert [line.text for line in changes_of(results, "new.json")] == [
        "fix: wrote new.json (1 record); changed: nothing"
    ]
    assert list(changes_of(results, None)) == []


def test_a_prompt_near_the_limit_is_counted() -> None:
    pieces = ["USER: Why? ", "ASSISTANT: " + "So it is. " * 5 + "</s>"]
    assert check_length(pieces, Lengths(ESTIMATE, limit=60), has_image=False) is None


@given(st.text(st.sampled_from("ab cd.,[]019\u00e9\u4eba\n\t\x1c"), max_size=40))
def test_the_estimate_is_the_same_by_both_ways(text: str) -> None:
    """ASCII is counted another way, for speed: a character more that counts one takes the other."""
    assert estimate_tokens(f"{text} \u00e9") == estimate_tokens(text) + 1


def test_results_are_read_while_they_are_open() -> None:
    odd = finding("turn-odd", "3 turns", file="b\udcff.json", record=1)  # a file name that is not UTF-8
    with Results(chosen_codes()) as results:
        results.add([odd])
        assert list(results) == [odd]
        assert not results.is_failed("never")
        assert results.is_failed("error")
    with pytest.raises(ValueError, match="these results are closed: go through them first, or keep them in a list"):
        list(results)


def test_what_a_mended_file_lacks_fails_whatever_was_looked_for() -> None:
    results = Results(chosen_codes(["text-untrimmed"]))
    results.left_out = 1
    results.outputs["new.json"] = 0
    assert results.is_failed("error")
    assert [line.text for line in changes_of(results, "new.json")] == [
        "fix: wrote new.json (0 records); changed: nothing",
        "  1 left out, for they cannot be read",
    ]
