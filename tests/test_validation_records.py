"""Rules on records in depth: all faults of one, what only looks like a fault, and the place in whatever carries it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers_cli import encode, make_zip, record, run

from svit_datasets.validation.validate import Checks, validate
from tests.native_files import SENTENCES

Found = list[tuple[int, str, str, str]]
IMAGE = "vg/VG_100K/2.jpg"
LONG = "The man waits by the old tram because it is late and he is tired, and the dog sits near his large red shoe"


def row(*values: str, image: Any = IMAGE, **extra: Any) -> dict[str, Any]:
    """Return a LLaVA record; an ``image`` of "" leaves the key out."""
    turns = [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]
    return {**extra, **({"image": image} if image != "" else {}), "conversations": turns}


def find(given: Any, checks: Checks | None = None, **options: Any) -> list[tuple[str, int, str, str, str]]:
    results = validate(given, checks=checks, **options)
    found = [(Path(f.file).name, f.record, f.id, f.path, f.code) for f in results]
    results.close()
    return found


@pytest.fixture
def of(tmp_path: Path) -> Callable[..., Found]:
    """Return a function from records to record number, id, JSON path and code of what is found."""

    def of(*records: Any, **checks: Any) -> Found:
        (tmp_path / "mine.json").write_bytes(encode(list(records)))
        return [found[1:] for found in find(tmp_path / "mine.json", Checks(**checks))]

    return of


def test_all_faults_of_a_native_record_are_told_each_at_its_place(of: Callable[..., Found]) -> None:
    faulty = record(8, " Who?</s>", "It is <st>a<ed> [0.3, 0.2, 0.1, 1.5] \ufffd, <unk> and the", "", "...")
    faulty["conversations"].append({"content": []})
    faulty["conversations"].append({"content": [{"from": "gpt", "value": "<image> ASSISTANT: no"}]})
    at = "$.conversations[0].content[{}].value"
    assert sorted(of(faulty)) == sorted(
        (1, "8", path, code)
        for path, code in (
            (at.format(0), "token-eos"),
            (at.format(0), "text-untrimmed"),
            (at.format(1), "box-outside"),
            (at.format(1), "box-inverted"),
            (at.format(1), "text-garbled"),
            (at.format(1), "token-special"),
            (at.format(1), "answer-cut-off"),
            (at.format(2), "turn-empty"),
            (at.format(3), "answer-no-words"),
            ("$.conversations[1].content", "no-turns"),
            ("$.conversations[2].content", "turn-odd"),
            ("$.conversations[2].content[0].from", "turn-role"),
            ("$.conversations[2].content[0].value", "token-image"),
            ("$.conversations[2].content[0].value", "token-assistant"),
            ("$.image_id", "image-held-out"),
        )
    )


def test_all_departures_from_the_schema_are_told(of: Callable[..., Found]) -> None:
    faulty = record("8", "Who?", "I.")
    faulty["conversations"] += [{"topic": 5, "content": [{"from": "user"}]}, {"topic": "x"}, 7]
    assert sorted(of(record(2), faulty)) == [
        (2, "8", "$.conversations[1].content[0]", "record-shape"),
        (2, "8", "$.conversations[1].topic", "record-shape"),
        (2, "8", "$.conversations[2]", "record-shape"),
        (2, "8", "$.conversations[3]", "record-shape"),
        (2, "8", "$.image_id", "record-shape"),
    ]


def test_all_faults_of_a_llava_record_are_told_each_at_its_place(of: Callable[..., Found]) -> None:
    faulty = row("<image>\nWho?", "It <st>is [0.1, 0.2, 0.1, 0.4]", "<image>\nWho?", "<image>", "Who?", image="/2.jpg")
    assert sorted(of({**faulty, "id": 1.5})) == [
        (1, "", "$.conversations", "turn-odd"),
        (1, "", "$.conversations[1].value", "box-empty"),
        (1, "", "$.conversations[1].value", "marks-left"),
        (1, "", "$.conversations[2].value", "token-image-repeated"),
        (1, "", "$.conversations[3].value", "token-image-in-answer"),
        (1, "", "$.conversations[4].value", "duplicate-question"),
        (1, "", "$.id", "record-shape"),
        (1, "", "$.image", "image-path-unsafe"),
    ]


@pytest.mark.parametrize("role", ["user", "assistant", "system", "Human", ""])
def test_a_role_that_llavas_loader_does_not_know_is_told(role: str, of: Callable[..., Found]) -> None:
    faulty = row("<image>\nWhy?", "So.", "And?", "Yes.")
    faulty["conversations"][2]["from"] = role
    assert of(faulty) == [(1, "", "$.conversations[2].from", "turn-role")]


GOOD_ANSWERS = (
    "Yes", "no", "3", "2:30", "$5", "Two cats", "left", "STOP", "(a cat)", "100%", "**Two**", "...and a dog.",
    'It says "STOP"', "He said, \u201cGo!\u201d", "It reads 'I am sorry'", "A list:\n- a cat\n- a dog",
    "Three:\n1. a cat\n2. a dog", "See:\n\n* a cat", "\u4ed6\u5728\u8d70\u8def", "C'est l'\u00e9t\u00e9.",
    "\u732b\u3002", "\u00bfD\u00f3nde? Aqu\u00ed.", "\u041a\u043e\u0442", "5 < 6", "I <3 it", "<b>bold</b>", "a <st",
    "The message board is empty.", "An empty message board hangs on the wall.", "His inbox has messages.",
    "There is a caption below the picture: 'Home'.", "The caption printed on the poster is red.",
    "The description of the dish is written in chalk.", "It is a picture of captains.", "Sorry is painted on the wall.",
    "I can see a cat.", "He cannot see it.", "An AI robot.", "The letter on the sign is A", "MyASSISTANT: a firm.",
    "ASSISTANT:no", "[1] and [2, 3]", "[sic]", "a [0.5] b", "A man (left) and a dog [right].", LONG, "Who",
    "<st>men<ed> [0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1.0]", "<st>a < b<ed>[.1,.2,.3,.4].", "it\u2019s \u00e2ge \u20ac5",
    "It is <st>[x]<ed> [0.10, 0.25, 0.5, 0.75].", "e\u0301", "\u05d0 \u202e",
)  # fmt: skip


@pytest.mark.parametrize("answer", GOOD_ANSWERS)
def test_what_only_looks_like_a_fault_is_none(answer: str, of: Callable[..., Found]) -> None:
    assert of(record(2, "Why so?", answer)) == []
    if "<st>" not in answer:
        assert of(row("<image>\nWhy so?", answer)) == []


def test_text_alone_may_hold_whatever_looks_like_a_box_or_a_refusal(of: Callable[..., Found]) -> None:
    answers = ("[0.5, 2.5, 9.1]", "x = [9, 8, 7, 6]", "I'm sorry, I cannot do that,", "<html>", "Why so?", "-", "```")
    answers += ("According to the caption,", "As an AI language model, I cannot", "Your message is empty.")
    assert of(*(row("Why so?", answer, image="", id=str(i), model="") for i, answer in enumerate(answers))) == []


def test_one_image_token_at_either_edge_and_two_in_one_question_are_fine(of: Callable[..., Found]) -> None:
    texts = ("<image>\nWhy?", "Why?\n<image>", "<image>Who?", "Where is <image> it?", "<image>\n<image>\nHow?")
    assert of(*(row(text, "So.", image=f"a/{i}.jpg") for i, text in enumerate(texts))) == []
    assert of(row("Why?", "So.", "<image>\nWho?", "I.")) == []


# Each of them once went by unseen, or could: the quick way past the rules must stop at it.
QUICK = {
    "spaces that are no ASCII, in a phrase": ("answer-names-source", "It follows from\u00a0the bounding boxes."),
    "between words of it": ("answer-names-source", "It follows from the two\u202fbounding boxes."),
    "before the last word": ("answer-cut-off", "It sits on\u00a0the"),
    "between sentences": ("answer-cut-off", f"{LONG}.\u2003The dog runs"),
    "one capital at the end": ("answer-cut-off", f"{LONG}. B"),
    "a dotless i": ("answer-names-source", "BASED ON THE CAPT\u0131ONS, a cat."),
    "a dotted I": ("answer-refuses", "\u0130 cannot see it."),
    "a long s": ("answer-refuses", "However, \u017forry, i am \u017forry."),
    "a bracket and a comma before a box": ("box-without-phrase", "A cat x], [0.1, 0.2, 0.3, 0.4]."),
    "what ends like a mark before a box": ("box-without-phrase", "A red> [0.1, 0.2, 0.3, 0.4]."),
    "the second box of two": ("box-inverted", "<st>a<ed> [0.1, 0.2, 0.3, 0.4], [0.3, 0.2, 0.1, 0.4]"),
    "NUL": ("text-garbled", "A \x00cat."),
}


@pytest.mark.parametrize("case", QUICK)
def test_the_quick_way_past_the_rules_stops_at(case: str, of: Callable[..., Found]) -> None:
    code, answer = QUICK[case]
    assert of(record(2, "Why so?", answer)) == [(1, "2", "$.conversations[0].content[1].value", code)]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_formatting_sentence_hides_no_repetition(sentence: str, of: Callable[..., Found]) -> None:
    path = "$.conversations[0].content[1].value"
    assert of(record(2, f"Who is it?\n{sentence}", "Who is it?")) == [(1, "2", path, "answer-repeats-question")]
    asked = row(f"<image>\nWho is it? \n{sentence}", "who is it?")
    assert of(asked) == [(1, "", "$.conversations[1].value", "answer-repeats-question")]
    again = record(2, "Who is it?", "I.", f"Who is it? {sentence}", "You.")
    assert of(again) == [(1, "2", "$.conversations[0].content[2].value", "duplicate-question")]


def test_ids_of_llava_records(of: Callable[..., Found]) -> None:
    ask = [row(f"<image>\nWhy {i}?", "So.", image=f"a/{i}.jpg") for i in range(6)]
    assert of(*ask) == []
    assert of(*({**r, "id": i} for i, r in enumerate(ask))) == []
    assert of({**ask[0], "id": 7}, {**ask[1], "id": "x"}, {**ask[2], "id": 7}, ask[3]) == [
        (3, "7", "$.id", "duplicate-id")
    ]
    copies = of({**ask[0], "id": "a"}, ask[1], {**ask[0], "id": "b"}, ask[1], {**ask[0], "id": "a"})
    assert copies == [
        (3, "b", "$", "duplicate-record"),
        (4, "", "$", "duplicate-record"),
        (5, "a", "$", "duplicate-record"),
    ]
    asked = of({**ask[0], "id": 1}, {**row("Why 0?\n<image>", "No.", "Who?", "I.", image="a/0.jpg"), "id": 2})
    assert asked == [(2, "2", "$.conversations[0].value", "duplicate-question")]


def test_records_whose_turns_cannot_be_read_are_no_copies_of_each_other(of: Callable[..., Found]) -> None:
    rows = [
        row(f"Why {i}?", "", "And?", "So.", image=image, id=f"{i}{image}") for i in range(2) for image in ("", IMAGE)
    ]
    for one in rows:
        one["conversations"][1]["value"] = None
    assert {(path, code) for _, _, path, code in of(*rows)} == {("$.conversations[1].value", "record-shape")}


def test_copies_across_files_are_told_with_the_first_place(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(encode([record(2), record(3)]))
    (tmp_path / "b.jsonl").write_bytes(encode(record(4, "Who?", "I.")) + b"\n" + encode(record(3)))
    results = validate([tmp_path / "a.json", tmp_path / "b.jsonl"])
    found = [(f.file, f.record, f.code, f.found) for f in results]
    results.close()
    assert found == [(str(tmp_path / "b.jsonl"), 2, "duplicate-record", f"the same as {tmp_path / 'a.json'}:2")]


FAULTY = [record(2, "Describe it.", "A cat."), record(3, "Describe it.", ""), "broken", record(5, "What?", "A dog. ")]
WANTED = [
    (2, "3", "$.conversations[0].content[1].value", "turn-empty"),
    (3, "4", "", "record-syntax"),
    (4, "5", "$.conversations[0].content[1].value", "text-untrimmed"),
]
LINES = [b'{"image_id": 4, "conversations" []}' if r == "broken" else encode(r) for r in FAULTY]
ARRAY, JSONL = b"[" + b", ".join(LINES) + b"]", b"\n".join(LINES)
CARRIERS: dict[str, tuple[str, bytes, str]] = {
    "json": ("detail_description.json", ARRAY, "detail_description.json"),
    "gz": ("detail_description.json.gz", gzip.compress(ARRAY), "detail_description.json.gz"),
    "lines": ("detail_description.jsonl", JSONL, "detail_description.jsonl"),
    "lines, CRLF": ("detail_description.jsonl", JSONL.replace(b"\n", b"\r\n"), "detail_description.jsonl"),
    "lines, gz": ("detail_description.jsonl.gz", gzip.compress(JSONL), "detail_description.jsonl.gz"),
    "zip": ("detail.zip", make_zip({"detail_description.json": ARRAY}), "detail.zip"),
    "folder": ("data/detail_description.json", ARRAY, "detail_description.json"),
    "svit.zip": (
        "svit.zip",
        make_zip({"conversation.json": b"[]", "detail_description.json": ARRAY}),
        "detail_description.json",
    ),
}  # fmt: skip


@pytest.mark.parametrize("carrier", CARRIERS)
def test_places_are_told_in_whatever_carries_the_records(carrier: str, tmp_path: Path) -> None:
    name, content, told = CARRIERS[carrier]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    given = tmp_path if carrier == "folder" else tmp_path / name
    empty = [("conversation.json", 0, "", "", "input-empty")] if carrier == "svit.zip" else []
    assert find(given) == [*empty, *((told, *wanted) for wanted in WANTED)]


@pytest.mark.parametrize("content", [ARRAY, JSONL], ids=["json", "lines"])
def test_places_are_told_in_standard_input(content: bytes) -> None:
    ran = run("validate", "-", "--task", "detail", "--output", "json", stdin=content)
    told = json.loads(ran.out)["findings"]
    assert ran.code == 1
    assert [(f["file"], f["record"], f["id"], f.get("path", ""), f["code"]) for f in told] == [
        ("-", *w) for w in WANTED
    ]


def test_several_tasks_in_one_zip_are_each_held_against_their_design(tmp_path: Path) -> None:
    members = {"svit/referring_qa.json": encode([record(2)]), "svit/detail_description.json": encode([record(2)])}
    (tmp_path / "svit.zip").write_bytes(
        make_zip({**members, "svit/conversation.json": encode([record(2, "Who?", "")])})
    )
    assert sorted(find(tmp_path / "svit.zip")) == [
        ("conversation.json", 1, "2", "$.conversations", "design-count"),
        ("conversation.json", 1, "2", "$.conversations[0].content[1].value", "turn-empty"),
        ("detail_description.json", 1, "2", "$", "duplicate-record"),
        ("referring_qa.json", 1, "2", "$.conversations", "design-count"),
    ]


PAIRS = [("It is <st>a<ed> [0.1, 0.5, 0.101, 0.6].", "box-degenerate"), ("", "turn-empty"), ("So. ", "text-untrimmed")]


def qa_rows() -> list[dict[str, Any]]:
    """Return three records of 10 referring pairs, one row a pair; the second has faults in three of its answers."""
    rows = []
    for image_id in (2, 3, 4):
        for i in range(10):
            answer = (
                PAIRS[i][0]
                if image_id == 3 and i < 3
                else f"It is <st>a<ed> [0.1, 0.2, 0.{i}5, 0.9]."
                if i > 1
                else "No."
            )
            where = {"image_id": image_id, "conversation_index": i, "pair_index": 0, "topic": None}
            rows.append({**where, "question": f"Where is {i}?", "answer": answer, "width": 500, "height": 375})
    return rows


def image_rows() -> list[dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for r in qa_rows():
        more = {"image_id": r["image_id"], "width": r["width"], "height": r["height"], "conversations": []}
        turns = [{"from": "user", "value": r["question"]}, {"from": "gpt", "value": r["answer"]}]
        rows.setdefault(r["image_id"], more)["conversations"].append({"topic": None, "content": turns})
    return list(rows.values())


TABLES: dict[str, tuple[Callable[[], list[dict[str, Any]]], int]] = {"qa": (qa_rows, 11), "image": (image_rows, 2)}


@pytest.mark.parametrize("granularity", TABLES)
@pytest.mark.parametrize("carrier", ["parquet", "shards", "saved", "dataset"])
def test_places_are_told_in_tables(carrier: str, granularity: str, tmp_path: Path) -> None:
    make, number = TABLES[granularity]
    rows, checks = make(), Checks(task="referring")
    given: Any = tmp_path / "mine.parquet"
    if carrier == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), given)
    elif carrier == "shards":
        given, cut = tmp_path, number - 1
        for i, part in enumerate((rows[:cut], rows[cut:])):
            pq.write_table(pa.Table.from_pylist(part), tmp_path / f"train-0000{i}-of-00002.parquet")
        number = 1
    else:
        given = datasets.Dataset.from_list(rows)
        if carrier == "saved":
            given.save_to_disk(str(tmp_path / "saved"))
            given = tmp_path / "saved"
    found = [f[1:] for f in find(given, checks)]
    assert sorted(found) == [
        (number, "3", f"$.conversations[{i}].content[1].value", c) for i, (_, c) in enumerate(PAIRS)
    ]


def test_rows_that_cannot_be_read_are_told_and_the_rest_is_checked(tmp_path: Path) -> None:
    rows = [{**r, "extra": None} for r in image_rows()]
    rows[0]["extra"], rows[2]["image_id"] = "x", -1
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "referring_qa.parquet")
    found = [f[1:] for f in find(tmp_path / "referring_qa.parquet") if f[1] != 2]
    assert found[0] == (1, "2", "$.extra", "extra-damaged")
    assert (3, "-1", "$.image_id", "record-shape") in found


def test_records_that_no_decoder_takes_are_told_and_the_rest_is_checked(tmp_path: Path) -> None:
    head = b'{"image_id": 7, "conversations": [], "n": '
    kinds = {
        "record-too-large": head + b'"' + b"x" * (1 << 20) + b'"}',
        "record-utf8": head + b'"\xe9"}',
        "record-number": head + b"9" * 4301 + b"}",
        "record-depth": head + b"[" * 50_000 + b"]" * 50_000 + b"}",
    }
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*kinds.values(), encode(record(2, "Why?", " "))]))
    wanted = [(i, "7", "", code) for i, code in enumerate(kinds, 1)]
    last = (5, "2", "$.conversations[0].content[1].value", "turn-empty")
    assert [f[1:] for f in find(tmp_path / "a.jsonl", max_record_mb=1)] == [*wanted, last]


@pytest.mark.parametrize(("y1", "codes"), [("0.05", ["box-in-padding"]), ("0.163", [])])
def test_a_box_in_the_padding_is_told_where_the_frame_is_known(y1: str, codes: list[str], tmp_path: Path) -> None:
    (tmp_path / "image_data.json").write_text('[{"image_id": 2, "width": 800, "height": 600}]')
    ours = row("<image>\nWhere?", f"Here [0.1, {y1}, 0.3, 0.575].", id="referring_qa-2-0")
    (tmp_path / "a.json").write_bytes(encode([ours]))
    (tmp_path / "b.json").write_bytes(encode([{**ours, "id": "another's"}]))
    images = {"images": tmp_path / "image_data.json"}
    assert [f[4] for f in find(tmp_path / "a.json", **images)] == codes
    assert find(tmp_path / "a.json", Checks(coordinates="original"), **images) == []
    assert find(tmp_path / "b.json", **images) == []
