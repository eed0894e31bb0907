"""``compare`` of native files with a built folder or a repository: task by task, by image id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import DONE, FAULTS, call
from hub_client import Client
from hub_server import HubServer
from published import Published, publish, write_native

from svit_datasets import OutputError, UsageError, compare, record_order

EQUAL = b"compare: equal, value for value\n"
HUB = "hf://datasets/BAAI/SVIT"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("built"))


@pytest.fixture
def native(made: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the records of the built folder in another order, one of them after another of its image."""
    monkeypatch.chdir(tmp_path)
    write_native(tmp_path / "S", made)
    for file in Path("S/data").iterdir():
        records = json.loads(file.read_text())
        file.write_text(json.dumps(sorted(records, key=lambda row: row["image_id"] * 7919 % 101)))
    Path("built").symlink_to(made.folder)
    return Path("S/data")


def edit(file: Path, place: int, answer: str) -> int:
    """Change the last answer of a record; return its image."""
    records = json.loads(file.read_text())
    records[place]["conversations"][-1]["content"][-1]["value"] = answer
    file.write_text(json.dumps(records))
    return int(records[place]["image_id"])


def test_folders_are_compared_task_by_task(native: Path) -> None:
    for left, right in ((native, "built"), ("built", native), ("S", "built"), ("built", "built")):
        assert call("compare", str(left), str(right)) == (DONE, EQUAL, "")
    assert call("compare", str(native / "referring_qa.json"), "built/data/referring") == (DONE, EQUAL, "")


@pytest.mark.parametrize("place", [0, 5, 10])
def test_a_difference_is_told_by_its_place_in_the_native_file(native: Path, place: int) -> None:
    file = native / "referring_qa.json"
    edit(file, place, "No.")
    [there] = compare(native, "built")
    assert (there.file, there.record, there.left) == (str(file), place + 1, '"No."')
    assert there.path == "$.conversations[9].content[1].value"
    [back] = compare("built", native)
    assert (back.file, back.right) == ("built (referring_qa)", '"No."')
    told = call("compare", str(native), "built")
    assert (told.code, told.out.splitlines()[-1]) == (FAULTS, b"compare: 1 records differ")


def test_a_record_too_few_or_too_many_is_one_difference(native: Path) -> None:
    file = native / "detail_description.json"
    records: list[dict[str, Any]] = json.loads(file.read_text())
    file.write_text(json.dumps(records[:4] + records[5:]))
    [fewer] = compare(native, "built")
    assert (fewer.path, fewer.left) == ("$", "")
    assert fewer.right.startswith(f'{{"image_id": {records[4]["image_id"]},')
    file.write_text(json.dumps([*records, records[3]]))
    [more] = compare(native, "built")
    assert (more.record, more.path, more.right) == (len(records) + 1, "$", "")
    file.write_text(json.dumps([*records, []]))
    assert [(d.record, d.left, d.right) for d in compare(native, "built")] == [(len(records) + 1, "[]", "")]


def test_a_task_that_one_lacks_is_named(native: Path) -> None:
    (native / "conversation.json").unlink()
    with pytest.raises(UsageError, match=r"^conversation: in one of the folders only \(S/data and built\)$"):
        list(compare(native, "built"))
    Path("untold").mkdir()
    Path("untold/a.parquet").symlink_to(next(Path("built/data/detail").resolve().iterdir()))
    message = r"^untold/a.parquet: nothing says the task; compare it with one native file$"
    with pytest.raises(UsageError, match=message):
        list(compare(native, "untold"))


def test_a_full_disk_is_told(native: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    class Spool:
        write = tell = full

        def __enter__(self) -> Spool:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(Spool, "tell", lambda _: 0)
    monkeypatch.setattr(record_order.tempfile, "TemporaryFile", Spool)
    monkeypatch.setattr(record_order.tempfile, "gettempdir", lambda: "TMP")
    message = "^TMP: no space left on device, while records are sorted; make room, or set TMPDIR to a larger folder$"
    with pytest.raises(OutputError, match=message):
        list(compare(native, "built"))


@pytest.fixture
def client(made: Published, native: Path, tmp_path: Path) -> Iterator[Client]:
    del native
    with HubServer(made.folder) as hub:
        yield Client(hub, tmp_path)


def test_a_repository_is_compared_too(client: Client) -> None:
    assert client("compare", "S/data", HUB).out.encode() == EQUAL
    assert client("compare", HUB, "built").out.encode() == EQUAL
    edit(Path("S/data/conversation.json"), 3, "No.")
    told = client("compare", HUB, "S/data")
    assert (told.code, told.err) == (1, "")
    first, last = told.out.splitlines()
    assert first.startswith(f"{HUB} (conversation):")
    assert last == "compare: 1 records differ"
