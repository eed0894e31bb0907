"""The index: every filter finds what a plain walk over the records finds, in pages that leave none out."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import encode, make_zip, record
from made_files import TASKS, Made

from svit_datasets.errors import InputError, OutputError, UsageError
from svit_datasets.findings import Finding, finding
from svit_datasets.reading.entries import Entry, read_entries
from svit_datasets.validation.engine import examine
from svit_datasets.viewer.data import Source, open_data
from svit_datasets.viewer.filters import Filter, check_task, from_query, to_sql
from svit_datasets.viewer.index import PAGE_SIZE, Index
from svit_datasets.viewer.index_build import build_index, shorten, to_batches, to_rows
from svit_datasets.viewer.shapes import Counted

COUNT = 400


class Walked:
    """The same records as plain tuples, filtered by plain Python."""

    def __init__(self, files: list[Path]) -> None:
        self.rows = list(examine(read_entries(files)))

    def select(self, asked: Filter) -> list[int]:
        return [n for n, (entry, found) in enumerate(self.rows, 1) if self._fits(entry, found, asked)]

    def _fits(self, entry: Entry, found: list[Finding], asked: Filter) -> bool:
        codes = {one.code for one in found}
        by_code = {"": True, "any": bool(codes), "none": not codes}.get(asked.code, asked.code in codes)
        return (
            asked.task in ("", entry.task or "none")
            and asked.image_id in ("", entry.id, str(entry.image_id))
            and by_code
            and any(asked.text.casefold() in words.casefold() for words in self._words(entry))
        )

    def _words(self, entry: Entry) -> Iterator[str]:
        yield "\n".join(re.sub("<st>|<ed>", "", t.value) for c in entry.conversations for t in c.content)
        yield from (c.topic for c in entry.conversations if isinstance(c.topic, str))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"), COUNT)


@pytest.fixture(scope="module")
def walked(made: Made) -> Walked:
    return Walked(made.files)


@pytest.fixture(scope="module")
def index(made: Made) -> Iterator[Index]:
    with open_data(Source(made.files)) as data:
        yield data.index


def test_every_combination_of_filters_finds_what_a_walk_finds(index: Index, walked: Walked) -> None:
    some = walked.rows[COUNT // 2][0]
    tasks = ("", "referring_qa", "detail_description", "none")
    texts = ("", "CAF\u00c9", "white man", "a < b > c", "100%_sure", "\u2019s topic")
    codes = ("", "any", "none", "box-inverted", "box-outside", "no-such-code")
    seen = 0
    for asked in (Filter(*parts) for parts in product(tasks, texts, ("", some.id, "7"), codes)):
        expected = walked.select(asked)
        assert list(index.select(asked)) == expected, asked
        seen += bool(expected)
    assert seen > 30


def test_the_pages_of_a_filter_hold_each_of_its_records_once(index: Index, walked: Walked) -> None:
    asked = Filter(text="man")
    first = index.page(asked)
    pages = [index.page(asked, page=page) for page in range(first.pages)]
    assert [line.number for page in pages for line in page.lines] == walked.select(asked)
    assert [page.first for page in pages] == [1 + PAGE_SIZE * n for n in range(first.pages)]
    assert {page.total for page in pages} == {len(walked.select(asked))}


def test_a_page_beyond_the_last_is_the_last(index: Index) -> None:
    assert index.page(Filter(), page=10**9) == index.page(Filter(), page=COUNT // PAGE_SIZE - 1)


def test_the_page_around_a_record_holds_it(index: Index, walked: Walked) -> None:
    asked = Filter(task="referring_qa")
    number = walked.select(asked)[77]
    listing = index.page(asked, around=number)
    assert (listing.page, listing.lines[77 % PAGE_SIZE].number) == (1, number)
    assert index.page(asked, page=1, around=1).page == 1  # record 1 is none of these


def test_a_filter_that_leaves_nothing_has_one_empty_page(index: Index) -> None:
    listing = index.page(Filter(text="nowhere to be found"), page=3)
    assert (listing.total, listing.page, listing.pages, listing.lines) == (0, 0, 1, [])


def test_the_facts_are_counted(index: Index, walked: Walked) -> None:
    facts = index.facts()
    assert (facts.total, facts.faulty) == (COUNT, len(walked.select(Filter(code="any"))))
    assert {c.name: c.count for c in facts.tasks} == dict.fromkeys(TASKS, COUNT // 4)
    assert {c.name: c.count for c in facts.codes} == {
        code: len(walked.select(Filter(code=code))) for _, found in walked.rows for code in {f.code for f in found}
    }
    assert sum(c.count for c in facts.files) == COUNT


def test_a_record_comes_back_as_it_stood(index: Index, walked: Walked) -> None:
    for number, (entry, found) in enumerate(walked.rows, 1):
        stored = index.get(number)
        assert stored is not None
        assert (stored.raw, stored.findings, stored.id) == (entry.raw, found, entry.id)
    assert index.get(COUNT + 1) is None
    assert index.get(10**30) is None


def test_a_record_is_found_by_its_id(index: Index, walked: Walked) -> None:
    assert index.find(walked.rows[9][0].id) == 10
    assert index.find("' OR 1=1 --") is None
    assert index.find("") is None


def test_ids_are_looked_up_in_their_indexes(tmp_path: Path) -> None:
    """Records without an image id, most of a LLaVA file, must not make SQLite walk through all."""
    rows = [Entry("a.json", n, "llava", f"x{n}", image=f"coco/{n}.jpg", raw=b"{}") for n in range(1, 3000)]
    rows.append(Entry("a.json", 3000, "native", "9", "referring_qa", 9, raw=b"{}"))
    build_index(tmp_path / "index.sqlite", ((row, []) for row in rows))
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as database:
        statement, values = to_sql(Filter(image_id="9"))
        plan = [step for *_, step in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert not [step for step in plan if step.startswith("SCAN")]
    assert {name for step in plan for name in re.findall(r"INDEX (\w+_\w+)", step)} == {
        "record_image_id",
        "record_id",
        "record_image",
    }
    assert Index(tmp_path / "index.sqlite").find("9") == 3000


def test_long_records_are_written_a_few_at_a_time() -> None:
    entries = (Entry("a.json", n, "native", raw=b" " * (1 << 20)) for n in range(10))
    assert [len(batch) for batch in to_batches((entry, []) for entry in entries)] == [4, 4, 2]
    found = [finding("turn-empty", "x" * (1 << 20))]
    assert [len(batch) for batch in to_batches((Entry("a.json", n, "native"), found) for n in range(5))] == [4, 1]
    assert [len(b) for b in to_batches((Entry("a.json", n, "native"), []) for n in range(501))] == [500, 1]


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_odd_ids_paths_and_unreadable_records_are_held(tmp_path: Path) -> None:
    rows = [
        {"id": 7, "image": "coco/train2017/1.jpg", "conversations": [{"from": "human", "value": "Hi"}]},
        {"id": "7", "image": 5, "conversations": []},
        {"conversations": "none"},
    ]
    files = [write(tmp_path / "llava.json", rows), write(tmp_path / "detail.json", [record(10**40), {"image_id": "x"}])]
    with open_data(Source(files)) as data:
        assert list(data.index.select(Filter(image_id="7"))) == [1, 2]
        assert list(data.index.select(Filter(image_id="coco/train2017/1.jpg"))) == [1]
        assert list(data.index.select(Filter(image_id=str(10**40)))) == [4]
        assert list(data.index.select(Filter(code="record-shape")))[-1] == 5
        held = data.index.get(5)
        assert held is not None
        assert (held.is_readable, held.raw, held.findings[0].code) == (False, b'{"image_id": "x"}', "record-shape")


@pytest.mark.parametrize("kind", ["jsonl", "gz", "zip", "parquet"])
def test_every_kind_of_input_is_read(tmp_path: Path, kind: str) -> None:
    rows = [record(9000001, "Why?", "So."), record(9000002, "Who?", "Her.")]
    lines = b"\n".join(encode(row) for row in rows)
    path = tmp_path / f"conversation.{kind}"
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = tmp_path / "conversation" / "part.parquet"
        path.parent.mkdir()
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_bytes(
            {"jsonl": lines, "gz": gzip.compress(lines), "zip": make_zip({"conversation.json": lines})}[kind]
        )
    with open_data(Source(path)) as data:
        assert list(data.index.select(Filter(text="who?"))) == [2]
        assert data.index.facts().tasks == [Counted("conversation", 2)]
        held = data.index.get(2)
        assert held is not None
        assert json.loads(held.raw)["image_id"] == 9000002


def test_a_file_name_that_is_no_utf8_is_held() -> None:
    fault = finding("record-syntax", "x", file="a\udcff.json")
    rows = to_rows(1, Entry("a\udcff.json", 1, "native", fault=fault), [])
    assert rows.record[1] == "a?.json"
    assert b"a?.json" in rows.body[2]


def test_the_index_is_removed_also_when_reading_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(InputError, match="no such file"), open_data(Source([tmp_path / "none.json"])):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_the_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"the index of the records needs room there\. Make room or set TMPDIR"):
        build_index(tmp_path / "missing" / "index.sqlite", [])


def test_filters_are_read_from_an_address() -> None:
    asked = from_query({"task": "referring_qa", "image_id": " 5 ", "other": "x"})
    assert asked == Filter(task="referring_qa", image_id="5")
    assert from_query(asked.to_query()) == asked
    with pytest.raises(UsageError, match="no task is called 'chat'; pass one of conversation, complex_reasoning, "):
        check_task("chat")


@pytest.mark.parametrize(
    ("text", "opening"),
    [
        ("<image>\nWho is the <st>man<ed> [0, 0, 1, 1]?", "Who is the man?"),
        ("in the van [0, 0, 1, 1], [0, 0, 1, 1].", "in the van."),
        ("Really ?", "Really ?"),
        ("x" * 500, "x" * 159 + "\u2026"),
        ("", ""),
    ],
)
def test_the_opening_is_one_line_without_marks_and_boxes(text: str, opening: str) -> None:
    assert shorten(text) == opening
