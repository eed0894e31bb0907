"""The official script's algorithm, written anew from its description in words, faults included: what to beat.

    python benchmarks/baseline.py referring_qa.json image_data.json OUT.json

Reads the whole file, moves boxes by one ``str.replace`` for each, and writes everything at the end. So a box that was
moved onto a later one of its text is moved twice, and a text with a malformed box stays as it is, without a word.
"""

from __future__ import annotations

import json
import random
import re
import sys
from typing import Any

SENTENCES = (
    "Provide the bounding boxes of the mentioned objects.",
    "Include the coordinates for each mentioned object.",
    "Locate the objects with their coordinates.",
)
BOX = re.compile(r"\[[0-9.]+, [0-9.]+, [0-9.]+, [0-9.]+\]")


def padded(box: str, width: int, height: int) -> str:
    """Return a box on the image padded to a square.

    >>> padded("[0.25, 0, 0.5, 1]", 640, 480)
    '[0.25, 0.125, 0.5, 0.875]'
    """
    side = max(width, height)
    x1, y1, x2, y2 = (float(number) for number in box[1:-1].split(", "))
    xs = [round(x * width) + (side - width) // 2 for x in (x1, x2)]
    ys = [round(y * height) + (side - height) // 2 for y in (y1, y2)]
    return str([round(pixel / side, 3) for pixel in (xs[0], ys[0], xs[1], ys[1])])


def convert_text(text: str, width: int, height: int) -> str:
    """Return a text without marks and with its boxes moved, one replacement after the other."""
    text = text.replace("<st>", "").replace("<ed>", "")
    try:
        moved = text
        for box in BOX.findall(text):
            moved = moved.replace(box, padded(box, width, height))
        return moved
    except:  # noqa: E722  one of the faults of the original
        return text


def convert(record: dict[str, Any], entry: dict[str, Any], chosen: random.Random) -> list[dict[str, Any]]:
    """Return the records of a native record: one for each conversation, a sentence behind each question with boxes."""
    width, height = entry["width"], entry["height"]
    image = "vg/" + "/".join(entry["url"].split("/")[-2:])
    rows = []
    for number, block in enumerate(record["conversations"]):
        turns = []
        for i, turn in enumerate(block["content"]):
            value = convert_text(turn["value"], width, height)
            if turn["from"] == "user":
                value = f"{value}\n{chosen.choice(SENTENCES)}"
            if i == 0:
                value = f"<image>\n{value}"
            turns.append({"from": "human" if turn["from"] == "user" else "gpt", "value": value})
        rows.append({"id": f"{record['image_id']}-{number}", "image": image, "conversations": turns})
    return rows


def main(native: str, image_data: str, output: str) -> None:
    chosen = random.Random(0)
    with open(image_data) as file:  # noqa: PTH123
        entries = {entry["image_id"]: entry for entry in json.load(file)}
    with open(native) as file:  # noqa: PTH123
        records = json.load(file)
    rows = []
    for record in records:
        rows += convert(record, entries[record["image_id"]], chosen)
    with open(output, "w") as file:  # noqa: PTH123
        json.dump(rows, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
