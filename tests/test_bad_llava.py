"""Bad LLaVA input and sidecars: each fault is named with its place, obeys --on-error, leaves nothing behind."""

# ruff: noqa: E501 -- full messages stand in one line each

from __future__ import annotations

import fcntl
import gzip
import json
import os
import re
import signal
import termios
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from svit_datasets import FindingsError, InputError, Options, RecordError, UsageError, from_llava, to_llava
from svit_datasets.reading.containers import STDIN
from svit_datasets.writing.sidecar import SIDECAR_SUFFIX
from tests.helpers_cli import (
    DONE,
    FAULTS,
    INTERRUPTED,
    POLICIES,
    TERMINATED,
    UNUSABLE,
    call,
    encode,
    finish,
    limit_file_size,
    make_zip,
    obey_modes,
    record,
    run,
    run_policies,
    save_photo,
    start,
    tree,
    wait_for,
)

FILE = "mix.json"
ID = "conversation-2-0"
SCHEMA_HINT = "expected a record that fits the schema; compare it with the schema: svit-convert schema native, llava-lenient or image_data [record-shape]"
DAMAGED_HINT = "expected the svit key as to-llava wrote it; restore the key, or remove it to convert by best effort [provenance-damaged]"
EMPTY_HINT = (
    "expected text; drop the pair: an empty value makes the whole conversation train on zero tokens [turn-empty]"
)
UNSAFE_HINT = (
    "expected a relative path below the image folder; make the path relative, without '..' [image-path-unsafe]"
)
LIST_HINT = "expected a JSON array '[...]' or one JSON object a line; pass a .json, .jsonl, .gz or .zip of SVIT records [input-not-json]"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_rows(*image_ids: int, **options: Any) -> list[dict[str, Any]]:
    """Return what ``to_llava`` writes for one conversation about each image."""
    source, target = Path("conversation.json"), Path("converted.json")
    source.write_bytes(encode([record(i) for i in image_ids]))
    to_llava(source, target, options=Options(**options))
    rows: list[dict[str, Any]] = json.loads(target.read_text("ascii"))
    for path in (source, target):
        path.unlink()
    return rows


def row(*turns: tuple[str, Any], **more: Any) -> dict[str, Any]:
    """Return a record about image 2 without provenance."""
    pairs = turns or (("human", "<image>\nWhy?"), ("gpt", "So."))
    conversations = [{"from": role, "value": value} for role, value in pairs]
    return {"id": ID, "image": "vg/VG_100K/2.jpg", "conversations": conversations, **more}


class Fault(NamedTuple):
    """A faulty second record between two good ones, and the full message that it gets."""

    name: str
    row: Any
    message: str

    @property
    def code(self) -> str:
        return self.message[self.message.rindex("[") + 1 : -1]


