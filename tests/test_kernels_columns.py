"""Tables are the same to the last value with the column kernels and without, whatever is in the file."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from columns_made import GRANULARITIES, IDS, PlainMaker, check_same, native_text, read, spec_of, write_file
from hypothesis import given, settings
from hypothesis import strategies as st
from native_files import dumps, spellings
from test_loading import FILES

from svit_datasets.kernels.columns import blocks as columns_blocks
from svit_datasets.reading import split, window
from svit_datasets.sharding import ranges
from svit_datasets.tables.spec import Share

pytest.importorskip("numba")
Switch = Callable[[str], None]


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def switch(patch: pytest.MonkeyPatch) -> Switch:
    return lambda said: patch.setenv("SVIT_KERNELS", said)


def plain_text(count: int, seed: int = 1) -> str:
    """Return a native file of ordinary records."""
    records = [{**PlainMaker(seed + n).record(), "image_id": IDS[n % len(IDS)]} for n in range(count)]
    return dumps([{k: r[k] for k in ("image_id", "conversations")} for r in records])


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(sorted(FILES)), st.sampled_from(GRANULARITIES), spellings)
def test_any_file_gives_the_same_tables(
    switch: Switch, folder: Callable[[], Path], seed: int, config: str, granularity: str, spelling: dict[str, Any]
) -> None:
    root = write_file(folder(), FILES[config], native_text(seed, 12, spelling).encode("utf-8", "surrogatepass"))
    check_same(switch, spec_of(root, config, granularity))


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(GRANULARITIES), st.sampled_from([1, 40, 700]))
def test_windows_and_ranges_may_end_anywhere(
    switch: Switch, folder: Callable[[], Path], seed: int, granularity: str, window_bytes: int
) -> None:
    root = write_file(folder(), "referring_qa", native_text(seed, 12, {}).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "_TAKE_BYTES", window_bytes)
        patch.setattr(window, "CHUNK_BYTES", window_bytes)
        patch.setattr(ranges, "_SMALLEST_BYTES", 100)
        spec = spec_of(root, "referring", granularity)
        shares = [Share(number, 5) for number in (0, 2, 3, 1, 4)]
        check_same(switch, spec, shares)


@settings(max_examples=70)
@given(st.integers(0, 10**6), st.sampled_from(GRANULARITIES))
def test_a_changed_byte_is_told_as_without(
    switch: Switch, folder: Callable[[], Path], seed: int, granularity: str
) -> None:
    draw = random.Random(seed)
    content = bytearray(plain_text(5, seed).encode())
    for _ in range(draw.choice((1, 1, 2))):
        content[draw.randrange(len(content))] = draw.choice((*b'"\\{}[]:,.0-e \n', 0, 0x80, 0xC3, 0xED, 0xFF))
    root = write_file(folder(), "referring_qa", bytes(content))
    for on_error in ("skip", "raise"):
        check_same(switch, spec_of(root, "referring", granularity, on_error=on_error))


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_ordinary_records_are_taken_at_once(
    switch: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, granularity: str
) -> None:
    root = write_file(tmp_path, "referring_qa", plain_text(40).encode())
    spec = spec_of(root, "referring", granularity)
    taken: list[tuple[int, int]] = []
    make = columns_blocks.block_taker

    def watched(**options: Any) -> Any:
        take = make(**options)

        def taking(*place: Any) -> Any:
            block = take(*place)
            taken.extend([(block.count, block.kept)] if block else [])
            return block

        return taking

    monkeypatch.setattr(columns_blocks, "block_taker", watched)
    assert check_same(switch, spec) >= 40
    whole = sum(i in IDS[:4] for i in (IDS[n % len(IDS)] for n in range(39)))
    assert taken == [(39, whole), (39, 39 - whole)]  # no comma follows the last record


@pytest.mark.parametrize("columns", [("image_id",), ("objects",), ("extra", "width"), ("conversations", "coco_id")])
def test_some_columns(switch: Switch, tmp_path: Path, columns: tuple[str, ...]) -> None:
    root = write_file(tmp_path, "referring_qa", plain_text(30).encode())
    assert check_same(switch, spec_of(root, "referring", "image", columns=columns)) == 30


def test_tables_have_a_thousand_rows(switch: Switch, tmp_path: Path) -> None:
    odd = ', {"image_id": 1, "n": 1, "conversations": []}, '
    text = plain_text(900)[:-1] + odd + plain_text(900)[1:-1] + odd + plain_text(700)[1:]
    spec = spec_of(write_file(tmp_path, "referring_qa", text.encode()), "referring", "image")
    assert check_same(switch, spec) == 2502
    switch("1")
    assert [len(table) for table in read(spec).tables] == [1000, 434]
