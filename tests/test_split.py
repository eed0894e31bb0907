"""``split``: whatever the chunks, the same values as ``json`` reads; every fault in its place, what follows read."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from svit_datasets.reading import split, window

LIMIT = 1 << 20
KEYS = st.sampled_from(["a", "b", "image_id", "", "caf\u00e9", 'q"q', "back\\slash", "{", "\U0001f600", ", {"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(['{"a": 1}, {"a": 2}', "]", "}, {", '\\", {\\"a"', ', {"image_id"', "\n", "\\", '"']),
)
JSON = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=8
)
RECORDS = st.dictionaries(KEYS, JSON, min_size=1, max_size=3)
SIZES = st.tuples(
    st.sampled_from([1, 2, 3, 7, 16, 64, 1 << 20]),
    st.sampled_from([1, 5, 33, 1 << 16]),
    st.sampled_from([0, 9, 8 << 20]),
)


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as context:
        yield context


def set_sizes(patch: pytest.MonkeyPatch, sizes: tuple[int, int, int]) -> None:
    places = ((window, "CHUNK_BYTES"), (split, "_SCAN_BYTES"), (split, "_GUESS_BYTES"))
    for (module, name), size in zip(places, sizes, strict=True):
        patch.setattr(module, name, size)


def read(data: bytes, *, short: int = 0, limit: int = LIMIT):
    """Return (number, bytes, value, fault code) of every element; ``short`` reads hand out so many bytes at most."""
    stream = io.BytesIO(data)
    give = (lambda n: stream.read(min(n, short))) if short else stream.read
    values = split.split(
        give, lambda raw: json.loads(bytes(raw)) if msgspec.json.decode(raw, type=msgspec.Raw) else None, limit=limit
    )
    return [(v.number, bytes(v.raw), v.value, v.fault and v.fault.code) for v in values]


def codes(data: bytes, **given) -> list[tuple[int, object]]:
    """Return for every element its number and its value, or its fault's code."""
    return [(number, code or value) for number, _, value, code in read(data, **given)]


def spelt(value: object) -> str:
    """Return a value so that 1, 1.0, True and -0.0 differ."""
    return json.dumps(value, sort_keys=True)


def check(found, expected) -> None:
    assert [(n, code) for n, _, _, code in found] == [(n, None) for n in range(1, len(expected) + 1)]
    assert [spelt(value) for _, _, value, _ in found] == [spelt(value) for value in expected]
    assert [spelt(json.loads(raw)) for _, raw, _, _ in found] == [spelt(value) for value in expected]


@settings(max_examples=400)
@given(
    values=st.one_of(st.lists(RECORDS, max_size=6), st.lists(JSON, max_size=5)),
    sizes=SIZES,
    indent=st.sampled_from([None, 0, 1, 4, "\t"]),
    is_ascii=st.booleans(),
    edges=st.sampled_from([("", ""), (" \n", "\r\n\t "), ("\ufeff", "\n")]),
    short=st.sampled_from([0, 1, 5]),
)
@example([{"a": 1, "b": [2, {"a": 3}], "c": {"a": {"a": 4}}}, {"a": 5}], (1, 1, 9), None, True, ("", ""), 0)
@example([{'q"q': 1}, {'q"q': [{'q"q': 2}]}], (3, 5, 9), 1, False, ("", ""), 1)
@example([12, 3.5e7, -0.0, True, None, "x", [], {}], (1, 1, 0), None, True, ("", ""), 1)
def test_an_array_is_read_as_json_reads_it(patch, values, sizes, indent, is_ascii, edges, short):
    set_sizes(patch, sizes)
    text = edges[0] + json.dumps(values, indent=indent, ensure_ascii=is_ascii) + edges[1]
    found = read(text.encode(), short=short)
    if edges[0] == "\ufeff":
        assert found.pop(0) == (0, b"", None, "input-bom")
    check(found, values)


