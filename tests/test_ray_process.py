"""The engine ``ray`` without a cluster: one of this machine that ends with the run, and what is said where none is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import ray_work
from helpers_cli import WAIT_SECONDS
from ray_work import wait_until_begun

from svit_datasets.engines.engine import Engine, run_shards
from svit_datasets.engines.ray_tasks import run_on_ray
from svit_datasets.errors import UsageError

MARK = "SVIT_TEST_OF_RAY"
WHERE = """
from ray_work import where
from svit_datasets.engines.engine import Engine, run_shards
found = list(run_shards(where, range(6), Engine("ray", jobs=2)))
print(len({process for process, _ in found}) <= 2, {address for _, address in found})
"""
START = "start one with `ray start --head`, or leave the address out for one on this machine"


def own_environment(home: Path) -> dict[str, str]:
    """Return the environment of a user who has set nothing, with a mark that all processes begun in it carry."""
    names = {*ray_work.ENVIRONMENT, "RAY_ADDRESS"}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "HOME": str(home), MARK: uuid.uuid4().hex, "PYTHONPATH": str(Path(__file__).parent)}


def marked(mark: str) -> list[int]:
    """Return the processes that carry a mark."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue  # it ended meanwhile, or is another's
    return found


def expect_none_left(mark: str, but: bytes = b"nothing") -> None:
    """Wait until no process with a mark is left, but those that end later by themselves."""
    end = time.monotonic() + WAIT_SECONDS
    while left := [title for title in map(title_of, marked(mark)) if title and but not in title]:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def title_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().strip(b"\0")
    except OSError:
        return b""


@ray_work.needs_ray
def test_a_cluster_of_this_machine_is_on_loopback_quiet_and_gone_afterwards(tmp_path: Path) -> None:
    environment = own_environment(tmp_path)
    ran = subprocess.run([sys.executable, "-c", WHERE], capture_output=True, text=True, env=environment, check=False)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("True {'127.0.0.1'}\n", "", 0)
    expect_none_left(environment[MARK])


@ray_work.needs_ray
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_run(tmp_path: Path, number: signal.Signals) -> None:
    """After a SIGKILL two agents of Ray look for their cluster for a minute before they end; they hold no shard."""
    environment = own_environment(tmp_path)
    command = [sys.executable, ray_work.__file__, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        wait_until_begun(tmp_path, 1)
        assert len(marked(environment[MARK])) > 2
        process.send_signal(number)
        assert process.wait(WAIT_SECONDS) != 0
    expect_none_left(environment[MARK], but=b"gent" if number == signal.SIGKILL else b"nothing")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"^the engine 'ray' needs Ray: pip install 'svit-datasets\[ray\]'$"):
        list(run_shards(abs, [-1, -2], Engine("ray")))


@ray_work.needs_ray
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", f"no cluster answers ([Errno 111] Connection refused); {START}"),
        ("nonsense", "expected HOST:PORT, ray://HOST:PORT, or auto"),
        ("http://127.0.0.1:8265", "expected HOST:PORT, ray://HOST:PORT, or auto"),
    ],
)
def test_an_address_where_no_cluster_is(address: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    message = f"^{re.escape(f'Ray at {address}: {told}')}$"
    with pytest.raises(UsageError, match=message):
        list(run_on_ray(abs, [-1], address=address))
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match=message):
        list(run_on_ray(abs, [-1]))
