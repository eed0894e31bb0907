"""Every command as a process: help, happy paths, pipes, a terminal, reports, faults of the smaller commands."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from svit_datasets import compare, schemas, to_llava
from svit_datasets.cli import cli
from svit_datasets.records import TASKS
from tests.helpers_cli import (
    DONE,
    FAULTS,
    SAMPLE,
    UNUSABLE,
    call,
    encode,
    finish,
    jpeg_header,
    limit_file_size,
    make_zip,
    record,
    run,
    save_photo,
    start,
    tree,
)

COMMANDS = (
    *("build", "compare", "download", "draw", "from-llava", "push", "sample", "schema", "stats"),
    *("to-llava", "validate", "view"),
)
DATA, RAW = SAMPLE / "data", SAMPLE / "raw"
FILES = [DATA / f"{stem}.json" for stem in TASKS]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# --- help and version


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version") == (DONE, f"svit-convert, version {version('svit-datasets')}\n".encode(), "")


def test_the_package_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "svit_datasets", "--version"], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (DONE, b"")
    assert ran.stdout.endswith(f", version {version('svit-datasets')}\n".encode())


def test_an_interruption_while_the_command_loads_is_told_in_a_line() -> None:
    code = """
import signal, sys
from importlib.abc import MetaPathFinder
from svit_datasets.__main__ import main

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "click":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
main()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, b"", b"interrupted; nothing was written\n")


