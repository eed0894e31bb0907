"""The kernels of the way back on plain rows: what they take, what they leave, and what comes of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from native_files import IMAGE_IDS, dumps
from test_kernels_back import outcome, same

from svit_datasets import from_llava, to_llava
from svit_datasets.backward import shards as backward_shards
from svit_datasets.kernels.available import SWITCH
from svit_datasets.kernels.backward.block import RowTaker, TakenRows
from svit_datasets.sharding import ranges

pytest.importorskip("numba")
ANSWERS = (
    "A <st>man<ed> [0.1, 0.25, 0.5, 1.0] and <st>two \u4eba<ed> [0, 0, 1, 1], [0.001, 0.2, 0.3, 0.4].",
    'So "he" said:\n\tcaf\u00e9 \U0001f600 \\ / [sic]',
    "[0.1, 0.2, 0.3, 0.4] is bare.",
)


def native(records: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "image_id": IMAGE_IDS[i % len(IMAGE_IDS)],
            "conversations": [
                {**more, "content": [{"from": "user", "value": "Who?"}, {"from": "gpt", "value": answer}]}
                for answer in ANSWERS
            ],
        }
        for i in range(records)
    ]


def write_plain(root: Path, *, records: int = 4, task: str = "referring_qa", **more: Any) -> bytes:
    """Write a native file and its rows as ``in.json``; return the native file as ``from_llava`` writes it."""
    (root / f"{task}.json").write_text(dumps(native(records, **more)))
    sizes = [{"image_id": i, "width": 640, "height": 480} for i in IMAGE_IDS]
    (root / "image_data.json").write_text(json.dumps(sizes))
    to_llava(root / f"{task}.json", root / "in.json", images=root, overwrite=True, on_error="skip")
    lines = [json.dumps(record, separators=(",", ":")) for record in native(records, **more)]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


def take(data: bytes, begin: int, **given: Any) -> TakenRows | None:
    return RowTaker(given.get("longest", 1 << 20))(data, begin, given.get("stop", len(data)), given.get("mark", b","))


@pytest.mark.parametrize("task", ["conversation", "complex_reasoning", "referring_qa", "detail_description"])
@pytest.mark.parametrize("more", [{}, {"topic": None}, {"topic": "a man's"}], ids=["none", "null", "text"])
def test_all_plain_rows_but_the_last_are_taken_and_come_back(tmp_path, task, more):
    written = write_plain(tmp_path, task=task, **more)
    data = (tmp_path / "in.json").read_bytes()
    rows = take(data, 2)
    assert rows is not None
    assert (rows.count, rows.by_task) == (11, {task: 11})
    assert data[rows.end :].count(b'"id"') == 1
    assert outcome(tmp_path, 1)[f"{task}.json"] == written


@pytest.mark.parametrize("spelling", [{"indent": 2}, {"ensure_ascii": False}, {"separators": (", ", ": ")}])
def test_rows_that_were_saved_again_are_taken(tmp_path, spelling):
    write_plain(tmp_path)
    rows = json.loads((tmp_path / "in.json").read_bytes())
    data = json.dumps(rows, **spelling).encode()
    taken = take(data, data.index(b"{"))
    assert taken is not None
    assert taken.count == 11


def test_lines_are_taken_but_no_row_of_two_lines(tmp_path):
    write_plain(tmp_path)
    rows = json.loads((tmp_path / "in.json").read_bytes())
    lines = "\n".join(map(json.dumps, rows)).encode()
    taken = take(lines, 0, mark=b"\n")
    assert taken is not None
    assert taken.count == 11
    assert take(json.dumps(rows[0], indent=1).encode() + b"\n", 0, mark=b"\n") is None
    (tmp_path / "in.json").write_bytes(lines)
    assert same(tmp_path, 1 << 20)["error"] is None


def test_no_row_is_taken_whose_comma_stands_behind_the_stop_or_that_is_too_long(tmp_path):
    write_plain(tmp_path)
    data = (tmp_path / "in.json").read_bytes()
    comma = data.index(b",\n")
    assert take(data, 2, stop=comma) is None
    one = take(data, 2, stop=comma + 1)
    assert one is not None
    assert (one.count, one.end) == (1, comma + 1)
    assert take(data, 2, longest=comma - 3) is None


def test_the_rest_of_a_run_is_what_taking_from_there_gives(tmp_path):
    write_plain(tmp_path)
    data = (tmp_path / "in.json").read_bytes()
    rows = take(data, 2)
    assert rows is not None
    rest, again = rows.since(4), take(data, [i for i in range(len(data)) if data.startswith(b'{"id"', i)][4])
    assert again is not None
    for name in ("starts", "bodies", "records", "conversations", "images", "stored"):
        assert (getattr(rest, name) == getattr(again, name)).all(), name


def test_a_byte_changed_anywhere_comes_out_as_without_kernels(tmp_path):
    write_plain(tmp_path, records=1)
    data, pick = (tmp_path / "in.json").read_bytes(), random.Random(5)
    for at in pick.sample(range(len(data)), 150):
        changed = bytearray(data)
        changed[at] = pick.choice([changed[at] ^ 1, changed[at] ^ 0x80, 34, 92, 44, 0x7D, 0x5B, 48, 32])
        (tmp_path / "in.json").write_bytes(changed)
        same(tmp_path, 1 << 20, on_error="skip", images=str(tmp_path))


def test_two_processes_write_the_same(tmp_path, monkeypatch):
    written = write_plain(tmp_path, records=60)
    monkeypatch.setattr(backward_shards, "SHARD_BYTES", 9000)
    monkeypatch.setattr(ranges, "_SMALLEST_BYTES", 1)
    monkeypatch.setenv(SWITCH, "1")
    monkeypatch.chdir(tmp_path)
    reports = []
    for jobs in (1, 2):
        from_llava("in.json", "out", report="report.json", jobs=jobs, overwrite=True)
        assert Path("out/referring_qa.json").read_bytes() == written
        reports.append(Path("report.json").read_bytes())
    assert reports[0] == reports[1]
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
