"""Take the README's pictures of the page, one of each tab, into docs/.

    python scripts/screenshots.py

It needs Chromium and `pip install playwright '.[demo]'`.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from facehub.demo.page import build, launch_options
from facehub.pipeline import default_recognizer

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
EILEEN, TILTED, GRACE, BOTH = (
    EXAMPLES / f"{name}.jpg"
    for name in ("eileen_collins", "eileen_collins_tilted", "grace_hopper", "both")
)
expect.set_options(timeout=20_000)  # ms, as a busy machine needs
SIZE = {"width": 1024, "height": 1160}


def verify(page: Page) -> None:
    for side, photo in (("first", EILEEN), ("second", TILTED)):
        put(page, side, photo)
        expect(page.locator(f"#{side}-note")).to_contain_text("One face found.")
    page.click("#compare")
    expect(page.locator("#verdict")).to_contain_text("Same person")


def identify(page: Page) -> None:
    for count, (person, photo) in enumerate(
        {"Eileen Collins": EILEEN, "Grace Hopper": GRACE}.items()
    ):
        put(page, "photos", photo)
        page.fill("#name input, #name textarea", person)
        expect(page.locator("#photos")).to_contain_text(photo.stem[:12])
        page.click("#enrol")
        expect(page.locator("#wall .fh-person")).to_have_count(count + 1)
    put(page, "probe", BOTH)
    expect(page.locator("#probe img")).to_be_visible()
    page.click("#identify")
    expect(page.locator("#faces .fh-box")).to_have_count(2)


def album(page: Page) -> None:
    put(page, "album-photos", EILEEN, TILTED, GRACE, BOTH)
    expect(page.locator("#album-photos")).to_contain_text("grace_hopper")
    page.click("#album-find")
    expect(page.locator("#album-groups label")).to_have_count(2)


def about(page: Page) -> None:
    expect(page.locator("#thresholds")).to_be_visible()


def put(page: Page, component: str, *photos: Path) -> None:
    page.set_input_files(f"#{component} input[type=file]", list(photos))


def main() -> None:
    app = build(default_recognizer())
    _, url, _ = app.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for prepare in (verify, identify, album, about):
            page = browser.new_page(viewport=SIZE)
            page.goto(url)
            page.get_by_role("tab", name=prepare.__name__.title()).click()
            prepare(page)
            page.mouse.move(0, 0)
            page.wait_for_timeout(1000)  # results fade in
            page.evaluate("window.scrollTo(0, 0)")
            shot = Image.open(io.BytesIO(page.screenshot()))
            shot.quantize(256).save(ROOT / "docs" / f"{prepare.__name__}.png", optimize=True)
            page.close()
        browser.close()
    app.close()


if __name__ == "__main__":
    main()
