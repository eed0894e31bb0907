"""A conversion on Ray from a store to a store: real Ray, a real S3-like server, the real client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray_work
from helpers_cli import REPOSITORY
from s3_server import S3Server

import svit_datasets

pytestmark = ray_work.needs_ray
IMAGES = 1500  # 7 MB
CONVERT = """
import svit_datasets
from svit_datasets.forward import shards as forward_shards

forward_shards.SHARD_BYTES = 1 << 20
made = svit_datasets.run(
    "to-llava",
    "s3://bucket/referring_qa.json",
    "s3://bucket/out.json",
    images="s3://bucket/image_data.json",
    report="s3://bucket/report.json",
    engine="ray",
    jobs=2,
)
print(made.shards, made.counts["records_written"])
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


def test_from_a_store_to_a_store(s3: S3Server, tmp_path: Path) -> None:
    make = [sys.executable, REPOSITORY / "benchmarks/make_native.py", tmp_path, "--images", str(IMAGES)]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    native, sizes = tmp_path / "referring_qa.json", tmp_path / "image_data.json"
    s3.make_bucket("bucket", {path.name: path.read_bytes() for path in (native, sizes)})
    ran = subprocess.run(
        [sys.executable, "-c", CONVERT],
        env={**os.environ, **s3.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, f"6 {10 * IMAGES}\n"), ran.stderr
    svit_datasets.to_llava(native, tmp_path / "one.json", images=sizes)
    assert s3.get("bucket", "out.json") == (tmp_path / "one.json").read_bytes()
    assert s3.keys("bucket") == {"referring_qa.json", "image_data.json", "out.json", "report.json"}
    assert s3.unfinished("bucket") == set()
