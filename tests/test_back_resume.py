"""``from_llava`` with ``resume``: what an interrupted run left is used where it is of the same run, and not else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from back_resumed import counted, starting_over, written
from helpers_cli import SAMPLE, Ran, call, tree
from native_files import write_sizes

import svit_datasets
from svit_datasets import Options, from_llava, to_llava
from svit_datasets.backward import shards as backward_shards
from svit_datasets.errors import FindingsError, InputError, SvitWarning, UsageError
from svit_datasets.sharding import ranges
from svit_datasets.sharding.manifest import open_manifest

STAGE = Path("made", ".svit-parts")
FOREIGN = {"id": "other", "conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "I."}]}


@pytest.fixture(autouse=True)
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Write 19 rows, the last of them foreign, as ``in.json`` with a sidecar, and sizes; shards are small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ranges, "_SMALLEST_BYTES", 1)
    monkeypatch.setattr(backward_shards, "SHARD_BYTES", 1000)
    data = SAMPLE / "data" / "conversation.json"
    write_sizes(tmp_path, {record["image_id"]: (500, 375) for record in json.loads(data.read_bytes())})
    to_llava(data, "in.json", images="image_data.json", options=Options(provenance="sidecar"))
    made: list[dict[str, Any]] = [*json.loads(Path("in.json").read_bytes()), FOREIGN]
    write(made)
    return made


def write(rows: list[dict[str, Any]]) -> None:
    Path("in.json").write_text(json.dumps(rows))


def interrupt(stop: int, **given: Any) -> None:
    """Run until so many shards are done, and stop there."""
    told = rf"^{stop} finished parts are kept in {STAGE}; the same command with --resume goes on from there$"
    with counted(stop), pytest.raises(KeyboardInterrupt), pytest.warns(SvitWarning, match=told):
        from_llava("in.json", "made", resume=True, **given)


def test_only_what_is_missing_is_done(tmp_path: Path) -> None:
    interrupt(6, rest="made/rest.json", report="report.json")
    (tmp_path / STAGE / "00000000.spool").write_bytes(b"damaged")
    (tmp_path / STAGE / "00000002.index").write_bytes(b"")
    (tmp_path / STAGE / "00000004.done.json").write_bytes(b'{"files": [')
    (tmp_path / STAGE / "00000005.rest").unlink()
    assert not list(Path("made").glob("*.json"))
    with counted() as numbers:
        made = from_llava("in.json", "made", rest="made/rest.json", report="report.json", resume=True)
    assert numbers == [0, 2, 4, *range(5, made.shards)]
    assert (made.shards_there, made.shards > 8) == (2, True)
    assert tree(tmp_path / "made") == {"conversation.json", "rest.json"}
    assert json.loads(Path("made/conversation.json").read_bytes()) == json.loads(
        (SAMPLE / "data" / "conversation.json").read_bytes()
    )


def test_report_and_files_are_those_of_one_reading(rows: list[dict[str, Any]]) -> None:
    rows[3]["id"] = "changed"
    rows[7]["conversations"][1]["value"] += " Or not."
    rows.insert(5, rows[2])
    Path("in.json.svit.jsonl").unlink()
    write([{"conversations": "none"}, *rows[:9], {"id": 7}, *rows[9:]])
    given = {"on_error": "skip", "images": "image_data.json"}
    whole = written("whole", **given)
    interrupt(5, rest="made/rest.json", report="report.json", overwrite=True, **given)
    assert written("made", resume=True, **given) == whole
    assert whole[4]["records_inferred"] > 10


def test_the_rest_of_a_torn_file_is_not_read_twice(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Where a broken record ends depends on all before it, so the rest of the file is read as one."""
    Path("in.json.svit.jsonl").unlink()
    other = [{"conversations": row["conversations"], "id": row["id"]} for row in rows[:2]]
    texts = [json.dumps(row) for row in [*other, *rows]]
    texts[9] += " 7"
    Path("in.json").write_text(f"[{', '.join(texts)}]")
    whole = written("whole", on_error="skip")
    real = backward_shards.Shards._take

    def take(self: Any, result: Any, *given: Any) -> None:
        if result.shard.skip:
            raise KeyboardInterrupt
        real(self, result, *given)

    with (
        mock.patch.object(backward_shards.Shards, "_take", take),
        counted() as first,
        pytest.raises(KeyboardInterrupt),
        pytest.warns(SvitWarning, match="finished parts are kept"),
    ):
        from_llava("in.json", "made", resume=True, rest="made/rest.json", on_error="skip")
    count = 1 + max(number for number in range(99) if (tmp_path / STAGE / f"{number:08}.done.json").exists())
    assert first[-1] == count - 1 > 2 * first[-2]
    with counted() as numbers:
        assert written("made", resume=True, on_error="skip") == whole
    assert not set(numbers) & set(first)


