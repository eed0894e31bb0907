"""The findings of a record on the page: the worst first and open, very many cut; and what is known of its frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from browser import open_page, serving, start_browser
from helpers_cli import DONE, call, record, save_photo

from svit_datasets.findings import finding
from svit_datasets.images.photos import Photos
from svit_datasets.viewer.index import Stored
from svit_datasets.viewer.present import MOST_FINDINGS, present

if TYPE_CHECKING:
    from playwright.sync_api import Browser

INVERTED, OUTSIDE = "[0.9, 0.1, 0.2, 0.3]", "[0.1, 0.1, 0.2, 1.5]"


class Place(NamedTuple):
    browser: Browser
    url: str


def faulty(image_id: int, count: int) -> dict[str, Any]:
    """Return a record with ``count`` or more findings, an error last."""
    boxes = " and ".join(f"<st>dog {n}<ed> {INVERTED if n % 2 else OUTSIDE}" for n in range(count))
    return record(image_id, "Where are they?", f"There are {boxes}.", "Why?", "")


def llava(record_id: str, **extra: Any) -> dict[str, Any]:
    turns = [
        {"from": "human", "value": "<image>\nWhat is the bus [0.2, 0.2, 0.5, 0.5]?"},
        {"from": "gpt", "value": "Red."},
    ]
    return {"id": record_id, "image": "vg/VG_100K/9000001.jpg", "conversations": turns, **extra}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    top = tmp_path_factory.mktemp("findings")
    save_photo(top / "raw" / "VG_100K" / "9000001.jpg", (320, 240))
    rows = [faulty(9000001, 3), faulty(9000002, 20), faulty(9000003, 400)]
    (top / "referring_qa.json").write_text(json.dumps(rows))
    (top / "theirs.json").write_text(json.dumps([llava("mine"), llava("referring_qa-9000001-0")]))
    with start_browser() as browser, serving(top / "referring_qa.json", top / "theirs.json", images=top / "raw") as url:
        yield Place(browser, url)


def stored(count: int) -> Stored:
    many = [finding("box-inverted", f"box {n}") for n in range(count)]
    found = [*many, finding("turn-empty", "''")]
    return Stored("a.json", 1, 1, "native", "none", "5", 5, None, None, False, b"{}", found)


@pytest.mark.parametrize(("count", "left_out"), [(3, 0), (MOST_FINDINGS - 1, 0), (MOST_FINDINGS, 1), (100_000, 99_801)])
def test_very_many_findings_are_cut_and_the_worst_stay(count: int, left_out: int) -> None:
    with Photos() as photos:
        shown = present(stored(count), photos, coordinates="padded")
    assert shown.findings_left_out == left_out
    assert len(shown.findings) == count + 1 - left_out
    assert shown.findings[0].code == "turn-empty"
    assert [one.found for one in shown.findings[1:4]] == ["box 0", "box 1", "box 2"]


def test_findings_are_open_the_worst_first(place: Place) -> None:
    with open_page(place.browser, f"{place.url}#1") as page:
        told = page.locator(".findings .finding:visible .code").all_inner_texts()
        assert 4 <= len(told) <= 8
        ranks = [("error", "warning", "note").index(one.split(":")[0]) for one in told]
        assert ranks == sorted(ranks)
        assert ranks[0] == 0
        assert page.locator(".findings q").count() == 0
        quotes = [text for text in page.locator(".finding p").all_inner_texts() if "\u201c" in text or "\u201d" in text]
        assert quotes == []
        assert page.locator(".finding .found", has_text=INVERTED).count() > 0


def test_more_findings_wait_below_a_fold(place: Place) -> None:
    with open_page(place.browser, f"{place.url}#2") as page:
        total = int(page.locator(".findings > summary").inner_text().split()[0])
        assert total > 8
        assert page.locator(".finding:visible").count() == 8
        fold = page.locator(".findings .more > summary")
        assert fold.inner_text() == f"{total - 8} more"
        fold.click()
        assert page.locator(".finding:visible").count() == total


def test_what_is_cut_is_counted(place: Place) -> None:
    with open_page(place.browser, f"{place.url}#3") as page:
        total = int(page.locator(".findings > summary").inner_text().split()[0].replace(",", ""))
        assert total > MOST_FINDINGS
        assert page.locator(".finding").count() == MOST_FINDINGS
        left = total - MOST_FINDINGS
        assert page.locator(".findings > .told").inner_text() == f"{left} more findings not shown; validate tells them."


def test_a_frame_that_nobody_knows_is_said_to_be_taken_so(place: Place) -> None:
    for number, names in (
        (1, ["original (as written)", "padded"]),
        (4, ["original", "taken to be padded"]),
        (5, ["original", "padded (as written)"]),
    ):
        with open_page(place.browser, f"{place.url}?frame=padded#{number}") as page:
            assert page.locator(".tools .segmented button").all_inner_texts() == names
            page.locator(".tools .segmented button").first.click()
            assert page.locator(".canvas").get_attribute("data-frame") == "original"


def test_a_frame_that_is_told_is_taken_as_told(tmp_path: Path) -> None:
    from test_view_export import read

    save_photo(tmp_path / "raw" / "VG_100K" / "9000001.jpg", (320, 240))
    (tmp_path / "theirs.json").write_text(json.dumps([llava("mine")]))
    args = ("view", tmp_path / "theirs.json", "--images", tmp_path / "raw", "--export", tmp_path / "look")
    assert call(*args, "--coordinates", "original").code == DONE
    [one] = read(tmp_path / "look")["records"]  # type: ignore[misc]
    assert (one["record"]["frames"]["written"], one["record"]["frames"]["is_assumed"]) == ("original", False)
