"""Run ``svit-convert`` until it calls a function for the n-th time, and hold it there: to kill it at that moment."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers_cli import WAIT_SECONDS, wait_for

PUBLISH = "svit_datasets.publish."
AT_NOTE = f"{PUBLISH}building.staging:Staging.note"
HELD = """
import importlib, sys, time
from pathlib import Path

place, calls, flag, *arguments = sys.argv[1:]
module, names = place.split(":")
owner = importlib.import_module(module)
*names, last = names.split(".")
for name in names:
    owner = getattr(owner, name)
real, left = getattr(owner, last), int(calls)

def held(*given, **more):
    global left
    left -= 1
    if left == 0:
        Path(flag).touch()
        time.sleep(600)
    return real(*given, **more)

setattr(owner, last, held)
from svit_datasets.cli import main
main(arguments)
"""


@contextmanager
def held(place: str, calls: int, flag: Path, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command until a function is called for the n-th time, and hold it there."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, place, str(calls), str(flag), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for(flag.exists, process)
        yield process
    finally:
        process.kill()
        process.communicate()
        flag.unlink(missing_ok=True)


def expect_ended(pids: list[int]) -> None:
    """Wait until none of some processes runs any more."""
    end = time.monotonic() + WAIT_SECONDS
    while any(state_of_process(pid) not in ("", "Z") for pid in pids):
        assert time.monotonic() < end, "a process was left"
        time.sleep(0.02)


def state_of_process(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    """Return the processes that a process began and that still run, as /proc tells."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it ended meanwhile
        if int(parent) == pid and state != "Z":
            found.append(int(entry.parent.name))
    return found
