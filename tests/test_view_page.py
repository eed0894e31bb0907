"""The page in a real browser: lists, filters, keyboard, links, hostile text, many records."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from browser import open_page, serving, start_browser, wait_until
from helpers_cli import record, save_photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MANY = 5000


class Place(NamedTuple):
    browser: Browser
    url: str


def write_many(top: Path) -> list[Path]:
    """Write 5,000 records of two tasks; every tenth has a faulty box, every 50th speaks of a zebra."""
    for start, name in ((0, "referring_qa"), (MANY // 2, "conversation")):
        rows = []
        for n in range(start, start + MANY // 2):
            box = "[0.9, 0.1, 0.2, 0.3]" if n % 10 == 0 else "[0.1, 0.1, 0.2, 0.3]"
            animal = "Zebra" if n % 50 == 0 else "dog"
            rows.append(record(9000000 + n, f"Where is <st>the {animal}<ed> {box}?", f"Number {n}."))
        (top / f"{name}.json").write_text(json.dumps(rows))
    return [top / "referring_qa.json", top / "conversation.json"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    top = tmp_path_factory.mktemp("many")
    save_photo(top / "raw" / "VG_100K" / "9000000.jpg", (320, 240))
    with serving(*write_many(top), images=top / "raw") as url:
        yield Place(browser, url)


def wait_for_count(page: Page, text: str) -> None:
    wait_until(page, f"document.querySelector('#count').textContent.startsWith({json.dumps(text)})")


def wait_for_record(page: Page, number: int) -> None:
    wait_until(page, f"document.querySelector('.anchor')?.textContent === '#{number}'")


def current(page: Page) -> str | None:
    return page.locator("#lines a[aria-current]").get_attribute("data-number")


def test_it_loads_a_page_of_the_list_and_the_first_record(place: Place) -> None:
    with open_page(place.browser, place.url) as page:
        assert page.locator("#count").inner_text() == "5,000 records \u00b7 1\u201350"
        assert page.locator("#lines li").count() == 50
        assert page.locator(".head h2").inner_text() == "9000000 #1"
        assert page.locator("#lines a").first.inner_text().split("\n")[:2] == [
            "9000000 referring qa #1".split()[0],
            "referring qa",
        ]
        assert page.title() == "9000000 \u00b7 svit view"
        assert page.url.endswith("/#1")


def test_every_filter_filters_and_stands_in_the_address(place: Place) -> None:
    with open_page(place.browser, place.url) as page:
        page.select_option("#filter-task", "conversation")
        wait_for_count(page, "2,500 of 5,000 records")
        page.fill("#filter-text", "zebra")
        wait_for_count(page, "50 of 5,000 records")
        wait_for_record(page, 2501)
        page.select_option("#filter-code", "box-inverted")
        wait_for_count(page, "50 of 5,000 records")
        page.fill("#filter-id", "9002550")
        wait_for_count(page, "1 of 5,000 records")
        wait_for_record(page, 2551)
        assert page.url.endswith("/?task=conversation&text=zebra&image_id=9002550&code=box-inverted#2551")
        page.fill("#filter-text", "nowhere")
        wait_for_count(page, "0 of 5,000 records")
        assert page.locator("#lines").inner_text() == "No record matches these filters."
        page.click("#clear")
        wait_for_count(page, "5,000 records")
        assert [page.input_value(f"#filter-{name}") for name in ("task", "text", "id", "code")] == [""] * 4


def test_findings_are_filtered_by_code_any_and_none(place: Place) -> None:
    with open_page(place.browser, place.url) as page:
        page.select_option("#filter-code", "box-inverted")
        wait_for_count(page, "500 of 5,000 records")
        assert page.locator("#lines .badge", has_text="box-inverted").count() == 50
        assert "warning: box-inverted" in page.locator(".findings").inner_text()
        told = {
            o.split(" (")[0]: int(re.sub(r"\D", "", o.split("(")[1]))
            for o in page.locator("#filter-code option").all_inner_texts()[1:]
        }
        assert told["any finding"] + told["no finding"] == MANY
        page.select_option("#filter-code", "none")
        wait_for_count(page, "0 of 5,000" if told["no finding"] == 0 else f"{told['no finding']:,} of 5,000 records")


def test_a_link_opens_the_same_filters_page_record_and_frame(place: Place) -> None:
    with open_page(place.browser, f"{place.url}?task=conversation&text=dog&frame=padded#3999") as page:
        wait_for_record(page, 3999)
        assert (page.input_value("#filter-task"), page.input_value("#filter-text")) == ("conversation", "dog")
        assert current(page) == "3999"
        assert page.locator('[data-act="padded"]').count() == 0  # no photo and no size: no frames to choose from
        assert "frame=padded" in page.url


def test_an_id_behind_the_hash_leads_to_its_first_record(place: Place) -> None:
    with open_page(place.browser, f"{place.url}#id=9004321") as page:
        wait_for_record(page, 4322)
        assert page.url.endswith("?page=87#4322")
        page.evaluate("location.hash = '#id=1'")
        page.wait_for_selector("text=There is no record of id 1.")


def test_a_record_outside_the_filters_is_shown_and_said(place: Place) -> None:
    with open_page(place.browser, f"{place.url}?text=zebra#2") as page:
        wait_for_record(page, 2)
        assert page.locator(".remark").inner_text() == "This record is not among those filtered."


def test_going_back_shows_the_record_before(place: Place) -> None:
    with open_page(place.browser, place.url) as page:
        page.click('#lines a[data-number="7"]')
        wait_for_record(page, 7)
        page.click('#lines a[data-number="9"]')
        wait_for_record(page, 9)
        page.go_back()
        wait_for_record(page, 7)
        assert current(page) == "7"


def test_keys_walk_through_records_and_pages(place: Place) -> None:
    with open_page(place.browser, f"{place.url}#49") as page:
        page.keyboard.press("j")
        wait_for_record(page, 50)
        page.keyboard.press("j")
        wait_for_record(page, 51)
        assert page.input_value("#page-number") == "2"
        page.keyboard.press("k")
        wait_for_record(page, 50)
        page.keyboard.press("n")
        page.wait_for_selector('#lines a[data-number="51"]')
        page.keyboard.press("p")
        page.wait_for_selector('#lines a[data-number="1"]')
        page.focus('#lines a[data-number="50"]')
        page.keyboard.press("ArrowUp")
        wait_for_record(page, 49)
        assert page.evaluate("document.activeElement.dataset.number") == "49"


def test_slash_escape_and_question_mark(place: Place) -> None:
    with open_page(place.browser, place.url) as page:
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "filter-text"
        page.keyboard.type("jjj/?k")
        wait_for_count(page, "0 of 5,000 records")
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.tagName") == "BODY"
        page.keyboard.press("Escape")
        wait_for_count(page, "5,000 records")
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("j")
        page.keyboard.press("Escape")
        assert not page.locator("#help").is_visible()


def test_f_and_b_change_frame_and_boxes(place: Place) -> None:
    with open_page(place.browser, place.url) as page:
        page.wait_for_selector(".canvas[data-frame=original]")
        page.keyboard.press("f")
        page.wait_for_selector(".canvas[data-frame=padded]")
        assert page.url.endswith("?frame=padded#1")
        assert page.locator(".edge").count() == 1
        page.keyboard.press("b")
        assert page.locator(".edge").count() == 0


def test_the_last_page_is_as_near_as_the_first(place: Place) -> None:
    with open_page(place.browser, place.url) as page:
        page.click("#page-last")
        page.wait_for_selector('#lines a[data-number="5000"]')
        assert page.locator("#page-next").is_disabled()
        page.fill("#page-number", "50")
        page.keyboard.press("Enter")
        page.wait_for_selector('#lines a[data-number="2451"]')
        began = time.monotonic()
        page.fill("#filter-text", "number 4999")
        wait_for_count(page, "1 of 5,000 records")
        assert time.monotonic() - began < 5


def test_a_narrow_window_shows_the_list_or_the_record(place: Place) -> None:
    with open_page(place.browser, place.url, size_wh=(400, 800)) as page:
        assert (page.locator("#list-pane").is_visible(), page.locator("#record-pane").is_visible()) == (True, False)
        page.click('#lines a[data-number="3"]')
        wait_for_record(page, 3)
        assert (page.locator("#list-pane").is_visible(), page.locator("#record-pane").is_visible()) == (False, True)
        page.get_by_role("button", name="List", exact=True).click()
        assert page.locator("#list-pane").is_visible()


def test_every_control_has_a_name(place: Place) -> None:
    with open_page(place.browser, place.url) as page:
        controls = page.locator("button:visible, input:visible, select:visible, [role=button]:visible, img")
        for control in controls.all():
            name = control.evaluate(
                "e => e.getAttribute('aria-label') || e.alt || e.textContent.trim() || e.labels?.[0]?.textContent"
            )
            assert name, control.evaluate("e => e.outerHTML")
        assert page.locator("#count").get_attribute("aria-live") == "polite"
