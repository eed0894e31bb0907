"""A whole conversion on a cluster that loses a worker and a node: the output of one process, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import ray_work
from build_held import children_of
from helpers_cli import REPOSITORY, WAIT_SECONDS
from ray_work import Nodes

import svit_datasets
from svit_datasets import SvitWarning
from svit_datasets.engines.ray_cluster import connected
from svit_datasets.forward import shards as forward_shards

pytestmark = ray_work.needs_ray
IMAGES = 5000  # 22 MB
SHARD_BYTES = 512 << 10
TASK_TITLE = b"ray::svit shard"


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a native file of some size, with the sizes of its images beside it."""
    folder = tmp_path_factory.mktemp("native")
    make = [sys.executable, REPOSITORY / "benchmarks/make_native.py", folder, "--images", str(IMAGES)]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    return folder / "referring_qa.json"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ray_work.cluster("a", "b") as running, connected(address=running.address):
        yield running


def task_on(node: int) -> int:
    """Return the process of a shard that a node works on, once there is one."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        for pid in children_of(node):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(TASK_TITLE):
                return pid
    raise AssertionError("the node was given no shard")


def converted(native: Path, output: Path, **engine: str) -> bytes:
    made = svit_datasets.to_llava(native, output, images=native.with_name("image_data.json"), **engine)  # type: ignore[call-overload]
    assert made.counts["records_written"] == 10 * IMAGES
    assert not list(output.parent.glob(".*")), "a half output is left"
    return output.read_bytes()


def test_a_conversion_that_loses_a_worker_and_a_node(
    native: Path, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_shards, "SHARD_BYTES", SHARD_BYTES)
    extra = nodes.add("c")

    def lose() -> None:
        os.kill(task_on(extra), signal.SIGKILL)
        task_on(extra)
        nodes.remove("c")

    with ThreadPoolExecutor(1) as other:
        lost = other.submit(lose)
        with pytest.warns(
            SvitWarning, match=r"^Ray, shard \d+ of \d+: its worker or its node was lost; it runs again$"
        ):
            made = converted(native, tmp_path / "ray.json", engine="ray")
        lost.result()
    assert made == converted(native, tmp_path / "one.json")