PLACE = f"{FILE}:2 id={ID}"
FAULTY = [
    Fault("number", 5, f"{FILE}:2: found Expected `object`, got `int`; {SCHEMA_HINT}"),
    Fault("string", "x", f"{FILE}:2: found Expected `object`, got `str`; {SCHEMA_HINT}"),
    Fault("null", None, f"{FILE}:2: found Expected `object`, got `null`; {SCHEMA_HINT}"),
    Fault("gpt first", row(("gpt", "a"), ("human", "b")), f"{PLACE} $.conversations[0].from: found 'gpt'; expected 'human'; put the turns in order or leave the conversation out [turn-role]"),
    Fault("unknown role", row(("human", "a"), ("system", "b")), f"{PLACE} $.conversations[1].from: found 'system'; expected 'gpt'; put the turns in order or leave the conversation out [turn-role]"),
    Fault("odd turns", row(("human", "a")), f"{PLACE} $.conversations: found 1 turns; expected an answer after every question; drop the last turn or add its answer: an odd number trains on zero tokens [turn-odd]"),
    Fault("empty value", row(("human", "a"), ("gpt", "")), f"{PLACE} $.conversations[1].value: found ''; {EMPTY_HINT}"),
    Fault("image token alone", row(("human", "<image>\n"), ("gpt", "b")), f"{PLACE} $.conversations[0].value: found ''; {EMPTY_HINT}"),
    Fault("white space", row(("human", "a"), ("gpt", "\t")), f"{PLACE} $.conversations[1].value: found '\\t'; expected text; drop the pair: it says nothing [turn-empty]"),
    Fault("eos", row(("human", "a</s>"), ("gpt", "b")), f"{PLACE} $.conversations[0].value: found '</s>' in 'a</s>'; expected no </s> inside a text; take the token out: it makes the conversation train on zero tokens [token-eos]"),
    Fault("second image token", row(("human", "<image>\na"), ("gpt", "b <image>")), f"{PLACE} $.conversations[1].value: found '<image>' in 'b <image>'; expected no <image> inside a text; take the token out: two of them break the trainer's batch [token-image]"),
    Fault("assistant", row(("human", "a ASSISTANT: b"), ("gpt", "b")), f"{PLACE} $.conversations[0].value: found ' ASSISTANT: ' in 'a ASSISTANT: b'; expected no ' ASSISTANT: ' inside a text; reword it: it makes the conversation train on zero tokens [token-assistant]"),
    Fault("box without a size", row(("human", "a"), ("gpt", "b [0.1, 0.2, 0.3, 0.4]")), f"{PLACE} $.image: found no size of image 2; expected the image's size, to place its boxes; pass --images with the images or image_data.json [image-size-unknown]"),
    Fault("absolute path", row(image="/vg/VG_100K/2.jpg"), f"{PLACE} $.image: found '/vg/VG_100K/2.jpg'; {UNSAFE_HINT}"),
    Fault("path that climbs out", row(image="../vg/VG_100K/2.jpg"), f"{PLACE} $.image: found '../vg/VG_100K/2.jpg'; {UNSAFE_HINT}"),
    Fault("path that climbs out later", row(image="a/../../vg/VG_100K/2.jpg"), f"{PLACE} $.image: found 'a/../../vg/VG_100K/2.jpg'; {UNSAFE_HINT}"),
    Fault("path with a drive", row(image="C:\\vg/VG_100K/2.jpg"), f"{PLACE} $.image: found 'C:\\\\vg/VG_100K/2.jpg'; {UNSAFE_HINT}"),
    Fault("svit number", row(svit=5), f"{PLACE} $.svit: found Expected `object`, got `int`; {DAMAGED_HINT}"),
    Fault("svit null", row(svit=None), f"{PLACE} $.svit: found Expected `object`, got `null`; {DAMAGED_HINT}"),
    Fault("svit without at", row(svit={"sum": "AAAAAAAA"}), f"{PLACE} $.svit: found Object missing required field `at`; {DAMAGED_HINT}"),
    Fault("svit without sum", row(svit={"at": "c0.0.2"}), f"{PLACE} $.svit: found Object missing required field `sum`; {DAMAGED_HINT}"),
    Fault("svit of another tool", row(svit={"at": "c0.0.2", "sum": "AAAAAAAA", "x": 1}), f"{PLACE} $.svit: found Object contains unknown field `x`; {DAMAGED_HINT}"),
    Fault("svit at nowhere", row(svit={"at": "q0.0.2", "sum": "AAAAAAAA"}), f"{PLACE} $.svit.at: found 'q0.0.2'; {DAMAGED_HINT}"),
]  # fmt: skip
BY_PROCESS = [
    fault for fault in FAULTY if fault.name in ("null", "odd turns", "absolute path", "svit null", "box without a size")
]


def write_faulty(fault: Fault) -> None:
    good = make_rows(1, 4)
    Path(FILE).write_bytes(encode([good[0], fault.row, good[1]]))


def native_ids(folder: str = "native") -> list[int]:
    records = (r for p in sorted(Path(folder).glob("*.json")) for r in json.loads(p.read_text("ascii")))
    return [r["image_id"] for r in records]


def codes_of(report: str) -> list[str]:
    return [fault["code"] for fault in json.loads(Path(report).read_text("ascii"))["findings"]]


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_a_faulty_record_is_named_in_full(fault: Fault) -> None:
    write_faulty(fault)
    with pytest.raises(RecordError, match=rf"\[{fault.code}\]$") as caught:
        from_llava(FILE, "native")
    assert str(caught.value) == fault.message
    assert tree(Path()) == {FILE}


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_a_faulty_record_is_left_out_and_counted(fault: Fault) -> None:
    write_faulty(fault)
    made = from_llava(FILE, "native", on_error="skip")
    assert native_ids() == [1, 4]
    assert str(made.first[0]) == fault.message
    assert made.by_code == {fault.code: 1}
    assert (made.counts["records_read"], made.counts["records_skipped"], made.counts["records_restored"]) == (3, 1, 2)


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_a_faulty_record_is_collected_and_nothing_written(fault: Fault) -> None:
    write_faulty(fault)
    with pytest.raises(FindingsError, match=re.escape(fault.message)):
        from_llava(FILE, "made/native", on_error="collect", rest="made/rest.json")
    assert tree(Path()) == {FILE}


