"""The screen is sound: what ``examine`` finds in any batch is what the rules find record by record."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svit_datasets.findings import Finding
from svit_datasets.images.photos import Photos
from svit_datasets.reading.entries import read_entries
from svit_datasets.validation.engine import examine
from svit_datasets.validation.photo_rules import PhotoRules
from svit_datasets.validation.record_rules import Coordinates, check_entry
from svit_datasets.validation.set_rules import SetRules
from tests.native_files import SENTENCES, TASKS

SIZES = {2: (500, 375), 3: (333, 500), 4: (100, 38), 6: (1, 900), 9: (640, 640), 10: (1999, 3)}
NOBODYS = 9000001
IDS = (*SIZES, 5, 8, NOBODYS)  # those whose size nothing tells, one that is held out, one that is nobody's
DESIGN = {"conversation": (3, 5), "complex_reasoning": (15, 1), "referring_qa": (10, 1), "detail_description": (1, 1)}
SPACES = "\t\n\x0b\x0c\r\x1c\x1f \x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
BEGINNINGS = ("The man", "A brown dog", "An old tram", "Nobody", "Caf\u00e9 chairs", "\u4eba\u7269", "Two \U0001f600")
MIDDLES = ("is standing", "sits quietly", "was painted", "moves", "waits for the bus", "(as it seems) sleeps")
PLACES = ("near the beach", "by a wall", "at 5:30 pm", "under 'a sign'", "in front of the caf\u00e9")
# What rules look for, or nearly. In half of them white space and letters are spelled anew.
PHRASES = (
    "based on the bounding boxes", "in these two bounding boxes", "given the provided bounding boxes",
    "bounding boxes given", "according to the captions", "the caption mentions", "the descriptions clearly state",
    "the given image description", "caption", "provided captions", "your message is empty", "an empty message",
    "The message board is empty", "messages seem to be empty", "messages", "As an AI language model, no",
    "I'm sorry, but no", "I am not able to see it", "Unfortunately, I cannot tell", "I couldn't determine it",
    "I apologize", "I do not have access", "I don\u2019t have enough", "sorry", "I can", "I could not help",
    "as a large language model it", "However, i can't see it",
)  # fmt: skip
ENDS = (
    *"a an the and or but because while than which into their its".split(),
    " A", ". B", ". The dog", ".\" C", "! Yes", ",", ":", "(", "[", "[1", "{", "<", "&", "/", "-",
    "\u2014", "\u2026", "\"", "\u3002", "\n- a cat", "\n1. one", "of THE", "A cat. And a dog.", ")", "%", "*",
)  # fmt: skip
TOKENS = (
    "</s>", "<image>", "<s>", "<unk>", "<pad>", "<im_start>", "<im_end>", "<im_patch>", " ASSISTANT: ", "ASSISTANT:",
    "ASSISTANT: ", "USER:", "</S>", "<st>", "<ed>", "<", ">", "ed>", "red> ", "x], ", "<st>", "<ed> ", "], ",
)  # fmt: skip
DAMAGE = ("\ufffd", "\x00", "\x07", "\x7f", "\u00e2\u20ac\u2122", "\u00c3\u00a9", "\u00c3", "\ufeff", "\u200b")
ALONE = ("", "...", "\u4eba", "42", "?", "-", "<image>", "[0.1, 0.2, 0.3, 0.4]", "\u00e9", "\u0664", "\U0001f600", "no")
NUMBERS = ("1.", ".5", "00.5", "0.1234", "1.001", "-0.1", "1e-3", "", "2", "0.5.1", "1.000", "0.10", "\u0661", "0,5")
CASES = {"i": "\u0131\u0130I", "s": "\u017fS", "k": "\u212aK", "a": "A", "o": "O", "t": "T"}


class Grammar:
    """Makes texts and records from a seed: good ones, and in most records one thing that may be odd."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._pick, self._chance, self._count = self._random.choice, self._random.random, 0

    def sentence(self) -> str:
        self._count += 1
        return f"{self._pick(BEGINNINGS)} {self._pick(MIDDLES)} {self._pick(PLACES)}, {self._count} at a time."

    def box(self, size_wh: tuple[int, int], *, is_odd: bool) -> str:
        """Make a box; one that is odd is spelled so, or reaches to where the image or its padding ends, or is thin."""
        low = [self._random.randint(150, 450) for _ in range(2)]
        numbers = [repr(n / 1000) for n in (*low, *(n + self._random.randint(50, 400) for n in low))]
        kind = self._random.randrange(8) if is_odd else None
        if kind == 0:
            numbers[self._random.randrange(4)] = self._pick(NUMBERS)
        elif kind == 1:
            numbers = self._pick((numbers[:3], [*numbers, "1"], [numbers[i] for i in (2, 1, 0, 3)], numbers[:2] * 2))
        elif kind in (2, 3, 4):
            numbers[self._random.randrange(4)] = self._edge(size_wh)
        elif kind == 5:
            thin = int(1000 * float(numbers[0])) + self._random.randint(1, 12)
            numbers[2] = repr(thin / 1000)
        joint = self._pick((",", " ,", ",  ", ",\n", ",\xa0", ", ,", ";")) if kind == 6 else ", "
        edge = self._pick((" ", "\n", "\x85")) if kind == 7 else ""
        return f"[{edge}{joint.join(numbers)}{edge}]"

    def _edge(self, size_wh: tuple[int, int]) -> str:
        side, axis = max(size_wh), min(size_wh)
        offset = (side - axis) // 2
        edge = self._pick((0, offset - 2, offset - 2, offset + axis + 2, offset, side)) + self._pick((0, 0, -1, 1))
        return self._pick(("0", "1", "0.0", "1.0", *[repr(min(1.0, max(0.0, round(edge / side, 3))))] * 4))

    def group(self, size_wh: tuple[int, int], *, is_odd: bool = False) -> str:
        boxes = [
            self.box(size_wh, is_odd=is_odd and self._chance() < 0.3) for _ in range(self._pick((not is_odd, 1, 2)))
        ]
        phrase = self._pick(("cat", "the \u4eba", "", "a < b", "x]", "red> ", "[y]") if is_odd else ("cat", "big dog"))
        gap = self._pick((" ", "", "  ", "\n", "\xa0", ", ")) if is_odd else self._pick((" ", " ", ""))
        joint = self._pick((", ", ",", " ", ",\n", " and ")) if is_odd else ", "
        return f"<st>{phrase}<ed>{gap}{joint.join(boxes)}"

    def _spelled_anew(self, text: str) -> str:
        rate = self._pick((0, 0.3))
        text = "".join(self._pick(CASES[c]) if c in CASES and self._chance() < rate / 2 else c for c in text)
        return "".join(self._pick(SPACES) if c == " " and self._chance() < rate else c for c in text)

    def odd(self, text: str, question: str, size_wh: tuple[int, int]) -> str:
        """Return a text with one thing in it, or at its end, or instead of it, that may be odd."""
        long = f"{text} {self.sentence()} {self.sentence()}".rstrip(".")
        kinds: Sequence[Callable[[], str]] = (
            lambda: self._insert(text, self._pick(SPACES)),
            lambda: self._insert(text, self._spelled_anew(f" {self._pick(PHRASES)} ")),
            lambda: self._spelled_anew(f"{self._pick(PHRASES)}{self._pick((' and more.', '.', ''))}"),
            lambda: self._insert(text, "".join(self._pick(TOKENS) for _ in range(self._random.randint(1, 3)))),
            lambda: self._insert(text, self._pick(DAMAGE)),
            lambda: self._spelled_anew(f"{self._pick((text.rstrip('.'), long, 'Two words'))} {self._pick(ENDS)}"),
            lambda: f"{self._pick((text.rstrip('.'), long))}{self._pick(ENDS)}",
            lambda: self._spelled_anew(long),
            lambda: self._pick(ALONE),
            lambda: self._pick((question, question.upper(), f"{question} ", f" {question}", question.split("\n")[0])),
            lambda: f"{self._pick((text, question))}{self._pick((chr(10), ' ', ' ' + chr(10)))}{self._pick(SENTENCES)}",
            lambda: f"{text}{self._pick((' ', '', '], ', 'red> ', chr(10)))}{self.box(size_wh, is_odd=True)}",
            lambda: f"It is {self.box(size_wh, is_odd=True)}.",
            lambda: self._insert(text, self.group(size_wh, is_odd=True)),
            lambda: self._insert(text, self.group(size_wh) + self._pick(TOKENS)),
        )
        return self._pick(kinds)()

    def _insert(self, text: str, piece: str) -> str:
        at = self._pick((0, len(text), self._random.randint(0, len(text))))
        return text[:at] + piece + text[at:]

    def texts(self, count: int, size_wh: tuple[int, int], *, is_marked: bool) -> list[str]:
        """Make question and answer in turn; in most records one text may be odd."""
        texts = [self.sentence() for _ in range(count)]
        for i in range(count):
            if self._chance() < 0.2:
                group = self.group(size_wh)
                texts[i] = f"It is {group if is_marked else group.replace('<st>', '').replace('<ed>', '')}."
        if texts and self._chance() < 0.6:
            at = self._random.randrange(count)
            texts[at] = self.odd(texts[at], texts[at - 1], size_wh)
        return texts

    def native(self, task: str | None) -> Any:
        image_id = self._pick(IDS)
        conversations, pairs = DESIGN.get(task or "", (0, 0))
        if task is None or self._chance() < 0.1:
            conversations, pairs = self._pick((0, 1, 1, 2, 2, 3, 4)), self._pick((0, 1, 1, 1, 2, 2, 2, 3, 3))
        texts = self.texts(2 * conversations * pairs, SIZES.get(image_id, (500, 375)), is_marked=True)
        if pairs and len(texts) > 2 and self._chance() < 0.1:
            texts[2] = texts[0].split("\n")[0] + self._pick(("", f"\n{SENTENCES[0]}", f" {SENTENCES[1]}", " "))
        parts = (texts[2 * pairs * i : 2 * pairs * (i + 1)] for i in range(conversations))
        extra = self._pick(({}, {}, {"image": "x"}, {"n": 1}, {"topic": None}))
        made = [{"content": self._turns(part, ("user", "gpt"))} for part in parts]
        return {"image_id": image_id, "conversations": made, **extra}

    def llava(self) -> Any:
        image_id = self._pick(IDS)
        path = self._pick((f"vg/VG_100K/{image_id}.jpg", "coco/train2017/9.jpg", f"vg/VG_100K_2/{image_id}.jpg"))
        image: Any = self._pick((*[path] * 15, None, "", "../2.jpg", "C:\\2.jpg", ["2.jpg"], 7))
        parts: dict[str, Any] = {"image": image} if self._chance() < 0.7 else {}
        texts = self.texts(self._pick((0, 2, 2, 2, 4, 4, 6)), SIZES.get(image_id, (500, 375)), is_marked=False)
        if texts and self._chance() < (0.9 if parts else 0.1):
            at = self._random.randrange(len(texts)) if self._chance() < 0.1 else 0
            head, tail = self._pick(((8, 0), (8, 0), (8, 0), (8, 0), (0, 8), (7, 0), (9, 0), (0, 9), (8, 8)))
            texts[at] = "<image>\n\n"[:head] + texts[at] + "\n<image>\n"[:tail]
        row_id = self._pick((*[f"referring_qa-{image_id}-{self._count}", f"{self._count}", self._count] * 3, None, 1.5))
        parts |= {} if row_id is None else {"id": row_id}
        more = self._pick(({}, {}, {}, {}, {"model": ""}, {"svit": {"at": "c0"}}, {'"image"': 1}))
        return {**parts, **more, "conversations": self._turns(texts, ("human", "gpt"))}

    def _turns(self, texts: list[str], roles: tuple[str, str]) -> list[dict[str, Any]]:
        turns = [{"from": roles[i % 2], "value": text} for i, text in enumerate(texts)]
        if turns and self._chance() < 0.05:
            turns[self._random.randrange(len(turns))]["from"] = self._pick(("user", "human", "gpt", "system", ""))
        return turns[: self._random.randint(0, 6)] if self._chance() < 0.05 else turns

    def file(self, folder: Path, name: str, count: int) -> Path:
        """Write a file of records of the layout that its name tells; a few in ten thousand are of the other."""
        task = next((task for task in TASKS if name.startswith(task)), None)
        layouts: list[Callable[[], Any]] = [lambda: self.native(task), self.llava]
        own = layouts[name.startswith("llava")]
        records = [own() if self._chance() > 0.002 else self._pick(layouts)() for _ in range(count)]
        lines = [json.dumps(record, ensure_ascii=self._chance() < 0.5) for record in records]
        is_lines = name.endswith("l")
        (folder / name).write_text("\n".join(lines) if is_lines else f"[{', '.join(lines)}]", "utf-8", newline="")
        return folder / name