def test_the_help_lists_every_command() -> None:
    ran = run("--help")
    assert ran.code == DONE
    assert sorted(cli.commands) == list(COMMANDS)
    for name in COMMANDS:
        assert re.search(rf"^  {name}\s+\S", ran.out.decode(), re.M)
    told = " ".join(ran.out.decode().split())
    assert "1 faults in records or differences, 2 wrong usage, unusable input or output, 130 interrupted." in told


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_documents_every_option(name: str) -> None:
    ran = run(name, "--help", env={**os.environ, "COLUMNS": "200"})
    assert (ran.code, ran.err) == (DONE, "")
    text = " ".join(ran.out.decode().split())
    assert f"svit-convert {name} " in text.split("Usage:")[1]
    for parameter in cli.commands[name].params:
        if parameter.param_type_name == "argument":
            assert parameter.make_metavar(click.Context(cli.commands[name])).strip("[]") in text
            continue
        help_text = getattr(parameter, "help", None)
        assert help_text, parameter.name
        assert " ".join(help_text.split()) in text
        assert all(option in text for option in parameter.opts)
    assert run(name, "-h").out.decode().split() == run(name, "--help").out.decode().split()


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["schema", "poetry"], ["compare", "a"], ["draw", "a"], ["sample"]]
)
def test_wrong_usage_is_told(arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert ran.err.startswith("Usage: svit-convert ")
    assert "\nError: " in ran.err


# --- there and back


def test_the_sample_goes_there_and_back() -> None:
    ran = run("sample", "svit")
    assert ran == (DONE, b"", "sample: wrote 12 files to svit\n")
    inputs = [f"svit/data/{stem}.json" for stem in TASKS]
    ran = run("to-llava", *inputs, "--images", "svit", "-o", "llava.json")
    assert ran == (DONE, b"", "to-llava: 174 records from 24 native records; wrote llava.json (174)\n")
    ran = run("from-llava", "llava.json", "-o", "native")
    outputs = ", ".join(f"native/{stem}.json (6)" for stem in TASKS)
    assert ran == (DONE, b"", f"from-llava: 174 records: 174 restored; wrote {outputs}\n")
    ran = run("compare", "svit/data", "native")
    assert ran == (DONE, b"compare: equal, value for value\n", "")


def test_the_sample_is_written_to_a_new_folder_only() -> None:
    Path("there").mkdir()
    assert call("sample", "there").code == DONE
    before = tree(Path())
    ran = call("sample", "there")
    assert ran == (UNUSABLE, b"", "error: there: exists already and is not empty; name a new folder\n")
    assert tree(Path()) == before
    Path("file").write_text("precious")
    assert call("sample", "file").code == UNUSABLE
    assert Path("file").read_text() == "precious"


def test_a_sample_that_finds_no_room_leaves_nothing() -> None:
    ran = run("sample", "made/svit", preexec_fn=limit_file_size(4096))
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert re.match(r"error: made/svit/.*: file too large", ran.err, re.I)
    assert tree(Path()) == set()


def test_a_message_about_a_sample_is_one_short_line() -> None:
    ran = run("sample", "svit", preexec_fn=limit_file_size(4096))
    assert ran.err.lower() == (
        "error: svit/data/complex_reasoning.json: file too large; nothing was written under this name. make room or name another place\n"  # noqa: E501
    )


@pytest.mark.parametrize("name", schemas.NAMES)
def test_a_schema_is_printed_as_it_is(name: str) -> None:
    ran = call("schema", name)
    assert (ran.code, ran.err) == (DONE, "")
    assert json.loads(ran.out) == schemas.load(name)
    jsonschema.Draft202012Validator.check_schema(json.loads(ran.out))


# --- ways in and out


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the sample's referring file becomes."""
    output = tmp_path_factory.mktemp("expected") / "out.json"
    to_llava(DATA / "referring_qa.json", output, images=RAW)
    return output.read_bytes()


def spell(kind: str) -> tuple[str, bytes]:
    """Return the sample's referring file in another container or spelling, with a name."""
    array = (DATA / "referring_qa.json").read_bytes()
    lines = b"".join(encode(r) + b"\n" for r in json.loads(array))
    return {
        "array": ("referring_qa.json", array),
        "compact": ("referring_qa.json", json.dumps(json.loads(array), separators=(",", ":")).encode()),
        "crlf": ("referring_qa.json", array.replace(b"\n", b"\r\n")),
        "bom": ("referring_qa.json", b"\xef\xbb\xbf" + array),
        "lines": ("referring_qa.jsonl", lines),
        "lines without the last break": ("referring_qa.jsonl", lines[:-1]),
        "lines with crlf": ("referring_qa.jsonl", lines.replace(b"\n", b"\r\n")),
        "gz": ("referring_qa.json.gz", gzip.compress(array)),
        "gz in two members": ("referring_qa.json.gz", gzip.compress(array[:999]) + gzip.compress(array[999:])),
        "lines in gz": ("referring_qa.jsonl.gz", gzip.compress(lines)),
        "zip": ("referring_qa.zip", make_zip({"referring_qa.json": array})),
        "lines in zip": ("referring_qa.zip", make_zip({"x.jsonl": lines, "readme.txt": b"", "__MACOSX/x.json": b""})),
        "gz under another name": ("referring_qa.json", gzip.compress(array)),
    }[kind]


KINDS = ["array", "compact", "crlf", "bom", "lines", "lines without the last break", "lines with crlf", "gz", "gz in two members", "lines in gz", "zip", "lines in zip", "gz under another name"]  # noqa: E501  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_container_gives_the_same_bytes(expected: bytes, kind: str) -> None:
    name, content = spell(kind)
    Path(name).write_bytes(content)
    to_llava(name, "out.json", images=RAW)
    assert Path("out.json").read_bytes() == expected


@pytest.mark.parametrize("kind", ["array", "lines", "gz", "zip"])
def test_every_container_comes_through_a_pipe(expected: bytes, kind: str) -> None:
    ran = run("to-llava", "-", "--task", "referring", "--images", RAW, "-o", "-", stdin=spell(kind)[1])
    assert ran == (DONE, expected, "to-llava: 60 records from 6 native records; wrote - (60)\n")
    assert tree(Path()) == set()


def test_standard_input_needs_its_task() -> None:
    ran = run("to-llava", "-", "-o", "-", stdin=b"[]")
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert ran.err.startswith("error: -: the file name does not say the task; pass --task with one of ")


def test_the_way_back_reads_standard_input_and_writes_the_rest_to_standard_output(expected: bytes) -> None:
    foreign = {"id": "x", "image": "coco/1.jpg", "conversations": [{"from": "human", "value": "<image>\nWho?"}]}
    mixed = encode([foreign, *json.loads(expected)])
    ran = run("from-llava", "-", "-o", "native", "--rest", "-", stdin=mixed)
    assert ran.code == DONE
    assert json.loads(ran.out) == [foreign]
    assert list(compare(DATA / "referring_qa.json", "native/referring_qa.json")) == []


def test_options_reach_the_output() -> None:
    Path("referring.json").write_bytes(encode([record(2, "Where?", "The <st>man<ed> [0.25, 0, 0.5, 1].")]))
    save_photo(Path("photos/VG_100K/2.jpg"), (640, 480))
    arguments = ("referring.json", "--images", "photos", "--no-instruction", "--provenance", "none", "--no-check")
    [row] = json.loads(call("to-llava", *arguments, "-o", "-").out)
    assert row == {
        "id": "referring_qa-2-0",
        "image": "vg/VG_100K/2.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWhere?"},
            {"from": "gpt", "value": "The man [0.25, 0.125, 0.5, 0.875]."},
        ],
    }
    [row] = json.loads(call("to-llava", *arguments, "--coordinates", "original", "-o", "-").out)
    assert row["conversations"][1]["value"] == "The man [0.25, 0, 0.5, 1]."


