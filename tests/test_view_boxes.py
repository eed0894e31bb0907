"""Boxes on the screen: where the pixels of a rectangle are, in both frames, at several sizes of window and photo.

What is expected is worked out here from the record and the rectangle of the photo on the screen, not by the package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from browser import open_page, serving, start_browser, wait_until
from helpers_cli import REPOSITORY, record, save_photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = {9000001: (640, 480), 9000002: (333, 500), 9000003: (400, 400), 9000004: (1001, 300)}
BOXES = ([0.1, 0.2, 0.45, 0.9], [0.0, 0.0, 1.0, 1.0], [0.503, 0.617, 0.781, 0.744], [0.8, 0.7, 0.6, 0.65])
WINDOWS = ((1400, 900), (900, 700), (400, 800))
CLOSE_PX = 0.6  # half a pixel of the screen, and what a browser rounds


class Rect(NamedTuple):
    x: float
    y: float
    width: float
    height: float


class Place(NamedTuple):
    browser: Browser
    url: str


def boxed(box: list[float]) -> str:
    return "[" + ", ".join(map(str, box)) + "]"


def referring(image_id: int) -> dict[str, Any]:
    a, b, c, d = map(boxed, BOXES)
    answer = f"<st>A dog<ed> {a}, {c} and <st>all<ed> {b}; <st>the dog<ed> {a}, {c}. A thing {d}."
    return record(image_id, f"What is <st>this<ed> {c}?", answer)


def llava(image_id: int) -> dict[str, Any]:
    turns = [
        {"from": "human", "value": f"<image>\nWhere is the red bus {boxed(BOXES[2])}?"},
        {"from": "gpt", "value": "Here."},
    ]
    return {"id": f"x{image_id}", "image": f"vg/VG_100K/{image_id}.jpg", "conversations": turns}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    top = tmp_path_factory.mktemp("boxes")
    for image_id, size_wh in SIZES.items():
        save_photo(top / "raw" / "VG_100K" / f"{image_id}.jpg", size_wh)
    turned = REPOSITORY / "tests" / "fixtures" / "odd_images" / "hopper_orientation_6.jpg"
    (top / "raw" / "VG_100K" / "9000005.jpg").write_bytes(turned.read_bytes())
    (top / "referring_qa.json").write_text(json.dumps([referring(i) for i in (*SIZES, 9000005)]))
    (top / "llava.json").write_text(json.dumps([llava(i) for i in SIZES]))
    with (
        start_browser() as browser,
        serving(top / "referring_qa.json", top / "llava.json", images=top / "raw") as url,
    ):
        yield Place(browser, url)


def rects(page: Page, selector: str) -> list[Rect]:
    found = page.eval_on_selector_all(
        selector,
        "all => all.map(e => { const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })",
    )
    return [Rect(*one) for one in found]


def wait_for_photo(page: Page) -> Rect:
    wait_until(page, "document.querySelector('.canvas img')?.complete")
    [photo] = rects(page, ".canvas img")
    return photo


def assert_same(found: list[Rect], expected: list[Rect]) -> None:
    assert len(found) == len(expected)
    for rect in expected:
        assert any(max(abs(a - b) for a, b in zip(rect, one, strict=True)) < CLOSE_PX for one in found), (rect, found)


def on_photo(box: list[float], photo: Rect) -> Rect:
    (left, right), (top, bottom) = sorted((box[0], box[2])), sorted((box[1], box[3]))
    return Rect(
        photo.x + left * photo.width,
        photo.y + top * photo.height,
        (right - left) * photo.width,
        (bottom - top) * photo.height,
    )


@pytest.mark.parametrize("number", range(1, 5))
def test_native_boxes_lie_on_the_photo(place: Place, number: int) -> None:
    with open_page(place.browser, f"{place.url}#{number}") as page:
        for window_width, window_height in WINDOWS:
            page.set_viewport_size({"width": window_width, "height": window_height})
            check_native(page, list(SIZES.values())[number - 1])


def check_native(page: Page, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    photo = wait_for_photo(page)
    assert photo.width / photo.height == pytest.approx(width / height, rel=0.01)
    assert photo.width > 150
    drawn = [BOXES[0], BOXES[2], BOXES[1], BOXES[3], BOXES[2]]  # the two on the dog, all, the thing, this
    assert_same(rects(page, ".edge"), [on_photo(box, photo) for box in drawn])


@pytest.mark.parametrize("number", range(1, 5))
def test_in_the_padded_frame_they_move_with_the_photo(place: Place, number: int) -> None:
    with open_page(place.browser, f"{place.url}?frame=padded#{number}") as page:
        for window_width, window_height in WINDOWS:
            page.set_viewport_size({"width": window_width, "height": window_height})
            check_padded(page, list(SIZES.values())[number - 1])


def check_padded(page: Page, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    side = max(width, height)
    photo = wait_for_photo(page)
    [square] = rects(page, ".canvas")
    scale = square.width / side
    assert square.width == pytest.approx(square.height, abs=1)
    where = Rect(
        square.x + (side - width) // 2 * scale,
        square.y + (side - height) // 2 * scale,
        width * scale,
        height * scale,
    )
    assert_same([photo], [where])
    # three decimals and whole pixels of the published arithmetic move a corner by a pixel of the photo at most
    for box in BOXES:
        rect = on_photo(box, photo)
        near = [
            one
            for one in rects(page, ".edge")
            if max(abs(a - b) for a, b in zip(one, rect, strict=True)) < 2 * scale + 1
        ]
        assert near, box
    colour = page.eval_on_selector(".canvas", "e => getComputedStyle(e).backgroundColor")
    assert colour == "rgb(122, 116, 104)"


@pytest.mark.parametrize("number", range(6, 10))
def test_boxes_of_llava_records_are_fractions_of_the_square(place: Place, number: int) -> None:
    width, height = list(SIZES.values())[number - 6]
    side = max(width, height)
    with open_page(place.browser, f"{place.url}?frame=padded#{number}") as page:
        wait_for_photo(page)
        [square] = rects(page, ".canvas")
        assert_same(rects(page, ".edge"), [on_photo(BOXES[2], square)])
        page.get_by_role("button", name="original").click()
        photo = wait_for_photo(page)
        scale = photo.width / width
        x, y = (side - width) // 2, (side - height) // 2
        corners = [
            min(max(0, v * side - o), m) for v, o, m in zip(BOXES[2], (x, y, x, y), (width, height) * 2, strict=True)
        ]
        expected = on_photo([c / m for c, m in zip(corners, (width, height) * 2, strict=True)], photo)
        [found] = rects(page, ".edge")
        assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 2 * scale + 1
        assert page.locator("button.phrase.guessed").inner_text() == "red bus1?"
        assert page.locator(".chip").inner_text().split("\n") == ["1", "red bus (guessed)"]


def test_a_turned_photo_is_shown_as_stored(place: Place) -> None:
    """The browser draws the stored pixels: the corner that EXIF would turn away is where it is stored."""
    from PIL import Image

    stored = Image.open(REPOSITORY / "tests" / "fixtures" / "odd_images" / "hopper_orientation_6.jpg").convert("RGB")
    with open_page(place.browser, f"{place.url}#5") as page:
        photo = wait_for_photo(page)
        page.keyboard.press("b")
        shot = page.screenshot(clip={"x": photo.x, "y": photo.y, "width": photo.width, "height": photo.height})
        assert page.locator(".told", has_text="EXIF orientation 6 is ignored").count() == 1
    assert difference(shot, stored) < 12 < difference(shot, stored.transpose(Image.Transpose.ROTATE_270))


def difference(png: bytes, photo: Any) -> float:
    """Return how far the pixels of a screenshot are from a photo's: the mean of the worst channel."""
    from io import BytesIO

    from PIL import Image, ImageChops, ImageStat

    shown = Image.open(BytesIO(png)).convert("RGB").resize(photo.size)
    return max(ImageStat.Stat(ImageChops.difference(shown, photo)).mean)


