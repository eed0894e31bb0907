"""The page of ``svit-convert stats``: complete in itself, escaped, its numbers those of the JSON, readable anywhere."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from svit_datasets.findings import finding
from svit_datasets.statistics.gather import stats
from svit_datasets.statistics.page import make_page
from svit_datasets.statistics.plots import ticks_to
from svit_datasets.statistics.summary import summarise
from svit_datasets.statistics.told import Summary
from tests.browser import start_browser
from tests.helpers_cli import SAMPLE, record

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EVIL = '<script>alert("1")</script>&amp;\'"><img src=x onerror=alert(1)>'
VOID = {"meta", "hr", "br"}


class Outline(HTMLParser):
    """Elements of a page: their names and attributes, the rows of its tables, and whether all are closed in turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def sample() -> Summary:
    return summarise(stats(SAMPLE / "data", images=SAMPLE))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


def test_it_is_complete_in_itself_and_well_formed(sample: Summary) -> None:
    page = make_page(sample)
    outline = Outline(page)
    assert outline.open == []
    assert not {"script", "link", "img", "iframe", "object", "a"} & outline.names
    assert not {name for name, _ in outline.attributes} & {"src", "href", "srcset", "onclick"}
    assert re.findall(r"url\(|@import|https?:|//", page) == []
    assert "prefers-color-scheme: dark" in page


def test_its_tables_hold_the_numbers_of_the_json(sample: Summary) -> None:
    rows = Outline(make_page(sample)).rows
    whole = sample.to_dict()
    names = ("records", "images", "conversations", "questions", "answers", "boxes", "phrases")
    for task, part in [*whole["tasks"].items(), ("all", whole["all"])]:
        assert [task, *(f"{part['counts'][name]:,}" for name in names)] in rows
    tasks = list(whole["tasks"])
    for name, spread in whole["all"]["distributions"].items():
        for i, bar in enumerate(spread["histogram"]):
            parts = [whole["tasks"][t]["distributions"].get(name) for t in tasks]
            told = [f"{part['histogram'][i]['count']:,}" for part in parts if part]
            cells = told if len(told) > 1 and name != "conversations_per_image" else []
            assert [bar["label"], *cells, f"{bar['count']:,}"] in rows, name
    for ranking in whole["all"]["rankings"].values():
        for row in ranking["top"]:
            assert [row["text"], f"{row['count']:,}", f"{row['count'] / ranking['total']:.1%}"] in rows


def test_all_text_is_escaped(tmp_path: Path) -> None:
    turns = (f"{EVIL} <st>{EVIL}<ed> [0, 0, 1, 1]", f"{EVIL} \x00\x1b[1m\u202eabc")
    rows = [record(1, *turns)]
    rows[0]["conversations"][0]["topic"] = EVIL
    path = tmp_path / f"{EVIL.replace('/', '')}.json"
    path.write_text(json.dumps(rows))
    counted = stats(path, task="conversation")
    counted.add_fault(finding("record-syntax", EVIL, file=EVIL))
    page = make_page(summarise(counted))
    outline = Outline(page)
    assert "img" not in outline.names
    assert "script" not in outline.names
    assert {name for name, _ in outline.attributes} <= {
        "lang", "charset", "name", "content", "class", "style", "title", "role", "aria-label",
    }  # fmt: skip
    assert not re.search("[\x00\x1b\u202e]", page)
    assert "&lt;script&gt;" in page


def test_lower_bounds_and_estimates_are_said_to_be_such(tmp_path: Path) -> None:
    path = tmp_path / "detail.json"
    path.write_text(json.dumps([record(i, "Why?", f"w{i} it is") for i in range(20_000)]))
    counted = stats(path)
    counted.tasks["detail_description"].images.limit = 1000
    counted.tasks["detail_description"].images.add("x")
    told = summarise(counted)
    ranking = told.all.rankings["answer_openings_1_word"]
    assert (ranking.is_exact, ranking.missing_at_most, ranking.total) == (False, 1, 20_000)
    page = make_page(told)
    assert "20,000 answers in all; counts are lower bounds, at most 1 too low" in page
    assert "<b>about " in page
    assert (
        "Some rankings had too many different texts to count each: their counts are lower bounds, at most 1 too low."
        in told.notes
    )
    assert "There are too many images to count each: their number, and conversations per image, are estimates." in (
        told.notes
    )


