"""10,000 made records without a fault, and the spots in them where faults are planted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from svit_datasets.images import visual_genome
from tests.native_files import SENTENCES

COUNTS = {
    "conversation": 1000, "complex_reasoning": 1000, "referring_qa": 2000, "detail_description": 3000, "llava": 3000,
}  # fmt: skip
DESIGN = {"conversation": (3, 5), "complex_reasoning": (15, 1), "referring_qa": (10, 1), "detail_description": (1, 1)}
NATIVE, LLAVA = tuple(DESIGN), "llava"
SIZES = ((500, 375), (375, 500), (800, 600), (640, 640))
IDS = [image_id for image_id in visual_genome.image_ids() if not visual_genome.is_held_out(image_id)]
HELD_OUT = [image_id for image_id in visual_genome.image_ids() if visual_genome.is_held_out(image_id)]
BROKEN_IDS = [
    30, 4417, 1159649, 1591845, 2316987, 2319201, 2319806, 2327174, 2342212, 2343061, 2349999, 2360367, 2378561,
    2382059, 2382113, 2385150, 2394393, 2397078, 2402123, 2403887, 2415254,
]  # fmt: skip
BY_ID = {image_id: SIZES[image_id % len(SIZES)] for image_id in IDS}
THINGS = ("man", "dog", "tram", "red table", "caf\u00e9 sign", "\u4eba", "small boat", "window", "kite", "horse")
DOINGS = ("stands by", "leans on", "is seen behind", "moves towards", "(it seems) touches", "is smaller than")
ANSWERS = (
    "Yes", "Two cats", "3", "No.", 'It says "STOP"', "The message board is empty.", "A list:\n- a cat\n- a dog",
    "C'est un chat.", "Because a < b.", "Sorry is printed on the sign.", "The caption printed on the shirt is short.",
    "\u4ed6\u5728\u8d70\u8def\u3002", "I can see a dog!", "It is about 5 m (16 ft)", "Caf\u00e9 \U0001f600",
)  # fmt: skip
CODE = ("Use `x[0.5, 1]` and <div>.", "def f(x):\n    return [1, 2]", "I'm sorry, I cannot do that.", "See [0.3, 0.1,")

Found = list[tuple[str, str]]
Record = dict[str, Any]


class Maker:
    """Makes good records from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pick, self._count = self.random.choice, 0
        self._ids = iter(self.random.sample([i for i in IDS if i not in BROKEN_IDS], sum(COUNTS.values())))

    def question(self) -> str:
        self._count += 1
        return f"What {self.pick(DOINGS)} the {self.pick(THINGS)} in number {self._count}?"

    def answer(self) -> str:
        short = f"The {self.pick(THINGS)} {self.pick(DOINGS)} the {self.pick(THINGS)}."
        return self.pick((short, short, short, f"{short} {short}\n\n{short}", self.pick(ANSWERS)))

    def box(self) -> list[float]:
        low = [self.random.randint(0, 800) / 1000 for _ in range(2)]
        return [*low, *(min(1.0, round(n + self.random.randint(20, 400) / 1000, 3)) for n in low)]

    def spelled(self, box: Sequence[float]) -> str:
        return f"[{', '.join('0' if not n else repr(n) for n in box)}]"

    def grounded(self) -> str:
        boxes = ", ".join(self.spelled(self.box()) for _ in range(self.pick((1, 1, 2))))
        return f"The <st>{self.pick(THINGS)}<ed> {boxes} {self.pick(DOINGS)} it."

    def padded(self, image_id: int) -> str:
        """Return an answer with a box on the padded square, by arithmetic of its own."""
        size_wh, box = BY_ID[image_id], self.box()
        side = max(size_wh)
        moved = [round((round(n * size_wh[i % 2]) + (side - size_wh[i % 2]) // 2) / side, 3) for i, n in enumerate(box)]
        return f"The {self.pick(THINGS)} {self.spelled(moved)} is there."

    def native(self, task: str) -> Record:
        conversations, pairs = DESIGN[task]
        answer = self.grounded if task == "referring_qa" else self.answer
        topic = {"topic": self.pick(THINGS)} if task == "conversation" else {}
        content = lambda: turns([t for _ in range(pairs) for t in (self.question(), answer())], ("user", "gpt"))  # noqa: E731
        return {
            "image_id": next(self._ids),
            "conversations": [{**topic, "content": content()} for _ in range(conversations)],
        }

    def llava(self, number: int) -> Record:
        """Return, in turn: what to-llava writes, a record of another maker, text alone."""
        image_id = next(self._ids)
        texts = [t for _ in range(self.random.randint(1, 4)) for t in (self.question(), self.answer())]
        if number % 3 == 2:
            texts[1] = self.pick((self.pick(CODE), texts[1]))
            return {"id": f"text{number}", "model": "", "conversations": turns(texts, ("human", "gpt"))}
        if number % 3 == 0:
            texts[1], texts[0] = self.padded(image_id), f"{texts[0]}\n{self.pick(SENTENCES)}"
        texts[0] = self.pick((f"<image>\n{texts[0]}", f"{texts[0]}\n<image>"))
        folder = visual_genome.folder_of(image_id)
        image = f"coco/train2017/{number:012}.jpg" if number % 3 else f"vg/{folder}/{image_id}.jpg"
        row_id = number if number % 3 else f"referring_qa-{image_id}-0"
        return {"id": row_id, "image": image, "conversations": turns(texts, ("human", "gpt"))}


def turns(texts: Iterable[str], roles: tuple[str, str]) -> list[Record]:
    return [{"from": roles[i % 2], "value": text} for i, text in enumerate(texts)]


def good_records(seed: int) -> dict[str, list[Record]]:
    """Return 10,000 records without a fault, by the stems of their files."""
    maker = Maker(seed)
    return {
        stem: [maker.llava(i) if stem == LLAVA else maker.native(stem) for i in range(count)]
        for stem, count in COUNTS.items()
    }


class Spot:
    """A record that a fault is planted in, and a turn of it chosen at random."""

    def __init__(self, stem: str, record: Record, before: Record, chosen: random.Random, number: int) -> None:
        self.stem, self.record, self.before, self.chosen, self.number = stem, record, before, chosen, number
        blocks = record["conversations"] if stem != LLAVA else [{"content": record["conversations"]}]
        self.block = chosen.randrange(len(blocks))
        self.turns: list[Record] = blocks[self.block]["content"]
        self.turns_path = f"$.conversations[{self.block}].content" if stem != LLAVA else "$.conversations"
        self.asked = 2 * chosen.randrange(len(self.turns) // 2)
        self.answered = self.asked + 1
        self.rewrite: Callable[[bytes], bytes] = lambda raw: raw

    def path(self, turn: int, key: str = ".value") -> str:
        return f"{self.turns_path}[{turn}]{key}"

    def encoded(self) -> bytes:
        """Return the record as JSON text, spelled in one of two ways, and damaged where a fault asks for it."""
        return self.rewrite(json.dumps(self.record, ensure_ascii=self.chosen.random() < 0.5).encode())


class Kind(NamedTuple):
    """A kind of fault.

    Attributes:
        name: What sets it apart from other kinds.
        stems: Files that it can be planted in.
        plant: Plants it; returns the JSON paths and codes that are to be found.
        fits: Tells whether it can be planted in a record.
    """

    name: str
    stems: tuple[str, ...]
    plant: Callable[[Spot], Found]
    fits: Callable[[Record], bool] = lambda _: True


def edit(
    name: str,
    code: str,
    turn: str,
    change: Callable[[str], str],
    stems: tuple[str, ...] = NATIVE,
    fits: Callable[[Record], bool] = lambda _: True,
) -> Kind:
    """Return a kind of fault that is a change of one text, ``asked`` or ``answered``."""

    def plant(spot: Spot) -> Found:
        at = getattr(spot, turn)
        spot.turns[at]["value"] = change(spot.turns[at]["value"])
        return [(spot.path(at), code)]

    return Kind(name, stems, plant, fits)


def has_image(record: Record) -> bool:
    return "image_id" in record or "image" in record


def change(spot: Spot, path: str, code: str, key: str, value: Any) -> Found:
    spot.record[key] = value(spot) if callable(value) else value
    return [(path, code)]


def in_record(
    name: str, code: str, key: str, value: Any, stems: tuple[str, ...] = NATIVE, fits: Any = has_image
) -> Kind:
    return Kind(f"{code} {key}: {name}", stems, lambda spot: change(spot, f"$.{key}", code, key, value), fits)


def in_turn(name: str, code: str, turn: str, key: str, value: Any, stems: tuple[str, ...] = (*NATIVE, LLAVA)) -> Kind:
    def plant(spot: Spot) -> Found:
        at = getattr(spot, turn)
        spot.turns[at][key] = value
        return [(spot.path(at, f".{key}"), code)]

    return Kind(f"{code} {key}: {name}", stems, plant)


def in_text(code: str, name: str, damage: Any, stems: tuple[str, ...] = (*NATIVE, LLAVA)) -> Kind:
    def plant(spot: Spot) -> Found:
        spot.rewrite = damage
        return [("", code)]

    return Kind(f"{code}: {name}", stems, plant)


def told(code: str, *answers: str, stems: tuple[str, ...] = (*NATIVE, LLAVA)) -> list[Kind]:
    """Return kinds of which each is an answer."""
    return [
        edit(f"{code}: {a}", code, "answered", lambda _, answer=a: answer, stems, has_image)  # type: ignore[misc]
        for a in answers
    ]


def boxed(code: str, *texts: str, stems: tuple[str, ...] = NATIVE, fits: Any = has_image) -> list[Kind]:
    made = [(text, f"It is {text} here." if stems == NATIVE else f"It is here, {text}.") for text in texts]
    return [edit(f"{code}: {t}", code, "answered", lambda _, a=a: a, stems, fits) for t, a in made]  # type: ignore[misc]


def is_wide(record: Record) -> bool:
    return BY_ID[record.get("image_id", 0) or int(record["id"].split("-")[1])] == (500, 375)


def is_long(record: Record) -> bool:
    return has_image(record) and len(record["conversations"]) > 3
