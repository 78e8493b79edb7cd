"""The two tabs as a person uses them, in headless Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from facehub.gallery import Gallery

pytestmark = pytest.mark.browser
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = os.environ.get("FACEHUB_SCREENSHOTS")  # a folder to keep them in


@pytest.fixture(scope="module")
def browser() -> Iterator:
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, page_url: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(20_000)
    page.goto(page_url)
    expect(page.locator("#compare")).to_be_visible(timeout=20_000)
    yield page
    page.close()


def upload(page: Page, component: str, *files: Path) -> None:
    page.set_input_files(f"#{component} input[type=file]", list(files))


def screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.wait_for_timeout(600)  # let the result fade in
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


def compare(page: Page, first: Path, second: Path) -> None:
    upload(page, "first", first)
    upload(page, "second", second)
    expect(page.locator("#first img")).to_be_visible()
    expect(page.locator("#second img")).to_be_visible()
    page.click("#compare")


def test_verify_two_people(page: Page, examples: Path) -> None:
    compare(page, examples / "eileen_collins.jpg", examples / "grace_hopper.jpg")
    verdict = page.locator("#verdict")
    expect(verdict.locator("h2")).to_have_text("Different people")
    expect(verdict.locator(".fh-pair img")).to_have_count(2)
    expect(verdict.locator(".fh-mark")).to_be_visible()
    screenshot(page, "verify")


def test_verify_example_runs_at_a_click(page: Page) -> None:
    page.get_by_text("Examples (public domain)").scroll_into_view_if_needed()
    page.locator("table tbody tr").first.click()
    expect(page.locator("#verdict h2")).to_have_text("Same person")


def test_verify_says_which_picture_has_two_faces(page: Page, examples: Path) -> None:
    compare(page, examples / "eileen_collins.jpg", examples / "both.jpg")
    expect(page.locator("#verdict h2")).to_have_text("Cannot tell")
    expect(page.locator("#verdict")).to_contain_text("In the second picture: 2 faces")
    page.get_by_label("take the most similar pair").check()
    page.click("#compare")
    expect(page.locator("#verdict h2")).to_have_text("Same person")


def test_missing_picture_is_asked_for(page: Page) -> None:
    page.click("#compare")
    expect(page.get_by_text("Choose two pictures first.")).to_be_visible()


def test_identify(page: Page, examples: Path, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Identify").click()
    text = tmp_path / "notes.jpg"
    text.write_text("no picture")
    upload(
        page,
        "photos",
        examples / "eileen_collins.jpg",
        text,
        examples / "eileen_collins_tilted.jpg",
    )
    page.fill("#name input, #name textarea", "Eileen")
    expect(page.locator("#photos")).to_contain_text("eileen_collins_tilted")
    page.click("#enrol")
    expect(page.locator("#notice")).to_contain_text("2 added.")
    expect(page.locator("#notice")).to_contain_text("notes.jpg: This is not a picture")
    expect(page.locator("#wall")).to_contain_text("2 photos")

    upload(page, "probe", examples / "both.jpg")
    expect(page.locator("#probe img")).to_be_visible()
    page.click("#identify")
    boxes = page.locator("#faces .fh-box")
    expect(boxes).to_have_text(["1. Eileen", "2. unknown"])
    screenshot(page, "identify")


def test_gallery_survives_bad_files_until_it_is_deleted(
    page: Page, examples: Path, tmp_path: Path
) -> None:
    page.get_by_role("tab", name="Identify").click()
    page.click("#identify-example")
    expect(page.locator("#faces .fh-box")).to_have_text(["1. Eileen Collins", "2. Grace Hopper"])
    damaged, other = tmp_path / "damaged.safetensors", tmp_path / "other.safetensors"
    damaged.write_bytes(b"not a gallery")
    Gallery("sha256:other").save(other)
    page.get_by_text("Load a gallery file").first.click()
    for file, complaint in (
        (damaged, "damaged.safetensors is damaged or not a facehub gallery"),
        (other, "other.safetensors was made with other weights"),
    ):
        upload(page, "gallery-file", file)
        expect(page.locator("#notice")).to_contain_text(complaint)
    expect(page.locator("#wall .fh-person")).to_have_count(2)
    page.click("#identify")
    expect(page.locator("#faces .fh-box")).to_have_text(["1. Eileen Collins", "2. Grace Hopper"])
    page.click("#delete")
    expect(page.locator("#wall")).to_contain_text("The gallery is empty")
    expect(page.locator("#notice")).to_contain_text("The gallery has been deleted.")
