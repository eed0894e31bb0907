"""Run a command in a process of its own and tell what it took, by the operating system's own account.

This module stays small, and so does a program that measures: what a process holds when it starts another counts as the
other's peak.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

SAMPLE_S = 0.2
LIBRARIES = ("numba", "numpy", "msgspec", "pyarrow", "datasets")
SVIT_CONVERT = str(Path(sys.executable).with_name("svit-convert"))


class Measured(NamedTuple):
    """What a command took, with all its children.

    Attributes:
        wall_s: Seconds from start to end.
        cpu_s: Seconds of processors, user and system.
        peak_bytes: Peak memory of its largest process.
        peak_sum_bytes: Peaks of all its processes, added up; pages that they share count in each.
        out: What it printed to standard output.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    peak_sum_bytes: int
    out: str


def measure(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end, ``env`` added to its environment; where it fails this program ends, with its words.

    >>> measure([sys.executable, "-c", "print(5)"]).out
    '5\\n'
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=told, env={**os.environ, **(env or {})})
        sampler = Sampler(process.pid)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begin
        process.returncode = code = os.waitstatus_to_exitcode(status)
        sampler.stop()
        out.seek(0)
        told.seek(0)
        if code:
            sys.exit(f"{' '.join(command)}: exit status {code}\n{told.read().decode()[-2000:]}")
        peak = usage.ru_maxrss << (0 if sys.platform == "darwin" else 10)
        cpu_s = usage.ru_utime + usage.ru_stime
        return Measured(wall_s, cpu_s, peak, max(peak, sampler.sum_bytes()), out.read().decode())


class Sampler(threading.Thread):
    """Looks at a process and its descendants while they run, keeps the peak of each; without /proc, none."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._peaks: dict[int, int] = {}
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(SAMPLE_S):
            for pid in descendants(self._pid):
                self._peaks[pid] = max(self._peaks.get(pid, 0), peak_bytes_of(pid))

    def stop(self) -> None:
        self._end.set()
        self.join()

    def sum_bytes(self) -> int:
        """Return the sum of all peaks that were seen."""
        return sum(self._peaks.values())


def descendants(pid: int) -> set[int]:
    """Return a process and all that it started and that still run."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found, wave = {pid}, {pid}
    while wave:
        wave = {child for child, parent in parents.items() if parent in wave} - found
        found |= wave
    return found


def peak_bytes_of(pid: int) -> int:
    """Return the peak memory of a process that runs; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table.

    >>> print(markdown(["what", "s"], [["read", "1.5"]]))
    | what | s |
    |---|---|
    | read | 1.5 |
    """
    lines = [list(head), *map(list, rows)]
    told = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([told[0], "|" + "---|" * len(head), *told[1:]])


def machine() -> str:
    """Return in a line what the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = ", ".join(f"{name} {version_of(name)}" for name in LIBRARIES)
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, {libraries}"


def version_of(name: str) -> str:
    """Return the version of a library; "absent" where it is not installed.

    >>> version_of("no-such-library")
    'absent'
    """
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
