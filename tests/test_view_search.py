"""The page and its copy search alike: what is shown, in either case, by the same ids."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from browser import open_page, serving, start_browser
from helpers_cli import record

from svit_datasets.viewer.data import Source, open_data
from svit_datasets.viewer.exporting import export_data
from svit_datasets.viewer.filters import Filter, fold

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TEXTS = {
    "the red dog": [1],
    "The Red Dog [0.1, 0.2, 0.3, 0.4] sits": [1],
    "<st>": [2],
    "<ed>": [],
    "cat <st> here": [2],
    "a van [0, 0, 1, 1]": [2],
    "STRASSE": [3],
    "stra\u00dfe": [3],
    "\u039f\u0394\u039f\u03a3": [3],
    "\u03bf\u03b4\u03bf\u03c3": [3],
    "cafe\u0301": [],
    "\u0130STANBUL": [3],
    "<image>\nWHO": [4],
    "a topic": [1],
    "so.\na topic": [1],
}
IDS = {
    "9000001": [1],
    "9000001.jpg": [],
    "000000000009": [],
    "coco/train2017/000000000009.jpg": [4],
    "train2017/000000000009.jpg": [],
    "x4": [4],
    "2": [5],
    "vg/VG_100K/2.jpg": [5],
    "none": [],
}


class Place(NamedTuple):
    browser: Browser
    served: str
    copied: str


def write(top: Path) -> list[Path]:
    """Write records whose shown text differs from what is written, and images of other names."""
    rows = [
        record(9000001, "Why?", "Here the <st>red dog<ed> [0.1, 0.2, 0.3, 0.4] sits.", "Why?", "So."),
        record(9000002, "Who?", "A cat <st> here, a van [0, 0, 1, 1]."),
        record(9000003, "Wo?", "Stra\u00dfe \u03bf\u03b4\u03cc\u03c2 \u03bf\u03b4\u03bf\u03c2 \u0130stanbul"),
    ]
    rows[0]["conversations"][0]["topic"] = "A topic"
    images = ("coco/train2017/000000000009.jpg", "vg/VG_100K/2.jpg")
    turns = [{"from": "human", "value": "<image>\nWho is it?"}, {"from": "gpt", "value": "A man."}]
    llava = [{"id": f"x{n}", "image": image, "conversations": turns} for n, image in enumerate(images, 4)]
    llava[1]["conversations"] = [{"from": "human", "value": "Hi"}]
    (top / "referring_qa.json").write_text(json.dumps(rows))
    (top / "llava.json").write_text(json.dumps(llava))
    return [top / "referring_qa.json", top / "llava.json"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    top = tmp_path_factory.mktemp("search")
    files = write(top)
    with open_data(Source(files)) as data:
        export_data(data, top / "look")
    with start_browser() as browser, serving(*files) as url:
        yield Place(browser, url, (top / "look" / "index.html").as_uri())


def look(page: Page, name: str, value: str) -> list[int]:
    """Return the records that the page's own source gives for a filter."""
    script = """async ([name, value]) => {
        const filter = { task: "", text: "", image_id: "", code: "", [name]: value };
        return (await svit.source.list(filter, 0, null)).lines.map((line) => line.number);
    }"""
    found: list[int] = page.evaluate(script, [name, value])
    return found


def find(page: Page, value: str) -> int | None:
    found: int | None = page.evaluate("value => svit.source.find(value)", value)
    return found


@pytest.mark.parametrize("kind", ["served", "copied"])
def test_what_is_shown_is_found(place: Place, kind: str) -> None:
    with open_page(place.browser, getattr(place, kind), allowed=("file://",)) as page:
        assert {text: look(page, "text", text) for text in TEXTS} == TEXTS
        assert {given: look(page, "image_id", given) for given in IDS} == IDS
        assert {given: find(page, given) for given in IDS} == {
            given: (found or [None])[0] for given, found in IDS.items()
        }
        assert find(page, "") is None


def test_both_sides_fold_every_letter_alike(place: Place) -> None:
    """Letters that one side's Unicode does not know yet are left out."""
    known = [chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n)) not in ("Cn", "Cs")]
    changed = [letter for letter in known if fold(letter) != letter.encode()]
    plain = [letter for letter in known[:3000] if fold(letter) == letter.encode()]
    with open_page(place.browser, place.copied, allowed=("file://",)) as page:
        folded = page.evaluate("all => all.map(svit.fold)", [*changed, *plain])
    assert [fold(letter).decode() for letter in (*changed, *plain)] == folded
    assert len(changed) > 1000


def test_a_filter_from_python_is_the_same(tmp_path: Path) -> None:
    with open_data(Source(write(tmp_path))) as data:
        assert {text: list(data.index.select(Filter(text=text))) for text in TEXTS} == TEXTS
