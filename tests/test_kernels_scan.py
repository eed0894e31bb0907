"""``native_scan`` and the runs of ``split``: what is taken at once is what the decoder reads one by one."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plain_records import PlainMaker, files

from svit_datasets.kernels.forward.plain_records import BEGIN, END, NO_TOPIC, NULL_TOPIC, NativeRun
from svit_datasets.kernels.forward.scan import native_scanner
from svit_datasets.reading import split, window
from svit_datasets.reading.containers import Source
from svit_datasets.reading.readers import Item, decode_native, read_items
from svit_datasets.reading.runs import Take
from svit_datasets.reading.window import Window
from svit_datasets.records import NativeRecord

TURNS = b'{"from": "user", "value": "Who?"}, {"from": "gpt", "value": "A \\"man\\", \\u4eba."}'
RECORD = b'{"image_id": 12, "conversations": [{"topic": "t", "content": [%b]}, {"content": [%b]}]}' % (TURNS, TURNS)
FILE = b"[%b, %b]" % (RECORD, RECORD)
CHANGES = b'"\\{}[],: 0a-n\x00\n\x1f\x7f\x80\xc3'
SCAN = native_scanner(1 << 20)


def texts_of(run: NativeRun, number: int) -> list[Any]:
    """Return all that the tables tell of a record."""
    _, _, image_id, begin, end, first, count = run.records[number].tolist()
    assert int(run.data[begin:end]) == image_id
    told: list[Any] = [image_id]
    for topic, topic_end, text, turns in run.conversations[first : first + count].tolist():
        kept = {NO_TOPIC: "none", NULL_TOPIC: "null"}.get(topic) or json.loads(b'["%b"]' % run.data[topic:topic_end])
        told += [kept, *(json.loads(b'"%b"' % run.data[a:b]) for a, b in run.texts[text : text + turns].tolist())]
    return told


def expected(record: NativeRecord) -> list[Any]:
    told: list[Any] = [record.image_id]
    for conversation in record.conversations:
        topic = conversation.topic
        told.append("null" if topic is None else [topic] if isinstance(topic, str) else "none")
        told += [turn.value for turn in conversation.content]
        roles = [turn.role for turn in conversation.content]
        assert roles == ["user", "gpt"] * (len(roles) // 2)
        assert roles
    return told


def one_by_one(items: Iterator[Item[NativeRecord]]) -> Iterator[tuple[Any, ...]]:
    """Yield every element, those of runs too, with all that is told of it; a run's must be what the decoder reads."""
    for item in items:
        run = item.run
        if run is None:
            yield item.number, bytes(item.raw).rstrip(), type(item.record), item.fault and str(item.fault)
            continue
        assert isinstance(run, NativeRun)
        for number in range(run.count):
            raw = run.raw(number)
            assert texts_of(run, number) == expected(decode_native(raw))
            yield item.number + number, bytes(raw), NativeRecord, None


def read(data: bytes, take: Take | None, **given: Any) -> list[tuple[Any, ...]]:
    source = Source("a.json", io.BytesIO(data).read, lambda: 0, len(data))
    return list(one_by_one(read_items(source, decode_native, take=take, **given)))


def same(data: bytes, **given: Any) -> list[tuple[Any, ...]]:
    found = read(data, SCAN, **given)
    assert found == read(data, None, **given)
    return found


@settings(max_examples=500)
@given(files, st.sampled_from([1, 40, 700, 1 << 20]))
@example(b"\n\n%b\r\n\n%b\n \t%b" % (RECORD, RECORD, RECORD), 40)
@example(b"[%b\n,\t\r\n%b ,%b]" % (RECORD, RECORD, RECORD), 700)
def test_runs_are_what_the_decoder_reads_one_by_one(data: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "CHUNK_BYTES", size)
        patch.setattr(split, "_TAKE_BYTES", size)
        same(data)


