"""What the tests of ``run_shards`` run: in a module of its own, so that the processes it starts can import it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from svit_datasets.findings import finding
from svit_datasets.reading.containers import fault_error


class Work(NamedTuple):
    """A shard for ``work``: what to do, and where to note that it was begun."""

    number: int
    kind: str
    folder: Path


def work(shard: Work) -> int:
    """Note the shard, then do as it says."""
    (shard.folder / str(shard.number)).touch()
    if shard.kind == "fail":
        raise fault_error(finding("image-missing", f"nothing at {shard.number}", file="a.json", record=shard.number))
    if shard.kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.3 if shard.kind == "slow" else 0.01)
    return shard.number * 10


def make_large(number: int) -> bytes:
    """Return more than a pipe holds; end with a fault, or killed, where the number says so."""
    if number == 5:
        raise fault_error(finding("image-missing", "nothing", file="a.json", record=number))
    if number == 15:
        os.kill(os.getpid(), signal.SIGKILL)
    return bytes(60 << 20)


def process_id(_shard: int) -> int:
    """Return which process runs the shard."""
    time.sleep(0.05)
    return os.getpid()
