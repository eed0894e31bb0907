"""A real headless Chromium for the tests of the page, and the watch that is kept on what it does."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without the sandbox, which a container has no rights for (these pages are our own), and without its small /dev/shm.
ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
LOOPBACK = "127.0.0.1"
WAIT_MS = 15_000


def find_browser() -> str:
    """Return where Chromium is; without one the tests are skipped, but in CI they fail."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = f"no browser: none of {', '.join(NAMES)} is installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Run a browser while the block runs; one a module, since starting takes about a second."""
    from playwright.sync_api import sync_playwright

    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def wait_until(page: Page, script: str) -> None:
    """Wait until a piece of JavaScript is true; the page's policy forbids what ``wait_for_function`` does."""
    end = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(script):
        assert time.monotonic() < end, f"never true: {script}\n{page.locator('body').inner_text()[:2000]}"
        time.sleep(0.02)


class Watch:
    """What a page did that it must not do: errors, console messages, requests beyond this machine.

    Args:
        page: The page.
        allowed: Beginnings of further addresses that it may ask for.
    """

    def __init__(self, page: Page, *, allowed: tuple[str, ...] = ()) -> None:
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.requests: list[str] = []
        self._allowed = allowed
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type != "log" else None)
        page.on("request", lambda request: self._see(request.url))

    def _see(self, url: str) -> None:
        self.requests.append(url)
        is_local = urlsplit(url).scheme == "http" and urlsplit(url).hostname == LOOPBACK
        if not is_local and not url.startswith(self._allowed or ("\0",)):
            self.strangers.append(url)


@contextmanager
def open_page(
    browser: Browser,
    url: str,
    *,
    size_wh: tuple[int, int] = (1400, 900),
    scheme: str = "light",
    allowed: tuple[str, ...] = (),
) -> Iterator[Page]:
    """Open the viewer's page once it is ready; at the end it must have done nothing that it must not do."""
    width, height = size_wh
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        watch = Watch(page, allowed=allowed)
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        yield page
        assert (watch.errors, watch.strangers) == ([], [])
    finally:
        context.close()


@contextmanager
def serving(*inputs: Path, images: Path | None = None, **given: Any) -> Iterator[str]:
    """Serve records from this process while the block runs, as the command does from its own; gives the address."""
    from svit_datasets.viewer.app import make_app
    from svit_datasets.viewer.data import Source, open_data
    from svit_datasets.viewer.server import run_app

    source = Source(list(inputs), () if images is None else (images,), **given)
    with (
        open_data(source) as data,
        run_app(make_app(data.index, data.photos, coordinates=data.coordinates)) as running,
    ):
        yield running.url