def test_a_seed_chooses_the_sentences() -> None:
    runs = [
        call("to-llava", DATA / "referring_qa.json", "--images", RAW, "--seed", seed, "-o", "-").out for seed in "001"
    ]
    assert runs[0] == runs[1] != runs[2]


def test_a_sidecar_stands_beside_the_output() -> None:
    ran = call(
        "to-llava", DATA / "detail_description.json", "--images", RAW, "--provenance", "sidecar", "-o", "out.json"
    )
    assert ran.err == "to-llava: 6 records from 6 native records; wrote out.json (6), out.json.svit.jsonl (6)\n"
    assert b"svit" not in Path("out.json").read_bytes()
    assert "6 restored" in call("from-llava", "out.json", "-o", "native").err


# --- progress


def run_on_terminal(*arguments: object, columns: int = 160) -> tuple[int, str]:
    """Run the command with standard error on a pseudo-terminal; return its exit status and what it showed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE")}
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": theirs}
    process = start(*arguments, env={**environment, "TERM": "xterm"}, **given)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    text = shown.decode()
    assert "Traceback" not in text, text[-600:]
    return process.wait(60), text


def plain(shown: str) -> str:
    """Return what was shown without the terminal's control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


@pytest.mark.parametrize("command", ["to-llava", "from-llava"])
def test_progress_on_a_terminal_names_the_file(command: str) -> None:
    name = "conversation.json"
    Path(name).write_bytes((DATA / name).read_bytes())
    if command == "from-llava":
        to_llava(name, "llava.json", images=RAW)
        name = "llava.json"
    code, shown = run_on_terminal(command, name, "--images", RAW, "-o", "made.out")
    assert code == DONE
    assert "\x1b[" in shown
    first, last = plain(shown).split(f"{command}: ")[0], plain(shown).splitlines()[-1]
    assert name in first
    assert re.search(r"[0-9.]+/[0-9.]+ (bytes|kB|MB)", first)
    assert last.startswith(f"{command}: ")


@pytest.mark.parametrize("folder", ["data [old]", "[red]", "a[/b]"])
def test_progress_shows_a_name_as_it_is(folder: str) -> None:
    name = f"{folder}/conversation.json"
    Path(folder).mkdir(parents=True)
    Path(name).write_bytes((DATA / "conversation.json").read_bytes())
    code, shown = run_on_terminal("to-llava", name, "--images", RAW, "-o", "out.json")
    assert code == DONE
    assert name in plain(shown)


def test_a_pipe_gets_the_closing_lines_alone() -> None:
    ran = run("to-llava", *FILES, "--images", RAW, "-o", "out.json")
    assert ran == (DONE, b"", "to-llava: 174 records from 24 native records; wrote out.json (174)\n")
    assert "\x1b" not in ran.err