@settings(max_examples=400)
@given(
    values=st.lists(RECORDS, min_size=1, max_size=6),
    sizes=SIZES,
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\n\n", "\r\n \r\n", " \n\t\n"]), min_size=6, max_size=6),
    is_ascii=st.booleans(),
    is_closed=st.booleans(),
    short=st.sampled_from([0, 1, 5]),
)
def test_lines_are_read_as_json_reads_them(patch, values, sizes, ends, is_ascii, is_closed, short):
    set_sizes(patch, sizes)
    text = "".join(json.dumps(v, ensure_ascii=is_ascii) + end for v, end in zip(values, ends, strict=False))
    check(read((text if is_closed else text.rstrip()).encode(), short=short), values)


def test_records_may_begin_with_different_keys(patch):
    set_sizes(patch, (4, 8, 1 << 20))
    values = [{"a": 1}, {"b": {"a": 1}}, {"a": 2}, {"c": [{"b": 3}]}, {}, {"a": [{"a": 4}, {"a": 5}]}]
    check(read(json.dumps(values).encode()), values)


TRUNCATED, SYNTAX = "input-truncated", "input-syntax"


@pytest.mark.parametrize("sizes", [(1, 1, 0), (3, 4, 1 << 20), (1 << 20, 1 << 16, 8 << 20)], ids=str)
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [(0, "input-empty")]),
        (b" \r\n", [(0, "input-empty")]),
        (b"\xef\xbb\xbf", [(0, "input-bom"), (0, "input-empty")]),
        (b"\xff\xfe[\x00]\x00", [(0, "input-encoding")]),
        (b"\xfe\xff\x00[\x00]", [(0, "input-encoding")]),
        (b"id,text\n1,a\n", [(0, "input-not-json")]),
        (b"\x89PNG\r\n", [(0, "input-not-json")]),
        (b"[]", []),
        (b"[", [(1, TRUNCATED)]),
        (b'[{"a": 1}', [(1, {"a": 1}), (1, TRUNCATED)]),
        (b'[{"a": 1},', [(1, {"a": 1}), (2, TRUNCATED)]),
        (b'[{"a": 1}, {"a": "x', [(1, {"a": 1}), (2, TRUNCATED)]),
        (b'[{"a": 1}, {"a": ["x"', [(1, {"a": 1}), (2, TRUNCATED)]),
        (b'[{"a": 1},]', [(1, {"a": 1}), (2, SYNTAX)]),
        (b'[{"a": 1}] {"a": 2}', [(1, {"a": 1}), (1, SYNTAX)]),
        (b"[] x", [(0, SYNTAX)]),
        (b'[{"a": 1}; {"a": 2}]', [(1, {"a": 1}), (1, SYNTAX), (2, {"a": 2})]),
        (b'[{"a": 1} {"a": 2}, {"a": 3}]', [(1, {"a": 1}), (1, SYNTAX), (2, {"a": 2}), (3, {"a": 3})]),
        (b'[{"a": 1}, {"a": 2 3}, {"a": 4}]', [(1, {"a": 1}), (2, "record-syntax"), (3, {"a": 4})]),
        (b'[{"a": 1}, {"a": 2,}, {"a": 4}]', [(1, {"a": 1}), (2, "record-syntax"), (3, {"a": 4})]),
        (b'[{"a": \'x\'}, {"a": 4}]', [(1, "record-syntax"), (2, {"a": 4})]),
        (b'[{"a": "x}, {"a": 4}, {"a": 5}]', [(1, "record-syntax"), (2, {"a": 4}), (3, {"a": 5})]),
        (b'[{"a": "x\ny"}, {"a": 4}]', [(1, "record-syntax"), (2, {"a": 4})]),
        (b'[{"a": "\\x"}, {"a": 4}]', [(1, "record-syntax"), (2, {"a": 4})]),
        (b'[{"a": 01}, {"a": 4}]', [(1, "record-syntax"), (2, {"a": 4})]),
        (b'[{"a": NaN}, {"a": 4}]', [(1, "record-nan"), (2, {"a": 4})]),
        (b'[{"a": 1}, {"a": [-Infinity]}]', [(1, {"a": 1}), (2, "record-nan")]),
        (b'[{"a": "\\ud800"}, {"a": 4}]', [(1, "record-surrogate"), (2, {"a": 4})]),
        (b'[{"a": "\xff"}, {"a": 4}]', [(1, "record-utf8"), (2, {"a": 4})]),
        (b'[{"a": "\xc3', [(1, TRUNCATED)]),
        (b'[{"a": ' + b"[" * 99999 + b"]" * 99999 + b'}, {"a": 4}]', [(1, "record-depth"), (2, {"a": 4})]),
        (b'{"a": 1}\n{"a": 2\n{"a": 3}', [(1, {"a": 1}), (2, "record-syntax"), (3, {"a": 3})]),
        (b'{"a": 1} {"a": 2}\n{"a": 3}', [(1, "record-syntax"), (2, {"a": 3})]),
        (b'{"a": NaN}\r\n\r\n{"a": "\xff"}\n{"a": 3}\n', [(1, "record-nan"), (2, "record-utf8"), (3, {"a": 3})]),
        (b'{"a": 1}\n]\n{"a": 2}', [(1, {"a": 1}), (2, "record-syntax"), (3, {"a": 2})]),
    ],
    ids=lambda case: repr(case)[:44] if isinstance(case, bytes) else "",
)  # fmt: skip
def test_faults_are_named_in_their_places_and_what_follows_is_read(monkeypatch, sizes, data, expected):
    set_sizes(monkeypatch, sizes)
    assert codes(data) == expected


