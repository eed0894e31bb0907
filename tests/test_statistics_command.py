"""``svit-convert stats`` as a command: what it prints and writes, what it refuses, how it ends."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

import svit_datasets
from svit_datasets.errors import InputError, UsageError
from svit_datasets.statistics.command import stats
from svit_datasets.statistics.gather import stats as count
from svit_datasets.statistics.measures import MEASURES, RANKS
from svit_datasets.statistics.told import Counts
from tests.helpers_cli import DONE, FAULTS, SAMPLE, record

TASKS = ["conversation", "complex_reasoning", "referring_qa", "detail_description"]
SCHEMA = json.loads((files("svit_datasets.schemas") / "statistics.schema.json").read_text("utf-8"))


def call(*args: object) -> Result:
    """Run the command; what it raises on purpose is raised here."""
    done = CliRunner().invoke(stats, [str(a) for a in args], catch_exceptions=False, standalone_mode=False)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def told(*args: object) -> dict[str, Any]:
    """Return what the command prints as JSON, held against the schema."""
    printed: dict[str, Any] = json.loads(call(*args, "--output", "json").stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(printed)
    return printed


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    svit_datasets.write_sample("svit-sample")


def test_text_in_a_pipe_is_plain_and_the_same_every_time() -> None:
    done = call("svit-sample/data", "--images", "svit-sample/raw", "--top", 2)
    assert (done.exit_code, done.stderr) == (DONE, "stats: 24 records, 246 pairs\n")
    blocks = done.stdout.split("\n\n")
    assert blocks[0].splitlines() == [
        "What there is",
        "task                records  images  conversations  questions  answers  boxes  phrases",
        "conversation              6       6             18         90       90      0        0",
        "complex_reasoning         6       6             90         90       90      0        0",
        "referring_qa              6       6             60         60       60    186      144",
        "detail_description        6       6              6          6        6      0        0",
        "all                      24       6            174        246      246    186      144",
    ]
    assert "How answers open\n1 word  answers  2 words  answers  3 words          answers\n" in done.stdout
    assert "\x1b" not in done.stdout
    assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []
    assert call("svit-sample/data", "--images", "svit-sample/raw", "--top", 2).stdout == done.stdout


def test_json_fits_the_schema_which_tells_all_of_it() -> None:
    whole = told("svit-sample/data", "--images", "svit-sample/raw")
    part = SCHEMA["$defs"]["part"]["properties"]
    assert list(part["counts"]["properties"]) == list(Counts.__struct_fields__)
    assert list(part["distributions"]["properties"]) == [measure.name for measure in MEASURES]
    assert list(part["rankings"]["properties"]) == [rank.name for rank in RANKS]
    assert list(whole["tasks"]) == TASKS
    assert list(whole["all"]["distributions"]) == [measure.name for measure in MEASURES]
    assert list(whole["all"]["rankings"]) == [rank.name for rank in RANKS]
    assert whole["tasks"]["referring_qa"]["counts"]["boxes"] == whole["all"]["counts"]["boxes"] == 186
    assert (whole["tokens"], whole["tokens_estimated"], whole["unreadable"]) == ("estimate", True, 0)
    for one in [whole["all"], *whole["tasks"].values()]:
        for spread in one["distributions"].values():
            assert sum(bar["count"] for bar in spread["histogram"]) == spread["count"]
    assert SCHEMA["additionalProperties"] is False
    assert whole == count(["svit-sample/data"], images="svit-sample/raw").summary().to_dict()


def test_yes_and_no_are_told_with_their_shares() -> None:
    answers = ["Yes, it is.", "No.", "No one is here.", "Yes", "A dog.", "no - none", "Not yet.", "Nothing"]
    rows = [record(1, *[text for answer in answers for text in ("Is it?", answer)])]
    Path("conversation.json").write_text(json.dumps(rows))
    said = told("conversation.json")["all"]["yes_no"]
    assert said == {"yes": 2, "no": 2, "share": 0.5, "yes_share": 0.5}


def test_a_pair_is_a_question_with_an_answer_right_behind_it() -> None:
    roles = ("gpt", "user", "gpt", "gpt", "user", "system", "gpt", "user", "user", "gpt", "user")
    turns = [{"from": role, "value": "<st>It<ed> [0, 0, 0.5, 0.5]"} for role in roles]
    Path("detail.json").write_text(json.dumps([{"image_id": 1, "conversations": [{"content": turns}]}]))
    part = told("detail.json")["all"]
    names = ("pairs", "questions", "answers", "other_turns", "boxes")
    assert [part["counts"][name] for name in names] == [2, 5, 5, 1, 11]
    spreads = part["distributions"]
    assert (spreads["boxes_per_pair"]["count"], spreads["boxes_per_pair"]["mean"]) == (2, 2)
    area = spreads["box_area"]
    assert (area["unit"], area["mean"], area["lowest"], area["percentiles"]["99"]) == ("% of the image", 25, 25, 25)
    assert re.search(r"\nbox area( +25%){7}\n", call("detail.json").stdout)


def test_a_faulty_size_costs_no_record() -> None:
    Path("detail.json").write_text(json.dumps([record(7)]))
    Path("image_data.json").write_text(json.dumps([{"image_id": 1, "width": 0, "height": 5}, {"image_id": 2}]))
    with pytest.raises(InputError, match=r"^image_data.json: found no images and no sizes|found no folder"):
        call("detail.json", "--images", "image_data.json")
    sizes = [{"image_id": 1, "width": 0, "height": 5}, {"image_id": 2, "width": 4, "height": 5}]
    Path("image_data.json").write_text(json.dumps(sizes))
    done = call("detail.json", "--images", "image_data.json", "--output", "json")
    whole = json.loads(done.stdout)
    assert (done.exit_code, whole["faults"], whole["unreadable"]) == (DONE, {"image-data-entry": 1}, 0)


def test_what_cannot_be_read_is_counted_said_and_ends_with_1() -> None:
    good, bad = record(7), {"image_id": "x", "conversations": []}
    Path("detail_description.json").write_text(json.dumps([good, *[bad] * 25]))
    llava = [{"id": "a", "image": "x.jpg", "conversations": [{"from": "human", "value": "Hi"}]}, {"id": "b"}]
    Path("l.json").write_text(json.dumps(llava))
    done = call("detail_description.json", "l.json", "--html", "s.html", "--output", "json")
    assert done.exit_code == FAULTS
    whole = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(whole)
    assert (whole["unreadable"], whole["faults"], len(whole["first"])) == (26, {"record-shape": 26}, 20)
    assert whole["all"]["counts"]["records"] == 2
    lines = done.stderr.splitlines()
    assert lines[0] == (
        "error: detail_description.json:2 id=x $.image_id: found Expected `int`, got `str`; expected a record that "
        "fits the schema; compare it with the schema: svit-convert schema native, llava-lenient or image_data "
        "[record-shape]"
    )
    assert lines[20:] == [
        "... and 6 more: record-shape 26",
        "stats: 2 records, 1 pair; wrote s.html",
    ]
    assert "26 faults kept records, or rests of files, from being read: they are in no count." in whole["notes"]
    assert "1 question belongs to no pair: a pair is a question and the answer right behind it." in whole["notes"]


def test_a_note_about_a_file_is_told_and_costs_nothing() -> None:
    Path("detail.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([record(7)]).encode())
    done = call("detail.json", "--output", "json")
    whole = json.loads(done.stdout)
    assert (done.exit_code, whole["faults"], whole["unreadable"]) == (DONE, {"input-bom": 1}, 0)
    assert whole["all"]["counts"]["records"] == 1


def test_the_page_is_whole_and_replaces_nothing_unasked() -> None:
    call("svit-sample/data", "--html", "stats.html")
    before = Path("stats.html").read_bytes()
    assert before.endswith(b"</html>")
    with pytest.raises(UsageError, match=r"^stats.html: exists already; name another output or pass --overwrite$"):
        call("svit-sample/data/detail_description.json", "--html", "stats.html")
    assert Path("stats.html").read_bytes() == before
    call("svit-sample/data/detail_description.json", "--html", "stats.html", "--overwrite")
    assert Path("stats.html").read_bytes() != before
    source = "svit-sample/data/detail_description.json"
    message = f"^{source}: is an input; inputs are never modified, so name another output$"
    with pytest.raises(UsageError, match=message):
        call(source, "--html", source, "--overwrite")
    with pytest.raises(InputError, match=r"^nothing.json: found no such file"):
        call("nothing.json", "--html", "n.html")
    assert sorted(p.name for p in Path().iterdir()) == ["stats.html", "svit-sample"]


def test_options_reach_the_count() -> None:
    source = json.loads((SAMPLE / "data" / "referring_qa.json").read_text())
    Path("mine.json").write_text(json.dumps(source))
    assert list(told("mine.json")["tasks"]) == ["unknown"]
    assert list(told("mine.json", "--task", "referring")["tasks"]) == ["referring_qa"]
    svit_datasets.to_llava("svit-sample/data/referring_qa.json", "l.json", images="svit-sample/raw")
    padded, original = told("l.json"), told("l.json", "--coordinates", "original")
    assert (padded["coordinates"], original["coordinates"]) == ("padded", "original")
    assert padded["all"]["counts"]["boxes_area_unknown"] == original["all"]["counts"]["boxes_aspect_unknown"] == 186
    assert len(told("l.json", "--top", 3)["all"]["rankings"]["answer_openings_1_word"]["top"]) == 3
    assert told("l.json", "--images", "svit-sample/raw")["all"]["counts"]["boxes_area_unknown"] == 0
    assert told("svit-sample/data/referring_qa.json", "--format", "llava")["unreadable"] == 6


def test_tokens_are_counted_by_a_tokenizer(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.save(str(tmp_path / "tokenizer.json"))
    Path("conversation.json").write_text(
        json.dumps([record(1, "One two  three?", "It is <st>a dog<ed> [0, 0, 1, 1].")])
    )
    whole = told("conversation.json", "--tokenizer", tmp_path)
    assert (whole["tokens"], whole["tokens_estimated"]) == (str(tmp_path), False)
    spreads = whole["all"]["distributions"]
    assert (spreads["tokens_per_question"]["mean"], spreads["tokens_per_answer"]["mean"]) == (3, 8)
    assert (spreads["words_per_question"]["mean"], spreads["words_per_answer"]["mean"]) == (3, 4)
    with pytest.raises(UsageError, match=r"holds no tokenizer.json; name the folder of a fast tokenizer$"):
        call("conversation.json", "--tokenizer", "svit-sample")


def test_no_records_give_empty_statistics() -> None:
    Path("conversation.json").write_text("[]")
    whole = told("conversation.json", "--html", "s.html")
    assert (whole["tasks"], whole["all"]["distributions"], whole["all"]["rankings"]) == ({}, {}, {})
    assert call("conversation.json").stdout.startswith("What there is\ntask  records")
