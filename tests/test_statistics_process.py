"""``svit-convert stats`` as a process: how it ends, what it prints and writes, what an interruption leaves."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import termios
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.helpers_cli import (
    DONE,
    FAULTS,
    INTERRUPTED,
    TERMINATED,
    UNUSABLE,
    encode,
    finish,
    record,
    run,
    start,
    tree,
    wait_for,
)

SCHEMA = json.loads((files("svit_datasets.schemas") / "statistics.schema.json").read_text("utf-8"))
FILE = "detail_description.json"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_good_file_ends_with_0_and_json_that_fits_the_schema() -> None:
    Path(FILE).write_bytes(encode([record(7)]))
    ran = run("stats", FILE, "--output", "json", "--html", "made/stats.html")
    assert (ran.code, ran.err) == (DONE, "stats: 1 record, 1 pair; wrote made/stats.html\n")
    told = json.loads(ran.out)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert (told["all"]["counts"]["records"], told["unreadable"]) == (1, 0)
    page = Path("made/stats.html").read_text("utf-8")
    assert "1 native record; counted by svit-datasets" in page
    assert tree(Path()) == {FILE, "made", "made/stats.html"}


def test_what_cannot_be_read_ends_with_1_and_the_rest_is_counted() -> None:
    Path(FILE).write_bytes(encode([record(7), {"image_id": "x", "conversations": []}, record(8)]))
    ran = run("stats", FILE, "--output", "json")
    told = json.loads(ran.out)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert (ran.code, told["all"]["counts"]["records"], told["faults"]) == (FAULTS, 2, {"record-shape": 1})
    lines = ran.err.splitlines()
    assert lines[0].startswith(f"error: {FILE}:2 id=x $.image_id: found Expected `int`, got `str`; ")
    assert lines[1:] == ["stats: 2 records, 2 pairs"]
    ran = run("stats", FILE)
    assert (ran.code, ran.out.startswith(b"What there is\n")) == (FAULTS, True)
    assert b"- 1 fault kept a record, or the rest of a file, from being read: it is in no count.\n" in ran.out


def test_a_page_replaces_nothing_unasked_and_never_an_input() -> None:
    Path(FILE).write_bytes(encode([record(7)]))
    Path("stats.html").write_text("mine")
    Path("sizes.json").write_bytes(encode([{"image_id": 7, "width": 4, "height": 5}]))
    before = {path: path.read_bytes() for path in Path().iterdir()}
    ran = run("stats", FILE, "--html", "stats.html")
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert ran.err == "error: stats.html: exists already; name another output or pass --overwrite\n"
    refused = "is an input; inputs are never modified, so name another output"
    for name in (FILE, "sizes.json"):
        ran = run("stats", FILE, "--images", "sizes.json", "--html", name, "--overwrite")
        assert (ran.code, ran.out, ran.err) == (UNUSABLE, b"", f"error: {name}: {refused}\n")
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
    ran = run("stats", FILE, "--html", "stats.html", "--overwrite")
    assert (ran.code, ran.err) == (DONE, "stats: 1 record, 1 pair; wrote stats.html\n")
    assert Path("stats.html").read_bytes().startswith(b"<!doctype html>")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, code: int) -> None:
    os.mkfifo("pipe")
    writing = os.open("pipe", os.O_RDWR)  # does not wait for a reader, and holds the pipe open
    process = start("stats", "pipe", "--task", "detail", "--html", "made/stats.html", "--output", "json")
    os.write(writing, encode([record(7)])[:-1])
    wait_for(lambda: not fcntl.ioctl(writing, termios.FIONREAD, bytes(4)).strip(b"\0"), process)
    process.send_signal(number)
    ran = finish(process)
    os.close(writing)
    assert (ran.code, ran.out) == (code, b"")
    assert ran.err.strip() == ("interrupted; nothing was written" if number == signal.SIGINT else "")
    assert tree(Path()) == {"pipe"}