@pytest.mark.parametrize("fault", BY_PROCESS, ids=lambda fault: fault.code)
def test_the_command_obeys_the_policy(fault: Fault) -> None:
    write_faulty(fault)
    ran = run_policies("from-llava", FILE, cwd=Path(), output="native")
    assert {policy: ran[policy].code for policy in POLICIES} == {"raise": FAULTS, "skip": DONE, "collect": FAULTS}
    assert ran["raise"].err == f"error: {fault.message}\n"
    assert all(fault.message in ran[policy].err for policy in POLICIES)
    assert "left out: 1 records\n" in ran["skip"].err
    assert native_ids("skip/made/native") == [1, 4]
    assert [codes_of(f"{policy}.report.json") for policy in POLICIES] == [[fault.code]] * 3
    assert not Path("raise").exists()
    assert not Path("collect").exists()


# --- what Python or a checker cannot take


def raw_row(more: str, *, image: str = "vg/VG_100K/2.jpg") -> bytes:
    text = '{%s, "image": "%s", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}'
    return (text % (more, image)).encode()


def read_between(text: bytes, *, rest: str | None = None) -> Any:
    good = make_rows(1, 4)
    Path(FILE).write_bytes(b"[" + b", ".join([encode(good[0]), text, encode(good[1])]) + b"]")
    made = from_llava(FILE, "native", on_error="skip", rest=rest)
    assert set(native_ids()) >= {1, 4}
    return made


LONG_NUMBERS = {
    "id": raw_row(f'"id": {"7" * 5000}'),
    "image": raw_row('"id": "x"', image=f"vg/VG_100K/{'7' * 5000}.jpg"),
    "svit": raw_row(f'"id": "x", "svit": {{"at": "c0.0.{"7" * 5000}", "sum": "AAAAAAAA"}}'),
    "unknown key": raw_row(f'"id": "x", "n": {"7" * 5000}'),
    "foreign": raw_row(f'"id": "x", "n": {"7" * 5000}', image="coco/1.jpg"),
    "foreign float": raw_row('"id": "x", "n": 1e999', image="coco/1.jpg"),
}


@pytest.mark.parametrize("text", LONG_NUMBERS.values(), ids=LONG_NUMBERS.keys())
def test_numbers_out_of_range_end_no_run(text: bytes) -> None:
    made = read_between(text, rest="rest.json")
    kept = made.counts["records_foreign"] + made.counts["records_inferred"]
    assert made.counts["records_read"] == 3
    assert kept + made.counts["records_skipped"] == 1
    if made.counts["records_foreign"]:
        assert Path("rest.json").read_bytes() == b"[\n" + text + b"\n]\n"


@pytest.mark.parametrize("depth", [100, 200, 300, 900, 980, 1000, 2000, 10_000])
@pytest.mark.parametrize("image", ["coco/1.jpg", "vg/VG_100K/2.jpg"], ids=["foreign", "svit"])
def test_nesting_ends_no_run(depth: int, image: str) -> None:
    text = raw_row(f'"id": "x", "model": {"[" * depth}{"]" * depth}', image=image)
    made = read_between(text, rest="rest.json")
    assert made.counts["records_read"] == 3
    assert made.counts["records_foreign"] + made.counts["records_inferred"] + made.counts["records_skipped"] == 1
    if made.counts["records_foreign"]:
        assert Path("rest.json").read_bytes() == b"[\n" + text + b"\n]\n"
    if made.counts["records_skipped"]:
        assert made.by_code == {"record-depth": 1}


@pytest.mark.parametrize("image", ["coco/1.jpg", "vg/VG_100K/2.jpg"], ids=["foreign", "svit"])
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ('"id": "x", "n": NaN', "record-nan"),
        ('"id": "x", "n": "\\ud800"', "record-surrogate"),
        ('"id": "x", "id": "y"', "record-duplicate-key"),
    ],
)
def test_what_is_no_good_json_is_named(more: str, code: str, image: str) -> None:
    made = read_between(raw_row(more, image=image))
    assert made.by_code == {code: 1}
    assert made.counts["records_skipped"] == 1