def test_the_first_findings_are_listed_and_the_others_counted() -> None:
    Path("conversation.json").write_bytes(encode([record(2)] * 31))
    ran = run("to-llava", "conversation.json", "-o", "out.json")
    lines = ran.err.splitlines()
    assert len(lines) == 23
    assert all(line.startswith(f"warning: conversation.json:{i} id=2 ") for i, line in enumerate(lines[:20], 2))
    assert lines[20:] == [
        "... and 10 more; --report FILE lists all",
        "found: duplicate-id 30",
        "to-llava: 31 records from 31 native records; wrote out.json (31)",
    ]


# --- reports


def check_report(path: str) -> dict[str, Any]:
    """Return a report that fits its schema and whose numbers agree with each other."""
    report: dict[str, Any] = json.loads(Path(path).read_text("ascii"))
    jsonschema.Draft202012Validator(schemas.load("report")).validate(report)
    by_code: dict[str, int] = {}
    for fault in report["findings"]:
        by_code[fault["code"]] = by_code.get(fault["code"], 0) + 1
    assert by_code == report["findings_by_code"]
    assert report["version"] == version("svit-datasets")
    return report


def test_the_numbers_of_a_report_are_true() -> None:
    two = record(1)
    two["conversations"] = [*record(1)["conversations"], *record(1, "a", "")["conversations"]]
    faulty = [record(1), 5, two, record(9_999_999_999), record(2, "a"), record(4), {"image_id": 4, "conversations": []}]
    Path("conversation.json").write_bytes(encode(faulty))
    Path("detail.json").write_bytes(encode([record(1), record(2)]))
    inputs = ("conversation.json", "detail.json")
    ran = run("to-llava", *inputs, "-o", "out.json", "--on-error", "skip", "--report", "report.json", "--seed", "3")
    assert ran.code == DONE
    report, rows = check_report("report.json"), json.loads(Path("out.json").read_bytes())
    assert report["command"] == "to-llava"
    assert report["inputs"] == list(inputs)
    assert report["outputs"] == {"out.json": len(rows)} == {"out.json": 5}
    assert report["options"]["seed"] == 3
    counts = report["counts"]
    assert counts["records_read"] == 9
    assert counts["records_skipped"] == 3
    assert counts["records_written"] == 5
    assert counts["pairs_written"] == sum(len(row["conversations"]) // 2 for row in rows)
    assert counts["conversations_read"] == counts["records_written"] + counts["conversations_skipped"] == 8
    assert counts["conversations_read.conversation"] == 6
    assert counts["conversations_read.detail_description"] == 2
    expected = {"record-shape": 1, "duplicate-id": 1, "turn-empty": 1, "image-unknown": 1, "turn-odd": 1}
    assert report["findings_by_code"] == {**expected, "no-conversations": 1}
    assert "left out: 3 records, 3 conversations\n" in ran.err


def test_the_report_of_a_failed_run_names_no_output() -> None:
    Path("conversation.json").write_bytes(encode([record(1), 5]))
    for policy in ("raise", "collect"):
        ran = call(
            "to-llava", "conversation.json", "-o", "out.json", "--on-error", policy, "--report", f"{policy}.json"
        )
        assert ran.code == FAULTS
        report = check_report(f"{policy}.json")
        assert report["outputs"] == {}
        assert [f["record"] for f in report["findings"]] == [2]


@pytest.mark.parametrize("name", ["nowhere.json", "conversation.zip"])
def test_the_report_of_an_unusable_input_says_why(name: str) -> None:
    Path("conversation.zip").write_bytes(make_zip({"readme.txt": b""}))
    ran = call("to-llava", name, "--task", "conversation", "-o", "out.json", "--report", "report.json")
    assert ran.code == UNUSABLE
    report = check_report("report.json")
    assert report["outputs"] == {}
    assert [f["file"] for f in report["findings"]] == [name]


def test_the_report_of_the_way_back_is_true(expected: bytes) -> None:
    rows = json.loads(expected)
    rows[3]["conversations"][1]["value"] = "Edited."
    del rows[4]["svit"]
    foreign = {"id": "x", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]}
    Path("mix.json").write_bytes(encode([*rows[:10], foreign, rows[0], 5]))
    arguments = ("mix.json", "-o", "native", "--rest", "rest.json", "--images", RAW, "--on-error", "skip")
    ran = run("from-llava", *arguments, "--report", "report.json")
    assert ran.code == DONE
    report = check_report("report.json")
    [native] = json.loads(Path("native/referring_qa.json").read_bytes())[:1]
    written = [
        r for r in json.loads(Path("native/referring_qa.json").read_bytes()) if r["image_id"] == native["image_id"]
    ]
    assert report["outputs"] == {"native/referring_qa.json": len(written), "rest.json": 1}
    counts = report["counts"]
    assert counts["records_read"] == 13
    assert counts["records_restored"] == 9
    assert counts["records_edited"] == 1
    assert counts["records_inferred"] == 1
    assert counts["records_foreign"] == 1
    assert counts["records_skipped"] == 1
    assert counts["records_copies"] == 1
    assert counts["conversations_written"] == sum(len(r["conversations"]) for r in written) == 10
    assert report["findings_by_code"]["provenance-copy"] == 1
    assert "referring_qa" in report["unknowable"]


