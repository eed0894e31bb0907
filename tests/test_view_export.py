"""The static copy: whole or not at all, its own photos, and the same page from a file:// address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import open_page, start_browser, wait_until
from helpers_cli import DONE, REPOSITORY, SAMPLE, UNUSABLE, call, record, save_photo, tree

from svit_datasets.errors import OutputError
from svit_datasets.viewer.data import Source, open_data
from svit_datasets.viewer.exporting import export, export_data
from svit_datasets.viewer.filters import Filter

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RAW = SAMPLE / "raw"
DATA = [SAMPLE / "data" / f"{name}.json" for name in ("referring_qa", "conversation")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


def address(folder: Path) -> tuple[str, tuple[str, ...]]:
    return f"{(folder / 'index.html').as_uri()}", (f"{folder.as_uri()}/",)


def read(folder: Path) -> dict[str, object]:
    """Return what ``data.js`` gives the page."""
    text = (folder / "data.js").read_text("ascii")
    body = re.sub(r",\n\], \"start\"", '\n], "start"', text.removeprefix('"use strict";\nglobalThis.svitExport = '))
    value: dict[str, object] = json.loads(body.removesuffix(";\n"))
    return value


def test_the_copy_opens_from_a_file_and_filters(browser: Browser, tmp_path: Path) -> None:
    ran = call("view", *DATA, "--images", RAW, "--export", tmp_path / "look")
    assert (ran.code, ran.out) == (DONE, b"")
    assert ran.err.splitlines()[1:] == [f"view: wrote 12 records and 6 photos; open {tmp_path / 'look' / 'index.html'}"]
    url, allowed = address(tmp_path / "look")
    with open_page(browser, f"{url}?frame=padded#1", allowed=allowed) as page:
        assert page.locator("#count").inner_text() == "12 records"
        wait_until(page, "document.querySelector('.canvas img')?.naturalWidth === 906")
        assert page.locator(".canvas").get_attribute("data-frame") == "padded"
        page.select_option("#filter-task", "conversation")
        wait_until(page, "document.querySelector('#count').textContent === '6 of 12 records'")
        page.fill("#filter-text", "SHIP")
        wait_until(page, "document.querySelector('#count').textContent === '1 of 12 records'")
        assert page.locator(".head h2").inner_text() == "9000002 #8"
        assert page.url == f"{url}?task=conversation&text=SHIP&frame=padded#8"
        page.fill("#filter-text", "")
        page.fill("#filter-id", "9000003")
        wait_until(page, "document.querySelector('.head h2').textContent === '9000003 #9'")


def test_photos_are_copied_byte_for_byte_and_once(tmp_path: Path) -> None:
    written = export(DATA, tmp_path / "look", images=RAW)
    assert (written.records, written.matched, written.photos) == (12, 12, 6)
    originals = {path.read_bytes() for path in (RAW / "VG_100K").iterdir()}
    assert {path.read_bytes() for path in (tmp_path / "look" / "photos").iterdir()} == originals
    assert (tmp_path / "look").stat().st_mode & 0o777 == 0o755


def test_a_turned_photo_shows_its_stored_pixels(browser: Browser, tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image, ImageChops

    turned = REPOSITORY / "tests" / "fixtures" / "odd_images" / "hopper_orientation_6.jpg"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "9000001.jpg").write_bytes(turned.read_bytes())
    (tmp_path / "referring_qa.json").write_text(json.dumps([record(9000001, "<st>Who<ed> [0, 0, 1, 1]?", "Her.")]))
    with open_data(Source([tmp_path / "referring_qa.json"], (tmp_path / "raw",))) as data:
        export_data(data, tmp_path / "look")
    stored = Image.open(turned).convert("RGB")
    copied = Image.open(tmp_path / "look" / "photos" / "1.png")
    assert ImageChops.difference(stored, copied).getbbox() is None
    url, allowed = address(tmp_path / "look")
    with open_page(browser, url, allowed=allowed) as page:
        page.keyboard.press("b")
        shot = Image.open(BytesIO(page.locator(".canvas img").screenshot())).convert("RGB").resize((8, 8))
    near = ImageChops.difference(shot, stored.resize((8, 8))).getextrema()
    assert max(high for _, high in near) < 60


def test_chosen_records_keep_their_numbers(tmp_path: Path) -> None:
    for args, numbers in (
        (["--id", "9000003"], [3, 9]),
        (["--id", "9000003", "--id", "9000001", "--only-task", "conversation"], [7, 9]),
        (["--text", "SERVICE dog"], [1, 7]),
        (["--only-task", "referring", "--limit", "2"], [1, 2]),
        (["--code", "box-without-phrase"], [1, 5]),
    ):
        folder = tmp_path / "-".join(args).replace(" ", "")
        assert call("view", *DATA, "--images", RAW, "--export", folder, *args).code == DONE
        records = read(folder)["records"]
        assert isinstance(records, list)
        assert [one["record"]["number"] for one in records] == numbers


def test_a_limit_says_what_it_leaves_out(tmp_path: Path) -> None:
    ran = call("view", *DATA, "--images", RAW, "--export", tmp_path / "look", "--limit", "5")
    assert ran.err.splitlines()[1:] == [
        "view: 5 of 12 records; --limit N for more",
        f"view: wrote 5 records and 5 photos; open {tmp_path / 'look' / 'index.html'}",
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--id", "5"], "error: no record asked for has the id 5; nothing was written"),
        (["--text", "nowhere"], "error: no record is asked for by these options; nothing was written"),
    ],
)
def test_nothing_asked_for_writes_nothing(tmp_path: Path, args: list[str], message: str) -> None:
    ran = call("view", *DATA, "--export", tmp_path / "look", *args)
    assert (ran.code, ran.err.splitlines()[-1]) == (UNUSABLE, message)
    assert tree(tmp_path) == set()


def test_only_an_earlier_export_is_replaced_and_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "look"
    common = ["view", *DATA, "--images", RAW, "--export", target]
    assert call(*common).code == DONE
    ran = call(*common, "--limit", "1")
    assert (ran.code, ran.err.strip()) == (
        UNUSABLE,
        f"error: {target}: exists already; name another folder or pass --overwrite",
    )
    assert len((target / "data.js").read_text().splitlines()) == 15
    assert call(*common, "--limit", "1", "--overwrite").code == DONE
    assert sorted(p.name for p in (target / "photos").iterdir()) == ["1.jpg"]
    (target / "mine.txt").write_text("keep me")
    ran = call(*common, "--overwrite")
    assert (ran.code, ran.err.splitlines()[-1]) == (
        UNUSABLE,
        f"error: {target}: exists already and is no export of this command; name a new folder",
    )
    assert (target / "mine.txt").read_text() == "keep me"
    assert {p.name for p in tmp_path.iterdir()} == {"look"}


def test_a_failure_leaves_the_earlier_export_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "look"
    with open_data(Source(DATA, (RAW,))) as data:
        export_data(data, target)
        before = (target / "data.js").read_bytes()

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("svit_datasets.viewer.exporting._Writer.write_data", fail)
        with pytest.raises(OutputError, match="look: no space left on device; nothing was written under this name"):
            export_data(data, target, overwrite=True)
        with pytest.raises(OutputError, match="new: no space left on device"):
            export_data(data, tmp_path / "new", asked=Filter(text="ship"))
    assert (target / "data.js").read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"look"}


def test_a_copy_tells_nothing_of_this_machines_folders(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    save_photo(tmp_path / "private" / "9000001.jpg", (40, 30))
    with open_data(Source([DATA[0]], (tmp_path / "private",))) as data:
        export_data(data, tmp_path / "look", ids=["9000001"])
    assert b"private" not in (tmp_path / "look" / "data.js").read_bytes()


def test_hostile_text_stays_text_in_the_copy(browser: Browser, tmp_path: Path) -> None:
    text = "</script><img src=x onerror=\"document.title='owned'\">\u2028"
    (tmp_path / "conversation.json").write_text(json.dumps([record(9000001, text, text, __proto__={"x": 1})]))
    with open_data(Source([tmp_path / "conversation.json"])) as data:
        export_data(data, tmp_path / "look")
    url, allowed = address(tmp_path / "look")
    with open_page(browser, url, allowed=allowed) as page:
        assert page.locator(".turn .text").all_inner_texts() == [text, text]
        assert page.title() == "9000001 \u00b7 svit view"
        assert page.locator("article img").count() == 0