def lit(page: Page) -> dict[str, list[str]]:
    """Return the groups of all that is lit, by kind."""
    kinds = (".box", ".phrase", ".boxes", ".chip", ".tag")
    return {k: page.eval_on_selector_all(f"{k}.lit", "all => all.map(e => e.dataset.group)") for k in kinds}


def test_pointing_at_a_phrase_lights_its_boxes_and_back(place: Place) -> None:
    with open_page(place.browser, f"{place.url}#1") as page:
        wait_for_photo(page)
        group = page.get_by_role("button", name=re.compile("^A dog")).first.get_attribute("data-group")
        page.locator(".phrase", has_text="A dog").hover()
        expected = {
            ".box": [group] * 2,
            ".phrase": [group] * 2,
            ".boxes": [group] * 2,
            ".chip": [group],
            ".tag": [group] * 2,
        }
        assert lit(page) == expected
        page.locator(".box", has=page.locator("rect")).locator(".edge").last.hover(force=True)
        assert len(set(lit(page)[".phrase"] + lit(page)[".boxes"])) == 1
        page.mouse.move(2, 2)
        assert lit(page) == {kind: [] for kind in lit(page)}


def test_moving_to_a_box_by_keyboard_lights_it_and_enter_holds_it(place: Place) -> None:
    with open_page(place.browser, f"{place.url}#6") as page:
        wait_for_photo(page)
        page.locator(".edge").focus()
        assert lit(page)[".phrase"] == ["1"]
        page.keyboard.press("Enter")
        page.locator(".walk button").first.focus()
        assert lit(page)[".phrase"] == ["1"]
        assert page.locator(".phrase").get_attribute("aria-pressed") == "true"
        page.keyboard.press("Escape")
        assert lit(page)[".phrase"] == []


def test_phrase_and_box_have_one_colour_and_one_number(place: Place) -> None:
    with open_page(place.browser, f"{place.url}#1") as page:
        wait_for_photo(page)
        colours = page.eval_on_selector_all(
            "[data-group]", "all => all.map(e => [e.dataset.group, getComputedStyle(e).getPropertyValue('--c')])"
        )
        by_group = dict(map(tuple, colours))
        assert sorted(by_group) == ["1", "2", "3", "4"]
        assert len(set(by_group.values())) == 4
        assert all(by_group[group] == colour for group, colour in colours)
        numbers = page.eval_on_selector_all(
            ".phrase", "all => all.map(e => [e.dataset.group, e.querySelector('sup').textContent])"
        )
        assert all(number.rstrip("?") == group for group, number in numbers)
        assert page.locator(".edge").first.get_attribute("aria-label") == "Box 3 all"
