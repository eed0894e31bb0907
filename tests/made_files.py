"""Made native files of all four tasks, odd cases included, with the truth about them counted while they are made."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

from svit_datasets.images import visual_genome

TASKS = ("conversation", "complex_reasoning", "referring_qa", "detail_description")
WORDS = (
    "man street car near large building window tree white standing red behind people small table water bright".split()
)
ODD_TEXT = (
    "caf\u00e9 \u2019quoted\u2019",
    "\U0001f600 astral",
    'a "quote" and a \\ backslash',
    "line\nbreak",
    "tab\there",
    "a < b > c",
    "[1] and [2, 3]",
)
ODD_BOXES = (
    "[0, 0, 1, 1]",
    "[0.5, 0.5, 0.5, 0.5]",
    "[0.50, .25, 1.0, 0.999]",
    "[0.1,0.2,0.3,0.4]",
    "[0.9, 0.1, 0.2, 0.3]",
    "[0.1, 0.5.1, 0.3, 0.4]",
    "[0.1, 0.2, 1.02, 0.3]",
)


class Made:
    """Files of ``count`` records in all, written below ``folder``, and the truth about them."""

    def __init__(self, folder: Path, count: int, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.truth: Counter[str] = Counter()
        self.sizes: dict[int, tuple[int, int]] = {}
        ids = visual_genome.image_ids()
        self.files: list[Path] = []
        self.records: dict[str, list[dict]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for task in TASKS:
            chosen = self.random.sample(ids, count // len(TASKS))
            self.records[task] = [self.record(task, image_id) for image_id in chosen]
            path = folder / f"{task}.json"
            path.write_text(json.dumps(self.records[task]))
            self.files.append(path)
        self.image_data = folder / "image_data.json"
        entries = [{"image_id": i, "width": w, "height": h} for i, (w, h) in self.sizes.items()]
        self.image_data.write_text(json.dumps(entries))

    def record(self, task: str, image_id: int) -> dict:
        pick = self.random
        long, short = pick.choice([500, 500, 500, 640, 800, 1024, 333, 1280]), pick.choice([375, 333, 480, 500, 301])
        self.sizes.setdefault(image_id, (long, short) if pick.random() < 0.7 else (short, long))
        count = {"conversation": 2, "complex_reasoning": 3, "referring_qa": 4, "detail_description": 1}[task]
        record = {"image_id": image_id, "conversations": [self.conversation(task) for _ in range(count)]}
        if pick.random() < 0.02:
            record["image"] = f"{image_id}.jpg"
            record["extra"] = {"n": 1.5, "big": 10**30, "none": None}
        return record

    def conversation(self, task: str) -> dict:
        pairs = self.random.randint(2, 4) if task == "conversation" else 1
        self.truth[f"conversations.{task}"] += 1
        self.truth[f"pairs.{task}"] += pairs
        content = []
        for _ in range(pairs):
            content += [
                {"from": "user", "value": self.text(task) + "?"},
                {"from": "gpt", "value": self.text(task) + "."},
            ]
        conversation: dict = {"content": content}
        if task == "conversation":
            conversation = {"topic": self.random.choice(["Street", None, "\u2019s topic"]), **conversation}
        if self.random.random() < 0.01:
            conversation["content"][0]["note"] = [1, {"a": "b"}]
        return conversation

    def text(self, task: str) -> str:
        parts = [self.words(6)]
        if task == "referring_qa":
            for _ in range(self.random.randint(1, 3)):
                parts += [self.group(), self.words(3)]
        if self.random.random() < 0.1:
            parts.append(self.random.choice(ODD_TEXT))
        return " ".join(parts)

    def words(self, count: int) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(count))

    def group(self) -> str:
        chance = self.random.random()
        boxes = [self.box() for _ in range(1 if chance < 0.8 else 2)]
        if chance < 0.06:
            odd = self.random.choice(ODD_BOXES)
            self.truth["boxes"] += ".5." not in odd
            return f"<st>{self.words(2)}<ed> {odd}"
        self.truth["boxes"] += len(boxes)
        if chance < 0.1:
            return ", ".join(boxes)
        if chance < 0.12:
            return f"<st>{self.words(1)} {', '.join(boxes)}"
        return f"<st>{self.words(2)}<ed> {', '.join(boxes)}"

    def box(self) -> str:
        (x1, x2), (y1, y2) = (sorted(self.random.randint(0, 1000) / 1000 for _ in range(2)) for _ in range(2))
        return f"[{x1}, {y1}, {x2}, {y2}]"
