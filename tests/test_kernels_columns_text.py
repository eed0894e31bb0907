"""The parts of the column kernels alone: strings as ``json`` reads them, phrases as ``grounding`` finds them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from columns_made import WORDS
from hypothesis import given, settings
from hypothesis import strategies as st
from native_files import texts

from svit_datasets import grounding

pytest.importorskip("numba")
from svit_datasets.kernels.columns.buffers import make_objects
from svit_datasets.kernels.columns.json_values import ODD, read_string, read_whole
from svit_datasets.kernels.columns.marks import find_objects

PIECES = (
    "<st>", "<ed>", "[", "]", ", ", ",", " ", "0", "1", "0.5", ".5", "1.", ".", "12", "[0, 0, 1, 1]", "[.1,.2,.3,.4]",
    "\u3000", "\x1c", "\x85", "\u2003", "\u00e9", "<", "s", "t>", "0.123456789012", "00.5", "-1", *WORDS,
)  # fmt: skip
ESCAPES = ("\\ud83d\\ude00", "\\ud800", "\\u00e9", "\\/", *'\\"u0dD8aA/bfnrtxe9\u00e9')
LITERALS = (*(json.dumps(word)[1:-1] for word in WORDS), *WORDS, *ESCAPES)


def array(text: bytes) -> Any:
    return np.frombuffer(text, np.uint8)


def find(values: list[str]) -> tuple[int, list[tuple[Any, ...]]]:
    """Return how many texts were looked through, and the phrases found in them."""
    encoded = [value.encode() for value in values]
    data = array(b"".join(encoded) or b" ")
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    out = make_objects(len(data), len(values))
    done = find_objects(data, ends, len(values), *out)
    found = []
    for i in range(out.text_ends[done]):
        number, start, end = out.objects[:, i].tolist()
        phrase = bytes(out.phrases[out.phrase_ends[i] : out.phrase_ends[i + 1]]).decode()
        found.append((number, start, end, phrase, out.numbers[4 * out.box_ends[i] : 4 * out.box_ends[i + 1]].tolist()))
    return done, found


@settings(max_examples=400)
@given(st.lists(texts | st.lists(st.sampled_from(PIECES), max_size=14).map("".join), min_size=1, max_size=4))
def test_phrases_are_those_that_the_pattern_finds(values: list[str]) -> None:
    done, found = find(values)
    assert found == [
        (number, marked.start, marked.end, marked.phrase, list(map(float, grounding.coordinates(marked.boxes))))
        for number, text in enumerate(values[:done])
        for marked in grounding.find_marked(text)
    ]
    if done < len(values):
        assert any(len(number) > 15 for number in grounding.coordinates(values[done]))


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("<st>a<ed> [0.1, 0.2, 0.3, 0.4],[1, 1, 1, 1]", [0.1, 0.2, 0.3, 0.4, 1, 1, 1, 1]),
        ("<st>a<ed>\u3000[\n.1\u2003,1.\x1f, 007 ,0.50]", [0.1, 1.0, 7.0, 0.5]),
        ("<st>a<ed> [0.1, 0.2, 0.3, 0.4], [1, 1, 1]", [0.1, 0.2, 0.3, 0.4]),
        ("<st>a<ed> [0.1, 0.2, 0.3, 0.4, 0.5]", []),
        ("<st>a<ed> [0.1, 0.2, 0.3, .]", []),
        ("<st>a<ed>.[0.1, 0.2, 0.3, 0.4]", []),
    ],
)
def test_boxes_of_a_phrase(text: str, boxes: list[float]) -> None:
    assert find([text]) == (1, [(0, 4, 5, "a", boxes)])


def test_a_number_of_more_digits_than_a_double_is_left_to_python() -> None:
    box = f"[0.1, 0.2, 0.3, 0.{'3' * 14}]"
    assert find(["a", f"<st>b<ed> {box}", "c"]) == (1, [])
    assert find([f"<st>b<ed> {box.replace('33]', '3]')}"])[0] == 1


@settings(max_examples=400)
@given(st.lists(st.sampled_from(LITERALS) | st.characters(max_codepoint=0x2FF), max_size=10).map("".join))
def test_strings_are_what_json_reads(inside: str) -> None:
    data = f'"{inside}"'.encode()
    out = np.zeros(len(data), np.uint8)
    end, size = read_string(array(data), 0, len(data), out, 0)
    try:
        value, length = json.JSONDecoder().raw_decode(data.decode())
    except json.JSONDecodeError:
        assert end == ODD
        return
    is_whole = not any("\ud800" <= character <= "\udfff" for character in value)
    assert (end == ODD) == (not is_whole)
    if is_whole:
        assert (bytes(out[:size]).decode(), end) == (value, len(data.decode()[:length].encode()))


@given(st.binary(max_size=8))
def test_bytes_that_are_no_utf8_are_odd(inside: bytes) -> None:
    kept = bytes(byte for byte in inside if byte >= 0x20 and byte not in b'"\\')
    out = np.zeros(16, np.uint8)
    end, size = read_string(array(b'"' + kept + b'"'), 0, len(kept) + 2, out, 0)
    try:
        kept.decode()
    except UnicodeDecodeError:
        assert end == ODD
    else:
        assert (end, bytes(out[:size])) == (len(kept) + 2, kept)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"0,", (1, 0)), (b" 12 ,", (3, 12)), (b"01,", (ODD, 0)), (b"1.0,", (ODD, 0)), (b"-1,", (ODD, 0)),
        (b"1e3,", (ODD, 0)), (b"9" * 18 + b",", (18, 10**18 - 1)), (b"9" * 19 + b",", (ODD, 0)), (b"5", (ODD, 0)),
    ],
)  # fmt: skip
def test_whole_numbers(text: bytes, expected: tuple[int, int]) -> None:
    assert read_whole(array(text), 0, len(text)) == expected
