"""What shards that write in place are made of: their turns, their part of a file, the ids that they share."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svit_datasets.errors import OutputError
from svit_datasets.forward.seen_table import SeenTable
from svit_datasets.sharding.turns import StoppedError, Turns
from svit_datasets.writing import placed
from svit_datasets.writing.placed import Begin, PlacedFile


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "turns").touch()
    return str(tmp_path / "turns")


def test_a_shard_waits_for_the_one_before(file: str) -> None:
    def late() -> None:
        with Turns(file, 4) as turns:
            turns.tell(1, [1])
            waiting.wait()
            turns.tell(0, [-3, 2**62])

    waiting = threading.Event()
    thread = threading.Thread(target=late)
    with Turns(file, 5) as turns:
        thread.start()
        assert turns.wait(1)[0] == 1
        waiting.set()
        assert turns.wait(0)[:2] == (-3, 2**62)
    thread.join()


def test_who_fails_stops_those_behind_and_no_one_else(file: str) -> None:
    with Turns(file, 0) as first:
        first.tell(0, [7])
        first.tell(1, [8])
    with suppress(KeyError), Turns(file, 1) as turns:
        turns.tell(0, [turns.wait(0)[0] + 1])
        raise KeyError
    with Turns(file, 2) as turns:
        assert turns.wait(0)[0] == 8
        with pytest.raises(StoppedError):
            turns.wait(1)
    with Turns(file, 3) as turns, pytest.raises(StoppedError):
        turns.wait(0)


@settings(max_examples=40, deadline=None)
@given(
    shards=st.lists(
        st.lists(st.one_of(st.integers(-3, 40), st.integers(-(2**63), 2**63 - 1), st.integers(0, 5000)), max_size=60),
        max_size=8,
    ),
    many=st.integers(0, 9000),
)
def test_ids_are_counted_through(tmp_path_factory: pytest.TempPathFactory, shards: list[list[int]], many: int) -> None:
    name = str(tmp_path_factory.mktemp("ids") / "ids")
    seen: Counter[int] = Counter()
    for ids in [*shards, list(range(0, 3 * many, 3)), *shards]:
        assert SeenTable(name).add(ids) == {i: seen[i] for i in ids if seen[i]}
        seen.update(ids)


def test_an_id_beyond_64_bits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        SeenTable(str(tmp_path / "ids")).add([5, 10**25])


@pytest.mark.parametrize("most_held", [1, 30, 1 << 20])
@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_a_part_lands_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_held: int, chunk: int) -> None:
    monkeypatch.setattr(placed, "_MOST_HELD_BYTES", most_held)
    monkeypatch.setattr(placed, "_CHUNK_BYTES", chunk)
    monkeypatch.setattr(placed, "_STEP_BYTES", 3)
    path = tmp_path / "out"
    path.write_bytes(b"before")
    asked: list[int] = []
    part = PlacedFile("out", path, lambda: asked.append(part.bytes) or Begin(6, b", "))  # type: ignore[func-returns-value]
    for word in (b"one ", b"", b"two and a half ", b"three"):
        part.write(word)
    assert part.end == 6 + 2 + len(b"one two and a half three")
    assert (asked[0] < part.bytes) == (most_held < 30 and chunk < 100)
    part.send()
    part.close()
    assert path.read_bytes() == b"before, one two and a half three"


def test_a_part_without_bytes_leaves_no_trace(tmp_path: Path) -> None:
    part = PlacedFile("out", tmp_path / "missing", lambda: Begin(6, b", "))
    part.send()
    part.close()
    assert part.end == 6
    assert not (tmp_path / "missing").exists()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    part = PlacedFile("s/out.json", tmp_path / "gone" / "out.part", lambda: Begin(0))
    part.write(b"x")
    with pytest.raises(OutputError, match=r"^s/out\.json: no such file or directory; nothing was written under this "):
        part.send()
    assert not list(tmp_path.iterdir())
