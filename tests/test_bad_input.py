"""Bad native input, bad images, bad outputs: each is named with its place, obeys --on-error, leaves nothing behind."""

# ruff: noqa: E501 -- full messages stand in one line each

from __future__ import annotations

import fcntl
import gzip
import json
import os
import re
import signal
import stat
import subprocess
import termios
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import svit_datasets
from svit_datasets import FindingsError, InputError, RecordError, UsageError, read, to_llava
from svit_datasets.reading import containers
from svit_datasets.rules import RULES
from tests.helpers_cli import (
    DONE,
    FAULTS,
    INTERRUPTED,
    POLICIES,
    TERMINATED,
    UNUSABLE,
    call,
    damage,
    encode,
    encrypt_flag,
    finish,
    jpeg_header,
    limit_file_size,
    make_bomb,
    make_zip,
    obey_modes,
    png_header,
    run,
    run_policies,
    save_photo,
    start,
    tree,
    wait_for,
)

FILE = "conversation.json"
SCHEMA_HINT = "expected a record that fits the schema; compare it with the schema: svit-convert schema native, llava-lenient or image_data"
EMPTY_HINT = "expected text; drop the pair: an empty value makes the whole conversation train on zero tokens"
DEPTH_HINT = (
    "expected fewer nested brackets; no genuine record nests like this; leave it out (--on-error skip takes the rest)"
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def element(
    image_id: str = "2", content: str = '[{"from":"user","value":"a"},{"from":"gpt","value":"b"}]', more: str = ""
) -> bytes:
    """Return the JSON text of a native record, its parts spelt by the test."""
    return b'{"image_id": %s, %s"conversations": [{"content": %s}]}' % (
        image_id.encode(),
        more.encode(),
        content.encode(),
    )


def turns(*pairs: tuple[Any, Any]) -> str:
    return json.dumps([{"from": role, "value": value} for role, value in pairs])


class Fault(NamedTuple):
    """A faulty second element between two good ones, and the full message that it gets."""

    name: str
    text: bytes
    message: str

    @property
    def code(self) -> str:
        return self.message[self.message.rindex("[") + 1 : -1]


FIRST = len(element("1"))  # bytes of the good record ahead of the fault

SHAPES = [
    Fault("number", b"5", f"{FILE}:2: found Expected `object`, got `int`; {SCHEMA_HINT} [record-shape]"),
    Fault("string", b'"x"', f"{FILE}:2: found Expected `object`, got `str`; {SCHEMA_HINT} [record-shape]"),
    Fault("null", b"null", f"{FILE}:2: found Expected `object`, got `null`; {SCHEMA_HINT} [record-shape]"),
    Fault("list", b"[[1], 2]", f"{FILE}:2: found Expected `object`, got `array`; {SCHEMA_HINT} [record-shape]"),
    Fault("empty object", b"{}", f"{FILE}:2: found Object missing required field `image_id`; {SCHEMA_HINT} [record-shape]"),
    Fault("no image_id", b'{"conversations": []}', f"{FILE}:2: found Object missing required field `image_id`; {SCHEMA_HINT} [record-shape]"),
    Fault("no conversations", b'{"image_id": 2}', f"{FILE}:2 id=2: found Object missing required field `conversations`; {SCHEMA_HINT} [record-shape]"),
    Fault("conversations null", b'{"image_id": 2, "conversations": null}', f"{FILE}:2 id=2 $.conversations: found Expected `array`, got `null`; {SCHEMA_HINT} [record-shape]"),
    Fault("conversations object", b'{"image_id": 2, "conversations": {"content": []}}', f"{FILE}:2 id=2 $.conversations: found Expected `array`, got `object`; {SCHEMA_HINT} [record-shape]"),
    Fault("conversation string", b'{"image_id": 2, "conversations": ["x"]}', f"{FILE}:2 id=2 $.conversations[0]: found Expected `object`, got `str`; {SCHEMA_HINT} [record-shape]"),
    Fault("no content", b'{"image_id": 2, "conversations": [{"topic": "t"}]}', f"{FILE}:2 id=2 $.conversations[0]: found Object missing required field `content`; {SCHEMA_HINT} [record-shape]"),
    Fault("topic number", b'{"image_id": 2, "conversations": [{"topic": 5, "content": []}]}', f"{FILE}:2 id=2 $.conversations[0].topic: found Expected `str | null`, got `int`; {SCHEMA_HINT} [record-shape]"),
    Fault("no value", element(content='[{"from": "user"}]'), f"{FILE}:2 id=2 $.conversations[0].content[0]: found Object missing required field `value`; {SCHEMA_HINT} [record-shape]"),
    Fault("no from", element(content='[{"value": "a"}]'), f"{FILE}:2 id=2 $.conversations[0].content[0]: found Object missing required field `from`; {SCHEMA_HINT} [record-shape]"),
    Fault("value null", element(content=turns(("user", "a"), ("gpt", None))), f"{FILE}:2 id=2 $.conversations[0].content[1].value: found Expected `str`, got `null`; {SCHEMA_HINT} [record-shape]"),
    Fault("value number", element(content=turns(("user", 7), ("gpt", "b"))), f"{FILE}:2 id=2 $.conversations[0].content[0].value: found Expected `str`, got `int`; {SCHEMA_HINT} [record-shape]"),
    Fault("image_id string", element('"2"'), f"{FILE}:2 id=2 $.image_id: found Expected `int`, got `str`; {SCHEMA_HINT} [record-shape]"),
    Fault("image_id bool", element("true"), f"{FILE}:2 id=true $.image_id: found Expected `int`, got `bool`; {SCHEMA_HINT} [record-shape]"),
    Fault("image_id float", element("2.5"), f"{FILE}:2 id=2.5 $.image_id: found Expected `int`, got `float`; {SCHEMA_HINT} [record-shape]"),
    Fault("image_id whole float", element("2.0"), f"{FILE}:2 id=2.0 $.image_id: found Expected `int`, got `float`; {SCHEMA_HINT} [record-shape]"),
    Fault("image_id null", element("null"), f"{FILE}:2 id=null $.image_id: found Expected `int`, got `null`; {SCHEMA_HINT} [record-shape]"),
    Fault("image_id 5000 digits", element("7" * 5000), f"{FILE}:2 id={'7' * 40} $.image_id: found Integer value out of range; {SCHEMA_HINT} [record-shape]"),
]  # fmt: skip

TEXTS = [
    Fault("nan", element(more='"n": NaN, '), f"{FILE}:2 id=2: found NaN; expected a JSON number; NaN and Infinity are not JSON: write null or leave the key out [record-nan]"),
    Fault("infinity", element(more='"n": [-Infinity], '), f"{FILE}:2 id=2: found -Infinity; expected a JSON number; NaN and Infinity are not JSON: write null or leave the key out [record-nan]"),
    Fault("lone surrogate", element(content='[{"from":"user","value":"a\\ud800"},{"from":"gpt","value":"b"}]'), f"{FILE}:2 id=2: found '\\ud800'; expected whole characters: a high and a low surrogate together; replace the lone \\ud800-\\udfff escape [record-surrogate]"),
    Fault("lone surrogate in an unknown key", element(more='"n": "\\udfff", '), f"{FILE}:2 id=2: found '\\udfff'; expected whole characters: a high and a low surrogate together; replace the lone \\ud800-\\udfff escape [record-surrogate]"),
    Fault("bad utf-8", b'{"image_id": 2, "n": "caf\xe9", "conversations": []}', f"{FILE}:2 id=2: found byte 26 of the record, in b'ge_id\": 2, \"n\": \"caf\\xe9\", \"conversations\":'; expected UTF-8 text; re-encode the record, or leave it out (--on-error skip takes the rest) [record-utf8]"),
    Fault("syntax", b'{"image_id": 2, "conversations": [}]}', f"{FILE}:2 id=2: found Expecting value at byte {FIRST + 4 + 34}: ', \"conversations\": [}}]}}, {{\"image_id\": 4,'; expected well-formed JSON; mend the record by hand, or leave it out (--on-error skip takes the rest) [record-syntax]"),
    Fault("duplicate key", element(more='"image_id": 3, '), f"{FILE}:2 id=2: found 'image_id' twice; expected each key once in an object; keep one of the two; readers disagree about which counts [record-duplicate-key]"),
    Fault("duplicate key below", element(content='[{"from":"user","value":"a","value":"c"},{"from":"gpt","value":"b"}]'), f"{FILE}:2 id=2: found 'value' twice; expected each key once in an object; keep one of the two; readers disagree about which counts [record-duplicate-key]"),
    Fault("duplicate key beside a spaced colon", b'{"image_id" : 2, "image_id": 3, "conversations": [{"content": [{"from":"user","value":"a"},{"from":"gpt","value":"b"}]}]}', f"{FILE}:2 id=2: found 'image_id' twice; expected each key once in an object; keep one of the two; readers disagree about which counts [record-duplicate-key]"),
    Fault("number of 5,000 digits", element(more=f'"n": {"7" * 5000}, '), f"{FILE}:2 id=2: found a number of 5,000 digits; expected numbers of at most 4,300 digits; write it as a string: Python's json, and so the trainer, refuses longer ones [record-number]"),
    Fault("nesting in an unknown key", element(more=f'"n": {"[" * 10_000}{"]" * 10_000}, '), f"{FILE}:2 id=2: found brackets nested past the decoder's limit; {DEPTH_HINT} [record-depth]"),
    Fault("nesting instead of text", element(content=turns(("user", "a"), ("gpt", "b")).replace('"b"', "[" * 10_000 + "]" * 10_000)), f"{FILE}:2 id=2: found brackets nested past the decoder's limit; {DEPTH_HINT} [record-depth]"),
]  # fmt: skip

CONTENTS = [
    Fault("unknown image", element("9999999999"), f"{FILE}:2 id=9999999999 $.image_id: found 9999999999; expected a Visual Genome id, or an image under --images; check image_id, or pass the folder that holds the image [image-unknown]"),
    Fault("negative image_id", element("-2"), f"{FILE}:2 id=-2 $.image_id: found -2; expected a Visual Genome id, or an image under --images; check image_id, or pass the folder that holds the image [image-unknown]"),
    Fault("empty conversations", b'{"image_id": 2, "conversations": []}', f"{FILE}:2 id=2 $.conversations: found an empty list; expected at least one conversation; leave the record out; there is nothing to train on [no-conversations]"),
    Fault("empty content", element(content="[]"), f"{FILE}:2 id=2 $.conversations[0].content: found an empty list; expected at least one question and answer; leave the conversation out; there is nothing to train on [no-turns]"),
    Fault("gpt first", element(content=turns(("gpt", "a"), ("user", "b"))), f"{FILE}:2 id=2 $.conversations[0].content[0].from: found 'gpt'; expected 'user'; put the turns in order or leave the conversation out [turn-role]"),
    Fault("user twice", element(content=turns(("user", "a"), ("user", "b"))), f"{FILE}:2 id=2 $.conversations[0].content[1].from: found 'user'; expected 'gpt'; put the turns in order or leave the conversation out [turn-role]"),
    Fault("role of the other layout", element(content=turns(("human", "a"), ("gpt", "b"))), f"{FILE}:2 id=2 $.conversations[0].content[0].from: found 'human'; expected 'user'; put the turns in order or leave the conversation out [turn-role]"),
    Fault("odd turns", element(content=turns(("user", "a"), ("gpt", "b"), ("user", "c"))), f"{FILE}:2 id=2 $.conversations[0].content: found 3 turns; expected an answer after every question; drop the last turn or add its answer: an odd number trains on zero tokens [turn-odd]"),
    Fault("empty value", element(content=turns(("user", "a"), ("gpt", ""))), f"{FILE}:2 id=2 $.conversations[0].content[1].value: found ''; {EMPTY_HINT} [turn-empty]"),
    Fault("white space", element(content=turns(("user", " \n\u00a0"), ("gpt", "b"))), f"{FILE}:2 id=2 $.conversations[0].content[0].value: found ' \\n\\xa0'; expected text; drop the pair: it says nothing [turn-empty]"),
    Fault("marks alone", element(content=turns(("user", "a"), ("gpt", "<st><ed>"))), f"{FILE}:2 id=2 $.conversations[0].content[1].value: found ''; {EMPTY_HINT} [turn-empty]"),
    Fault("eos", element(content=turns(("user", "a"), ("gpt", "b</s>"))), f"{FILE}:2 id=2 $.conversations[0].content[1].value: found '</s>' in 'b</s>'; expected no </s> inside a text; take the token out: it makes the conversation train on zero tokens [token-eos]"),
    Fault("image token", element(content=turns(("user", "<image>\na"), ("gpt", "b"))), f"{FILE}:2 id=2 $.conversations[0].content[0].value: found '<image>' in '<image>\\na'; expected no <image> inside a text; take the token out: two of them break the trainer's batch [token-image]"),
    Fault("assistant", element(content=turns(("user", "a ASSISTANT: b"), ("gpt", "b"))), f"{FILE}:2 id=2 $.conversations[0].content[0].value: found ' ASSISTANT: ' in 'a ASSISTANT: b'; expected no ' ASSISTANT: ' inside a text; reword it: it makes the conversation train on zero tokens [token-assistant]"),
    Fault("assistant at the edge", element(content=turns(("user", "a"), ("gpt", "ASSISTANT:"))), f"{FILE}:2 id=2 $.conversations[0].content[1].value: found ' ASSISTANT: ' in 'ASSISTANT:'; expected no ' ASSISTANT: ' inside a text; reword it: it makes the conversation train on zero tokens [token-assistant]"),
    Fault("box without a size", element(content=turns(("user", "a"), ("gpt", "<st>b<ed> [0.1, 0.2, 0.3, 0.4]"))), f"{FILE}:2 id=2 $.image_id: found no size of image 2; expected the image's size, to place its boxes; pass --images with the images or image_data.json [image-size-unknown]"),
]  # fmt: skip

FAULTY = [*SHAPES, *TEXTS, *CONTENTS]
# One process for each policy and each kind of fault; other spellings and kinds alike run inside this process alone.
ALIKE = {
    "record-nan",
    "record-surrogate",
    "record-number",
    "no-turns",
    "turn-odd",
    "turn-empty",
    "token-eos",
    "token-assistant",
}
BY_PROCESS = list({fault.code: fault for fault in FAULTY if fault.code not in ALIKE}.values())


def write_array(*elements: bytes, name: str = FILE) -> Path:
    Path(name).write_bytes(b"[" + b", ".join(elements) + b"]")
    return Path(name)


def write_faulty(fault: Fault) -> Path:
    return write_array(element("1"), fault.text, element("4"))


def ids_of(path: Path | str) -> list[str]:
    return [row["id"] for row in json.loads(Path(path).read_text("ascii"))]


def codes_of(report: Path | str) -> list[str]:
    return [fault["code"] for fault in json.loads(Path(report).read_text("ascii"))["findings"]]


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_a_faulty_record_is_named_in_full(fault: Fault) -> None:
    write_faulty(fault)
    with pytest.raises(RecordError, match=rf"\[{fault.code}\]$") as caught:
        to_llava(FILE, "out.json")
    assert str(caught.value) == fault.message
    assert caught.value.finding is not None
    assert (caught.value.finding.file, caught.value.finding.record) == (FILE, 2)
    assert tree(Path()) == {FILE}


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_a_faulty_record_is_left_out_and_counted(fault: Fault) -> None:
    write_faulty(fault)
    made = to_llava(FILE, "out.json", on_error="skip", report="report.json")
    assert ids_of("out.json") == ["conversation-1-0", "conversation-4-0"]
    assert [str(f) for f in made.first] == [fault.message]
    assert made.counts["records_written"] == 2
    assert made.counts["records_read"] == 3
    assert made.counts["records_skipped"] + made.counts["conversations_skipped"] >= 1
    assert codes_of("report.json") == [fault.code]


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_a_faulty_record_is_collected_and_nothing_written(fault: Fault) -> None:
    write_faulty(fault)
    with pytest.raises(FindingsError, match=re.escape(fault.message)):
        to_llava(FILE, "made/out.json", on_error="collect", report="report.json")
    assert codes_of("report.json") == [fault.code]
    assert tree(Path()) == {FILE, "report.json"}


@pytest.mark.parametrize("fault", BY_PROCESS, ids=lambda fault: fault.code)
def test_the_command_obeys_the_policy(fault: Fault) -> None:
    write_faulty(fault)
    ran = run_policies("to-llava", FILE, cwd=Path(), output="out.json")
    assert {policy: ran[policy].code for policy in POLICIES} == {"raise": FAULTS, "skip": DONE, "collect": FAULTS}
    assert ran["raise"].err == f"error: {fault.message}\n"
    for policy in ("skip", "collect"):
        assert fault.message in ran[policy].err
    assert ids_of("skip/made/out.json") == ["conversation-1-0", "conversation-4-0"]
    assert re.search(r"^left out: 1 (records|conversations)(, 1 conversations)?$", ran["skip"].err, re.M)
    assert [codes_of(f"{policy}.report.json") for policy in POLICIES] == [[fault.code]] * 3
    kept = {"skip", "skip/made", "skip/made/out.json"}
    assert tree(Path()) == {FILE, *kept, *(f"{policy}.report.json" for policy in POLICIES)}


def test_the_command_lists_every_collected_fault() -> None:
    write_array(element("1"), b"5", element("null"), element(content=turns(("user", "a"), ("gpt", ""))))
    ran = run("to-llava", FILE, "-o", "out.json", "--on-error", "collect")
    assert ran.code == FAULTS
    for place in (f"{FILE}:2:", f"{FILE}:3 id=null $.image_id:", f"{FILE}:4 id=2 $.conversations[0].content[1].value:"):
        assert place in ran.err
    assert tree(Path()) == {FILE}


def test_the_command_counts_the_collected_faults_that_it_does_not_list() -> None:
    write_array(*[b"5"] * 50)
    ran = run("to-llava", FILE, "-o", "out.json", "--on-error", "collect", "--report", "report.json")
    assert ran.code == FAULTS
    assert "50 faults found and nothing written" in ran.err
    assert len(codes_of("report.json")) == 50


def test_an_element_too_long_for_a_python_number_is_a_fault_of_its_record() -> None:
    write_array(element("1"), b"7" * 5000, element("4"))
    with pytest.raises(RecordError, match=rf"^{FILE}:2: found .*\[record-shape\]$"):
        to_llava(FILE, "out.json")
    made = to_llava(FILE, "out.json", on_error="skip")
    assert ids_of("out.json") == ["conversation-1-0", "conversation-4-0"]
    assert made.by_code == {"record-shape": 1}


def test_an_image_id_too_long_for_a_file_name_is_unknown() -> None:
    save_photo(Path("photos/VG_100K/1.jpg"), (4, 4))
    write_array(element("1"), element("7" * 400))
    with pytest.raises(RecordError, match=rf"^{FILE}:2 id={'7' * 400} .*\[image-unknown\]$"):
        to_llava(FILE, "out.json", images="photos")


def test_the_id_is_told_wherever_its_key_stands() -> None:
    late = b'{"conversations": [{"content": [{"from": "user", "value": "%s"}, {"from": "gpt"}]}], "image_id": 2}'
    write_array(element("1"), late % (b"long " * 100), element("4"))
    with pytest.raises(RecordError, match=rf"^{FILE}:2 id=2 "):
        to_llava(FILE, "out.json")


@pytest.mark.parametrize("text", [b'{"image_id": 2, "conversations": [}]}', b'{"image_id": 2, "n": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"], ids=["syntax", "depth"])  # fmt: skip
def test_the_id_is_told_in_the_last_record_too(text: bytes) -> None:
    write_array(element("1"), text)
    with pytest.raises(RecordError, match=rf"^{FILE}:2 id=2: "):
        to_llava(FILE, "out.json")


@pytest.mark.parametrize("depth", [10, 200, 300, 900, 950, 980, 990, 1000, 2000])
def test_nesting_is_kept_or_named_at_every_depth(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    write_array(element("1"), element(more=f'"n": {nested}, '), element("4"))
    made = to_llava(FILE, "out.json", on_error="skip")
    assert made.by_code in ({}, {"record-depth": 1})
    assert f'"n":{nested}' in Path("out.json").read_text() or made.counts["records_written"] == 2


class BadFile(NamedTuple):
    """A file that is at fault as a whole, its full message, and how many records ahead of the fault are kept."""

    name: str
    content: bytes
    message: str
    file: str = FILE
    kept: int = 0

    @property
    def code(self) -> str:
        return self.message[self.message.rindex("[") + 1 : -1]


GOOD = b"[" + element("1") + b", " + element("2") + b"]"
MANY = b"[" + b", ".join(element(str(i), more=f'"n": "{i * 7919 % 99991}", ') for i in range(1, 3000)) + b"]"
PACKED = gzip.compress(MANY, mtime=0)
LIST_HINT = "expected a JSON array '[...]' or one JSON object a line; pass a .json, .jsonl, .gz or .zip of SVIT records [input-not-json]"
DAMAGED_HINT = "expected an archive that unpacks; fetch the archive again and compare its checksum [input-damaged]"
CUT_HINT = "expected a ']' at the end; fetch the file again, or keep what came before (--on-error skip takes it) [input-truncated]"
SYNTAX_HINT = "expected records separated by ',' and closed by ']'; mend the file by hand at that byte, or fetch it again [input-syntax]"
EMPTY = "found nothing; expected a JSON array or JSON lines; fetch the file again; it holds nothing [input-empty]"
UTF16 = (
    "found a UTF-16 byte-order mark; expected UTF-8; convert it first, e.g. iconv -f UTF-16 -t UTF-8 [input-encoding]"
)
ZIP, GZ = "conversation.zip", "conversation.json.gz"

BAD_FILES = [
    BadFile("empty", b"", f"{FILE}: {EMPTY}"),
    BadFile("white space", b" \r\n\t ", f"{FILE}: {EMPTY}"),
    BadFile("text", b"hello", f"{FILE}: found 'hello'; {LIST_HINT}"),
    BadFile("html", b"\n<!DOCTYPE html><html>not found</html>", f"{FILE}: found '<!DOCTYPE html><html>not found</html>'; {LIST_HINT}"),
    BadFile("png", png_header(1, 1)[:12], f"{FILE}: found '\\ufffdPNG\\r\\n\\x1a\\n\\x00\\x00\\x00\\r'; {LIST_HINT}"),
    BadFile("a string", b'"abc"', f"{FILE}: found '\"abc\"'; {LIST_HINT}"),
    BadFile("null", b"null", f"{FILE}: found 'null'; {LIST_HINT}"),
    BadFile("utf-16", GOOD.decode().encode("utf-16"), f"{FILE}: {UTF16}"),
    BadFile("utf-16 big-endian", b"\xfe\xff" + GOOD.decode().encode("utf-16-be"), f"{FILE}: {UTF16}"),
    BadFile("cut at the bracket", b"[", f"{FILE}:1: found the end of the file inside the record (Expecting value at byte 2: ''); {CUT_HINT}"),
    BadFile("cut behind a record", GOOD[:-1], f"{FILE}:2: found the end of the file behind the record, at byte {len(GOOD)}; {CUT_HINT}", kept=2),
    BadFile("cut behind a comma", GOOD[: len(element("1")) + 2], f"{FILE}:2: found the end of the file inside the record (Expecting value at byte {FIRST + 3}: ''); {CUT_HINT}", kept=1),
    BadFile("cut in a text", GOOD[:-7], f"{FILE}:2: found the end of the file inside the record (Unterminated string starting at byte {len(GOOD) - 8}: 'from\":\"gpt\",\"value\":\"b'); {CUT_HINT}", kept=1),
    BadFile("no comma", GOOD.replace(b"}, {\"image", b"} {\"image"), f"{FILE}:1: found '{{' behind the record, at byte {FIRST + 3}; {SYNTAX_HINT}", kept=2),
    BadFile("a comma too many", GOOD[:-1] + b",]", f"{FILE}:3: found a ',' before the closing ']', at byte {len(GOOD) + 1}; {SYNTAX_HINT}", kept=2),
    BadFile("text behind", GOOD + b" and more", f"{FILE}:2: found 'and more' behind the closing ']', at byte {len(GOOD) + 2}; {SYNTAX_HINT}", kept=2),
    BadFile("zip damaged", damage(make_zip({"a.json": MANY}, zipfile.ZIP_STORED), 3000), f"{ZIP}: found Bad CRC-32 for file 'a.json'; {DAMAGED_HINT}", ZIP),
    BadFile("gz cut", PACKED[: len(PACKED) // 2], f"{GZ}: found Compressed file ended before the end-of-stream marker was reached; {DAMAGED_HINT}", GZ),
    BadFile("gz cut in its head", PACKED[:8], f"{GZ}: found Compressed file ended before the end-of-stream marker was reached; {DAMAGED_HINT}", GZ),
    BadFile("gz with a tail", PACKED + b"tail", f"{GZ}: found Not a gzipped file (b'ta'); {DAMAGED_HINT}", GZ),
]  # fmt: skip

UNREADABLE = [
    BadFile("zip without json", make_zip({"readme.txt": b"x"}), f"{ZIP}: found 0 (none); expected exactly one .json or .jsonl inside the zip; unpack it and pass the file that you mean [input-members]", ZIP),
    BadFile("zip with two", make_zip({"a.json": GOOD, "b.json": GOOD}), f"{ZIP}: found 2 (a.json, b.json); expected exactly one .json or .jsonl inside the zip; unpack it and pass the file that you mean [input-members]", ZIP),
    BadFile("zip without members", make_zip({}), f"{ZIP}: found 0 (none); expected exactly one .json or .jsonl inside the zip; unpack it and pass the file that you mean [input-members]", ZIP),
    BadFile("zip cut", make_zip({"a.json": MANY})[:3000], f"{ZIP}: found File is not a zip file; {DAMAGED_HINT}", ZIP),
]  # fmt: skip


@pytest.mark.parametrize("bad", [*BAD_FILES, *UNREADABLE], ids=lambda bad: bad.name)
def test_a_bad_file_is_named_in_full(bad: BadFile) -> None:
    Path(bad.file).write_bytes(bad.content)
    with pytest.raises(InputError, match=rf"\[{bad.code}\]$") as caught:
        to_llava(bad.file, "made/out.json")
    assert str(caught.value) == bad.message
    assert tree(Path()) == {bad.file}


def is_partly_read(bad: BadFile) -> bool:
    """Tell whether the fault has a record number; else nothing of the file could be read, whatever the policy."""
    return re.match(rf"{re.escape(bad.file)}:[0-9]", bad.message) is not None


@pytest.mark.parametrize("bad", [b for b in BAD_FILES if not is_partly_read(b)], ids=lambda bad: bad.name)
@pytest.mark.parametrize("policy", POLICIES)
def test_no_policy_makes_something_of_a_file_of_which_nothing_can_be_read(bad: BadFile, policy: Any) -> None:
    Path(bad.file).write_bytes(bad.content)
    with pytest.raises(InputError, match=rf"\[{bad.code}\]$"):
        to_llava(bad.file, "made/out.json", on_error=policy, report="report.json")
    assert tree(Path()) == {bad.file, "report.json"}
    assert codes_of("report.json") == [bad.code]


@pytest.mark.parametrize("bad", [b for b in BAD_FILES if is_partly_read(b)], ids=lambda bad: bad.name)
def test_what_came_before_the_fault_is_kept_and_the_fault_counted(bad: BadFile) -> None:
    Path(bad.file).write_bytes(bad.content)
    made = to_llava(bad.file, "out.json", on_error="skip")
    assert len(ids_of("out.json")) == bad.kept
    assert made.by_code == {bad.code: 1}
    assert made.counts["records_skipped"] == 1


@pytest.mark.parametrize("bad", [b for b in BAD_FILES if b.name in ("cut in a text", "text behind")], ids=lambda bad: bad.name)  # fmt: skip
def test_the_command_obeys_the_policy_for_a_bad_file(bad: BadFile) -> None:
    Path(bad.file).write_bytes(bad.content)
    ran = run_policies("to-llava", bad.file, cwd=Path(), output="out.json")
    assert {policy: ran[policy].code for policy in POLICIES} == {"raise": UNUSABLE, "skip": DONE, "collect": FAULTS}
    assert ran["raise"].err == f"error: {bad.message}\n"
    assert all(bad.message in ran[policy].err for policy in POLICIES)
    assert [codes_of(f"{policy}.report.json") for policy in POLICIES] == [[bad.code]] * 3
    assert len(ids_of("skip/made/out.json")) == bad.kept
    assert not Path("raise").exists()
    assert not Path("collect").exists()


@pytest.mark.parametrize("bad", UNREADABLE, ids=lambda bad: bad.name)
def test_the_command_refuses_what_it_cannot_open(bad: BadFile) -> None:
    Path(bad.file).write_bytes(bad.content)
    ran = call("to-llava", bad.file, "-o", "made/out.json", "--on-error", "skip")
    assert ran == (UNUSABLE, b"", f"error: {bad.message}\n")
    assert tree(Path()) == {bad.file}


def test_every_prefix_of_a_file_is_called_truncated() -> None:
    text = '[{"image_id": 1, "n": [-1.5e3, true, null, "\\u00e9\u00e9"], "conversations": []}, {"image_id": 2, "conversations": []}]'
    whole = text.encode()
    for length in range(1, len(whole)):
        Path(FILE).write_bytes(whole[:length])
        found: list[Any] = []
        kept = list(read(FILE, on_error="skip", found=found))
        assert [f.code for f in found] == ["input-truncated"], whole[:length]
        assert len(kept) == (length > whole.index(b"}, {")) + (length == len(whole) - 1), whole[:length]


def test_utf_16_without_a_mark_is_named_as_such() -> None:
    Path(FILE).write_bytes(GOOD.decode().encode("utf-16-le"))
    with pytest.raises(InputError, match=r"\[input-encoding\]$"):
        list(read(FILE))


def test_utf_32_is_not_called_utf_16() -> None:
    Path(FILE).write_bytes(GOOD.decode().encode("utf-32"))
    with pytest.raises(InputError, match=r"UTF-32.*\[input-encoding\]$"):
        list(read(FILE))


@pytest.mark.parametrize("method", [0, 8, 12, 14], ids=["stored", "deflated", "bzip2", "lzma"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_zip_damaged_anywhere_is_named(method: int, share: float) -> None:
    whole = make_zip({"a.json": MANY}, method)
    Path(ZIP).write_bytes(damage(whole, int((len(whole) - 200) * share), 60))
    with pytest.raises(InputError, match=rf"^{ZIP}(:\d+)?: found .*\[input-damaged\]$"):
        to_llava(ZIP, "out.json")
    assert tree(Path()) == {ZIP}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_gz_damaged_anywhere_is_named(share: float) -> None:
    Path(GZ).write_bytes(damage(PACKED, int(len(PACKED) * share), 60))
    with pytest.raises(InputError, match=rf"^{GZ}(:\d+)?: found .*\[input-damaged\]$"):
        to_llava(GZ, "out.json")


def test_an_encrypted_zip_is_named() -> None:
    Path(ZIP).write_bytes(encrypt_flag(make_zip({"a.json": GOOD})))
    ran = call("to-llava", ZIP, "-o", "out.json")
    assert ran.code == UNUSABLE
    assert re.match(
        rf"error: {ZIP}: found .*a\.json.* is encrypted, password required for extraction; expected an archive", ran.err
    )
    assert tree(Path()) == {ZIP}


BOMB_HINT = "and no end; expected an archive of ordinary text; do not unpack it; ask where it came from [input-bomb]"


@pytest.mark.parametrize(
    ("kind", "megabytes"), [("gz", 256), ("gz", 8), ("zip", 8)], ids=["gz", "gz early", "zip early"]
)
def test_an_archive_that_expands_without_end_is_stopped(
    kind: str, megabytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 256 MB as the package has it, and, to be quick, at less."""
    monkeypatch.setattr(containers, "_BOMB_BYTES", megabytes << 20)
    name = ZIP if kind == "zip" else GZ
    Path(name).write_bytes(make_bomb(kind, head=b"[", filler=b" ", megabytes=megabytes + 4))
    with pytest.raises(InputError, match=r"\[input-bomb\]$") as caught:
        to_llava(name, "out.json")
    found = rf"{name}: found {megabytes + 1} MB from [0-9,]+ bytes, {re.escape(BOMB_HINT)}"
    assert re.fullmatch(found, str(caught.value))
    assert tree(Path()) == {name}


def test_an_archive_of_one_text_without_end_is_stopped_at_the_largest_record() -> None:
    Path(GZ).write_bytes(make_bomb("gz", head=b'[{"image_id": 1, "n": "', filler=b"0", megabytes=40))
    with pytest.raises(RecordError, match=rf"^{GZ}:1( id=1)?: found .*\[record-too-large\]$"):
        to_llava(GZ, "out.json", max_record_mb=8)
    assert tree(Path()) == {GZ}


BIG = element("2", turns(("user", "a"), ("gpt", "x" * (30 << 20))))


@pytest.mark.parametrize("join", [b"[%s, %s, %s]", b"%s\n%s\n%s\n"], ids=["array", "lines"])
def test_a_record_of_30_mb_works_and_can_be_refused(join: bytes) -> None:
    Path(FILE).write_bytes(join % (element("1"), BIG, element("4")))
    assert to_llava(FILE, "out.json").counts["records_written"] == 3
    with pytest.raises(
        RecordError, match=rf"^{FILE}:2 .*raise --max-record-mb if the record is genuine \[record-too-large\]$"
    ):
        to_llava(FILE, "out2.json", max_record_mb=16)
    assert tree(Path()) == {FILE, "out.json"}


@pytest.mark.parametrize("join", [b"[%s, %s, %s]", b"%s\n%s\n%s\n"], ids=["array", "lines"])
@pytest.mark.parametrize("megabytes", [2, 12])
def test_a_record_over_the_limit_is_left_out_alone(join: bytes, megabytes: int) -> None:
    large = element("2", turns(("user", "a"), ("gpt", "x" * (megabytes << 20))))
    Path(FILE).write_bytes(join % (element("1"), large, element("4")))
    made = to_llava(FILE, "out.json", on_error="skip", max_record_mb=1)
    assert made.by_code == {"record-too-large": 1}
    assert ids_of("out.json") == ["conversation-1-0", "conversation-4-0"]


def test_the_size_limit_message_in_full() -> None:
    Path(FILE).write_bytes(element("2", turns(("user", "a"), ("gpt", "x" * (3 << 20)))))
    with pytest.raises(RecordError, match=r"\[record-too-large\]$") as caught:
        to_llava(FILE, "out.json", max_record_mb=1)
    assert re.fullmatch(
        rf"{FILE}:1( id=2)?: found a record of over 1 MB; expected a smaller record; raise --max-record-mb if the record is genuine "
        r"\[record-too-large\]",
        str(caught.value),
    )


def test_a_byte_order_mark_is_accepted_with_a_note() -> None:
    Path(FILE).write_bytes(b"\xef\xbb\xbf" + GOOD)
    ran = run("to-llava", FILE, "-o", "out.json")
    assert ran.code == DONE
    assert ran.err.splitlines()[0] == f"note: {FILE}: found a UTF-8 byte-order mark; expected UTF-8 without a byte-order mark; nothing to do; the mark was passed over [input-bom]"  # fmt: skip
    assert ids_of("out.json") == ["conversation-1-0", "conversation-2-0"]


def test_duplicate_ids_are_both_kept_with_ids_of_their_own() -> None:
    write_array(element("1"), element("2"), element("1"), element("1"))
    made = to_llava(FILE, "out.json")
    assert ids_of("out.json") == ["conversation-1-0", "conversation-2-0", "conversation-1.1-0", "conversation-1.2-0"]
    assert str(made.first[0]) == (
        f"{FILE}:3 id=1 $.image_id: found image_id 1, seen 1 time before; expected one record per image and task; "
        "drop one if it is a copy; conversions keep both, under ids of their own [duplicate-id]"
    )
    assert made.by_code == {"duplicate-id": 2}


def test_two_inputs_of_a_task_are_numbered_through() -> None:
    Path("a").mkdir()
    Path("b").mkdir()
    write_array(element("1"), element("2"), name=f"a/{FILE}")
    write_array(element("2"), element("4"), name=f"b/{FILE}")
    made = to_llava([f"a/{FILE}", f"b/{FILE}"], "out.json")
    rows = json.loads(Path("out.json").read_text())
    assert [r["id"] for r in rows] == ["conversation-1-0", "conversation-2-0", "conversation-2.1-0", "conversation-4-0"]
    assert [r["svit"]["at"] for r in rows] == ["c0.0.1", "c1.0.2", "c2.0.2", "c3.0.4"]
    assert [(f.file, f.record) for f in made.first] == [(f"b/{FILE}", 1)]


WARNED = [
    ("[0.1, 0.5.1, 0.3, 0.4]", "found '[0.1, 0.5.1, 0.3, 0.4]'; expected [x1, y1, x2, y2], four numbers; correct it in the source; conversions leave it as text, in no frame [box-malformed]"),
    ("[0.1, 0.2, 1.3, 0.4]", "found '[0.1, 0.2, 1.3, 0.4]'; expected fractions of the image, 0 to 1; correct it in the source; conversions take it as it is [box-outside]"),
    ("[0.3, 0.2, 0.1, 0.4]", "found '[0.3, 0.2, 0.1, 0.4]'; expected x1 <= x2 and y1 <= y2; correct it in the source; conversions take it as it is [box-inverted]"),
    ("<st>a [0.1, 0.2, 0.3, 0.4]", "found 1 <st> and 0 <ed>; expected every <st> closed by an <ed>; correct it in the source; conversions drop the mark [marks-unbalanced]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WARNED, ids=[m.rsplit("[")[-1][:-1] for _, m in WARNED])
def test_faulty_boxes_are_told_and_never_stop_a_run(text: str, message: str) -> None:
    save_photo(Path("photos/VG_100K/2.jpg"), (40, 30))
    write_array(element("2", turns(("user", "a"), ("gpt", f"b {text}"))))
    made = to_llava(FILE, "out.json", images="photos")
    assert [str(f) for f in made.first] == [f"{FILE}:1 id=2 $.conversations[0].content[1].value: {message}"]
    assert [f.severity for f in made.first] == ["warning"]
    assert made.counts["records_written"] == 1


# --- images


def image_fault(message: str, *, images: str = "photos") -> None:
    """Convert images 1 and 2, of which 2 is at fault, under every policy."""
    write_array(element("1"), element("2"), element("1"))
    code = message[message.rindex("[") + 1 : -1]
    with pytest.raises(RecordError, match=rf"\[{code}\]$") as caught:
        to_llava(FILE, "made/out.json", images=images)
    assert str(caught.value) == message
    made = to_llava(FILE, "out.json", images=images, on_error="skip")
    assert ids_of("out.json") == ["conversation-1-0", "conversation-1.1-0"]
    assert made.by_code[code] == 1
    assert made.counts["records_skipped"] == 1
    with pytest.raises(FindingsError, match=re.escape(message)):
        to_llava(FILE, "made/out.json", images=images, on_error="collect")
    assert not Path("made").exists()


def test_a_missing_image_is_named() -> None:
    save_photo(Path("photos/VG_100K_2/1.jpg"), (4, 4))
    image_fault(f"{FILE}:2 id=2 $.image_id: found no VG_100K/2.jpg under photos; expected the image under --images; fetch the image, or leave its records out (--on-error skip takes the rest) [image-missing]")  # fmt: skip


def test_an_undecodable_image_is_named() -> None:
    save_photo(Path("photos/VG_100K_2/1.jpg"), (4, 4))
    Path("photos/VG_100K").mkdir()
    Path("photos/VG_100K/2.jpg").write_bytes(b"no image at all")
    image_fault(f"{FILE}:2 id=2 $.image_id: found cannot identify image file; expected an image that Pillow can open; fetch the image again [image-undecodable]")  # fmt: skip


@pytest.mark.parametrize("header", [png_header, jpeg_header])
def test_an_image_past_pillows_limit_is_named(header: Any) -> None:
    save_photo(Path("photos/VG_100K_2/1.jpg"), (4, 4))
    Path("photos/VG_100K").mkdir()
    Path("photos/VG_100K/2.jpg").write_bytes(header(60_000, 60_000))
    image_fault(f"{FILE}:2 id=2 $.image_id: found image size (3600000000 pixels) exceeds limit of 178956970 pixels; expected fewer pixels than Pillow's limit; no genuine photo is that large; replace the file [image-too-large]")  # fmt: skip


def test_a_size_that_differs_is_told_and_image_data_counts() -> None:
    save_photo(Path("photos/VG_100K/2.jpg"), (40, 30))
    Path("photos/image_data.json").write_bytes(encode([{"image_id": 2, "width": 80, "height": 80}]))
    write_array(element("2", turns(("user", "a"), ("gpt", "b [0.0, 0.0, 1.0, 1.0]"))))
    made = to_llava(FILE, "out.json", images="photos")
    assert str(made.first[0]) == (
        f"{FILE}:1 id=2 $.image_id: found 80 x 80 in image_data.json, 40 x 30 in photos; expected the same size in "
        "image_data.json and in the file; check that the file is the original; what image_data.json or the table says counts [image-size-differs]"
    )
    assert "[0.0, 0.0, 1.0, 1.0]" in Path("out.json").read_text()


def test_an_unknown_folder_is_guessed_and_told() -> None:
    Path("image_data.json").write_bytes(encode([{"image_id": 9_000_001, "width": 8, "height": 8}]))
    write_array(element("9000001"))
    made = to_llava(FILE, "out.json", images="image_data.json")
    assert str(made.first[0]) == (
        f"{FILE}:1 id=9000001 $.image_id: found 9000001, taken to be in VG_100K; expected an id in Visual Genome's index or an "
        "image in VG_100K or VG_100K_2; put the image under vg/VG_100K for the trainer [image-folder-guessed]"
    )


ENTRIES = [
    ("zero width", {"image_id": 2, "width": 0, "height": 8}, "image_data.json:2 id=2 $.width: found 0 x 8; expected {image_id, width, height} with positive whole numbers; correct the entry in image_data.json [image-data-entry]"),
    ("negative height", {"image_id": 2, "width": 8, "height": -1}, "image_data.json:2 id=2 $.height: found 8 x -1; expected {image_id, width, height} with positive whole numbers; correct the entry in image_data.json [image-data-entry]"),
    ("no height", {"image_id": 2, "width": 8}, f"image_data.json:2 id=2: found Object missing required field `height`; {SCHEMA_HINT} [record-shape]"),
    ("width a string", {"image_id": 2, "width": "8", "height": 8}, f"image_data.json:2 id=2 $.width: found Expected `int`, got `str`; {SCHEMA_HINT} [record-shape]"),
    ("a number", 5, f"image_data.json:2: found Expected `object`, got `int`; {SCHEMA_HINT} [record-shape]"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "message"), [e[1:] for e in ENTRIES], ids=[e[0] for e in ENTRIES])
def test_a_faulty_entry_of_image_data_is_named(entry: Any, message: str) -> None:
    sizes = [{"image_id": i, "width": 8, "height": 8} for i in (1, 4)]
    Path("image_data.json").write_bytes(encode([sizes[0], entry, sizes[1]]))
    write_array(element("1"))
    with pytest.raises(RecordError, match=r"^image_data\.json:2") as caught:
        to_llava(FILE, "out.json", images="image_data.json")
    assert str(caught.value) == message


def test_a_faulty_entry_of_image_data_obeys_the_policy() -> None:
    sizes = [{"image_id": 1, "width": 8, "height": 8}, {"image_id": 2, "width": 0, "height": 8}]
    Path("image_data.json").write_bytes(encode(sizes))
    write_array(element("1"), element("2"))
    ran = run_policies("to-llava", FILE, "--images", "image_data.json", cwd=Path(), output="out.json")
    assert {policy: ran[policy].code for policy in POLICIES} == {"raise": FAULTS, "skip": DONE, "collect": FAULTS}
    assert all("image_data.json:2 id=2 $.width: found 0 x 8;" in ran[policy].err for policy in POLICIES)
    assert codes_of("skip.report.json") == ["image-data-entry"]


def test_a_folder_without_images_is_refused() -> None:
    Path("photos").mkdir()
    write_array(element("1"))
    ran = call("to-llava", FILE, "--images", "photos", "-o", "made/out.json")
    assert ran == (UNUSABLE, b"", "error: photos: found no images and no sizes; expected VG_100K/, VG_100K_2/, images.zip, images2.zip or image_data.json (there, under vg/ or under raw/), or ID.jpg; check the path [input-missing]\n")  # fmt: skip


def test_images_that_are_no_path_are_refused() -> None:
    write_array(element("1"))
    ran = call("to-llava", FILE, "--images", "nowhere", "-o", "made/out.json")
    assert ran == (UNUSABLE, b"", "error: nowhere: found no such file or folder; expected a readable file; check the path [input-missing]\n")  # fmt: skip
    assert tree(Path()) == {FILE}


# --- paths


@pytest.mark.parametrize(
    ("name", "found"),
    [("nowhere.json", "no such file or directory"), ("folder", "is a directory"), ("x" * 300, "file name too long")],
)
def test_an_input_that_cannot_be_opened_is_named(name: str, found: str) -> None:
    Path("folder").mkdir()
    ran = call("to-llava", name, "--task", "conversation", "-o", "made/out.json")
    assert ran == (
        UNUSABLE,
        b"",
        f"error: {name}: found {found}; expected a readable file; check the path [input-missing]\n",
    )
    assert tree(Path()) == {"folder"}


def test_an_input_that_may_not_be_read_is_named() -> None:
    write_array(element("1")).chmod(0)
    ran = run("to-llava", FILE, "-o", "made/out.json", preexec_fn=obey_modes)
    assert ran == (UNUSABLE, b"", f"error: {FILE}: found permission denied; expected a readable file; check the path [input-missing]\n")  # fmt: skip
    assert tree(Path()) == {FILE}


def test_an_input_that_fails_while_it_is_read_is_named() -> None:
    ran = run("to-llava", "/proc/self/mem", "--task", "conversation", "-o", "made/out.json")
    hint = "expected a file that can be read to its end; check the disk and, for a zip through a pipe, the room for temporary files [input-unreadable]"
    assert ran == (UNUSABLE, b"", f"error: /proc/self/mem: found input/output error; {hint}\n")
    assert tree(Path()) == set()


def test_a_closed_standard_input_is_named() -> None:
    ran = run("to-llava", "-", "--task", "detail", "-o", "made/out.json", preexec_fn=lambda: os.close(0))
    assert ran == (
        UNUSABLE,
        b"",
        "error: -: found standard input is closed; expected a readable file; check the path [input-missing]\n",
    )
    assert tree(Path()) == set()


def test_an_input_whose_name_is_not_utf_8_is_read_and_reported() -> None:
    name = os.fsdecode(b"caf\xe9.json")
    Path(name).write_bytes(GOOD)
    ran = run("to-llava", name, "--task", "conversation", "-o", "out.json", "--report", "report.json")
    assert ran.code == DONE
    assert ids_of("out.json") == ["conversation-1-0", "conversation-2-0"]
    assert json.loads(Path("report.json").read_text())["counts"]["records_written"] == 2


@pytest.mark.parametrize("policy", ["raise", "skip"])
@pytest.mark.parametrize("option", ["--images", "--report", "-o"])
def test_paths_that_the_system_refuses_are_named(option: str, policy: str) -> None:
    write_array(element("1"))
    name = f"{'x' * 300}.json"
    given = {"-o": "made/out.json", option: name}
    ran = call("to-llava", FILE, "--on-error", policy, *(part for pair in given.items() for part in pair))
    assert ran.code == UNUSABLE
    assert ran.err.startswith(f"error: {name}: ")
    assert "file name too long" in ran.err
    assert tree(Path()) == {FILE}


@pytest.mark.parametrize("option", ["--images", "--report", "-o"])
def test_a_closed_folder_is_named(option: str) -> None:
    write_array(element("1"))
    Path("closed").mkdir(mode=0)
    given = {"-o": "made/out.json", option: "closed" if option == "--images" else "closed/x.json"}
    ran = run("to-llava", FILE, *(part for pair in given.items() for part in pair), preexec_fn=obey_modes)
    Path("closed").chmod(0o700)
    assert ran.code == UNUSABLE
    assert ran.err.startswith("error: closed")
    assert "permission denied" in ran.err.lower()
    assert tree(Path()) == {FILE, "closed"}


@pytest.mark.parametrize("output", ["closed/out.json", "closed/made/out.json"])
def test_a_folder_that_may_not_be_written_is_named(output: str) -> None:
    write_array(element("1"))
    Path("closed").mkdir(mode=0o500)
    ran = run("to-llava", FILE, "-o", output, preexec_fn=obey_modes)
    assert ran == (UNUSABLE, b"", f"error: {output}: permission denied; nothing was written under this name. Make room or name another place\n")  # fmt: skip
    assert tree(Path()) == {FILE, "closed"}


def test_a_report_that_cannot_be_written_leaves_no_output() -> None:
    write_array(element("1"))
    Path("closed").mkdir(mode=0o500)
    ran = run("to-llava", FILE, "-o", "made/out.json", "--report", "closed/report.json", preexec_fn=obey_modes)
    assert ran.code == UNUSABLE
    assert ran.err.startswith("error: closed/report.json: permission denied; ")
    assert tree(Path()) == {FILE, "closed"}


def test_a_file_in_the_place_of_a_folder_is_named() -> None:
    write_array(element("1"))
    ran = call("to-llava", FILE, "-o", f"{FILE}/out.json")
    assert ran.code == UNUSABLE
    assert ran.err.startswith(f"error: {FILE}/out.json: ")
    assert tree(Path()) == {FILE}


def test_a_missing_output_folder_is_made() -> None:
    write_array(element("1"))
    assert call("to-llava", FILE, "-o", "a/b/out.json").code == DONE
    assert tree(Path()) == {FILE, "a", "a/b", "a/b/out.json"}


def test_an_existing_output_is_kept_without_overwrite() -> None:
    write_array(element("1"))
    Path("out.json").write_text("precious")
    refused = "error: out.json: exists already; name another output or pass --overwrite\n"
    assert run("to-llava", FILE, "-o", "out.json") == (UNUSABLE, b"", refused)
    assert Path("out.json").read_text() == "precious"
    assert run("to-llava", FILE, "-o", "out.json", "--overwrite").code == DONE
    assert ids_of("out.json") == ["conversation-1-0"]


def test_an_existing_output_is_kept_when_the_run_fails() -> None:
    write_array(element("1"), b"5")
    Path("out.json").write_text("precious")
    assert call("to-llava", FILE, "-o", "out.json", "--overwrite").code == FAULTS
    assert Path("out.json").read_text() == "precious"
    assert tree(Path()) == {FILE, "out.json"}


@pytest.mark.parametrize("option", ["-o", "--report"])
@pytest.mark.parametrize("name", [FILE, f"./{FILE}", "link.json"])
def test_an_input_is_never_written_over(option: str, name: str) -> None:
    write_array(element("1"))
    Path("link.json").symlink_to(FILE)
    before = Path(FILE).read_bytes()
    given = {"-o": "made/out.json", option: name}
    with pytest.raises(UsageError, match=r"is an input; inputs are never modified, so name another output$") as caught:
        to_llava(FILE, given["-o"], report=given.get("--report"), overwrite=True)
    assert str(caught.value) in (
        f"{n}: is an input; inputs are never modified, so name another output" for n in (name, Path(name))
    )
    assert Path(FILE).read_bytes() == before
    assert tree(Path()) == {FILE, "link.json"}


@pytest.mark.parametrize("option", ["-o", "--report"])
@pytest.mark.parametrize("name", ["photos/image_data.json", "photos/images.zip", "photos/VG_100K/2.jpg"])
def test_what_lies_under_images_is_never_written_over(option: str, name: str) -> None:
    save_photo(Path("photos/VG_100K/2.jpg"), (4, 4))
    Path("photos/image_data.json").write_bytes(encode([{"image_id": 2, "width": 4, "height": 4}]))
    Path("photos/images.zip").write_bytes(make_zip({"VG_100K/2.jpg": Path("photos/VG_100K/2.jpg").read_bytes()}))
    write_array(element("2"))
    before = Path(name).read_bytes()
    given = {"-o": "made/out.json", option: name}
    with pytest.raises(UsageError, match="is an input"):
        to_llava(FILE, given["-o"], report=given.get("--report"), images="photos", overwrite=True)
    assert Path(name).read_bytes() == before


def test_a_folder_is_no_output() -> None:
    write_array(element("1"))
    Path("folder").mkdir()
    assert call("to-llava", FILE, "-o", "folder") == (UNUSABLE, b"", "error: folder: is a folder; name a file in it\n")
    assert tree(Path()) == {FILE, "folder"}


def test_a_pipe_or_device_is_not_replaced_by_a_file() -> None:
    write_array(element("1"))
    os.mkfifo("pipe")
    ran = run("to-llava", FILE, "-o", "pipe", "--overwrite")
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode), ran


@pytest.mark.parametrize(
    ("report", "provenance"),
    [("out.json", "inline"), ("./out.json", "inline"), ("sub/../out.json", "inline"), ("alias/out.json", "inline"), ("out.json.svit.jsonl", "sidecar")],
)  # fmt: skip
@pytest.mark.parametrize("overwrite", [False, True])
def test_one_name_for_two_outputs_is_refused(report: str, provenance: Any, overwrite: bool) -> None:
    from svit_datasets import Options

    write_array(element("1"))
    Path("sub").mkdir()
    Path("alias").symlink_to(".")
    with pytest.raises(UsageError, match=r"is named for two outputs; name another$") as caught:
        to_llava(FILE, "out.json", report=report, options=Options(provenance=provenance), overwrite=overwrite)
    assert str(caught.value) == f"{report}: is named for two outputs; name another"
    assert {p for p in tree(Path()) if not p.startswith("alias/")} == {FILE, "sub", "alias"}


def test_the_task_must_be_known() -> None:
    write_array(element("1"), name="mine.json")
    hint = "pass --task with one of conversation, complex_reasoning, referring_qa, detail_description"
    ran = call("to-llava", "mine.json", "-o", "out.json")
    assert ran == (UNUSABLE, b"", f"error: mine.json: the file name does not say the task; {hint}\n")
    ran = call("to-llava", "mine.json", "-o", "out.json", "--task", "poetry")
    assert ran.code == UNUSABLE
    assert "'poetry' is not one of" in ran.err
    with pytest.raises(UsageError, match="no task is called 'poetry'") as caught:
        to_llava("mine.json", "out.json", task="poetry")
    assert str(caught.value) == f"no task is called 'poetry'; {hint}"
    assert tree(Path()) == {"mine.json"}


def test_a_sidecar_needs_a_file() -> None:
    write_array(element("1"))
    ran = call("to-llava", FILE, "-o", "-", "--provenance", "sidecar")
    assert ran == (
        UNUSABLE,
        b"",
        "error: a sidecar needs a file to stand beside: name an output, or --provenance inline\n",
    )


@pytest.mark.parametrize("arguments", [[], ["x.json"], ["--frobnicate"], ["x.json", "-o", "y", "--on-error", "ignore"], ["x.json", "-o", "y", "--max-record-mb", "0"]])  # fmt: skip
def test_wrong_usage_has_its_own_exit_status(arguments: list[str]) -> None:
    ran = run("to-llava", *arguments)
    assert ran.code == UNUSABLE
    assert "Error: " in ran.err
    assert re.search(r"^Try 'svit-convert to-llava (-h|--help)' for help\.$", ran.err, re.M)


# --- a full disk


def write_many(count: int = 1500) -> Path:
    return write_array(*(element(str(i)) for i in range(1, count)))


def test_a_full_disk_is_named_and_nothing_left() -> None:
    write_many()
    ran = run("to-llava", FILE, "-o", "made/out.json", preexec_fn=limit_file_size(4096))
    assert ran == (UNUSABLE, b"", "error: made/out.json: file too large; nothing was written under this name. Make room or name another place\n")  # fmt: skip
    assert tree(Path()) == {FILE}


def test_a_full_disk_while_spooling_standard_output_is_named() -> None:
    write_many()
    ran = run("to-llava", FILE, "-o", "-", preexec_fn=limit_file_size(4096))
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert ran.err.startswith("error: -: file too large; ")


def test_a_full_disk_while_collecting_findings_is_named() -> None:
    write_array(*[element("1")] * 1500)
    ran = run("to-llava", FILE, "-o", "made/out.json", "--report", "made/report.json", "--provenance", "none", preexec_fn=limit_file_size(260_000))  # fmt: skip
    assert ran.code == UNUSABLE
    assert "file too large" in ran.err
    assert tree(Path()) == {FILE}


def test_a_full_disk_while_a_zip_comes_through_a_pipe_is_named() -> None:
    packed = make_zip({"a.json": write_many().read_bytes()}, 0)
    ran = run(
        "to-llava", "-", "--task", "conversation", "-o", "made/out.json", stdin=packed, preexec_fn=limit_file_size(4096)
    )
    assert ran.code == UNUSABLE
    assert "file too large" in ran.err
    assert tree(Path()) == {FILE}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A folder on a disk of 64 KiB; None where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
    )
    yield folder if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("more", [[], ["--provenance", "sidecar"]], ids=["one file", "two files"])
def test_a_disk_that_fills_up(small_disk: Path | None, more: list[str]) -> None:
    write_many()
    folder = small_disk or Path("disk")
    given = {} if small_disk else {"preexec_fn": limit_file_size(64 << 10)}
    ran = run("to-llava", FILE, "-o", folder / "made/out.json", *more, **given)
    assert ran.code == UNUSABLE
    assert re.match(
        rf"error: {folder}/made/out\.json(\.svit\.jsonl)?: (no space left on device|file too large); ", ran.err
    )
    assert tree(folder) == set()


# --- signals, pipes


def start_waiting(*arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a conversion that waits for more of its input, and wait until it has read what there is."""
    os.mkfifo("pipe")
    writing = os.open("pipe", os.O_RDWR)  # does not wait for a reader, and holds the pipe open
    process = start("to-llava", "pipe", "--task", "conversation", "-o", "made/out.json", *arguments)
    os.write(writing, GOOD[:-1])
    wait_for(lambda: not fcntl.ioctl(writing, termios.FIONREAD, bytes(4)).strip(b"\0"), process)
    assert tree(Path("made"))
    return process, writing


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
@pytest.mark.parametrize("more", [(), ("--provenance", "sidecar")], ids=["one file", "two files"])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, code: int, more: tuple[str, ...]) -> None:
    process, writing = start_waiting(*more)
    process.send_signal(number)
    ran = finish(process)
    os.close(writing)
    assert (ran.code, ran.out) == (code, b"")
    assert ran.err.strip() == ("interrupted; nothing was written" if number == signal.SIGINT else "")
    assert tree(Path()) == {"pipe"}


def test_a_killed_run_leaves_nothing_under_the_final_name() -> None:
    process, writing = start_waiting()
    process.kill()
    assert finish(process).code == -signal.SIGKILL
    os.close(writing)
    assert not Path("made/out.json").exists()
    write_array(element("1"))
    assert run("to-llava", FILE, "-o", "made/out.json").code == DONE
    assert ids_of("made/out.json") == ["conversation-1-0"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_named(unbuffered: str) -> None:
    write_many()
    process = start("to-llava", FILE, "-o", "-", env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    assert process.stdout is not None
    assert process.stdout.read(10) == b'[\n{"id":"c'
    process.stdout.close()
    process.stdout = None
    ran = finish(process)
    assert ran.code == UNUSABLE
    assert ran.err.startswith("error: -: broken pipe")
    assert tree(Path()) == {FILE}


def test_no_code_is_without_a_test() -> None:
    """Every code that conversions give has a test here, or in those of the way back and of tables, with its message.

    Those that ``validate`` alone gives have an example that test_validation_examples.py runs.
    """
    texts = "".join(
        Path(__file__).with_name(f"test_{name}.py").read_text("utf-8")
        for name in ("bad_input", "bad_llava", "bad_tables")
    )
    package = Path(svit_datasets.__file__).parent
    looking = {"validation", "statistics", "viewer", "publish"}
    own = [p for p in package.rglob("*.py") if not looking.intersection(p.relative_to(package).parts)]
    sources = {*own, *package.glob("converters/*.py")}
    given = "".join(p.read_text("utf-8") for p in sources if p.name != "rules.py")
    codes = [code for code in RULES if f'"{code}"' in given]
    assert len(codes) > 50
    assert [code for code in codes if f"[{code}]" not in texts and f"\\[{code}\\]" not in texts] == []


def test_an_image_in_the_other_folder_is_told() -> None:
    save_photo(Path("photos/VG_100K_2/2.jpg"), (4, 4))
    Path("photos/VG_100K").mkdir()
    write_array(element("2"))
    made = to_llava(FILE, "out.json", images="photos")
    assert [str(f) for f in made.first] == [
        f"{FILE}:1 id=2 $.image_id: found VG_100K_2/2.jpg in photos; expected it in VG_100K; move the file: the trainer "
        "looks for it where the record says [image-folder-differs]"
    ]


def test_what_could_not_be_read_behind_a_broken_record_is_told() -> None:
    broken = b'{"x": 5, "y": }'
    write_array(element("1"), broken, b'{"z": 1}')
    made = to_llava(FILE, "out.json", on_error="skip")
    assert made.by_code == {"record-syntax": 1, "input-rest": 1}
    assert re.fullmatch(
        rf"{FILE}:2: found no further record behind byte \d+ could be told apart; expected records that begin like those "
        r"before; mend the record before it by hand: what follows it in this file was not read \[input-rest\]",
        str(made.first[1]),
    )


@pytest.mark.parametrize("broken", [b'{"x": 5, "y": }', b'{,"image_id": 4}', b'{"image_id" 4}', b'"image_id": 4}'])
def test_the_records_behind_a_broken_one_are_read(broken: bytes) -> None:
    write_array(element("1"), broken, *(element(str(i)) for i in range(5, 9)))
    made = to_llava(FILE, "out.json", on_error="skip")
    assert ids_of("out.json")[-3:] == [f"conversation-{i}-0" for i in (6, 7, 8)], made.first


def test_an_early_fault_in_a_large_file_is_named_as_what_it_is() -> None:
    write_array(element("1"), b'{"image_id": 1 2}', *(element(str(i)) for i in range(3, 20_000)))
    with pytest.raises(RecordError, match=r"^conversation\.json:2 id=1: found Expecting ',' delimiter at byte \d+"):
        to_llava(FILE, "out.json", max_record_mb=1)
