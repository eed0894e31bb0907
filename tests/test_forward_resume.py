"""What an interrupted conversion left: used where it is of the same run, and nothing else is taken for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from back_resumed import starting_over
from native_files import write_sizes

import svit_datasets
from svit_datasets.errors import InputError, SvitWarning, UsageError
from svit_datasets.forward import shards as forward_shards
from svit_datasets.sharding import ranges

STAGE = ".out.json.svit-parts"


def talk(text: str, count: int = 2) -> list[Any]:
    turns = [{"from": "user", "value": f"Is {text} at [0.1, 0.2, 0.3, 0.4]?"}, {"from": "gpt", "value": "Yes."}]
    return [{"content": turns}] * count


@pytest.fixture
def native(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ranges, "_SMALLEST_BYTES", 1)
    monkeypatch.setattr(forward_shards, "SHARD_BYTES", 700)
    path = tmp_path / "referring_qa.json"
    path.write_text(json.dumps([{"image_id": i, "conversations": talk("it")} for i in range(1, 31)]))
    write_sizes(tmp_path, dict.fromkeys(range(1, 31), (500, 375)))
    return path


def interrupt(monkeypatch: pytest.MonkeyPatch, given: Any, folder: Path, **options: Any) -> None:
    """Run until two shards are done, and stop there as Ctrl-C does."""
    done: list[Any] = []
    real = forward_shards.convert

    def failing(job: Any) -> Any:
        done.append(job)
        if len(done) > 2:
            raise KeyboardInterrupt
        return real(job)

    with monkeypatch.context() as patch:
        patch.setattr(forward_shards, "convert", failing)
        with pytest.raises(KeyboardInterrupt), pytest.warns(SvitWarning, match=r"^2 finished parts are kept in "):
            svit_datasets.to_llava(given, folder / "out.json", resume=True, **options)


def expect_same(given: Any, folder: Path, there: int, **options: Any) -> None:
    """Go on, and compare with a run of its own."""
    with starting_over(folder / STAGE, is_said=not there):
        made = svit_datasets.to_llava(given, folder / "out.json", resume=True, **options)
    svit_datasets.to_llava(given, folder / "whole.json", **options)
    assert made.shards_there == there
    assert (folder / "out.json").read_bytes() == (folder / "whole.json").read_bytes()
    assert not (folder / STAGE).exists()


def change_sizes(folder: Path) -> None:
    write_sizes(folder, dict.fromkeys(range(1, 31), (800, 600)))


@pytest.mark.parametrize(("change", "there"), [(lambda _: None, 2), (change_sizes, 0)])
def test_other_sizes_are_another_run(
    native: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], there: int
) -> None:
    sizes = tmp_path / "image_data.json"
    interrupt(monkeypatch, native, tmp_path, images=sizes)
    change(tmp_path)
    expect_same(native, tmp_path, there, images=sizes)


def test_another_file_of_a_table_folder_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    svit_datasets.write_sample(tmp_path / "svit")
    svit_datasets.build(tmp_path / "svit", tmp_path / "hub", images="none")
    interrupt(monkeypatch, tmp_path / "hub", tmp_path)
    (shard,) = (tmp_path / "hub" / "data" / "complex_reasoning").glob("*.parquet")
    data = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(data)
    expect_same(tmp_path / "hub", tmp_path, 0)


def test_a_broken_record_ends_where_reading_whole_ends_it(native: Path, tmp_path: Path) -> None:
    """Its end is told by any first key that came before, in other shards too."""
    texts = [json.dumps({"image_id": i, "conversations": talk("it")}) for i in range(1, 41)]
    other = '{"conversations": %s, "image_id": %d}'
    texts[3], texts[22] = other % (json.dumps(talk("it")), 4), other % (json.dumps(talk("it")), 23)
    texts[21] = texts[21].replace('"Yes."', '"Yes." 7')
    native.write_text(f"[{', '.join(texts)}]")
    whole = svit_datasets.to_llava(native, tmp_path / "whole.json", images=tmp_path, on_error="skip")
    made = svit_datasets.to_llava(native, tmp_path / "out.json", images=tmp_path, on_error="skip", resume=True)
    assert (made.counts, made.first) == (whole.counts, whole.first)
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_an_input_that_changes_meanwhile_is_named(
    native: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = forward_shards.scan

    def changing(job: Any) -> Any:
        native.write_text(native.read_text().replace("Yes", "Yep"))
        return real(job)

    monkeypatch.setattr(forward_shards, "scan", changing)
    with pytest.raises(InputError, match=rf"^{native}: found another size or time of change than at the start; "):
        svit_datasets.to_llava(native, tmp_path / "out.json", images=tmp_path, resume=True)
    assert not (tmp_path / STAGE).exists()
    assert not (tmp_path / "out.json").exists()


def test_what_is_not_the_run_s_own_is_left_alone(native: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, native, tmp_path, images=tmp_path)
    (tmp_path / STAGE / "backup.done.json").write_text("{}")
    (tmp_path / STAGE / "mine").mkdir()
    made = svit_datasets.to_llava(native, tmp_path / "out.json", resume=True, images=tmp_path)
    assert made.shards_there == 2
    assert sorted(path.name for path in (tmp_path / STAGE).iterdir()) == ["backup.done.json", "mine"]


@pytest.mark.parametrize("name", ["x" * 250 + ".json", "out.json"])
def test_an_output_is_whole_whatever_stands_beside_it(native: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / STAGE).write_text("a file of somebody's")
    made = svit_datasets.to_llava(native, tmp_path / name, images=tmp_path)
    assert made.outputs == {str(tmp_path / name): 60}


def test_what_was_left_beside_an_address_of_this_machine_goes(native: Path, tmp_path: Path) -> None:
    (tmp_path / STAGE).mkdir()
    (tmp_path / STAGE / "plan.json").write_text("{}")
    svit_datasets.to_llava(native, f"file://{tmp_path}/out.json", images=tmp_path)
    assert not (tmp_path / STAGE).exists()


def test_the_memory_of_this_process_is_no_place_for_others(native: Path, tmp_path: Path) -> None:
    message = "^memory://out.json: is in the memory of this process alone; name a file, or leave --jobs out$"
    with pytest.raises(UsageError, match=message):
        svit_datasets.to_llava(native, "memory://out.json", images=tmp_path, jobs=2)
