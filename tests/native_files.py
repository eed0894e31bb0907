"""Made native files for the tests: strategies, plain writers and readers, and sizes; nothing of the code under test."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from svit_datasets.images import visual_genome

TASKS = ("conversation", "complex_reasoning", "referring_qa", "detail_description")
LETTERS = dict(zip(TASKS, "cxrd", strict=True))
SENTENCES = (
    "Provide the bounding boxes of the mentioned objects.",
    "Include the coordinates for each mentioned object.",
    "Locate the objects with their coordinates.",
)
_IDS = visual_genome.image_ids()
IMAGE_IDS = (_IDS[0], _IDS[1], _IDS[2], _IDS[50000], _IDS[-1])
SIZES = dict(zip(IMAGE_IDS, ((640, 480), (333, 500), (1, 1), (800, 800), (1001, 700)), strict=True))
FOLDERS = {i: visual_genome.folder_of(i) for i in IMAGE_IDS}


class Number(str):
    """A JSON number as it shall be spelt."""

    __slots__ = ()


def dumps(value: Any, *, indent: int = 0, is_ascii: bool = True) -> str:
    """Return JSON; with ``indent``, line breaks stand wherever JSON allows them."""
    newline, colon = ("\n" + " " * indent, " : ") if indent else ("", ":")
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, Mapping):
        parts = (
            f"{json.dumps(k, ensure_ascii=is_ascii)}{colon}{dumps(v, indent=indent, is_ascii=is_ascii)}"
            for k, v in value.items()
        )
        return f"{{{newline}{f',{newline}'.join(parts)}{newline}}}"
    if isinstance(value, list):
        return f"[{newline}{f',{newline}'.join(dumps(v, indent=indent, is_ascii=is_ascii) for v in value)}{newline}]"
    return json.dumps(value, ensure_ascii=is_ascii)


def loads(data: str | bytes) -> Any:
    """Return a JSON value whose numbers keep their spelling; a key that stands twice is an error."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(items)) == len(items), items
        return dict(items)

    return json.loads(data, parse_int=Number, parse_float=Number, object_pairs_hook=pairs)


def as_spelt(value: Any) -> Any:
    """Return what ``loads`` gives for a value that ``dumps`` wrote."""
    return loads(dumps(value))


def is_trainable(text: str) -> bool:
    """Tell whether a text is one that LLaVA's loader trains on when its marks are gone."""
    shown = re.sub("<st>|<ed>", "", text)
    tokens = ("<image>", "</s>", " ASSISTANT: ")
    return bool(shown.strip()) and not any(token in f" {shown} " for token in tokens)


ODD_NUMBERS = ("0", "1", ".5", "1.", "0.50", "0.1234567", "00.5", "1.2", "17", "0.5.1", "-0.1", "1e-3", "", "9" * 320)
PHRASES = ("man", "the \u4eba\u7269", "", "a\nb", "[x]", "a < b", "2 dogs", " red car ", "\U0001f600", "(left)", "x]")
TEXTS = (
    "A cat.", "Why?", " ", "\n", '"', "\\", "\\u0041", "\r\n", "\t", "\u2028", "\x00", "<", ">", "[", "]", ", ", "\x1e",
    "<st>", "<ed>", "<s", "t>", "<e", "d>", "<image", "/s>", "ASSISTANT", "~", "|", ";", "~|3:.25 0 .5 1;", "3:.1 .2",
    '{"at": "c0.0.1"}', "\U0001f468\u200d\U0001f469", "caf\u00e9", "e\u0301", "\u202e\u05d0", "\ufeff",
    "\uffff", "\x7f",
)  # fmt: skip
RAW_NUMBERS = ("1.50", "-0", "-0.0", "1e400", "1E+2", "0.1e-7", "1.8e308", "9" * 60, "18446744073709551616")
KEYS = (
    "extra", "svit", "image", "topic", "", "n", "turns", "\u4eba", 'a"b', "$ref", "from", "value", "content",
    "image_id", "conversations", "id", "text", "marks",
)  # fmt: skip
NAMED = {"record": ("image_id", "conversations"), "conversation": ("topic", "content"), "turn": ("from", "value")}


