"""What the tests of the column kernels share: files of ordinary and odd records mixed, and tables read of them."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from native_files import Maker, Number, dumps
from test_loading import TEST, TRAIN, entry

from svit_datasets.errors import SvitError, SvitWarning
from svit_datasets.kernels import available
from svit_datasets.tables.rows import read_tables
from svit_datasets.tables.spec import Share, TableSpec

IDS = [*TRAIN[:4], *TEST[:3]]
GRANULARITIES = ("image", "conversation", "qa")
WORDS = (
    "cat",
    "caf\u00e9",
    'a "b"',
    "a\\b",
    "line\nbreak",
    "\u4eba\u7269",
    "\U0001f600",
    "<",
    "[0.1",
    "\x00",
    "\u2028",
)


class PlainMaker(Maker):
    """Makes records without unknown keys, whose numbers have as many digits as SVIT's."""

    def extra(self, level: str) -> dict[str, Any]:
        del level
        return {}

    def number(self) -> str:
        return self._pick(("0", "1", "1.", ".5", "0.50", repr(self._random.randint(0, 1000) / 1000)))

    def conversation(self) -> dict[str, Any]:
        made = super().conversation()
        if made.get("topic", "") is None:
            del made["topic"]
        return made if self._chance() < 0.5 else dict(reversed(made.items()))

    def text(self) -> str:
        pieces = [self._pick((self.group, self.boxes, lambda: self._pick(WORDS), self.characters))() for _ in range(4)]
        return self._pick(("", " ", ", ")).join(pieces)


def record(seed: int) -> dict[str, Any]:
    """Return a record, two of three ordinary."""
    kind = (Maker, PlainMaker, PlainMaker)[seed % 3]
    made = kind(seed).record()
    return {k: Number(str(random.Random(seed).choice(IDS))) if k == "image_id" else v for k, v in made.items()}


def native_text(seed: int, count: int, spelling: dict[str, Any]) -> str:
    """Return a native file of some records."""
    return dumps([record(seed * 1000 + n) for n in range(count)], **spelling)


def write_file(folder: Path, stem: str, content: bytes) -> Path:
    """Write a folder that a configuration is read from; return it."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / f"data/{stem}.json").write_bytes(content)
    known = ", ".join(dumps(entry(i)) for i in IDS[1:])
    (folder / "image_data.json").write_text(f"[{known}]")
    return folder


def spec_of(root: Path, config: str, granularity: Any, **options: Any) -> TableSpec:
    """Return what a table without images is made of, faulty records left out."""
    return TableSpec(
        config=config, root=root, granularity=granularity, **{"images": "none", "on_error": "skip", **options}
    )


class Read(NamedTuple):
    """What reading gave: the tables, what was warned of, and the error that it ended in."""

    tables: list[pa.Table]
    warned: list[str]
    error: str


def read(spec: TableSpec, shares: list[Share] | None = None) -> Read:
    """Read a table of one split."""
    tables: list[pa.Table] = []
    error = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SvitWarning)
        try:
            tables.extend(table for _, table in read_tables(spec, shares or spec.make_shares()))
        except SvitError as raised:
            error = str(raised)
    return Read(tables, [str(w.message) for w in caught], error)


def both_ways(switch: Callable[[str], object], work: Callable[[], Read]) -> tuple[Read, Read]:
    """Return what reading gives with kernels and without; they must give the same."""
    switch("1")
    fast = work()
    switch("0")
    return fast, work()


def check_same(switch: Callable[[str], object], spec: TableSpec, shares: list[Share] | None = None) -> int:
    """Assert that both splits are the same with kernels and without; return their number of rows."""
    assert available.has_kernels()
    rows = 0
    for is_test in (False, True):
        split = replace(spec, is_test=is_test)
        fast, plain = both_ways(switch, lambda split=split: read(split, shares))  # type: ignore[misc]
        assert (fast.warned, fast.error) == (plain.warned, plain.error)
        assert [t.num_rows for t in fast.tables] == [t.num_rows for t in plain.tables]
        for a, b in zip(fast.tables, plain.tables, strict=True):
            a.validate(full=True)
            assert a.schema == b.schema
            assert a.equals(b), (a.to_pylist(), b.to_pylist())
            rows += a.num_rows
    return rows
