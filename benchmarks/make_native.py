"""Make native files of real size and shape, the same in every run and with every Python.

    python benchmarks/make_native.py FOLDER [--images 100000 | --scale 0.01] [--task referring_qa] [--all]

writes ``FOLDER/TASK.json`` with that many images and ``FOLDER/image_data.json`` with their sizes. Ids are Visual
Genome's, ascending; made ones follow where more are asked for, with their folder in ``image_data.json``. 100,000 images
have 1,000,000 referring pairs of 2 to 4 boxes (about 450 MB); all four tasks 4,100,000 pairs (1.8 GB).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

import click
from made_texts import OPENINGS, Texts, make_texts, pick

from svit_datasets.detail_questions import DETAIL_QUESTIONS
from svit_datasets.images import visual_genome
from svit_datasets.records import TASKS

IMAGES = 100_000
ODD_SHARE = 0.01  # of records
PLACE_OF_IMAGE = "https://cs.stanford.edu/people/rak248/{}/{}.jpg"
NUMBERS = ["0", *(repr(i / 1000) for i in range(1, 1001))]  # SVIT writes a bare 0
# Long and short sides as Visual Genome has them; 0 is any.
SIDES = ((500, 375),) * 24 + ((500, 333),) * 14 + ((500, 334), (500, 400), (500, 500), (500, 281)) + ((500, 0),) * 8
SIDES += ((640, 480), (640, 427), (640, 426), (640, 0)) * 3 + ((800, 600),) * 6 + ((800, 0),) * 2
SIDES += ((1024, 768), (1024, 683), (1024, 0)) * 3 + ((0, 0),) * 4
FIRST_MADE_ID, MADE_BATCH = 3_000_000, 1000


class Maker:
    """Makes records from one stream of random numbers, as JSON text."""

    def __init__(self, seed: int) -> None:
        self.random: Callable[[], float] = Random(seed).random
        self.texts: Texts = make_texts(seed)

    def record(self, image_id: int, task: str) -> str:
        """Return a native record."""
        blocks = ", ".join(BLOCKS[task](self))
        if self.random() < ODD_SHARE:
            at = blocks.rindex('"}]}')
            blocks = f"{blocks[:at]} {pick(self.random, self.texts.odd)}{blocks[at:]}"
        return f'{{"image_id": {image_id}, "conversations": [{blocks}]}}'

    def conversation(self) -> Iterator[str]:
        texts, random = self.texts, self.random
        for _ in range(3):
            pairs = ", ".join(_pair(pick(random, texts.questions), self.sentences(1, 2)) for _ in range(5))
            yield f'{{"topic": "{pick(random, texts.topics)}", "content": [{pairs}]}}'

    def complex_reasoning(self) -> Iterator[str]:
        for _ in range(15):
            yield _block(pick(self.random, self.texts.questions), self.sentences(2, 4))

    def detail_description(self) -> Iterator[str]:
        yield _block(pick(self.random, DETAIL_QUESTIONS), self.sentences(7, 12))

    def referring_qa(self) -> Iterator[str]:
        """Yield ten pairs: mostly a box in the question; often the same in the answer, sometimes a run of boxes."""
        random = self.random
        for _ in range(10):
            boxes = [self.box() for _ in range(2 + int(random() * 3))]
            before, after = pick(random, self.texts.asks)
            phrase = pick(random, self.texts.phrases)
            if random() < 0.2:
                yield _block(f"{before}{phrase}{after}", self.grounded(boxes))
                continue
            asked, *others = boxes
            if random() < 0.3:
                others[0] = asked
            yield _block(f"{before}<st>{phrase}<ed> {asked}{after}", self.grounded(others))

    def grounded(self, boxes: list[str]) -> str:
        """Return an answer with these boxes."""
        random, texts = self.random, self.texts
        if len(boxes) > 1 and random() < 0.25:
            groups = [f"<st>{pick(random, texts.phrases)}s<ed> {', '.join(boxes)}"]
        else:
            groups = [f"<st>{pick(random, texts.phrases)}<ed> {box}" for box in boxes]
        told = pick(random, texts.joints).join(groups)
        return f"{pick(random, OPENINGS)} {told}. {self.sentences(0, 2)}".rstrip()

    def sentences(self, least: int, most: int) -> str:
        random, pool = self.random, self.texts.sentences
        return " ".join(pick(random, pool) for _ in range(least + int(random() * (most - least + 1))))

    def box(self) -> str:
        """Return a box of at least a hundredth of each side; small ones are frequent, some touch the edges."""
        (x1, x2), (y1, y2) = self.span(), self.span()
        return f"[{NUMBERS[x1]}, {NUMBERS[y1]}, {NUMBERS[x2]}, {NUMBERS[y2]}]"

    def span(self) -> tuple[int, int]:
        length = 10 + int(self.random() * self.random() * 900)
        start = min(max(int(self.random() * (1100 - length)) - 50, 0), 1000 - length)
        return start, start + length

    def size_wh(self) -> tuple[int, int]:
        """Return the size of an image: mostly 500 on the long side, mostly lying."""
        long, short = pick(self.random, SIDES)
        long = long or 240 + int(self.random() * 1040)
        short = short or long * (40 + int(self.random() * 61)) // 100
        return (long, short) if self.random() < 0.7 else (short, long)


BLOCKS: dict[str, Callable[[Maker], Iterator[str]]] = {
    "conversation": Maker.conversation,
    "complex_reasoning": Maker.complex_reasoning,
    "referring_qa": Maker.referring_qa,
    "detail_description": Maker.detail_description,
}


def _pair(question: str, answer: str) -> str:
    return f'{{"from": "user", "value": "{question}"}}, {{"from": "gpt", "value": "{answer}"}}'


def _block(question: str, answer: str) -> str:
    return f'{{"content": [{_pair(question, answer)}]}}'


def image_ids(count: int) -> list[int]:
    """Return so many ids, ascending: Visual Genome's, then made ones."""
    real = visual_genome.image_ids()[:count]
    return real + list(range(FIRST_MADE_ID, FIRST_MADE_ID + count - len(real)))