# --- compare


def test_differences_are_told() -> None:
    Path("a.json").write_bytes(encode([record(1), record(2, "Who?", "Me."), record(4)]))
    Path("b.json").write_bytes(encode([record(1), record(2, "Who?", "You.")]))
    ran = run("compare", "a.json", "b.json")
    place = "$.conversations[0].content[1].value"
    assert (ran.code, ran.err) == (FAULTS, "")
    assert ran.out.decode().splitlines() == [
        f'a.json:2 {place}: "Me.", in the other "You."',
        f"a.json:3 $: {json.dumps(record(4))[:100]}..., in the other nothing",
        "compare: 2 records differ",
    ]


@pytest.mark.parametrize(("left", "right", "code"), [(1, 1.0, FAULTS), (True, 1, FAULTS), (None, 0, FAULTS), ("e\u0301", "\u00e9", FAULTS), ([1, 2], [2, 1], FAULTS), ({"a": 1, "b": 2}, {"b": 2, "a": 1}, DONE)])  # noqa: E501  # fmt: skip
def test_values_are_compared_by_type_and_order(left: Any, right: Any, code: int) -> None:
    for name, value in (("a.json", left), ("b.json", right)):
        Path(name).write_bytes(encode([record(1, n=value)]))
    differences = list(compare("a.json", "b.json"))
    assert bool(differences) == (code == FAULTS)
    assert all(d.path.startswith("$.n") for d in differences)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'[{"image_id": 1}, {"image_id": 2 3}, {"image_id": 4}]', FAULTS),
        (b'[{"image_id": 1}, {"image_id": ' + b"[" * 10_000 + b"]" * 10_000 + b"}]", FAULTS),
        (b'{"image_id": 1}\n{"image_id": 2\n{"image_id": 4}\n', FAULTS),
        (b'[{"image_id": 1}, {"image_id": NaN}]', FAULTS),
        (b"", UNUSABLE),
        (b"<html>", UNUSABLE),
        (b'[{"image_id": 1}', UNUSABLE),
    ],
    ids=["syntax", "nesting", "lines", "nan", "empty", "html", "truncated"],
)
def test_a_file_that_cannot_be_compared_is_named(content: bytes, code: int) -> None:
    Path("a.json").write_bytes(content)
    Path("b.json").write_bytes(content)
    ran = call("compare", "a.json", "b.json")
    assert ran.code == code
    assert re.match(r"error: a\.json(:\d+)?[ :]", ran.err)


def test_deep_values_are_compared_or_named() -> None:
    deep = "[" * 900 + "]" * 900
    Path("a.json").write_text(f'[{{"image_id": 1, "n": {deep}}}]')
    Path("b.json").write_text(f'[{{"image_id": 1, "n": {deep[:900]}1{deep[900:]}}}]')
    assert call("compare", "a.json", "a.json").code in (DONE, FAULTS)
    assert call("compare", "a.json", "b.json").code == FAULTS


