"""Shards that write straight to their places: the bytes, counts and faults of one process, whatever ends first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from build_held import children_of, expect_ended
from helpers_cli import damage, finish, limit_file_size, run, start, tree, wait_for
from hypothesis import given, settings
from hypothesis import strategies as st
from native_files import Maker, dumps, write_sizes
from test_forward_shards import SLOW, make_big, outcome, write_inputs

import svit_datasets
from svit_datasets import Options
from svit_datasets.forward import in_place, pieces
from svit_datasets.forward import shards as forward_shards
from svit_datasets.forward.pieces import Piece, Rules, scan_piece
from svit_datasets.sharding import ranges

pytestmark = pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")
THREADED = """
import threading, time
import svit_datasets
from svit_datasets.engines import engine
from svit_datasets.forward import shards as forward_shards
from svit_datasets.sharding import ranges
if __name__ == "__main__":
    threading.Thread(target=time.sleep, args=[2]).start()  # so that the process is not forked
    assert not engine._has_one_thread()
    ranges._SMALLEST_BYTES, forward_shards.SHARD_BYTES = 1, 5000
    svit_datasets.to_llava({!r}, {!r}, on_error="skip", jobs=2)
"""


@pytest.fixture(scope="module", autouse=True)
def small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_SMALLEST_BYTES", 1)
        patch.setattr(forward_shards, "SHARD_BYTES", 700)
        yield


def refuse(*_: Any) -> None:
    raise AssertionError("the shards were converted as parts")


@pytest.fixture
def in_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where the conversion goes another way."""
    monkeypatch.setattr(forward_shards.Shards, "_convert", refuse)


def one_by_one(function: Callable[[Any], Any], jobs: Iterable[Any], _engine: Any) -> Iterator[Any]:
    """Run shards in this process."""
    yield from map(function, jobs)


@settings(max_examples=25, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=3),
    count=st.integers(1, 8),
    shard_bytes=st.sampled_from([150, 700, 2500]),
    on_error=st.sampled_from(["raise", "skip", "collect"]),
    provenance=st.sampled_from(["inline", "sidecar", "none"]),
    kernels=st.sampled_from("01"),
    is_one_task=st.booleans(),
)
def test_shards_in_place_give_what_one_reading_gives(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int], count: int, shard_bytes: int, **given: Any
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    inputs = write_inputs(folder, seeds, count, is_one_task=given["is_one_task"])
    options = {
        "images": [write_sizes(folder)],
        "on_error": given["on_error"],
        "options": svit_datasets.Options(provenance=given["provenance"]),
    }
    (folder / "made").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SVIT_KERNELS", given["kernels"])
        patch.setattr(forward_shards, "SHARD_BYTES", shard_bytes)
        patch.setattr(in_place, "run_shards", one_by_one)
        whole = outcome(inputs, folder / "made", **options)
        assert outcome(inputs, folder / "made", jobs=2, **options) == whole
    assert tree(folder / "made") == set()


@pytest.fixture
def native(tmp_path: Path) -> Path:
    maker = Maker(7)
    path = tmp_path / "in" / "referring_qa.json"
    path.parent.mkdir()
    path.write_text(dumps([maker.record() for _ in range(60)]))
    write_sizes(path.parent)
    (tmp_path / "made").mkdir()
    return path


@pytest.mark.usefixtures("in_place_alone")
@pytest.mark.parametrize(
    ("jobs", "provenance", "kernels"), [(2, "inline", "1"), (3, "inline", "0"), (3, "sidecar", "0")]
)
def test_processes_give_the_same(
    native: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, provenance: Any, kernels: str
) -> None:
    monkeypatch.setenv("SVIT_KERNELS", kernels)
    options = {"on_error": "skip", "images": native.parent, "options": svit_datasets.Options(provenance=provenance)}
    inputs = [str(native), str(native)]
    whole = outcome(inputs, tmp_path / "made", **options)
    assert outcome(inputs, tmp_path / "made", jobs=jobs, **options) == whole
    assert len(json.loads(whole[1]["out.json"])) > 100