def url_of(image_id: int) -> str:
    """Return where Visual Genome has an image; a made one is said to be in its first folder.

    >>> url_of(1)
    'https://cs.stanford.edu/people/rak248/VG_100K_2/1.jpg'
    """
    return PLACE_OF_IMAGE.format(visual_genome.folder_of(image_id) or visual_genome.FOLDERS[0], image_id)


def write_records(path: Path, ids: list[int], task: str) -> None:
    """Write a native file with one record for each id; each task has its own stream of random numbers."""
    maker = Maker(1 + list(TASKS).index(task))
    records = (maker.record(image_id, task) for image_id in ids)
    with path.open("w", encoding="ascii", newline="") as out:
        joint = "["
        while some := list(islice(records, MADE_BATCH)):
            out.write(joint + ", ".join(some))
            joint = ", "
        out.write("]")


def write_image_data(path: Path, ids: list[int]) -> None:
    """Write the sizes of these images, entries as Visual Genome's file has them."""
    maker = Maker(0)
    entries = []
    for image_id in ids:
        width, height = maker.size_wh()
        told = {
            "width": width,
            "url": url_of(image_id),
            "height": height,
            "image_id": image_id,
            "coco_id": None,
            "flickr_id": None,
        }
        entries.append(json.dumps(told))
    path.write_text(f"[{', '.join(entries)}]", encoding="ascii")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--images", default=IMAGES, show_default=True)
@click.option("--scale", type=click.FloatRange(0, min_open=True), help=f"Instead of --images: a part of {IMAGES:,}.")
@click.option("--task", type=click.Choice(list(TASKS)), default="referring_qa", show_default=True)
@click.option("--all", "is_all", is_flag=True, help="All four tasks.")
def main(folder: Path, images: int, scale: float | None, task: str, is_all: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ids = image_ids(images if scale is None else max(1, round(IMAGES * scale)))
    for name in TASKS if is_all else [task]:
        write_records(folder / f"{name}.json", ids, name)
    write_image_data(folder / "image_data.json", ids)


if __name__ == "__main__":
    main()
