"""Make native files of real size and shape, the same in every run.

    python benchmarks/make_native.py FOLDER --images 100000 --task referring_qa

writes ``FOLDER/TASK.json`` with that many images (real Visual Genome ids, each again where more are asked for than
there are) and ``FOLDER/image_data.json`` with sizes spread as Visual Genome's are: mostly 500 on the long side, then
640, 800, 1024. Referring pairs have 2 to 4 boxes.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import click

from svit_datasets import visual_genome
from svit_datasets.records import TASKS

WORDS = (
    "the man street car near large building window tree white standing red behind people small table looking water "
    "bright while could because holding wooden front"
).split()


class Maker:
    """Makes records from one stream of random numbers."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)

    def words(self, count: int) -> str:
        return " ".join(self.pick.choice(WORDS) for _ in range(count))

    def group(self) -> str:
        (x1, x2), (y1, y2) = (sorted(self.pick.randrange(1001) / 1000 for _ in range(2)) for _ in range(2))
        return f"<st>{self.words(2)}<ed> [{x1}, {y1}, {x2}, {y2}]"

    def pair(self, question: str, answer: str) -> list[dict[str, str]]:
        return [{"from": "user", "value": question}, {"from": "gpt", "value": answer}]

    def conversations(self, task: str) -> list[dict]:
        if task == "conversation":
            pairs = [[self.pair(f"{self.words(10)}?", f"{self.words(20)}.") for _ in range(5)] for _ in range(3)]
            return [{"topic": self.words(3), "content": [t for pair in p for t in pair]} for p in pairs]
        if task == "complex_reasoning":
            return [{"content": self.pair(f"{self.words(12)}?", f"{self.words(45)}.")} for _ in range(15)]
        if task == "detail_description":
            return [{"content": self.pair("Elaborate on the details of the image.", f"{self.words(120)}.")}]
        return [{"content": self.referring_pair()} for _ in range(10)]

    def referring_pair(self) -> list[dict[str, str]]:
        more = " ".join(f"{self.group()} {self.words(5)}" for _ in range(self.pick.randrange(1, 4)))
        return self.pair(f"What is the {self.group()} doing?", f"It is {self.words(6)} {more}.")

    def size_wh(self) -> tuple[int, int]:
        long = self.pick.choice([500] * 6 + [640, 800, 1024])
        short = long * self.pick.choice([3, 3, 3, 2]) // 4
        return (long, short) if self.pick.random() < 0.7 else (short, long)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--images", default=100_000, show_default=True)
@click.option("--task", type=click.Choice(list(TASKS)), default="referring_qa", show_default=True)
def main(folder: Path, images: int, task: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    maker, ids = Maker(0), visual_genome.image_ids()
    with (folder / f"{task}.json").open("w") as out:
        out.write("[")
        for i in range(images):
            record = {"image_id": ids[i % len(ids)], "conversations": maker.conversations(task)}
            out.write((", " if i else "") + json.dumps(record))
        out.write("]")
    sizes = Maker(1)
    entries = [{"image_id": i, **dict(zip(("width", "height"), sizes.size_wh(), strict=True))} for i in ids]
    (folder / "image_data.json").write_text(json.dumps(entries))


if __name__ == "__main__":
    main()
