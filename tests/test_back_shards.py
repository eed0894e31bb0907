"""``from_llava`` in processes: where its parts lie, that they go, and that inputs count as in one process."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import DONE, SAMPLE, UNUSABLE, WAIT_SECONDS, Ran, call, obey_modes, run, tree

from svit_datasets import SvitError, SvitWarning, from_llava, to_llava
from svit_datasets.backward import shards as backward_shards
from svit_datasets.sharding import ranges
from svit_datasets.sharding.folder import Folder
from svit_datasets.sharding.manifest import open_manifest

STAGE = ".svit-parts"
KILLED = """
import os, signal
from svit_datasets import from_llava
from svit_datasets.backward import shards as backward_shards
from svit_datasets.sharding import ranges
if __name__ == "__main__":
    taken, take = [], backward_shards.Shards._take
    def held(*given):
        take(*given)
        taken.append(given)
        if len(taken) == {}:
            os.kill(os.getpid(), signal.SIGKILL)
    backward_shards.Shards._take = held
    ranges._SMALLEST_BYTES, backward_shards.SHARD_BYTES = 1, 3000
    from_llava("in.json", "made/out", jobs=2, {})
"""


@pytest.fixture(autouse=True)
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the sample's conversations as ``in.json``, beside nothing else; shards are small."""
    to_llava(SAMPLE / "data" / "conversation.json", tmp_path / "in.json", images=SAMPLE / "raw")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ranges, "_SMALLEST_BYTES", 1)
    monkeypatch.setattr(backward_shards, "SHARD_BYTES", 3000)


def kill_a_run(taken: int = 3, options: str = "") -> None:
    """Leave what a run leaves that is killed when so many shards are taken, with no process of it alive."""
    code = KILLED.format(taken, options)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    lock, end = os.open(f"made/out/{STAGE}/lock", os.O_WRONLY), time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.01)
    os.close(lock)
    assert len(tree(Path("made/out", STAGE))) > 1


def test_an_output_in_a_folder_that_cannot_be_written_is_written(tmp_path: Path) -> None:
    Path("closed/out").mkdir(parents=True)
    Path("closed").chmod(0o555)
    ran = run("from-llava", "in.json", "-o", "closed/out", "--jobs", "2", preexec_fn=obey_modes)
    assert ran.code == DONE, ran.err
    assert tree(tmp_path) == {"in.json", "closed", "closed/out", "closed/out/conversation.json"}


def test_parts_lie_in_the_output_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    real = backward_shards.Shards._take

    def take(self: backward_shards.Shards, *given: Any) -> None:
        places.append(tree(tmp_path) - {"in.json"})
        real(self, *given)

    monkeypatch.setattr(backward_shards.Shards, "_take", take)
    from_llava("in.json", "made/out/", jobs=2)
    allowed = {"made", "made/out", f"made/out/{STAGE}"}
    assert len(places) > 2
    for found in places:
        assert {p for p in found - allowed if not p.startswith((f"made/out/{STAGE}/", "made/out/.svit-"))} == set()
        assert any(p.endswith(".spool") for p in found)
    assert tree(tmp_path) == {"in.json", "made", "made/out", "made/out/conversation.json"}


@pytest.mark.parametrize("was_there", [False, True])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, SvitError("no")], ids=["interrupted", "fault"])
def test_a_run_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool, fault: BaseException
) -> None:
    if was_there:
        Path("made/out").mkdir(parents=True)
    before = tree(tmp_path)

    def take(*_: object) -> None:
        assert any(Path("made/out", STAGE).glob("*.spool"))
        raise fault

    monkeypatch.setattr(backward_shards.Shards, "_take", take)
    with pytest.raises((KeyboardInterrupt, SvitError)):
        from_llava("in.json", "made/out", jobs=2)
    assert tree(tmp_path) == before


def test_no_folder_is_left_where_nothing_is_native(tmp_path: Path) -> None:
    Path("in.json").write_text('[{"id": "a", "conversations": []}]')
    from_llava("in.json", "made/out", rest="rest.json", jobs=2)
    assert tree(tmp_path) == {"in.json", "rest.json"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path, jobs: int) -> None:
    kill_a_run()
    from_llava("in.json", "made/out", jobs=jobs)
    assert tree(tmp_path) == {"in.json", "made", "made/out", "made/out/conversation.json"}


def test_what_a_killed_run_left_stays_until_the_output_is_whole(tmp_path: Path) -> None:
    kill_a_run()
    kept = tree(tmp_path)
    with pytest.raises(SvitError, match=r"^gone\.json: "):
        from_llava("gone.json", "made/out")
    assert tree(tmp_path) == kept


def test_what_cannot_be_removed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("made/out", STAGE).mkdir(parents=True)

    def refuse(_: Folder) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Folder, "clear", refuse)
    told = rf"^made/out/{STAGE}: left as it is \(Permission denied\); remove it, it is of no use$"
    with pytest.warns(SvitWarning, match=told):
        from_llava("in.json", "made/out")
    assert Path("made/out/conversation.json").exists()


@pytest.mark.parametrize("taken", [1, 3])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_is_gone_on_with(tmp_path: Path, taken: int, jobs: int) -> None:
    kill_a_run(taken, "resume=True")
    assert not list(Path("made/out").glob("*.json"))
    made = from_llava("in.json", "made/out", jobs=jobs, resume=True)
    assert taken <= made.shards_there < made.shards
    assert tree(tmp_path) == {"in.json", "made", "made/out", "made/out/conversation.json"}
    from_llava("in.json", "whole")
    assert Path("made/out/conversation.json").read_bytes() == Path("whole/conversation.json").read_bytes()


def test_parts_of_a_run_that_lives_stay() -> None:
    with open_manifest(f"made/out/{STAGE}", "made/out", ""):
        part = Path("made/out", STAGE, "00000000.all.spool")
        part.write_bytes(b"rows")
        made = from_llava("in.json", "made/out")
        assert (made.counts["records_restored"], made.by_code) == (18, {})
        assert part.read_bytes() == b"rows"


def test_a_folder_as_input_is_told_the_same(tmp_path: Path) -> None:
    Path("folder").mkdir()
    told = "error: folder: found is a directory; expected a readable file; check the path [input-missing]\n"
    for jobs in (1, 2):
        for inputs in (["folder"], ["folder", "in.json"]):
            assert call("from-llava", *inputs, "-o", "out", "--jobs", jobs) == Ran(UNUSABLE, b"", told)
    assert tree(tmp_path) == {"in.json", "folder"}


@pytest.mark.parametrize("name", ["in.json", "./in.json"])
def test_a_file_is_read_as_often_as_it_is_named(name: str) -> None:
    kept = []
    for jobs in (1, 2):
        made = from_llava(["in.json", name], "out", jobs=jobs, overwrite=True)
        assert made.inputs == ["in.json", name]
        assert (made.counts["records_read"], made.counts["records_copies"]) == (36, 18)
        assert [(f.file, f.record) for f in made.first[:2]] == [(name, 1), (name, 2)]
        kept.append((made.to_dict(), Path("out/conversation.json").read_bytes()))
    assert kept[0] == kept[1]
    from_llava("in.json", "once")
    assert Path("once/conversation.json").read_bytes() == kept[0][1]