def test_long_numbers_are_compared_or_named() -> None:
    for name, digit in (("a", "7"), ("b", "8")):
        Path(f"{name}.json").write_text(f'[{{"image_id": 1, "n": {"7" * 5000}{digit}}}]')
    assert call("compare", "a.json", "a.json").code in (DONE, FAULTS)
    assert call("compare", "a.json", "b.json").code == FAULTS


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ("nowhere", "a.json", "error: nowhere: found no such file or directory; expected a readable file; check the path [input-missing]"),  # noqa: E501
        ("a.json", "folder", "error: a.json and folder: one is a file and the other a folder; pass two of a kind"),
        ("folder", "empty", "error: empty: no conversation, complex_reasoning, referring_qa, detail_description in it; pass a folder of native files"),  # noqa: E501
        ("folder", "folder2", "error: conversation, detail_description: in one of the folders only (folder and folder2)"),  # noqa: E501
        ("x" * 300, "a.json", f"error: {'x' * 300}: found file name too long; expected a readable file; check the path [input-missing]"),  # noqa: E501
    ],
    ids=["missing", "two kinds", "empty", "other files", "long"],
)  # fmt: skip
def test_what_cannot_be_compared_is_told(left: str, right: str, message: str) -> None:
    Path("a.json").write_bytes(b"[]")
    for name in ("folder/conversation.json", "folder2/detail_description.json", "empty/readme.txt"):
        Path(name).parent.mkdir()
        Path(name).write_bytes(b"[]")
    assert call("compare", left, right) == (UNUSABLE, b"", f"{message}\n")


# --- draw


def test_boxes_are_drawn_in_the_frame_of_the_file(expected: bytes) -> None:
    from PIL import Image

    Path("llava.json").write_bytes(expected)
    ran = run("draw", DATA / "referring_qa.json", "--images", RAW, "-o", "pictures", "--id", "9000001")
    assert ran == (DONE, b"pictures/9000001.native.png\n", "")
    ran = run("draw", "llava.json", "--images", RAW, "-o", "pictures", "--limit", "2")
    assert ran == (DONE, b"pictures/9000001.padded.png\npictures/9000002.padded.png\n", "")
    for name, size_wh in (("9000001.native.png", (906, 600)), ("9000001.padded.png", (906, 906))):
        with Image.open(Path("pictures") / name) as picture:
            picture.load()
            assert picture.size == size_wh
    assert len(tree(Path("pictures"))) == 3


def test_pictures_are_kept_without_overwrite() -> None:
    arguments = ("draw", DATA / "referring_qa.json", "--images", RAW, "-o", "pictures", "--id", "9000001")
    assert call(*arguments).code == DONE
    Path("pictures/9000001.native.png").write_text("precious")
    ran = call(*arguments)
    assert (ran.code, ran.err) == (UNUSABLE, "error: pictures/9000001.native.png: exists already; name another output or pass --overwrite\n")  # noqa: E501  # fmt: skip
    assert call(*arguments, "--overwrite").code == DONE


BOX = "There [0.1, 0.2, 0.3, 0.4]."
UNDRAWABLE: dict[str, tuple[bytes, int]] = {
    "no boxes": (encode([record(2)]), UNUSABLE),
    "no record": (encode([5, "x", None]), FAULTS),
    "no conversations": (b'[{"image_id": 2}]', FAULTS),
    "conversations null": (b'[{"image_id": 2, "conversations": null}]', FAULTS),
    "no content": (b'[{"image_id": 2, "conversations": [{}]}]', FAULTS),
    "no value": (b'[{"image_id": 2, "conversations": [{"content": [{"from": "user"}]}]}]', FAULTS),
    "value null": (encode([record(2, "Where?", BOX), {"image_id": 2, "conversations": [{"content": [{"from": "user", "value": None}]}]}]), FAULTS),  # noqa: E501
    "image_id string": (encode([record("2", "Where?", BOX)]), FAULTS),
    "llava without turns": (b'[{"image": "vg/VG_100K/2.jpg", "conversations": [5]}]', FAULTS),
    "syntax": (b'[{"image_id": 2, "x": }]', FAULTS),
    "empty": (b"", UNUSABLE),
    "image missing": (encode([record(4, "Where?", BOX)]), FAULTS),
    "image of text": (encode([record(5, "Where?", BOX)]), UNUSABLE),
    "image past the limit": (encode([record(6, "Where?", BOX)]), UNUSABLE),
    "image cut": (encode([record(7, "Where?", BOX)]), UNUSABLE),
}  # fmt: skip