def test_a_byte_changed_or_left_out_anywhere_is_read_as_ever() -> None:
    for at in range(len(FILE)):
        same(FILE[:at] + FILE[at + 1 :])
        for byte in CHANGES:
            same(FILE[:at] + bytes([byte]) + FILE[at + 1 :])


def test_a_byte_put_in_anywhere_is_read_as_ever() -> None:
    for at in range(len(FILE)):
        for byte in b'" ,\\0\t\xc3':
            same(FILE[:at] + bytes([byte]) + FILE[at:])


STRINGS = (
    b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xe4\xba\xba", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xf4\x8f\xbf\xbf",
    b"\\u00E9", b"\\ud83d\\ude00", b"\\uFFFF", b"\\b\\f\\n\\r\\t\\\\\\\"", b"\x7f",
)  # fmt: skip
ODD_STRINGS = (
    b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xc3",
    b"\xf5\x80\x80\x80", b"\x80", b"\xe4\xba", b"\\ud83d", b"\\ude00", b"\\ud83d\\u0041", b"\\u00g9", b"\\u12",
    b"\\x41", b"\\/", b"\\u0041", b"\x01", b"\\",
)  # fmt: skip


@pytest.mark.parametrize("text", [*STRINGS, *ODD_STRINGS])
def test_strings_are_taken_or_left_as_they_deserve(text: bytes) -> None:
    data = b"[%b, %b]" % (RECORD.replace(b"Who", text), RECORD)
    same(data)
    run = SCAN(data, 1, len(data), b",")
    assert (run is not None) == (text in STRINGS)


@given(st.integers(0, 10**9), st.sampled_from(["[%s]", "%s\n"]), st.data())
def test_no_run_passes_the_stop(seed: int, form: str, data: st.DataObject) -> None:
    maker = PlainMaker(seed, 0)
    between = "\n" if form == "%s\n" else data.draw(st.sampled_from([", ", ",", " ,\n"]))
    text = (form % between.join(json.dumps(maker.record()) for _ in range(6))).encode()
    stop = data.draw(st.integers(0, len(text)))

    def ends(seen: Window, at: int) -> bool:
        return seen.base + at >= stop

    same(text, ends=ends, stop=stop)


def test_a_file_of_plain_records_is_taken_whole_but_for_its_last() -> None:
    maker = PlainMaker(3, 0)
    records = [json.dumps(maker.record()) for _ in range(2100)]
    data = f"[{', '.join(records)}]".encode()
    source = Source("a.json", io.BytesIO(data).read, lambda: 0, len(data))
    counts = [item.run.count for item in read_items(source, decode_native, take=SCAN) if item.run]
    assert counts == [1000, 1000, 99]


def test_what_is_larger_than_allowed_is_left_alone() -> None:
    data = b"[%b, %b]" % (RECORD, RECORD)
    for limit, count in ((len(RECORD), 1), (len(RECORD) - 1, 0)):
        run = native_scanner(limit)(data, 1, len(data), b",")
        assert (run.count if run else 0) == count


def test_a_file_without_runs_is_asked_ever_more_rarely() -> None:
    asked: list[int] = []

    def take(_data: bytes, begin: int, _stop: int, _separator: bytes) -> None:
        asked.append(begin)

    data = b"[%b]" % b",".join([RECORD] * 1000)
    assert len(read(data, take)) == 1000
    assert len(asked) == 7 + (1000 - 127) // 64 + 1


def test_the_first_key_of_runs_is_known_where_a_broken_record_ends() -> None:
    other = RECORD.replace(b'{"image_id": 12, ', b'{"n": 1, "image_id": 12, ')
    same(b"[%b, %b, %b}}, %b, %b]" % (RECORD, RECORD, other[:-1], RECORD, other))


def test_begin_and_end_are_those_of_the_record() -> None:
    run = SCAN(FILE, 1, len(FILE), b",")
    assert isinstance(run, NativeRun)
    assert run.records[0, [BEGIN, END]].tolist() == [1, 1 + len(RECORD)]
    assert (run.count, run.end) == (1, len(RECORD) + 2)
