"""``from_llava`` interrupted anywhere, any number of times, with kernels and without: all comes out as in one go."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from back_resumed import counted, written
from helpers_cli import SAMPLE
from hypothesis import given, settings
from hypothesis import strategies as st
from mangled_rows import Mangler
from s3_server import S3Server

from svit_datasets import SvitError, from_llava, to_llava
from svit_datasets.backward import shards as backward_shards
from svit_datasets.sharding import ranges


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    size_bytes=st.sampled_from([250, 1000]),
    stops=st.lists(st.integers(0, 6), max_size=3),
    kernels=st.lists(st.sampled_from(["0", "1"]), min_size=4, max_size=4),
    on_error=st.sampled_from(["skip", "skip", "collect", "raise"]),
)
@pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")
def test_interrupted_anywhere_all_comes_out_as_in_one_reading(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    size_bytes: int,
    stops: list[int],
    kernels: list[str],
    on_error: str,
) -> None:
    root = tmp_path_factory.mktemp("rows")
    (root / "in.json").write_bytes(Mangler(seed).file(root))

    def outcome(switch: str = "0", **more: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            patch.setenv("SVIT_KERNELS", switch)
            try:
                return written("made", images=str(root), on_error=on_error, **more)
            except SvitError as error:
                return type(error), str(error), [path.read_bytes() for path in root.glob("report.json")]
            finally:
                for path in [*Path("made").glob("*.json"), *root.glob("report.json")]:
                    path.unlink()

    whole = outcome()
    with mock.patch.multiple(ranges, _SMALLEST_BYTES=1), mock.patch.multiple(backward_shards, SHARD_BYTES=size_bytes):
        for stop, switch in zip(stops, kernels, strict=False):
            with counted(stop), suppress(KeyboardInterrupt):
                outcome(switch, resume=True)
        assert outcome(kernels[-1], resume=True) == whole
    assert not (root / "made" / ".svit-parts").exists()


@pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")
def test_in_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to_llava(SAMPLE / "data" / "conversation.json", tmp_path / "in.json", images=SAMPLE)
    from_llava(tmp_path / "in.json", tmp_path / "whole")
    monkeypatch.setattr(ranges, "_SMALLEST_BYTES", 1)
    monkeypatch.setattr(backward_shards, "SHARD_BYTES", 1500)
    with S3Server() as s3, s3.emptied(monkeypatch, tmp_path):
        s3.make_bucket("bucket", {"in.json": (tmp_path / "in.json").read_bytes()})
        with counted(4), suppress(KeyboardInterrupt):
            from_llava("s3://bucket/in.json", "s3://bucket/native", resume=True)
        assert {f"native/.svit-parts/0000000{n}.done.json" for n in range(4)} < s3.keys("bucket")
        made = from_llava("s3://bucket/in.json", "s3://bucket/native", resume=True, jobs=2)
        assert made.shards_there == 4
        assert s3.keys("bucket") == {"in.json", "native/conversation.json"}
        whole = (tmp_path / "whole" / "conversation.json").read_bytes()
        assert s3.get("bucket", "native/conversation.json") == whole
