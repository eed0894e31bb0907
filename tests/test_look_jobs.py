"""``validate`` and ``stats`` in several processes: the same bytes, one fault or interruption ends all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from build_held import children_of, expect_ended
from helpers_cli import DONE, FAULTS, INTERRUPTED, UNUSABLE, Ran, encode, finish, record, run, tree, wait_for
from shards_alike import llava, native

TINY = """
import sys
from svit_datasets.sharding import entry_shards
from svit_datasets.sharding import ranges
from svit_datasets.cli import main
if __name__ == "__main__":
    ranges._SMALLEST_BYTES, entry_shards.SHARD_BYTES = 1, {size_bytes}
    main(sys.argv[1:])
"""
ENDED = (
    "a process ended on its own: it was killed, for lack of memory most likely, or the script that called it does so "
)
COMMANDS = (("validate", "--report", "made/found.json", "--trainer", "llava"), ("stats", "--html", "made/stats.html"))


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def begin(size_bytes: int, *args: str) -> subprocess.Popen[bytes]:
    """Start the command with shards of so many bytes, in a process group of its own."""
    command = [sys.executable, "-c", TINY.format(size_bytes=size_bytes), *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def save_inputs(count: int = 300) -> list[str]:
    """Write a native and a LLaVA file in which much is wrong and much comes again, and a JSON lines file."""
    natives = [native(i % 250 + 2, ["Why? ", f"It [0.5, 0.1, 0.2, 1.{i % 10}]", f"Who {i}?"]) for i in range(count)]
    rows = [llava(i % 250 + 2, ["<image>\nWhy?", f"So {i % 9}.</s>"]) for i in range(count)]
    Path("referring_qa.json").write_bytes(encode(natives))
    Path("mix.json").write_bytes(encode(rows))
    Path("mine.jsonl").write_bytes(b"\n".join(map(encode, [*natives[:50], 5, *natives[:50]])) + b"\n")
    return ["referring_qa.json", "mix.json", "mine.jsonl"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_the_same_bytes_come_out_for_any_number_of_processes(command: tuple[str, ...]) -> None:
    inputs = save_inputs()
    told: list[tuple[Ran, bytes]] = []
    for jobs in ("1", "2", "3"):
        ran = finish(begin(9_000, *command, *inputs, "--output", "json", "--jobs", jobs, "--overwrite"))
        told.append((ran, Path(command[2]).read_bytes()))
    assert told[0][0].code == FAULTS
    assert len(json.loads(told[0][0].out)) > 5
    assert told[1] == told[2] == told[0]
    assert tree(Path()) == {*inputs, "made", command[2]}


def test_the_text_and_sarif_of_whole_files_are_the_same() -> None:
    inputs = save_inputs(60)
    for output in ("text", "sarif"):
        one, two = (run("validate", *inputs, "--output", output, "--jobs", jobs) for jobs in ("1", "2"))
        assert one == two


def test_what_cannot_run_apart_runs_here() -> None:
    """Standard input is read in one process, as is what is mended."""
    ran = run("validate", "-", "--jobs", "2", "--ignore", "dataset", stdin=encode([record(7), record(8)]))
    assert (ran.code, ran.out) == (DONE, b"validate: 2 records, nothing found\n")
    ran = run("stats", "-", "--jobs", "2", stdin=encode([record(7)]))
    assert (ran.code, ran.err) == (DONE, "stats: 1 record, 1 pair\n")
    Path("a.json").write_bytes(encode([record(7, "Why? ", "So.")]))
    ran = run("validate", "a.json", "--jobs", "2", "--fix", "b.json")
    assert ran.code == DONE
    assert json.loads(Path("b.json").read_bytes()) == [record(7)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_a_killed_process_ends_the_run_with_its_place(command: tuple[str, ...]) -> None:
    inputs = save_inputs(20_000)
    process = begin(200_000, *command, *inputs, "--jobs", "2")
    wait_for(lambda: len(children_of(process.pid)) > 1, process)
    workers = children_of(process.pid)
    os.kill(max(workers), signal.SIGKILL)
    ran = finish(process)
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert ran.err.startswith(f"error: {inputs[0]}, bytes 0 to ")
    assert f": {ENDED}" in ran.err
    expect_ended(workers)
    assert tree(Path()) - {"made"} == set(inputs)


@pytest.mark.parametrize("to_group", [True, False], ids=["group", "parent"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_an_interruption_ends_all_and_leaves_nothing(command: tuple[str, ...], to_group: bool) -> None:
    inputs = save_inputs(20_000)
    process = begin(200_000, *command, *inputs, "--jobs", "2")
    wait_for(lambda: len(children_of(process.pid)) > 1, process)
    workers = children_of(process.pid)
    (os.killpg if to_group else os.kill)(process.pid, signal.SIGINT)
    ran = finish(process)
    assert (ran.code, ran.out) == (INTERRUPTED, b"")
    expect_ended(workers)
    assert tree(Path()) - {"made"} == set(inputs)


def test_a_file_that_cannot_be_read_ends_all_with_the_same_message() -> None:
    save_inputs(40)
    Path("bad.zip").write_bytes(b"PK\x03\x04 cut")
    one, two = (run("stats", "referring_qa.json", "bad.zip", "mix.json", "--jobs", jobs) for jobs in ("1", "2"))
    assert one == two
    assert (two.code, two.err[:18]) == (UNUSABLE, "error: bad.zip: fo")


def test_options_that_do_not_fit_are_refused_before_anything_is_read() -> None:
    save_inputs(1)
    ran = run("validate", "mix.json", "--jobs", "2", "--address", "here:6379")
    told = "error: address='here:6379': processes of this machine have none; choose engine='ray'\n"
    assert (ran.code, ran.err) == (UNUSABLE, told)
