"""``to_llava`` in shards: the bytes, counts and faults of one process, for any cut, number of processes and policy."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from build_held import children_of, expect_ended
from helpers_cli import WAIT_SECONDS, damage, finish, make_zip, run, start, tree, wait_for
from hypothesis import given, settings
from hypothesis import strategies as st
from native_files import TASKS, Maker, dumps, write_sizes

import svit_datasets
from svit_datasets.errors import SvitError, UsageError
from svit_datasets.forward import shards as forward_shards
from svit_datasets.sharding import ranges

pytestmark = pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")


TALK = [{"content": [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]}]
SLOW = {**os.environ, "SVIT_KERNELS": "0"}
FAULTY = """
import svit_datasets
from svit_datasets.forward import shards as forward_shards
from svit_datasets.sharding import ranges
if __name__ == "__main__":
    ranges._SMALLEST_BYTES, forward_shards.SHARD_BYTES = 1, 300
    svit_datasets.to_llava({!r}, {!r}, jobs=2)
"""


@pytest.fixture(scope="module", autouse=True)
def small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_SMALLEST_BYTES", 1)
        patch.setattr(forward_shards, "SHARD_BYTES", 700)
        yield


def content(seed: int, count: int) -> bytes:
    """Return a native file with copies, unknown keys and faults."""
    maker = Maker(seed)
    records = [maker.record() for _ in range(count)]
    for i in range(seed % 3):
        records.insert((seed >> (4 * i)) % (count + 1), {"image_id": [5, -3, 10**25][i], "conversations": []})
    text = dumps(records, indent=seed % 2)
    return text.encode() if seed % 5 else damage(text.encode(), seed % len(text), 9)


def outcome(inputs: list[str], folder: Path, **options: Any) -> tuple[Any, ...]:
    """Return all that a run leaves: files, report, fault."""
    out, report = folder / "out.json", folder / "report.json"
    try:
        made = svit_datasets.to_llava(inputs, out, report=report, **options)
        told: Any = (made.counts, made.by_code, made.first, made.outputs)
    except SvitError as error:
        told = (type(error), str(error))
    shutil.rmtree(folder / ".out.json.svit-parts", ignore_errors=True)  # what is kept to go on from
    files = {name: (folder / name).read_bytes() for name in sorted(tree(folder))}
    for name in files:
        (folder / name).unlink()
    return told, files


def write_inputs(folder: Path, seeds: list[int], count: int, *, is_one_task: bool) -> list[str]:
    """Write a native file for each seed, all of one task or each of another; return their names."""
    files = [folder / str(n) / f"{TASKS[0 if is_one_task else n]}.json" for n in range(len(seeds))]
    for file, seed in zip(files, seeds, strict=True):
        file.parent.mkdir()
        file.write_bytes(content(seed, count))
    return [str(file) for file in files]


@settings(max_examples=40, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=3),
    count=st.integers(1, 8),
    shard_bytes=st.sampled_from([150, 700, 2500]),
    on_error=st.sampled_from(["raise", "skip", "collect"]),
    provenance=st.sampled_from(["inline", "sidecar", "none"]),
    has_sizes=st.booleans(),
    is_one_task=st.booleans(),
)
def test_shards_give_what_one_reading_gives(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int], count: int, shard_bytes: int, **given: Any
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    inputs = write_inputs(folder, seeds, count, is_one_task=given["is_one_task"])
    options = {
        "images": [write_sizes(folder)] if given["has_sizes"] else [],
        "on_error": given["on_error"],
        "options": svit_datasets.Options(provenance=given["provenance"]),
    }
    (folder / "made").mkdir()
    whole = outcome(inputs, folder / "made", **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forward_shards, "SHARD_BYTES", shard_bytes)
        assert outcome(inputs, folder / "made", jobs=1, resume=True, **options) == whole
    assert tree(folder / "made") == set()


@pytest.fixture
def native(tmp_path: Path) -> Path:
    maker = Maker(7)
    path = tmp_path / "referring_qa.json"
    path.write_text(dumps([maker.record() for _ in range(60)]))
    write_sizes(tmp_path)
    return path


@pytest.mark.parametrize("jobs", [2, 3])
def test_processes_give_the_same(native: Path, tmp_path: Path, jobs: int) -> None:
    packed = tmp_path / "conversation.zip"
    packed.write_bytes(make_zip({"conversation.json": native.read_bytes()}))
    inputs, images = [str(native), str(packed), str(native)], tmp_path / "image_data.json"
    (tmp_path / "made").mkdir()
    whole = outcome(inputs, tmp_path / "made", images=images, on_error="skip")
    assert outcome(inputs, tmp_path / "made", images=images, on_error="skip", jobs=jobs) == whole
    assert len(json.loads(whole[1]["out.json"])) > 100


def test_records_in_memory(native: Path, tmp_path: Path) -> None:
    images = tmp_path / "image_data.json"
    rows = svit_datasets.to_llava(native, images=images, on_error="skip")
    assert svit_datasets.to_llava(native, images=images, on_error="skip", jobs=2) == rows


def test_tables_are_shards(tmp_path: Path) -> None:
    svit_datasets.write_sample(tmp_path / "svit")
    svit_datasets.build(tmp_path / "svit", tmp_path / "hub", images="none")
    (tmp_path / "made").mkdir()
    whole = outcome([str(tmp_path / "hub")], tmp_path / "made")
    assert outcome([str(tmp_path / "hub")], tmp_path / "made", jobs=2) == whole
    assert len(json.loads(whole[1]["out.json"])) > 10


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"output": None, "resume": True}, "^resume: what is finished is kept beside the output, so name a file$"),
        (
            {"inputs": "-", "task": "detail", "jobs": 2},
            "^-: can be read once, by one process; name a file, or leave --jobs and --resume out$",
        ),
        ({"jobs": 0}, "^jobs=0: expected a whole number from 1$"),
        ({"engine": "spark"}, "^engine='spark': expected one of local, ray$"),
        ({"address": "auto"}, "^address='auto': processes of this machine have none; choose engine='ray'$"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(native: Path, tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        svit_datasets.to_llava(**{"inputs": native, "output": tmp_path / "out.json", **given})
    assert tree(tmp_path) == {"referring_qa.json", "image_data.json"}


def test_a_faulty_shard_stops_the_rest_with_its_place(native: Path, tmp_path: Path) -> None:
    records = [{"image_id": i, "conversations": "none" if i == 42 else TALK} for i in range(1, 61)]
    native.write_text(json.dumps(records))
    code = FAULTY.format(str(native), str(tmp_path / "out.json"))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1].startswith(
        f"svit_datasets.errors.RecordError: {native}:42 id=42 $.conversations: "
    )
    assert tree(tmp_path) == {"referring_qa.json", "image_data.json"}


def test_resume_does_only_what_is_missing(native: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"images": tmp_path / "image_data.json", "on_error": "skip"}
    svit_datasets.to_llava(native, tmp_path / "whole.json", **options)
    calls: list[int] = []
    real = forward_shards.convert

    def failing(job: Any) -> Any:
        calls.append(job.place)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(job)

    monkeypatch.setattr(forward_shards, "convert", failing)
    with (
        pytest.raises(KeyboardInterrupt),
        pytest.warns(svit_datasets.SvitWarning, match=r"^5 finished parts are kept in .*"),
    ):
        svit_datasets.to_llava(native, tmp_path / "out.json", resume=True, **options)
    stage = tmp_path / ".out.json.svit-parts"
    (stage / "00000003.rows").write_bytes(b"damaged")
    (stage / "00000001.done.json").write_bytes(b'{"files": [')
    calls[:] = [-1] * 6
    made = svit_datasets.to_llava(native, tmp_path / "out.json", resume=True, **options)
    assert calls[6:] == [1, 3, *range(5, made.shards)]
    assert (made.shards_there, made.shards > 8) == (3, True)
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not stage.exists()


@pytest.mark.parametrize("change", ["input", "options"])
def test_another_run_starts_over(native: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    options: dict[str, Any] = {"images": tmp_path / "image_data.json", "on_error": "skip"}
    with monkeypatch.context() as patch:
        patch.setattr(forward_shards.Shards, "_take", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            svit_datasets.to_llava(native, tmp_path / "out.json", resume=True, **options)
    if change == "input":
        native.write_text(dumps([Maker(8).record() for _ in range(30)]))
    else:
        options["options"] = svit_datasets.Options(seed=1)
    made = svit_datasets.to_llava(native, tmp_path / "out.json", resume=True, **options)
    assert made.shards_there == 0
    svit_datasets.to_llava(native, tmp_path / "whole.json", **options)
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("resume", [False, True])
def test_an_interruption_ends_all_processes(tmp_path: Path, number: signal.Signals, resume: bool) -> None:
    big = make_big(tmp_path)
    before = tree(tmp_path)
    process = start("to-llava", big, "-o", tmp_path / "out.json", "--jobs", "2", *["--resume"] * resume, env=SLOW)
    stage = tmp_path / ".out.json.svit-parts"
    grown = stage.glob if resume else tmp_path.glob
    pattern = "*.done.json" if resume else ".svit-*.part"
    wait_for(lambda: any(found.stat().st_size for found in grown(pattern)), process)
    children = children_of(process.pid)
    assert len(children) >= 2
    process.send_signal(number)
    ran = finish(process)
    expect_ended(children)
    assert ran.code == (130 if number == signal.SIGINT else 143)
    assert not (tmp_path / "out.json").exists()
    assert stage.exists() == resume
    assert resume or tree(tmp_path) == before


def make_big(folder: Path) -> Path:
    """Return a native file of three shards of the ordinary size: 52 MB."""
    records = [{"image_id": i, "conversations": TALK * 20} for i in (1, 2, 3, 4, 5)]
    text = json.dumps(records)[1:-1]
    path = folder / "complex_reasoning.json"
    path.write_text(f"[{', '.join([text] * (1 + (52 << 20) // len(text)))}]")
    return path


def test_resume_after_kills_is_the_same_to_the_byte(tmp_path: Path) -> None:
    big = make_big(tmp_path)
    assert run("to-llava", big, "-o", tmp_path / "whole.json").code == 0
    command = ("to-llava", big, "-o", tmp_path / "out.json", "--jobs", "2", "--resume")
    stage = tmp_path / ".out.json.svit-parts"
    for wanted in (1, 2):
        process = start(*command, env=SLOW)
        wait_for(lambda wanted=wanted: len(list(stage.glob("*.done.json"))) >= wanted, process)  # type: ignore[misc]
        children = children_of(process.pid)
        process.kill()
        finish(process)
        expect_ended(children)
        assert not (tmp_path / "out.json").exists()
    ran = run(*command)
    assert ran.code == 0
    assert "went on: " in ran.err
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not stage.exists()


def test_two_runs_of_one_output_are_kept_apart(native: Path, tmp_path: Path) -> None:
    with forward_shards.open_manifest(str(tmp_path / ".out.json.svit-parts"), "out.json", "key"):
        code = f"import svit_datasets; svit_datasets.to_llava({str(native)!r}, {str(tmp_path / 'out.json')!r}, jobs=2)"
        began = time.monotonic()
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert time.monotonic() - began < WAIT_SECONDS
    assert "out.json: another process writes it; wait for it, or name another output" in ran.stderr


def test_a_whole_run_removes_what_a_killed_one_left(native: Path, tmp_path: Path) -> None:
    stage = tmp_path / ".out.json.svit-parts"
    stage.mkdir()
    (stage / "plan.json").write_text("{}")
    (stage / "00000000.rows").write_text("rows")
    svit_datasets.to_llava(native, tmp_path / "out.json", on_error="skip")
    assert not stage.exists()
