"""20,000 made records of all four tasks through the command line: there and back, halved, without provenance."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_files import TASKS, Made

from svit_datasets.boxes import padded_axes, unpad_error_bound
from svit_datasets.grounding import find

COMMAND = Path(sys.executable).parent / "svit-convert"


def run(*arguments: object) -> str:
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("made"), 20_000)


@pytest.fixture(scope="module")
def llava(made):
    out = made.image_data.parent / "llava.json"
    run("to-llava", *made.files, "--images", made.image_data, "-o", out)
    return out


def test_there_and_back_is_equal(made, llava, tmp_path):
    run("from-llava", llava, "-o", tmp_path / "native")
    for path in made.files:
        told = run("compare", path, tmp_path / "native" / path.name)
        assert told.endswith("compare: equal, value for value\n")
        assert json.loads((tmp_path / "native" / path.name).read_text()) == made.records[path.stem]


def test_after_shuffling_and_dropping_half_the_other_half_is_equal(made, llava, tmp_path):
    rows = json.loads(llava.read_text())
    assert len(rows) == sum(made.truth[f"conversations.{task}"] for task in TASKS)
    kept = random.Random(1).sample(rows, len(rows) // 2)
    (tmp_path / "half.json").write_text(json.dumps(kept))
    run("from-llava", tmp_path / "half.json", "-o", tmp_path / "native")
    left = {re.fullmatch(r"(.*)-(\d+)-(\d+)", row["id"]).groups() for row in kept}
    for task in TASKS:
        expected = []
        for record in made.records[task]:
            image = str(record["image_id"])
            chosen = [c for i, c in enumerate(record["conversations"]) if (task, image, str(i)) in left]
            if chosen:
                expected.append({**record, "conversations": chosen})
        assert json.loads((tmp_path / "native" / f"{task}.json").read_text()) == expected


def test_without_provenance_the_numbers_of_the_report_are_true(made, tmp_path):
    run("to-llava", *made.files, "--images", made.image_data, "--provenance", "none", "-o", tmp_path / "l.json")
    run(
        "from-llava",
        tmp_path / "l.json",
        "--images",
        made.image_data,
        "-o",
        tmp_path / "n",
        "--report",
        tmp_path / "r.json",
    )
    report = json.loads((tmp_path / "r.json").read_text())
    counts, inferred = report["counts"], report["inferred"]
    total = sum(made.truth[f"conversations.{task}"] for task in TASKS)
    assert counts["records_inferred"] == inferred["tasks_from_id"] == inferred["places_from_id"] == total
    for task in TASKS:
        assert counts[f"records_inferred.{task}"] == made.truth[f"conversations.{task}"]
    assert inferred["sentences_removed"] == made.truth["pairs.referring_qa"]
    assert inferred["boxes_inverted"] == made.truth["boxes"]
    assert set(report["unknowable"]) == {"every task", "conversation", "referring_qa"}
    worst, groups, marked = 0.0, 0, 0
    back = json.loads((tmp_path / "n" / "referring_qa.json").read_text())
    for before, after in zip(made.records["referring_qa"], back, strict=True):
        bound = max(unpad_error_bound(axis) for axis in padded_axes(made.sizes[before["image_id"]]))
        for native, text in zip(texts(before), texts(after), strict=True):
            found = list(find(text))
            groups += len(found)
            marked += sum(g.phrase is not None for g in found)
            true, new = ([float(c) for g in find(t) for c in g.coordinates] for t in (native, text))
            worst = max(worst, *(abs(a - b) - bound for a, b in zip(true, new, strict=True) if a <= 1), -1)
    assert worst <= 0
    assert inferred["phrases_marked"] == marked
    assert inferred["groups_left_bare"] == groups - marked
    sizes = {made.sizes[r["image_id"]] for r in made.records["referring_qa"]}
    bounds = [max(unpad_error_bound(axis) for axis in padded_axes(size)) for size in sizes]
    assert inferred["box_error_bound_max"] == pytest.approx(max(bounds))


def texts(record: dict) -> list[str]:
    return [turn["value"] for conversation in record["conversations"] for turn in conversation["content"]]