@pytest.mark.usefixtures("in_place_alone")
@pytest.mark.parametrize(
    ("place", "on_error"), [(0, "raise"), (30, "raise"), (59, "raise"), (0, "skip"), (30, "collect")]
)
def test_a_fault_anywhere_is_told_as_by_one_process(native: Path, tmp_path: Path, place: int, on_error: str) -> None:
    talk = [{"content": [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]}]
    bad = {place: {"image_id": 5, "conversations": "none"}, 59: {"image_id": 6, "conversations": []}}
    records = [bad.get(i, {"image_id": i + 1, "conversations": talk}) for i in range(60)]
    native.write_text(json.dumps(records))
    whole = outcome([str(native)], tmp_path / "made", on_error=on_error)
    assert outcome([str(native)], tmp_path / "made", on_error=on_error, jobs=2) == whole
    assert on_error == "skip" or f"referring_qa.json:{place + 1}" in str(whole[0])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: damage(data, len(data) // 2, 9),
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"image_id": 5', b'"image_id": %d' % 10**25, 1),
        lambda data: data[: len(data) // 2] + b"]" + data[len(data) // 2 :],
    ],
)
def test_what_shards_cannot_tell_in_passing_is_read_first(
    native: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    native.write_bytes(spoil(native.read_bytes()))
    whole = outcome([str(native)], tmp_path / "made", on_error="skip")
    assert outcome([str(native)], tmp_path / "made", on_error="skip", jobs=2) == whole


def test_a_process_with_threads_gives_the_same(native: Path, tmp_path: Path) -> None:
    svit_datasets.to_llava(native, tmp_path / "whole.json", on_error="skip")
    code = THREADED.format(str(native), str(tmp_path / "made" / "out.json"))
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "made" / "out.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert tree(tmp_path / "made") == {"out.json"}


def test_a_full_disk_is_told_of_the_output(tmp_path: Path) -> None:
    big, limit = make_big(tmp_path), limit_file_size(20 << 20)
    before = tree(tmp_path)
    command = ("to-llava", big, "-o", tmp_path / "out.json")
    told = [finish(start(*command, "--jobs", str(jobs), preexec_fn=limit, env=SLOW)) for jobs in (1, 2)]
    wanted = f"error: {tmp_path}/out.json: file too large; nothing was written under this name. Make room or name "
    assert [(ran.code, ran.err.splitlines()[-1][: len(wanted)]) for ran in told] == [(told[0].code, wanted)] * 2
    assert told[0].code
    assert tree(tmp_path) == before


@pytest.mark.parametrize("which", [0, -1])
def test_a_killed_worker_ends_all(tmp_path: Path, which: int) -> None:
    big = make_big(tmp_path)
    before = tree(tmp_path)
    process = start("to-llava", big, "-o", tmp_path / "out.json", "--jobs", "2", env=SLOW)
    wait_for(lambda: any(part.stat().st_size for part in tmp_path.glob(".svit-*.part")), process)
    children = children_of(process.pid)
    os.kill(sorted(children)[which], signal.SIGKILL)
    ran = finish(process)
    expect_ended(children)
    assert "error: a process ended on its own: it was killed, for lack of memory most likely" in ran.err
    assert ran.code
    assert tree(tmp_path) == before


def test_nothing_stays_beside_a_replaced_output(native: Path, tmp_path: Path) -> None:
    target = tmp_path / "made" / "out.json"
    target.write_text("x" * 10**6)
    ran = run("to-llava", native, "-o", target, "--overwrite", "--on-error", "skip", "--jobs", "2")
    whole = run("to-llava", native, "-o", tmp_path / "whole.json", "--on-error", "skip")
    assert (ran.code, whole.code) == (0, 0)
    assert target.read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert tree(tmp_path / "made") == {"out.json"}


@pytest.mark.parametrize("kernels", ["0", "1"])
def test_what_is_kept_of_a_shard_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernels: str) -> None:
    """A range whose borders are not found is read on to the end of the file; then it is read again to be converted."""
    monkeypatch.setenv("SVIT_KERNELS", kernels)
    turns = [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So. " * 2000}]
    records = [{"image_id": 1, "conversations": [{"content": turns}]}] * 200
    file = tmp_path / "conversation.json"
    file.write_text(json.dumps([None, *records]))
    rules = Rules((), None, Options(), "skip", True, 64)
    piece = Piece(0, str(file), "conversation", 0, None)
    found, kept = scan_piece(piece, rules, keep=True)
    assert kept is not None
    monkeypatch.setattr(pieces, "_MOST_KEPT_BYTES", 1 << 20)
    again, kept = scan_piece(piece, rules, keep=True)
    assert kept is None
    assert again.elements == found.elements == 201
    assert list(again.image_ids) == [1] * 200