def test_a_file_cut_anywhere_is_called_truncated(patch):
    set_sizes(patch, (8, 16, 1 << 20))
    whole = b'[{"a": "x\\u00e9\\n\xc3\xa9", "b": [true, -1.5e-3, null]}, {"a": {"c": false}}]'
    assert codes(whole)[-1] == (2, {"a": {"c": False}})
    assert [end for end in range(1, len(whole)) if codes(whole[:end])[-1][1] != TRUNCATED] == []


BIG = '{"a": "' + "x" * 5000 + '"}'


@pytest.mark.parametrize("sizes", [(1, 1, 0), (64, 64, 1 << 20)], ids=str)
@pytest.mark.parametrize("form", ["[{}, {}, {}, {}]", "{}\n{}\n\n{}\n{}"], ids=["array", "lines"])
def test_a_record_beyond_the_limit_is_passed_over(monkeypatch, sizes, form):
    set_sizes(monkeypatch, sizes)
    data = form.format('{"a": 1}', BIG, '{"a": 2}', BIG).encode()
    expected = [(1, {"a": 1}), (2, "record-too-large"), (3, {"a": 2}), (4, "record-too-large")]
    assert codes(data, limit=1000) == expected


def test_records_within_the_limit_are_read_whatever_the_file_holds_beside_them(patch):
    set_sizes(patch, (64, 64, 1 << 20))
    values = [{"a": "x" * 900} for _ in range(50)]
    check(read(json.dumps(values).encode(), limit=1000), values)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'[{"a": 1}, {"a": 2 3}]', "Expecting ',' delimiter at byte 20: '{\"a\": 2 3}]'"),
        (b'[{"a": 1}, {"a": 2},]', "a ',' before the closing ']', at byte 21"),
        (b'[{"a": 1}; {"a": 2}]', "';' behind the record, at byte 10"),
        (b'[{"a": 1}', "the end of the file behind the record, at byte 10"),
        (b'[{"a": 1}] x', "'x' behind the closing ']', at byte 12"),
        (b"[[1, nope]]", "Expecting value at byte 6: '[1, nope]]'"),
    ],
)
@pytest.mark.parametrize("sizes", [(1, 1, 0), (1 << 20, 1 << 16, 8 << 20)], ids=str)
def test_a_fault_tells_the_byte_counted_from_1(monkeypatch, sizes, data, found):
    set_sizes(monkeypatch, sizes)
    values = split.split(io.BytesIO(data).read, msgspec.json.decode, limit=LIMIT)
    assert [v.fault.found for v in values if v.fault] == [found]


def test_a_fault_of_shape_tells_the_path():
    decode = msgspec.json.Decoder(dict[str, list[int]]).decode
    values = list(split.split(io.BytesIO(b'[{"a": [1]}, {"a": [1, "x"]}, {"a": []}]').read, decode, limit=LIMIT))
    assert [(v.number, v.fault and v.fault.code) for v in values] == [(1, None), (2, "record-shape"), (3, None)]
    assert (values[1].fault.path, values[1].fault.found) == ("$[...][1]", "Expected `int`, got `str`")