class Maker:
    """Makes native files from a seed, the same in every run; small, and odd in every way that JSON and markup allow."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._pick, self._chance = self._random.choice, self._random.random

    def _several(self, make: Callable[[], Any], low: int, high: int) -> list[Any]:
        return [make() for _ in range(self._random.randint(low, high))]

    def characters(self) -> str:
        """Make a few characters from anywhere in Unicode."""
        ranges = ((0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))
        return "".join(self._several(lambda: chr(self._random.randint(*self._pick(ranges))), 0, 5))

    def number(self) -> str:
        """Make a coordinate as written; a tenth are odd."""
        return self._pick(ODD_NUMBERS) if self._chance() < 0.1 else repr(self._random.randint(0, 1000) / 1000)

    def box(self) -> str:
        """Make a box; some are malformed."""
        if self._chance() < 0.7:
            return f"[{', '.join(self.number() for _ in range(4))}]"
        edge = self._pick(("", " "))
        return f"[{edge}{self._pick((', ', ',', ' ,')).join(self._several(self.number, 3, 5))}{edge}]"

    def boxes(self) -> str:
        """Make a run of boxes."""
        return self._pick((", ", ", ", ",", " ", ",  ")).join(self._several(self.box, 1, 3))

    def group(self) -> str:
        """Make a marked phrase with boxes."""
        phrase = self._pick((self.characters(), *PHRASES))
        return f"<st>{phrase}<ed>{self._pick((' ', ' ', ' ', '', chr(10), '  '))}{self.boxes()}"

    def sentence(self) -> str:
        """Make a formatting sentence with what may stand around it."""
        return self._pick(("", " ", "\n")) + self._pick(SENTENCES) + self._pick(("", " ", "\n"))

    def text(self) -> str:
        """Make a text that is trained on."""
        makers = (self.group, self.group, self.boxes, self.characters, self.sentence, *[lambda: self._pick(TEXTS)] * 5)
        while True:
            text = "".join(self._several(lambda: self._pick(makers)(), 1, 6))
            if is_trainable(text):
                return text

    def value(self, depth: int = 0) -> Any:
        """Make a JSON value."""
        kind = self._random.randint(0, 4 if depth > 2 else 6)
        if kind == 5:
            return self._several(lambda: self.value(depth + 1), 0, 3)
        if kind == 6:
            return {k: self.value(depth + 1) for k in self._several(lambda: self._pick(KEYS), 0, 3)}
        whole = Number(str(self._random.randint(-(10**22), 10**22)))
        return (None, self._chance() < 0.5, Number(self._pick(RAW_NUMBERS)), whole, self.characters())[kind]

    def extra(self, level: str) -> dict[str, Any]:
        """Make unknown keys of a level; mostly none."""
        if self._chance() < 0.7:
            return {}
        unknown = [k for k in (*KEYS, self.characters()) if k not in NAMED[level]]
        return {k: self.value() for k in self._several(lambda: self._pick(unknown), 1, 3)}

    def conversation(self) -> dict[str, Any]:
        """Make a conversation of one to three pairs."""
        topic = self._pick(({}, {"topic": None}, {"topic": self.characters()}))
        roles = ("user", "gpt") * self._random.randint(1, 3)
        content = [{**self.extra("turn"), "from": role, "value": self.text()} for role in roles]
        return {**topic, "content": content, **self.extra("conversation")}

    def record(self) -> dict[str, Any]:
        """Make a record of one of the images."""
        named = {
            "image_id": Number(str(self._pick(IMAGE_IDS))),
            "conversations": self._several(self.conversation, 1, 3),
        }
        return {**named, **self.extra("record")} if self._chance() < 0.8 else {**self.extra("record"), **named}

    def native(self) -> dict[str, list[Any]]:
        """Make native files of one to four tasks."""
        tasks = self._random.sample(TASKS, self._random.randint(1, 4))
        return {task: self._several(self.record, 1, 3) for task in TASKS if task in tasks}


natives = st.integers(0, 10**9).map(lambda seed: Maker(seed).native())
texts = st.integers(0, 10**9).map(lambda seed: Maker(seed).text())
spellings = st.fixed_dictionaries({"indent": st.sampled_from([0, 0, 1]), "is_ascii": st.booleans()})


def write_natives(folder: Path, native: Mapping[str, list[Any]], **spelling: Any) -> list[Path]:
    """Write native files, in the order of the tasks; return their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for task in TASKS:
        if task in native:
            paths.append(folder / f"{task}.json")
            paths[-1].write_text(dumps(native[task], **spelling), "utf-8", newline="")
    return paths


def read_natives(folder: Path) -> dict[str, Any]:
    """Return the native files of a folder, numbers as spelt."""
    return {p.stem: loads(p.read_bytes()) for p in folder.glob("*.json")}


def write_sizes(folder: Path, sizes: Mapping[int, tuple[int, int]] = SIZES) -> Path:
    """Write an ``image_data.json`` with the sizes of the images."""
    path = folder / "image_data.json"
    path.write_text(json.dumps([{"image_id": i, "width": w, "height": h} for i, (w, h) in sizes.items()]))
    return path


def places(native: Mapping[str, list[Any]]) -> list[tuple[str, int, int]]:
    """Return task, record and conversation of every row that a conversion writes, in order."""
    return [(t, i, j) for t in TASKS for i, r in enumerate(native.get(t, ())) for j in range(len(r["conversations"]))]


def keep(native: Mapping[str, list[Any]], kept: Iterable[tuple[str, int, int]]) -> dict[str, Any]:
    """Return the native files with the conversations at some places only."""
    found = set(kept)
    left = {
        task: [
            {**r, "conversations": [c for j, c in enumerate(r["conversations"]) if (task, i, j) in found]}
            for i, r in enumerate(records)
        ]
        for task, records in native.items()
    }
    some = {task: [r for r in records if r["conversations"]] for task, records in left.items()}
    return {task: records for task, records in some.items() if records}
