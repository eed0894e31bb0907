"""Screenshots of ``svit-convert view`` for the README, in light and dark; needs Chromium.

python scripts/page_pictures.py
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import svit_datasets

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
SIZE = {"width": 1200, "height": 720}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        svit_datasets.write_sample("svit-sample")
        program = [str(Path(sys.executable).with_name("svit-convert")), "view", "svit-sample/data", "--no-open"]
        server = subprocess.Popen(
            [*program, "--images", "svit-sample/raw", "--only-task", "referring"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert server.stdout is not None
            url = next(word for line in server.stdout for word in line.split() if word.startswith("http://"))
            for scheme in ("light", "dark"):
                (PICTURES / f"view-{scheme}.png").write_bytes(take(url, scheme))
        finally:
            server.terminate()
            server.wait()


def take(url: str, scheme: str) -> bytes:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport=SIZE)
        page.goto(url)
        page.wait_for_load_state("networkidle")
        shot = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    target = io.BytesIO()
    shot.convert("RGB").quantize(256).save(target, "PNG", optimize=True)
    return target.getvalue()


if __name__ == "__main__":
    main()
