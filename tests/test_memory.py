"""Memory does not grow with the file: the peak of a run on 40 MB is about that of a run on 4 MB.

With compiled loops and without; a small run compiles them, where that was not done yet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from svit_datasets.images.visual_genome import image_ids

SMALL, LARGE = 4 << 20, 40 << 20
ALLOWED = 60 << 20

# VmHWM is the peak of this program alone; ru_maxrss, where there is no /proc, counts the parent's at the fork too.
PEAK = """
import resource, sys
from pathlib import Path
import svit_datasets

def peak():
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)

size = sys.argv[1]
{work}
print(peak())
"""
READ = 'count = sum(1 for _ in svit_datasets.read(f"referring_qa.{size}.json"))\nassert count > 100, count'
TO_LLAVA = """
made = svit_datasets.to_llava(
    f"referring_qa.{size}.json", f"out.{size}.json", images="image_data.json", report=f"report.{size}.json"
)
assert made.counts["records_skipped"] == 0, made.counts
"""
FROM_LLAVA = """
made = svit_datasets.from_llava(f"out.{size}.json", f"native.{size}", check=False)
assert made.counts["records_restored"] == made.counts["records_read"] > 1000, made.counts
"""


def record_text(image_id: int) -> str:
    """Return a referring record of about 5 KB: ten pairs with boxes in every text."""
    box = f"[0.{image_id % 899 + 100}, 0.25, 0.9{image_id % 7}, 0.875]"
    answer = f"It is <st>the brown dog<ed> {box}{' on a smooth, speckled grey floor' * 8}."
    content = [{"from": "user", "value": f"Where is <st>dog {image_id}<ed> {box}?"}, {"from": "gpt", "value": answer}]
    return json.dumps({"image_id": image_id, "conversations": [{"content": content}] * 10})


class Made(NamedTuple):
    """A folder with a referring file and its LLaVA file, small and large, and the peaks of ``to_llava`` on them."""

    folder: Path
    kernels: str
    peaks: dict[str, int]


@pytest.fixture(scope="module", params=["0", "1"], ids=["plain", "compiled"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Make the files; converting them is a measurement already."""
    folder, peaks = tmp_path_factory.mktemp("memory"), {}
    ids = image_ids()[:20_000]
    sizes = [{"image_id": i, "width": 640, "height": 480} for i in ids]
    (folder / "image_data.json").write_text(json.dumps(sizes))
    for name, size in (("small", SMALL), ("large", LARGE)):
        with (folder / f"referring_qa.{name}.json").open("w") as file:
            written = file.write("[")
            for i, image_id in enumerate(ids):
                written += file.write((",\n" if i else "\n") + record_text(image_id))
                if written > size:
                    break
            file.write("]\n")
        peaks[name] = measure(folder, TO_LLAVA, name, request.param)
    return Made(folder, request.param, peaks)


def measure(folder: Path, work: str, size: str, kernels: str) -> int:
    """Return the peak memory of a new process that does the work, in bytes."""
    command = [sys.executable, "-c", PEAK.format(work=work), size]
    environment = {**os.environ, "SVIT_KERNELS": kernels}
    return int(subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True).stdout)


def expect_flat(peaks: dict[str, int]) -> None:
    assert peaks["large"] - peaks["small"] < ALLOWED, {name: f"{peak >> 20} MB" for name, peak in peaks.items()}


def test_memory_stays_flat_to_llava(made: Made) -> None:
    assert (made.folder / "out.large.json").stat().st_size > LARGE
    expect_flat(made.peaks)


@pytest.mark.parametrize("work", [READ, FROM_LLAVA], ids=["read", "from_llava"])
def test_memory_stays_flat(made: Made, work: str) -> None:
    expect_flat({size: measure(made.folder, work, size, made.kernels) for size in ("small", "large")})


def test_memory_stays_flat_with_a_finding_in_every_record(tmp_path: Path) -> None:
    """Findings beyond the first go to disk."""
    for name, count in (("small", 1_000), ("large", 30_000)):
        bad = '{"image_id": 2, "conversations": [{"content": [{"from": "user", "value": "%s"}]}]}' % ("long " * 20)
        (tmp_path / f"conversation.{name}.json").write_text("\n".join([bad] * count))
    work = """
made = svit_datasets.to_llava(
    f"conversation.{size}.json", f"out.{size}.json", on_error="skip", report=f"report.{size}.json"
)
assert len(made.first) == 20
assert made.by_code["turn-odd"] >= 1000
"""
    expect_flat({size: measure(tmp_path, work, size, "0") for size in ("small", "large")})
    assert len(json.loads((tmp_path / "report.large.json").read_bytes())["findings"]) == 30_000 + 29_999
