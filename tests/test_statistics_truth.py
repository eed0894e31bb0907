"""``stats`` against a count made here with plain ``json`` and ``re``: sample, made files, LLaVA files, tables."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import svit_datasets
from svit_datasets.statistics.collected import Part, Statistics
from svit_datasets.statistics.gather import stats
from svit_datasets.validation.lengths import estimate_tokens
from tests.helpers_cli import SAMPLE
from tests.made_files import TASKS, Made

NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
BOX = rf"\[\s*{NUMBER}(?:\s*,\s*{NUMBER}){{3}}\s*\]"
RUN = rf"{BOX}(?:,\s*{BOX})*"
PHRASE = r"<st>((?:(?!<st>|<ed>)[\s\S])*)<ed>"
QUOTES = "\u2018\u2019\u201c\u201d\u2013\u2014\u2026"
SENTENCE = re.compile(r"\n(Provide the bounding|Include the coordinates|Locate the objects)[^\n]*$")


def words_of(text: str) -> list[str]:
    """Return the words of a text, by the definition in the docs."""
    plain = re.sub(rf"{PHRASE}\s*{RUN}", r"\1", text)
    pieces = re.split(r"[ \t\n\r\x0b\x0c]+", re.sub(rf"{RUN}|<st>|<ed>", "", plain))
    return [piece for piece in pieces if re.search(f"[^{re.escape(string.punctuation)}]", piece)]


def first_words(text: str) -> list[str]:
    pieces = re.sub(rf"{RUN}|<st>|<ed>", "", re.sub(rf"{PHRASE}\s*{RUN}", r"\1", text)).split()[:3]
    return [word for piece in pieces if (word := piece.strip(string.punctuation + QUOTES).lower())]


class ByHand:
    """What native records of one task hold, counted without the package."""

    def __init__(self, records: Iterable[Mapping[str, Any]], sizes: Mapping[int, tuple[int, int]]) -> None:
        self.counts: Counter[str] = Counter()
        self.images: Counter[int] = Counter()
        self.turns, self.topics, self.phrases = Counter[int](), Counter[str](), Counter[str]()
        self.words = {"user": Counter[int](), "gpt": Counter[int]()}
        self.tokens = {"user": Counter[int](), "gpt": Counter[int]()}
        self.openings = {"user": Counter[str](), "gpt": Counter[str]()}
        self.pair_boxes, self.areas, self.sizes = Counter[int](), Counter[int](), sizes
        for record in records:
            self.counts["records"] += 1
            self.images[record["image_id"]] += len(record["conversations"])
            for conversation in record["conversations"]:
                self.conversation(conversation)

    def conversation(self, conversation: Mapping[str, Any]) -> None:
        turns = conversation["content"]
        self.turns[len(turns)] += 1
        if isinstance(conversation.get("topic"), str):
            self.topics[conversation["topic"]] += 1
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            texts = [question["value"], answer["value"]]
            self.pair_boxes[sum(len(re.findall(BOX, text)) for text in texts)] += 1
            for role, text in zip(("user", "gpt"), texts, strict=True):
                self.text(role, text)

    def text(self, role: str, text: str) -> None:
        self.words[role][len(words_of(text))] += 1
        self.tokens[role][estimate_tokens(text)] += 1
        if words := first_words(text):
            self.openings[role][" ".join(words)] += 1
        self.phrases.update(" ".join(p.lower().split()) for p in re.findall(PHRASE, text))
        self.counts["unmarked"] += len(re.findall(BOX, re.sub(rf"{PHRASE}\s*{RUN}", "", text)))
        for box in re.findall(BOX, text):
            x1, y1, x2, y2 = (Fraction(n) for n in re.findall(NUMBER, box))
            self.counts["boxes"] += 1
            if max(x1, y1, x2, y2) > 1:
                self.counts["outside"] += 1
            elif x1 > x2 or y1 > y2:
                self.counts["inverted"] += 1
            elif x1 == x2 or y1 == y2:
                self.counts["empty"] += 1
            else:
                digits = str(round((x2 - x1) * (y2 - y1) * 1_000_000))
                self.areas[int(digits[:4] + "0" * len(digits[4:]))] += 1


def check(part: Part, truth: ByHand, *, has_marks: bool = True) -> None:
    """Hold what the package counted against what was counted by hand."""
    pairs = sum(truth.pair_boxes.values())
    assert {part.counts[name] for name in ("pairs", "questions", "answers")} == {pairs}
    assert (part.counts["boxes"], part.counts["other_turns"]) == (truth.counts["boxes"], 0)
    assert part.counts["conversations"] == sum(truth.turns.values())
    assert (part.images.images, part.images.is_exact) == (len(truth.images), True)
    assert part.images.per_image().counts == Counter(truth.images.values())
    assert part.turns.counts == truth.turns
    assert part.pair_boxes.counts == truth.pair_boxes
    for role, texts in (("user", part.questions), ("gpt", part.answers)):
        assert texts.words.counts == truth.words[role]
        assert texts.openings.by_length()[2].counts == truth.openings[role]
        firsts = Counter[str]()
        for opening, times in truth.openings[role].items():
            firsts[opening.split()[0]] += times
        assert texts.openings.by_length()[0].counts == firsts
    if has_marks:
        reasons = {reason: part.boxes.unmeasured[reason] for reason in ("outside", "inverted", "empty")}
        assert reasons == {reason: truth.counts[reason] for reason in reasons}
        assert part.counts["records"] == truth.counts["records"]
        assert part.boxes.area.counts == truth.areas
        assert part.counts["boxes_unmarked"] == truth.counts["unmarked"]
        assert part.phrases.counts().counts == truth.phrases
        assert part.counts["phrases"] == sum(truth.phrases.values())
        assert (part.topics.counts, part.counts["topics"]) == (truth.topics, sum(truth.topics.values()))
        for role, texts in (("user", part.questions), ("gpt", part.answers)):
            assert texts.tokens.counts == truth.tokens[role]


def native_of(folder: Path) -> dict[str, Any]:
    return {task: json.loads((folder / f"{task}.json").read_text("utf-8")) for task in TASKS}


def check_all(counted: Statistics, truth: Mapping[str, ByHand], **given: Any) -> None:
    assert (counted.errors, sorted(counted.tasks)) == (0, sorted(truth))
    for task, one in truth.items():
        check(counted.tasks[task], one, **given)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"), 400, seed=5)


def test_the_sample_is_counted_as_by_hand() -> None:
    truth = {task: ByHand(records, {}) for task, records in native_of(SAMPLE / "data").items()}
    check_all(stats(SAMPLE / "data"), truth)
    check_all(stats(sorted((SAMPLE / "data").glob("*.json")), images=SAMPLE), truth)


def test_made_files_of_all_tasks_are_counted_as_by_hand(made: Made) -> None:
    truth = {task: ByHand(records, made.sizes) for task, records in made.records.items()}
    counted = stats(made.files, images=made.image_data)
    check_all(counted, truth)
    boxes = counted.tasks["referring_qa"].boxes
    assert made.truth["boxes"] == counted.whole().counts["boxes"] > 1000
    assert boxes.unmeasured["area_unknown"] == boxes.unmeasured["aspect_unknown"] == 0
    assert boxes.aspect.count == boxes.area.count == sum(truth["referring_qa"].areas.values())


def test_shapes_are_in_pixels_of_the_image(made: Made) -> None:
    below = Counter[bool]()
    for record in made.records["referring_qa"]:
        width, height = made.sizes[record["image_id"]]
        for box in re.findall(BOX, json.dumps(record)):
            x1, y1, x2, y2 = (Fraction(n) for n in re.findall(NUMBER, box))
            if x1 < x2 <= 1 and y1 < y2 <= 1:
                below[(x2 - x1) * width < (y2 - y1) * height] += 1
    aspect = stats(made.files[2], images=made.image_data).tasks["referring_qa"].boxes.aspect
    assert {True: aspect.within(-(10**6), 0), False: aspect.within(0, None)} == below


@pytest.mark.parametrize("frame", ["padded", "original"])
def test_the_llava_conversion_holds_the_same(made: Made, tmp_path: Path, frame: Any) -> None:
    options = svit_datasets.Options(coordinates=frame)
    svit_datasets.to_llava(made.files, tmp_path / "l.json", images=made.image_data, options=options)
    native, llava = (
        stats(inputs, images=made.image_data, coordinates=frame) for inputs in (made.files, tmp_path / "l.json")
    )
    check_all(llava, {task: ByHand(records, made.sizes) for task, records in made.records.items()}, has_marks=False)
    one, two = native.tasks["referring_qa"], llava.tasks["referring_qa"]
    assert two.counts["phrases"] == 0
    assert two.counts["instructions"] == two.counts["questions"] == one.counts["questions"]
    if frame == "original":
        assert two.boxes == one.boxes
    assert two.boxes.area.mean == pytest.approx(one.boxes.area.mean, rel=0.01)
    assert two.boxes.aspect.percentile(50) == pytest.approx(one.boxes.aspect.percentile(50), abs=5)
    assert llava.layouts == {"llava": llava.whole().counts["conversations"]}


def test_without_sizes_areas_of_padded_boxes_are_not_guessed(made: Made, tmp_path: Path) -> None:
    svit_datasets.to_llava(made.files[2], tmp_path / "l.json", images=made.image_data)
    boxes = stats(tmp_path / "l.json").tasks["referring_qa"].boxes
    known = stats(tmp_path / "l.json", images=made.image_data).tasks["referring_qa"].boxes
    assert (boxes.area.count, boxes.unmeasured["aspect_unknown"]) == (0, 0)
    assert boxes.unmeasured["area_unknown"] == boxes.aspect.count == known.area.count > 1000
    assert boxes.aspect == known.aspect
    native = stats(made.files[2]).tasks["referring_qa"].boxes
    assert (native.aspect.count, native.unmeasured["aspect_unknown"]) == (0, native.area.count)


@pytest.mark.parametrize("carrier", ["parquet", "saved", "dataset"])
@pytest.mark.parametrize("config", ["referring", "conversation"])
def test_tables_hold_what_their_file_holds(tmp_path: Path, config: str, carrier: str) -> None:
    table = svit_datasets.load_dataset("svit", config, data_dir=SAMPLE, cache_dir=tmp_path / "cache", split="train")
    path = tmp_path / f"{config}.parquet"
    write = {"parquet": lambda: table.to_parquet(path), "saved": lambda: table.save_to_disk(path)}
    write.get(carrier, lambda: None)()
    task = {"referring": "referring_qa"}.get(config, config)
    counted = stats(table if carrier == "dataset" else path)
    check_all(counted, {task: ByHand(native_of(SAMPLE / "data")[task], {})})
    assert counted.tasks[task].boxes.unmeasured["aspect_unknown"] == 0  # rows tell the sizes
    assert counted.inputs == ["<Dataset>" if carrier == "dataset" else str(path)]


COORDINATES = st.integers(0, 1100).map(lambda n: repr(n / 1000))
BOXES = st.lists(COORDINATES, min_size=4, max_size=4).map(lambda c: f"[{', '.join(c)}]")
PIECES = st.one_of(
    BOXES,
    st.sampled_from(
        ["<st>", "<ed>", "<st>The man<ed> ", "Yes, ", "no", "- ", ", ", " ", "\n", "\u2019s", "[1]", "<b>"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), max_size=6),
)
# A box between <st> and <ed> is a phrase in the package's reading, and a box in the one above.
TEXTS = st.lists(PIECES, max_size=8).map("".join).filter(lambda t: not re.search(BOX, "".join(re.findall(PHRASE, t))))
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=3)
CONVERSATIONS = st.tuples(PAIRS, st.sampled_from([{}, {"topic": None}, {"topic": "T"}, {"topic": ""}])).map(
    lambda made: {
        **made[1],
        "content": [{"from": r, "value": v} for p in made[0] for r, v in zip(("user", "gpt"), p, strict=True)],
    }
)
RECORDS = st.fixed_dictionaries({"image_id": st.integers(1, 4), "conversations": st.lists(CONVERSATIONS, max_size=3)})


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORDS, max_size=4))
def test_any_records_are_counted_as_by_hand(tmp_path_factory: pytest.TempPathFactory, records: list[Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "referring_qa.json"
    path.write_text(json.dumps(records))
    counted = stats(path)
    check(counted.part("referring_qa"), ByHand(records, {}))
    assert counted.errors == 0