def write_sizes(folder: Path) -> Path:
    sizes = [{"image_id": i, "width": w, "height": h} for i, (w, h) in SIZES.items()]
    (folder / "image_data.json").write_text(json.dumps(sizes))
    return folder / "image_data.json"


def differences(paths: list[Path], images: list[Path], coordinates: Coordinates = "padded") -> str:
    """Return the records in which examine finds something else than the rules, '' where there is none."""
    entries = [entry._replace(raw=bytes(entry.raw)) for entry in read_entries(paths)]
    with Photos(images) as photos, Photos(images) as same:
        photo_rules, set_rules, wanted = PhotoRules(photos), SetRules(), []
        for entry in entries:
            size_wh, more = photo_rules.check(entry)
            more += set_rules.check(entry)
            own: list[Finding] = check_entry(entry, size_wh=size_wh, coordinates=coordinates)
            wanted.append(own + [f.at(file=entry.file, record=entry.number, id=entry.id) for f in more])
        examined = list(examine(read_entries(paths), coordinates=coordinates, photos=same))
    assert [entry._replace(size_wh=None) for entry, _ in examined] == [e._replace(size_wh=None) for e in entries]
    both = zip(examined, wanted, strict=True)
    wrong = [f"{found} instead of {want} in {bytes(e.raw)!r}" for (e, found), want in both if found != want]
    return "\n".join([f"{len(wrong)} records, among them", *wrong[:5]] if wrong else [])


