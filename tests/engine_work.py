"""What the tests of ``run_shards`` run: in a module of its own, so that the processes it starts can import it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from svit_datasets.containers import fault_error
from svit_datasets.findings import finding


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