@pytest.mark.parametrize("highest", [0, 1, 2, 7, 99, 100, 101, 123_456, 10**9])
def test_an_axis_ends_at_a_round_number_not_far_above_the_highest(highest: int) -> None:
    ticks = ticks_to(highest)
    numbers = [int(tick.text.replace(",", "")) for tick in ticks]
    assert numbers[0] == 0
    assert max(1, highest) <= numbers[-1] <= max(1, 2 * highest)
    assert len({b - a for a, b in pairwise(numbers)}) == 1
    assert (ticks[0].percent, ticks[-1].percent, len(ticks) <= 6) == (0, 100, True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_any_window_and_can_be_read(
    browser: Browser, sample: Summary, tmp_path: Path, scheme: Any, width: int
) -> None:
    path = tmp_path / "stats.html"
    path.write_text(make_page(sample), "utf-8")
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url))
    page.goto(path.as_uri())
    assert said == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST, ["body", ".soft", ".plot .count b", ".ranks b", "summary", "th"]) >= 4.5
    assert page.evaluate(BARS, ".plot .area i, .rows i") >= 3
    plots = page.eval_on_selector_all(".plot .area", HEIGHTS)
    drawn = [
        spread for spread in sample.all.distributions.values() if spread.unit[0] not in "%" and ":" not in spread.unit
    ]
    assert len(plots) == len(drawn) == 7
    for heights, spread in zip(plots, drawn, strict=True):
        top = int(ticks_to(max(bar.count for bar in spread.histogram))[-1].text.replace(",", ""))
        assert heights == pytest.approx([bar.count / top for bar in spread.histogram], abs=0.02)
    page.close()


HEIGHTS = """areas => areas.map(area => [...area.querySelectorAll("div")].map(bar => [...bar.children]
  .reduce((sum, part) => sum + part.getBoundingClientRect().height, 0) / area.clientHeight))"""
LUMINANCE = """
const rgb = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = text => { const [r, g, b] = rgb(text).map(linear);
  return .2126 * r + .7152 * g + .0722 * b; };
const ratio = (a, b) => (Math.max(light(a), light(b)) + .05) / (Math.min(light(a), light(b)) + .05);
const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (!c.endsWith(", 0)")) return c; } return "rgb(255, 255, 255)"; };
"""
CONTRAST = f"names => {{ {LUMINANCE} return Math.min(...names.flatMap(n => [...document.querySelectorAll(n)])\
.map(e => ratio(getComputedStyle(e).color, behind(e)))); }}"
BARS = f"name => {{ {LUMINANCE} return Math.min(...[...document.querySelectorAll(name)]\
.map(e => ratio(getComputedStyle(e).backgroundColor, behind(e.closest('.card'))))); }}"


def test_a_terminal_gets_ruled_tables(tmp_path: Path) -> None:
    code = "from svit_datasets.statistics.command import stats; stats()"
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-c", code, str(SAMPLE / "data"), "--top", "3"]
    env = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    process = subprocess.Popen(arguments, stdout=theirs, stderr=subprocess.PIPE, env=env, cwd=tmp_path)
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 1 << 16)
        except OSError:  # the other end was closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    assert process.communicate()[1].decode() == "stats: 24 records, 246 pairs\n"
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    assert "\u2500" * 20 in text
    assert re.search(r"referring_qa +6 +6 +60 +60 +60 +186 +144", text)
    assert "\x1b[1m" in shown.decode()
