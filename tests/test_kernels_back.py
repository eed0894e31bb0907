"""The kernels of the way back: whatever a LLaVA file holds, all comes out as it does without them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mangled_rows import Mangler

from svit_datasets import SvitError, from_llava
from svit_datasets.backward import files as backward
from svit_datasets.backward import shards as backward_shards
from svit_datasets.engines.engine import Engine
from svit_datasets.kernels.available import SWITCH
from svit_datasets.reading import split, window
from svit_datasets.sharding import chain as shard_chain
from svit_datasets.sharding import ranges

pytest.importorskip("numba")
BYTES = st.sampled_from([64, 700, 5000, 1 << 20])


def outcome(root: Path, kernels: int, read_bytes: int = 1 << 20, **given: Any) -> dict[str, Any]:
    """Return all that a run says and writes, by name; the same names in every run."""
    before = Path.cwd()
    os.chdir(root)
    try:
        with (
            mock.patch.dict(os.environ, {SWITCH: str(kernels)}),
            mock.patch.object(window, "CHUNK_BYTES", read_bytes),
            mock.patch.object(split, "_TAKE_BYTES", read_bytes),
        ):
            error = None
            try:
                from_llava("in.json", "out", rest="out/rest.json", report="report.json", overwrite=True, **given)
            except SvitError as fault:
                error = f"{type(fault).__name__}: {fault}"
        written = {p.name: p.read_bytes() for p in sorted(Path("out").glob("*")) if p.is_file()}
        report = Path("report.json").read_bytes() if Path("report.json").exists() else b""
        for path in [*Path("out").glob("*"), Path("report.json")]:
            path.unlink(missing_ok=True)
        return {"error": error, "report": report, **written}
    finally:
        os.chdir(before)


def same(root: Path, read_bytes: int, **given: Any) -> dict[str, Any]:
    with_kernels, without = (outcome(root, kernels, read_bytes, **given) for kernels in (1, 0))
    assert with_kernels == without
    return without


@settings(max_examples=300)
@given(
    seed=st.integers(0, 10**9),
    read_bytes=BYTES,
    on_error=st.sampled_from(["skip", "skip", "skip", "collect", "raise"]),
    check=st.booleans(),
)
def test_mangled_files_come_out_as_without_kernels(folder, seed, read_bytes, on_error, check):
    root = folder()
    (root / "in.json").write_bytes(Mangler(seed).file(root))
    same(root, read_bytes, on_error=on_error, check=check, images=str(root))


def in_shards(root: Path, kernels: int, size_bytes: int, **given: Any) -> dict[str, Any]:
    """Return the outcome of shards of such a size, all of them read in this process."""
    with (
        mock.patch.object(backward, "check_engine", return_value=Engine("local", 2)),
        mock.patch.object(backward_shards, "SHARD_BYTES", size_bytes),
        mock.patch.object(ranges, "_SMALLEST_BYTES", 1),
        mock.patch.object(shard_chain, "run_shards", lambda function, shards, _: (function(s) for s in shards)),
    ):
        return outcome(root, kernels, **given)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10**9),
    size_bytes=st.sampled_from([100, 400, 1500, 5000]),
    kernels=st.sampled_from([0, 1]),
    on_error=st.sampled_from(["skip", "skip", "skip", "collect", "raise"]),
)
def test_shards_come_out_as_the_whole(folder, seed, size_bytes, kernels, on_error):
    root = folder()
    (root / "in.json").write_bytes(Mangler(seed).file(root))
    given = {"on_error": on_error, "images": str(root)}
    assert in_shards(root, kernels, size_bytes, **given) == outcome(root, 0, **given)
    assert not list(root.glob(".*"))
