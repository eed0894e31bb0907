"""What the tests of Ray run: shards that note themselves, and a cluster of several nodes in a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from svit_datasets.findings import finding
from svit_datasets.reading.containers import fault_error

ENVIRONMENT = {  # read by Ray as it is imported, so set with this module
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # loopback alone
    "RAY_AUTH_MODE": "disabled",  # else a token is left in the home folder
}
os.environ.update(ENVIRONMENT)
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
NODES = """
import sys
from ray.cluster_utils import Cluster
small = {"object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}
cluster = Cluster(True, head_node_args={
    **small, "num_cpus": int(sys.argv[1]), "include_dashboard": False, "temp_dir": sys.argv[2]
})
nodes = {name: cluster.add_node(num_cpus=1, **small) for name in sys.argv[3:]}
print(cluster.address, flush=True)
for line in sys.stdin:
    does, name = line.split()
    if does == "add":
        nodes[name] = cluster.add_node(num_cpus=1, **small)
        print(nodes[name].all_processes["raylet"][0].process.pid, flush=True)
    else:
        cluster.remove_node(nodes.pop(name))
        print("removed", flush=True)
cluster.shutdown()
"""


class Work(NamedTuple):
    """A shard for ``work``: what to do, and where to note it."""

    number: int
    kind: str
    folder: Path


def work(shard: Work) -> bytes:
    """Note the shard and its process, do as it says, note the end; the result is too large to travel inline."""
    begun = shard.folder / f"{shard.number}.{time.monotonic_ns()}"
    begun.write_text(f"{os.getpid()} {os.getppid()}")
    _KINDS[shard.kind](shard)
    begun.with_suffix(f"{begun.suffix}.done").write_text(str(time.monotonic_ns()))
    return b"%d" % shard.number * 200_000


def where(_: int) -> tuple[int, str]:
    """Return a worker's process and the address of its node."""
    import ray

    return os.getpid(), ray.util.get_node_ip_address()


def _fail(shard: Work) -> None:
    raise fault_error(finding("image-missing", f"nothing at {shard.number}", file="a.json", record=shard.number))


def _die(_: Work) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hold(shard: Work) -> None:
    """Wait until let go, for what must happen meanwhile, in steps that can be interrupted."""
    while not (shard.folder / "go").exists():
        time.sleep(0.02)


class OddError(Exception):
    """A fault that does not come out of a pickle, as those of some clients."""

    def __init__(self, *, response: str) -> None:
        super().__init__(response)


def _fail_oddly(_: Work) -> None:
    raise OddError(response="the store says no")


_KINDS = {
    "odd": _fail_oddly,
    "plain": lambda _: time.sleep(0.02),
    "slow": lambda _: time.sleep(0.5),
    "deaf": lambda _: time.sleep(600),  # in one call, which no interruption ends
    "fail": _fail,
    "die": _die,
    "hold": _hold,
}


def shards(folder: Path, count: int = 12, **kinds: str) -> list[Work]:
    """Return shards; ``kinds`` names those that are not plain by ``_NUMBER``."""
    return [Work(i, kinds.get(f"_{i}", "plain"), folder) for i in range(count)]


class Begun(NamedTuple):
    """A process in which a shard was begun, and the one that began that: its node's."""

    process: int
    node: int


def begun(folder: Path, number: int) -> list[Begun]:
    """Return where a shard was begun, in order."""
    notes = sorted(folder.glob(f"{number}.*[0-9]"), key=lambda p: int(p.suffix[1:]))
    return [Begun(*map(int, text.split())) for p in notes if (text := p.read_text())]


def wait_until_begun(folder: Path, number: int, times: int = 1) -> Begun:
    """Return where a shard was begun last, once it was begun so many times."""
    end = time.monotonic() + 60
    while len(begun(folder, number)) < times:
        assert time.monotonic() < end, f"shard {number} was not begun {times} times"
        time.sleep(0.02)
    return begun(folder, number)[-1]


def most_at_a_time(folder: Path) -> int:
    """Return how many shards were at work together, at most."""
    spans = [(int(p.suffixes[0][1:]), int(p.read_text())) for p in folder.glob("*.done")]
    return max(sum(start <= at < end for start, end in spans) for at, _ in spans)


class Nodes:
    """A cluster: its address, and nodes that come and go by name."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._answer()

    def add(self, name: str) -> int:
        """Start a node of one CPU; return its process."""
        return int(self._tell(f"add {name}"))

    def remove(self, name: str) -> None:
        """End a node and all its processes."""
        assert self._tell(f"remove {name}") == "removed"

    def _tell(self, line: str) -> str:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def cluster(*names: str, head_cpus: int = 1) -> Iterator[Nodes]:
    """Run a cluster of a head and nodes of one CPU each while the block runs."""
    folder = tempfile.mkdtemp(prefix="ray")  # sockets stand in it, whose names must be short
    command = [sys.executable, "-c", NODES, str(head_cpus), folder, *names]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            nodes = Nodes(process)
            assert nodes.address, "no cluster came up"
            yield nodes
        finally:
            process.communicate(timeout=60)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    from svit_datasets.engines.ray_tasks import run_on_ray

    for result in run_on_ray(work, shards(Path(sys.argv[1]), 4, _1="hold")):
        print(len(result), flush=True)