@pytest.mark.parametrize(("content", "code"), UNDRAWABLE.values(), ids=UNDRAWABLE.keys())
def test_what_cannot_be_drawn_is_named(content: bytes, code: int) -> None:
    photo = save_photo(Path("photos/2.jpg"), (640, 480)).read_bytes()
    for image_id, made in ((5, b"no image"), (6, jpeg_header(60_000, 60_000)), (7, photo[: len(photo) // 2])):
        Path(f"photos/{image_id}.jpg").write_bytes(made)
    Path("mine.json").write_bytes(content)
    before = tree(Path())
    ran = call("draw", "mine.json", "--images", "photos", "-o", "made/pictures")
    assert (ran.code in (FAULTS, UNUSABLE), ran.out) == (True, b""), ran
    assert re.match(r"error: (mine\.json|id=\d)", ran.err)
    assert ran.code == code
    assert tree(Path()) == before


@pytest.mark.parametrize(
    "box", ["[9e, 0, 1, 1]", "[9999999999, 0, 1, 1]", f"[{'9' * 400}, 0, 1, 1]", "[1, 1, 0, 0]", "[0, 0, 0, 0]"]
)
def test_odd_boxes_are_drawn_or_named(box: str) -> None:
    save_photo(Path("photos/2.jpg"), (64, 48))
    Path("mine.json").write_bytes(encode([record(2, "Where?", f"{BOX} and {box}")]))
    ran = call("draw", "mine.json", "--images", "photos", "-o", "pictures")
    assert ran.code in (DONE, FAULTS)
    assert Path("pictures/2.native.png").exists() == (ran.code == DONE)


def test_a_full_disk_is_named_and_no_picture_left() -> None:
    ran = run(
        "draw", DATA / "referring_qa.json", "--images", RAW, "-o", "made/pictures", preexec_fn=limit_file_size(4096)
    )
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert ran.err.startswith("error: made/pictures/9000001.native.png: file too large; ")
    assert tree(Path()) == set()


# --- standard output that fails


@pytest.mark.parametrize("command", ["schema llava", "compare a.json b.json", "to-llava conversation.json -o -"])
def test_a_standard_output_that_is_full_is_named(command: str) -> None:
    for name in ("a", "b", "conversation"):
        Path(f"{name}.json").write_bytes(encode([record(1, n=name)]))
    with Path("/dev/full").open("wb") as full:
        ran = run(*command.split(), stdout=full)
    assert ran.code == UNUSABLE
    assert "no space left on device" in ran.err.lower()


@pytest.mark.parametrize("command", ["schema llava", "compare a.json b.json", "to-llava conversation.json -o -"])
def test_a_standard_output_that_is_closed_gives_no_traceback(command: str) -> None:
    for name in ("a", "b", "conversation"):
        Path(f"{name}.json").write_bytes(encode([record(1, n=name)]))
    ran = run(*command.split(), stdout=None, preexec_fn=lambda: os.close(1))
    assert ran.code != DONE or not command.startswith("to-llava")


@pytest.mark.parametrize("command", ["schema llava", "compare a.json b.json"])
def test_a_reader_that_goes_away_gives_no_traceback(command: str) -> None:
    for name in ("a", "b"):
        Path(f"{name}.json").write_bytes(encode([record(i, n=name) for i in range(30)]))
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*command.split(), stdout=writing)
    os.close(writing)
    assert finish(process).code != DONE