FILES = ("llava.json", "mine.json", "referring_qa.json", "llava.jsonl", "detail_description.jsonl", "conversation.json")


@pytest.mark.parametrize("seed", range(8))
def test_examine_finds_what_the_rules_find_in_large_made_files(seed: int, tmp_path: Path) -> None:
    grammar = Grammar(seed)
    paths = [grammar.file(tmp_path, name, 600 if name.startswith("llava") else 150) for name in FILES]
    images = [write_sizes(tmp_path)] if seed % 4 else []
    coordinates: Coordinates = "original" if seed == 5 else "padded"
    wrong = differences(paths, images, coordinates)
    assert not wrong, wrong


@pytest.mark.parametrize("space", [" ", "\xa0", "\n"])
def test_examine_finds_what_the_rules_find_in_every_piece_by_itself(space: str, tmp_path: Path) -> None:
    words = [piece.replace(" ", space) for piece in (*PHRASES, *ENDS, *TOKENS, *DAMAGE, *ALONE, "<st>a<ed>")]
    frames = ("{}", "A cat{}", "A cat sits {}", "{} A cat.", "A cat {} sits.", "A cat. {}.")
    texts = [frame.replace(" ", space).format(word) for word in words for frame in frames]
    pairs = [[(f"What is it, {i}?", text)] for i, text in enumerate(texts)]
    native = [{"image_id": 2, "conversations": [{"content": turns(pair, ("user", "gpt"))}]} for pair in pairs]
    llava = [{"image": f"a/{i}.jpg", "conversations": turns(pair, ("human", "gpt"))} for i, pair in enumerate(pairs)]
    for row in llava:
        row["conversations"][0]["value"] += "\n<image>"
    (tmp_path / "native.json").write_text(json.dumps(native))
    (tmp_path / "llava.json").write_text(json.dumps(llava))
    wrong = differences([tmp_path / "native.json", tmp_path / "llava.json"], [])
    assert not wrong, wrong


