"""The page in a real browser with records that are hostile, unreadable, or very long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from browser import open_page, serving, start_browser, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = (
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "<svg onload=alert(1)> &lt;b&gt; \u202e {{7*7}} ${1+1} </textarea>",
)


class Place(NamedTuple):
    browser: Browser
    url: str


def write_odd(top: Path) -> Path:
    """Write hostile, empty and unreadable records."""
    rows = [
        {
            "id": text,
            "image": f"{text}.jpg",
            "conversations": [{"from": text, "value": text}, {"from": "gpt", "value": text}],
        }
        for text in HOSTILE
    ]
    long = {
        "id": "long",
        "conversations": [{"from": ("human", "gpt")[n % 2], "value": "word " * 100} for n in range(600)],
    }
    shapeless = {"id": "shapeless", "conversations": "none"}
    turns = [{"from": "human", "value": "Why is the sky blue?"}, {"from": "gpt", "value": "Air scatters blue light."}]
    good = {"id": "good", "conversations": turns}
    (top / "llava.json").write_text(
        json.dumps([*rows, long, shapeless])[:-1] + f', {{"id": "cut" "x"}}, {json.dumps(good)}]'
    )
    return top / "llava.json"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    top = tmp_path_factory.mktemp("odd")
    (top / "raw").mkdir()
    with start_browser() as browser, serving(write_odd(top), images=top / "raw") as url:
        yield Place(browser, url)


def wait_for_count(page: Page, text: str) -> None:
    wait_until(page, f"document.querySelector('#count').textContent.startsWith({json.dumps(text)})")


def wait_for_record(page: Page, number: int) -> None:
    wait_until(page, f"document.querySelector('.anchor')?.textContent === '#{number}'")


def test_hostile_text_is_shown_as_text(odd: Place) -> None:
    for number, text in enumerate(HOSTILE, 1):
        with open_page(odd.browser, f"{odd.url}#{number}") as page:
            wait_for_record(page, number)
            assert page.locator(".turn .text").all_inner_texts() == [text, text]
            assert page.locator(".turn .role").first.inner_text() == text
            assert page.title() == f"{text} \u00b7 svit view"
            assert page.locator("article script, article img, #lines img").count() == 0
            assert text in page.locator("#lines").inner_text()
            assert f"There is no {text}.jpg under " in page.locator(".told.bad").inner_text()


def test_what_cannot_be_read_is_listed_with_its_fault(odd: Place) -> None:
    with open_page(odd.browser, f"{odd.url}?code=record-syntax") as page:
        wait_for_count(page, "1 of 7 records")
        assert page.locator(".remark").inner_text() == "This record could not be read."
        assert "error: record-syntax" in page.locator(".findings").inner_text()
        assert page.locator(".raw pre").inner_text() == '{"id": "cut" "x"}'


def test_turns_of_another_shape_are_told(odd: Place) -> None:
    with open_page(odd.browser, f"{odd.url}#5") as page:
        assert (
            page.locator(".words-pane .told").inner_text() == "Its turns are not of the layout's shape; see its JSON."
        )


def test_a_very_long_record_is_cut_and_it_is_said(odd: Place) -> None:
    with open_page(odd.browser, f"{odd.url}#4") as page:
        assert page.locator(".turn").count() == 400
        assert page.locator(".words-pane > .told").inner_text() == "200 more turns not shown; the file has them."


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size_wh", [(1400, 900), (400, 800)])
def test_nothing_is_wider_than_the_window(odd: Place, size_wh: tuple[int, int], scheme: str) -> None:
    with open_page(odd.browser, f"{odd.url}#1", size_wh=size_wh, scheme=scheme) as page:
        for name in ("record", "list"):
            page.evaluate("name => { document.body.dataset.pane = name; }", name)
            assert page.evaluate("document.documentElement.scrollWidth") <= size_wh[0]


def test_any_and_no_finding_share_the_records(odd: Place) -> None:
    with open_page(odd.browser, odd.url) as page:
        texts = page.locator("#filter-code option").all_inner_texts()[1:3]
        counts = [int(text.split("(")[1].rstrip(")")) for text in texts]
        assert [text.split(" (")[0] for text in texts] == ["any finding", "no finding"]
        assert min(counts) > 0
        assert sum(counts) == 7
        for value, count in zip(("any", "none"), counts, strict=True):
            page.select_option("#filter-code", value)
            wait_for_count(page, f"{count} of 7 records")