def test_bad_utf_8_is_named() -> None:
    made = read_between(raw_row('"id": "x", "n": "~"').replace(b"~", b"\xff"))
    assert made.by_code == {"record-utf8": 1}


def test_a_record_with_provenance_and_without_turns_is_named() -> None:
    [good] = make_rows(2)
    good["conversations"] = None
    Path(FILE).write_bytes(encode([good]))
    with pytest.raises(RecordError, match=r"\[record-shape\]$") as caught:
        from_llava(FILE, "native")
    assert str(caught.value) == f"{FILE}:1 id={ID} $.conversations: found no list of {{from, value}}; {SCHEMA_HINT}"


def test_provenance_cannot_put_another_image_in_its_place() -> None:
    [good] = make_rows(2)
    good["svit"]["extra"] = {"record": {"image_id": 7}}
    Path(FILE).write_bytes(encode([good]))
    with pytest.raises(RecordError, match=r"\[provenance-damaged\]$"):
        from_llava(FILE, "native")


# --- foreign records, edits, copies, conflicts


def test_foreign_records_are_kept_as_they_are_and_looked_at() -> None:
    foreign = [
        row(image="coco/train2017/1.jpg"),
        {"id": 7, "model": "", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]},
        {"id": "n", "image": None, "conversations": [{"from": "human", "value": ""}]},
        row(image="/coco/1.jpg"),
    ]
    Path(FILE).write_bytes(encode([*foreign, *make_rows(1)]))
    made = from_llava(FILE, "native", rest="rest.json")
    assert json.loads(Path("rest.json").read_bytes()) == foreign
    assert [str(f) for f in made.first] == [
        f'{FILE}:3 id=n $.image: found null is not of type "string"; expected a record that LLaVA\'s loader reads; kept as it was; see the schema llava-lenient [row-lenient]',
        f"{FILE}:4 id={ID} $.image: found '/coco/1.jpg'; {UNSAFE_HINT}",
    ]
    assert [f.severity for f in made.first] == ["warning", "warning"]
    assert made.counts["records_foreign"] == 4
    assert made.outputs == {"native/conversation.json": 1, "rest.json": 4}


def test_foreign_records_that_are_left_out_are_told() -> None:
    Path(FILE).write_bytes(encode([row(image="coco/1.jpg"), *make_rows(1)]))
    ran = call("from-llava", FILE, "-o", "native")
    assert ran.code == DONE
    assert "1 foreign" in ran.err
    assert ran.err.endswith("the foreign records were left out; --rest FILE keeps them\n")


def test_an_edited_record_is_told_and_converted() -> None:
    [good] = make_rows(2)
    good["conversations"][1]["value"] = "Because."
    good["mine"] = 1
    Path(FILE).write_bytes(encode([good]))
    made = from_llava(FILE, "native")
    assert [str(f) for f in made.first] == [
        f"{FILE}:1 id={ID} $.mine: found 'mine'; expected the keys that to-llava wrote; left out; the native layout has no place for it [row-extra-key]",
        f"{FILE}:1 id={ID} $.conversations: found another text; expected the text that to-llava wrote; converted from the edited text by best effort [provenance-edited]",
    ]
    assert made.counts["records_edited"] == 1


def test_a_copy_is_left_out_and_counted() -> None:
    [good] = make_rows(2)
    Path(FILE).write_bytes(encode([good, good]))
    made = from_llava(FILE, "native")
    assert native_ids() == [2]
    assert re.fullmatch(
        rf"{FILE}:2 id={ID}: found conversation 0 of image 2 for the second time; expected each conversation once; "
        r"nothing to do; the copy was counted and left out \[provenance-copy\]",
        str(made.first[0]),
    )
    assert made.counts["records_copies"] == 1