PIECES = st.one_of(
    st.sampled_from([*PHRASES, *ENDS, *TOKENS, *DAMAGE, *ALONE, *SPACES, *SENTENCES, *BEGINNINGS, " ", " ", "\n"]),
    st.sampled_from(["[0.1, 0.2, 0.3, 0.4]", ", [0, 0, 1, 1]", "<st>a<ed> ", "[.1, 0.2, 0.3, 0.4]", "[1, 2]"]),
    st.text(max_size=6),
)
TEXTS = st.lists(PIECES, max_size=5).map("".join)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=3)


def turns(pairs: list[tuple[str, str]], roles: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": role, "value": value} for pair in pairs for role, value in zip(roles, pair, strict=True)]


@settings(max_examples=250)
@given(natives=st.lists(PAIRS, max_size=4), llavas=st.lists(PAIRS, max_size=4))
def test_examine_finds_what_the_rules_find_in_any_texts(folder: Callable[[], Path], natives: Any, llavas: Any) -> None:
    native = [{"image_id": 2, "conversations": [{"content": turns(pairs, ("user", "gpt"))}]} for pairs in natives]
    llava = [{"image": "vg/VG_100K/2.jpg", "conversations": turns(pairs, ("human", "gpt"))} for pairs in llavas]
    for row in llava:
        row["conversations"][:1] = [{**turn, "value": f"<image>\n{turn['value']}"} for turn in row["conversations"][:1]]
    made = folder()
    (made / "native.json").write_text(json.dumps(native))
    (made / "llava.json").write_text(json.dumps(llava))
    wrong = differences([made / "native.json", made / "llava.json"], [write_sizes(made)])
    assert not wrong, wrong


def padded(row_id: int, number: str) -> Any:
    low, high = sorted((number, "0.5"))
    made = turns([(f"<image>\nWhere is it, {row_id}?", f"There [0.4, {low}, 0.6, {high}].")], ("human", "gpt"))
    return {"id": f"referring_qa-{row_id}-0", "image": f"vg/VG_100K/{row_id}.jpg", "conversations": made}


def test_examine_finds_what_the_rules_find_where_padding_ends(tmp_path: Path) -> None:
    sizes = [(side, height) for side in (600, 800, 1000) for height in range(side // 2, side - 4)]
    edges = [((w - h) // 2 + at) / w for w, h in sizes for at in (-2, h + 2)]
    rows = [padded(NOBODYS + i, repr(round(edge, 3))) for i, edge in enumerate(edges)]
    data = [{"image_id": NOBODYS + i, "width": sizes[i // 2][0], "height": sizes[i // 2][1]} for i in range(len(edges))]
    (tmp_path / "image_data.json").write_text(json.dumps(data))
    (tmp_path / "llava.json").write_text(json.dumps(rows))
    wrong = differences([tmp_path / "llava.json"], [tmp_path / "image_data.json"])
    assert not wrong, wrong


@pytest.mark.parametrize("length", [20, 5_000, 600_000])
def test_what_is_found_stays_with_its_record_at_the_border_of_a_batch(length: int, tmp_path: Path) -> None:
    count = {20: 3 * 1024 + 5, 5_000: 330, 600_000: 5}[length]
    faulty = [i for i in range(count) if i % 1024 in (0, 1, 1022, 1023) or (length > 20 and i % 3)]
    texts = [f"A cat {'x' * length}{' ' * (i in faulty)}" for i in range(count)]
    rows = [padded(NOBODYS + i, "0.9") for i in range(count)]
    for row, text in zip(rows, texts, strict=True):
        row["conversations"][1]["value"] = text
    (tmp_path / "llava.json").write_text(json.dumps(rows))
    examined = list(examine(read_entries(tmp_path / "llava.json")))
    assert [entry.number for entry, _ in examined] == list(range(1, count + 1))
    found = [(entry.number, f.record, f.id, f.code) for entry, findings in examined for f in findings]
    assert found == [(i + 1, i + 1, f"referring_qa-{NOBODYS + i}-0", "text-untrimmed") for i in faulty]