def touch(name: str) -> dict[str, Any]:
    os.utime(name, ns=(1, 1))
    return {}


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "nothing": dict,
    "input": lambda: touch("in.json"),
    "sidecar": lambda: touch("in.json.svit.jsonl"),
    "sizes": lambda: touch("image_data.json"),
    "options": lambda: {"options": Options(coordinates="original")},
    "check": lambda: {"check": False},
    "rest": lambda: {"rest": "rest.json"},
    "provenance": lambda: {"provenance": shutil.copy("in.json.svit.jsonl", "other.jsonl")},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_starts_anew(change: str) -> None:
    interrupt(4, images="image_data.json")
    given = {"images": "image_data.json", **CHANGES[change]()}
    with starting_over(STAGE, is_said=change != "nothing"):
        made = from_llava("in.json", "made", resume=True, **given)
    assert made.shards_there == (4 if change == "nothing" else 0)
    from_llava("in.json", "whole", overwrite=True, **given)
    assert Path("made/conversation.json").read_bytes() == Path("whole/conversation.json").read_bytes()
    assert not STAGE.exists()


def test_an_input_that_changes_meanwhile_is_named(tmp_path: Path) -> None:
    def change(*_: object) -> None:
        os.utime("in.json", ns=(1, 1))

    with (
        mock.patch.object(backward_shards.Shards, "_take", change),
        pytest.raises(InputError, match=r"^in\.json: found another size or time of change than at the start; "),
    ):
        from_llava("in.json", "made", resume=True)
    assert "made" not in tree(tmp_path)


def test_faults_leave_nothing_to_go_on_from(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    texts = [json.dumps(row) for row in rows]
    texts[12] += " 7"
    Path("in.json").write_text(f"[{', '.join(texts)}]")
    with pytest.raises(FindingsError, match=r"^1 faults found and nothing written; the first: in\.json:13: "):
        from_llava("in.json", "made", resume=True, on_error="collect")
    assert tree(tmp_path) == {"in.json", "in.json.svit.jsonl", "image_data.json"}


def test_what_is_kept_is_no_data() -> None:
    from datasets import load_dataset

    from_llava("in.json", "made")
    before = Path("made/conversation.json").read_bytes()
    interrupt(5, overwrite=True)
    assert len(tree(STAGE)) > 20
    loaded = load_dataset("svit", "conversation", data_dir="made", split="train", columns=["image_id"])
    assert loaded.num_rows == 6
    assert load_dataset("made", split="train").num_rows == 6
    assert Path("made/conversation.json").read_bytes() == before


def test_an_output_that_stands_in_the_way_costs_no_work() -> None:
    Path("made").mkdir()
    Path("made/conversation.json").write_text("[]")
    told = r"^made/conversation\.json: exists already; name another output or pass --overwrite$"
    with pytest.raises(UsageError, match=told), pytest.warns(SvitWarning, match="finished parts are kept in "):
        from_llava("in.json", "made", resume=True)
    made = from_llava("in.json", "made", resume=True, overwrite=True)
    assert made.shards_there == made.shards > 8


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    told = "^-: can be read once, by one process; name a file, or leave --jobs and --resume out$"
    with pytest.raises(UsageError, match=told):
        from_llava(["in.json", "-"], "made", resume=True)
    with pytest.raises(UsageError, match=r"^memory://made: is in the memory of this process alone; name a folder, or "):
        from_llava("in.json", "memory://made", resume=True, jobs=2)
    assert "made" not in tree(tmp_path)


def test_another_process_at_the_same_output_is_refused() -> None:
    interrupt(4)
    kept = tree(STAGE)
    with open_manifest(str(STAGE), "made", ""):
        told = "error: made: another process writes it; wait for it, or name another output\n"
        assert call("from-llava", "in.json", "-o", "made", "--resume") == Ran(2, b"", told)
    assert tree(STAGE) == kept


def test_by_name_and_as_a_command() -> None:
    interrupt(4)
    made = svit_datasets.run("from-llava", "in.json", "made", resume=True, jobs=2)
    assert made.shards_there == 4
    interrupt(3, overwrite=True)
    ran = call("from-llava", "in.json", "-o", "made", "--resume", "--overwrite")
    assert ran.err.splitlines()[0] == f"went on: 3 of {made.shards} parts were there already"
    assert ran.code == 0