def test_two_texts_for_one_place_are_a_conflict() -> None:
    Path("other").mkdir()
    [good] = make_rows(2)
    Path(FILE).write_bytes(encode([good]))
    Path("conversation.json").write_bytes(encode([record(2, "Who?", "Me.")]))
    to_llava("conversation.json", "other/mix.json")
    message = (
        f"other/{FILE}:1 id={ID}: found conversation 0 of image 2 for the second time; expected one text for each place in "
        "the native file; pass the LLaVA files of one conversion only [provenance-conflict]"
    )
    with pytest.raises(RecordError, match=r"\[provenance-conflict\]$") as caught:
        from_llava([FILE, f"other/{FILE}"], "native")
    assert str(caught.value) == message
    with pytest.raises(FindingsError, match=re.escape(message)):
        from_llava([FILE, f"other/{FILE}"], "native", on_error="collect")
    assert not Path("native").exists()
    made = from_llava([FILE, f"other/{FILE}"], "native", on_error="skip")
    assert native_ids() == [2]
    assert made.counts["records_skipped"] == 1


def test_a_row_that_does_not_fit_its_schema_is_reported_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No input is known that gets so far, so the checker is made to refuse."""
    import svit_datasets.writing.row_writer

    monkeypatch.setattr(
        svit_datasets.writing.row_writer, "validator", lambda _name: lambda _row: [("$.id", "too silly")]
    )
    Path("conversation.json").write_bytes(encode([record(2)]))
    with pytest.raises(RecordError, match=r"\[row-check\]$") as caught:
        to_llava("conversation.json", "out.json")
    assert str(caught.value) == (
        "conversation.json:1 id=2 $.id: found too silly; expected a row that fits the schema it is written under; "
        "please report this with the record: it should not happen [row-check]"
    )


# --- whole files


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (FILE, b"", f"{FILE}: found nothing; expected a JSON array or JSON lines; fetch the file again; it holds nothing [input-empty]"),
        (FILE, b"<html>", f"{FILE}: found '<html>'; {LIST_HINT}"),
        (FILE, b"[1, 2]".decode().encode("utf-16"), f"{FILE}: found a UTF-16 byte-order mark; expected UTF-8; convert it first, e.g. iconv -f UTF-16 -t UTF-8 [input-encoding]"),
        (FILE, b'[{"id": "x"', f"{FILE}:1 id=x: found the end of the file inside the record (Expecting ',' delimiter at byte 12: '[{{\"id\": \"x\"'); expected a ']' at the end; fetch the file again, or keep what came before (--on-error skip takes it) [input-truncated]"),
        ("mix.json.gz", gzip.compress(b"[]" * 500, mtime=0)[:-9], "mix.json.gz: found Compressed file ended before the end-of-stream marker was reached; expected an archive that unpacks; fetch the archive again and compare its checksum [input-damaged]"),
        ("mix.zip", make_zip({"a.txt": b""}), "mix.zip: found 0 (none); expected exactly one .json or .jsonl inside the zip; unpack it and pass the file that you mean [input-members]"),
    ],
    ids=["empty", "html", "utf-16", "truncated", "gz", "zip"],
)  # fmt: skip
def test_a_bad_file_is_named_in_full(name: str, content: bytes, message: str) -> None:
    Path(name).write_bytes(content)
    code = message[message.rindex("[") + 1 : -1]
    with pytest.raises(InputError, match=rf"\[{code}\]$") as caught:
        from_llava(name, "native", rest="made/rest.json")
    assert re.sub(r" id=x|'\[?\{\"id\": \"x\"'", "", str(caught.value)) == re.sub(
        r" id=x|'\[?\{+\"id\": \"x\"'", "", message
    )
    assert tree(Path()) == {name}


@pytest.mark.parametrize(
    ("name", "found"), [("nowhere.json", "no such file or directory"), ("folder", "is a directory")]
)
def test_an_input_that_cannot_be_opened_is_named(name: str, found: str) -> None:
    Path("folder").mkdir()
    ran = call("from-llava", name, "-o", "native", "--on-error", "skip")
    assert ran == (
        UNUSABLE,
        b"",
        f"error: {name}: found {found}; expected a readable file; check the path [input-missing]\n",
    )
    assert tree(Path()) == {"folder"}


# --- the sidecar


def write_with_sidecar() -> list[bytes]:
    """Write records 1 and 2 with a sidecar beside them; return its lines."""
    Path("conversation.json").write_bytes(encode([record(1, topic="unknown key"), record(2)]))
    to_llava("conversation.json", FILE, options=Options(provenance="sidecar"))
    return Path(FILE + SIDECAR_SUFFIX).read_bytes().splitlines(keepends=True)


def test_a_sidecar_beside_the_file_is_found() -> None:
    write_with_sidecar()
    assert from_llava(FILE, "native").counts["records_restored"] == 2
    assert json.loads(Path("native/conversation.json").read_bytes()) == json.loads(
        Path("conversation.json").read_bytes()
    )


@pytest.mark.parametrize("name", ["nowhere.jsonl", "native", "x" * 300])
def test_a_sidecar_that_cannot_be_opened_is_named(name: str) -> None:
    write_with_sidecar()
    Path("native").mkdir()
    found = {"nowhere.jsonl": "no such file or directory", "native": "is a directory"}.get(name, "file name too long")
    ran = call("from-llava", FILE, "-o", "out", "--provenance", name)
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert (
        ran.err.lower() == f"error: {name}: found {found}; expected a readable file; check the path [input-missing]\n"
    )
    assert not Path("out").exists()


BAD_LINES = {
    "text": b"hello\n",
    "cut": b'{"id": "conversation-2-0", "svit": {"at": "c1.0',
    "shape": b'{"id": 5, "svit": {}}\n',
    "no svit": b'{"id": "conversation-2-0"}\n',
    "list": b"[]\n",
    "bad utf-8": b'{"id": "\xff", "svit": {}}\n',
    "nesting": b'{"id": "x", "svit": ' + b"[" * 10_000 + b"]" * 10_000 + b"}\n",
    "binary": b"\x00\x01\x02\n",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
@pytest.mark.parametrize("policy", POLICIES)
def test_a_damaged_line_of_a_sidecar_is_named(line: bytes, policy: Any) -> None:
    lines = write_with_sidecar()
    Path("side.jsonl").write_bytes(lines[0] + line)
    with pytest.raises(InputError, match=r"^side\.jsonl:2: found ") as caught:
        from_llava(FILE, "native", provenance="side.jsonl", on_error=policy)
    assert caught.value.finding is not None
    assert not Path("native").exists()


def test_a_damaged_line_of_a_sidecar_is_named_in_full() -> None:
    lines = write_with_sidecar()
    Path(FILE + SIDECAR_SUFFIX).write_bytes(lines[0] + b"hello\n")
    ran = call("from-llava", FILE, "-o", "native")
    assert ran == (
        UNUSABLE,
        b"",
        f"error: {FILE}{SIDECAR_SUFFIX}:2: found JSON is malformed: invalid character (byte 0); {LIST_HINT}\n",
    )
    assert not Path("native").exists()


def test_damaged_provenance_in_a_sidecar_is_a_fault_of_its_record() -> None:
    lines = write_with_sidecar()
    Path("side.jsonl").write_bytes(lines[0] + lines[1].replace(b"c1.0.2", b"c1.0"))
    with pytest.raises(RecordError, match=r"\[provenance-damaged\]$") as caught:
        from_llava(FILE, "native", provenance="side.jsonl")
    assert str(caught.value) == f"{FILE}:2 id={ID} $.svit.at: found 'c1.0'; {DAMAGED_HINT}"
    made = from_llava(FILE, "native", provenance="side.jsonl", on_error="skip")
    assert (made.counts["records_restored"], made.counts["records_skipped"]) == (1, 1)


def test_a_record_that_its_sidecar_does_not_know_is_inferred() -> None:
    lines = write_with_sidecar()
    Path("side.jsonl").write_bytes(lines[0])
    made = from_llava(FILE, "native", provenance="side.jsonl")
    assert (made.counts["records_restored"], made.counts["records_inferred"]) == (1, 1)


def test_a_blank_line_at_the_end_of_a_sidecar_is_passed_over() -> None:
    lines = write_with_sidecar()
    Path("side.jsonl").write_bytes(b"".join(lines) + b"\n")
    assert from_llava(FILE, "native", provenance="side.jsonl").counts["records_restored"] == 2


def test_standard_input_has_no_sidecar_beside_it() -> None:
    lines = write_with_sidecar()
    Path(STDIN + SIDECAR_SUFFIX).write_bytes(b"".join(lines))
    ran = run("from-llava", "-", "-o", "native", stdin=Path(FILE).read_bytes())
    assert ran.code == DONE
    assert "2 inferred" in ran.err


# --- paths


def test_a_file_is_no_folder() -> None:
    Path(FILE).write_bytes(encode(make_rows(1)))
    Path("native").write_text("precious")
    with pytest.raises(UsageError, match=r"^native: is a file; name a folder"):
        from_llava(FILE, "native", overwrite=True)
    assert Path("native").read_text() == "precious"


def test_existing_native_files_are_kept_without_overwrite() -> None:
    Path(FILE).write_bytes(encode(make_rows(1)))
    Path("native").mkdir()
    Path("native/conversation.json").write_text("precious")
    ran = call("from-llava", FILE, "-o", "native")
    assert ran == (
        UNUSABLE,
        b"",
        "error: native/conversation.json: exists already; name another output or pass --overwrite\n",
    )
    assert Path("native/conversation.json").read_text() == "precious"
    assert call("from-llava", FILE, "-o", "native", "--overwrite").code == DONE
    assert native_ids() == [1]


def test_the_input_is_never_written_over() -> None:
    Path("conversation.json").write_bytes(encode(make_rows(1)) if not Path(FILE).exists() else b"")
    Path("conversation.json").write_bytes(encode(make_rows(1)))
    before = Path("conversation.json").read_bytes()
    for given in ({}, {"rest": "conversation.json"}, {"report": "conversation.json"}):
        with pytest.raises(UsageError, match="is an input; inputs are never modified"):
            from_llava("conversation.json", "." if not given else "native", overwrite=True, **given)
    assert Path("conversation.json").read_bytes() == before
    assert tree(Path()) == {"conversation.json"}


@pytest.mark.parametrize("option", ["rest", "report"])
@pytest.mark.parametrize("is_given", [True, False], ids=["given", "beside"])
def test_the_sidecar_is_never_written_over(option: str, is_given: bool) -> None:
    lines = write_with_sidecar()
    name = FILE + SIDECAR_SUFFIX
    with pytest.raises(UsageError, match="is an input"):
        from_llava(FILE, "native", provenance=name if is_given else None, overwrite=True, **{option: name})
    assert Path(name).read_bytes() == b"".join(lines)


@pytest.mark.parametrize("option", ["rest", "report"])
@pytest.mark.parametrize(
    "name", ["native/conversation.json", "./native/conversation.json", "native/../native/conversation.json"]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_one_name_for_two_outputs_is_refused(option: str, name: str, overwrite: bool) -> None:
    Path(FILE).write_bytes(encode([*make_rows(1), row(image="coco/1.jpg")]))
    with pytest.raises(UsageError, match=r"is named for two outputs; name another$"):
        from_llava(FILE, "native", overwrite=overwrite, **{option: name})
    assert tree(Path()) == {FILE}


def test_rest_and_report_of_one_name_are_refused() -> None:
    Path(FILE).write_bytes(encode(make_rows(1)))
    with pytest.raises(UsageError, match=r"^r\.json: is named for two outputs; name another$"):
        from_llava(FILE, "native", rest="r.json", report="r.json", overwrite=True)
    assert tree(Path()) == {FILE}


def test_a_report_that_cannot_be_written_leaves_no_output() -> None:
    Path(FILE).write_bytes(encode(make_rows(1)))
    Path("closed").mkdir(mode=0o500)
    ran = run("from-llava", FILE, "-o", "made/native", "--report", "closed/report.json", preexec_fn=obey_modes)
    assert ran.code == UNUSABLE
    assert tree(Path()) == {FILE, "closed"}


@pytest.mark.parametrize("folder", ["closed/native", f"{'x' * 300}"])
def test_a_folder_that_cannot_be_made_is_named(folder: str) -> None:
    Path(FILE).write_bytes(encode(make_rows(1)))
    Path("closed").mkdir(mode=0o500)
    ran = run("from-llava", FILE, "-o", folder, preexec_fn=obey_modes)
    assert ran.code == UNUSABLE
    assert re.match(rf"error: {folder}[^:]*: (permission denied|file name too long)", ran.err)
    assert tree(Path()) == {FILE, "closed"}


# --- a full disk, signals


@pytest.mark.parametrize("size", [2048, 40_000])
@pytest.mark.parametrize("more", [(), ("--rest", "made/rest.json")], ids=["native", "and rest"])
def test_a_full_disk_is_named_and_nothing_left(size: int, more: tuple[str, ...]) -> None:
    foreign = [row(image=f"coco/{i}.jpg") for i in range(600)]
    Path(FILE).write_bytes(encode([*make_rows(*range(1, 1200)), *foreign]))
    ran = run("from-llava", FILE, "-o", "made/native", *more, preexec_fn=limit_file_size(size))
    assert ran.code == UNUSABLE
    assert re.match(r"error: made/\S+: file too large; nothing was written", ran.err)
    assert tree(Path()) == {FILE}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, code: int) -> None:
    rows = encode(make_rows(1, 2))
    os.mkfifo("pipe")
    writing = os.open("pipe", os.O_RDWR)
    process = start("from-llava", "pipe", "-o", "made/native", "--rest", "made/rest.json")
    os.write(writing, rows[:-1])
    wait_for(lambda: not fcntl.ioctl(writing, termios.FIONREAD, bytes(4)).strip(b"\0"), process)
    assert tree(Path("made"))
    process.send_signal(number)
    ran = finish(process)
    os.close(writing)
    assert ran.code == code
    assert tree(Path()) == {"pipe"}


def test_sizes_of_unsafe_or_unknown_images_end_no_run() -> None:
    save_photo(Path("photos/VG_100K/1.jpg"), (4, 4))
    box = (("human", "where?"), ("gpt", "there [0.1, 0.2, 0.3, 0.4]"))
    odd = [
        row(*box),
        row(*box, image=f"vg/VG_100K/{'7' * 400}.jpg", id="far"),
        row(*box, image="vg/VG_100K/1.jpg", id="near"),
    ]
    Path(FILE).write_bytes(encode(odd))
    made = from_llava(FILE, "native", images="photos", on_error="skip")
    assert native_ids() == [1]
    assert made.counts["records_skipped"] == 2


def test_another_image_than_the_record_was_made_for_is_told() -> None:
    rows = make_rows(1, 2)
    rows[1]["image"] = rows[0]["image"]
    Path(FILE).write_bytes(encode(rows))
    made = from_llava(FILE, "native")
    assert native_ids() == [1, 2]
    assert [str(f) for f in made.first] == [
        f"{FILE}:2 id=conversation-2-0 $.image: found image 1, made for 2; expected the image that the record was made "
        "for; the id in the key svit was used; if the image was changed on purpose, remove the key [provenance-image]"
    ]


@pytest.mark.parametrize("policy", ["raise", "skip", "collect"])
def test_no_policy_makes_something_of_a_file_of_which_nothing_can_be_read(policy: Any) -> None:
    Path(FILE).write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"\[input-not-json\]$"):
        from_llava(FILE, "native", on_error=policy)
    assert tree(Path()) == {FILE}


def test_boxes_in_the_padding_are_told() -> None:
    Path("photos").mkdir()
    save_photo(Path("photos/2.jpg"), (640, 480))
    source = [record(2, "Where?", "There [0.1, 0.0, 0.3, 1.0].")]
    Path("referring_qa.json").write_bytes(encode(source))
    to_llava("referring_qa.json", FILE, options=Options(coordinates="original", provenance="none"))
    Path("referring_qa.json").unlink()
    made = from_llava(FILE, "native", images="photos")
    assert [str(f) for f in made.first] == [
        f"{FILE}:1 id=referring_qa-2-0 $.conversations: found 1 boxes; expected boxes on the image; they reach into the "
        "padding and were cut at the image's edge: if the file was made for a trainer that does not pad, pass "
        "--coordinates original [box-in-padding]"
    ]
    assert made.inferred["boxes_in_padding"] == 1


def test_no_infer_takes_what_has_no_provenance_for_foreign() -> None:
    mine, ours = row(), make_rows(4)[0]
    Path(FILE).write_bytes(encode([mine, ours]))
    made = from_llava(FILE, "native", rest="rest.json", options=Options(infer=False))
    assert (made.counts["records_foreign"], made.counts["records_restored"]) == (1, 1)
    assert json.loads(Path("rest.json").read_bytes()) == [mine]


def test_a_native_file_is_told_the_other_way() -> None:
    Path(FILE).write_bytes(encode([record(2)]))
    with pytest.raises(RecordError, match=r"got a native one \(svit-convert to-llava converts it\)"):
        from_llava(FILE, "native")


def test_a_llava_file_is_told_the_other_way() -> None:
    Path("conversation.json").write_bytes(encode(make_rows(2)))
    with pytest.raises(RecordError, match=r"got a LLaVA one \(svit-convert from-llava converts it\)"):
        to_llava("conversation.json", "out.json")
