"""Accessibility of the page: axe-core, the keyboard alone, touch, phones, and no camera."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, FileChooser, Page, expect

from facehub.demo import texts

pytestmark = pytest.mark.browser

MODES = {"light": (1366, 800), "dark": (1366, 800), "phone": (390, 844)}
TABS = ("Verify", "Identify", "Album", "About")
TARGET = 24  # pixels, as WCAG 2.2 AA requires


@pytest.fixture
def open_page(browser: Browser, page_url: str) -> Iterator[Callable[..., Page]]:
    """Open the page in a mode; `script` runs before the scripts of the page."""
    contexts = []

    def opened(mode: str = "light", script: str = "") -> Page:
        width, height = MODES[mode]
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{page_url}?__theme={'dark' if mode == 'dark' else 'light'}")
        expect(page.get_by_role("tab", name="About")).to_be_visible()
        page.wait_for_timeout(500)  # Gradio puts some parts in place a moment later
        return page

    yield opened
    for context in contexts:
        context.close()


def fill(page: Page, tab: str) -> None:
    """Show a tab with a result and with all of its parts open."""
    page.get_by_role("tab", name=tab).click()
    if tab == "Verify":
        page.get_by_role("button", name="Example: one person").click()
        expect(page.locator("#verdict h2")).to_have_text("Same person")
    elif tab == "Identify":
        page.click("#identify-example")
        expect(page.locator("#faces .fh-box")).to_have_count(2)
        closed = page.locator("button.label-wrap[aria-expanded=false]:visible")
        while closed.count():
            closed.first.click()
    elif tab == "Album":
        page.click("#album-example")
        expect(page.locator("#album-groups label")).to_have_count(2)
    else:
        expect(page.locator("#curve svg")).to_be_visible()
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)  # colours fade


def faults(page: Page) -> list[str]:
    """Return all violations that axe-core finds, of any impact."""
    options = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in Axe().run(page, options=options).response["violations"]
        for node in violation["nodes"]
    ]


def small_targets(page: Page) -> list[str]:
    """Return controls smaller than 24 pixels; for an input with a label, measure the label."""
    return page.evaluate(
        """least => [...document.querySelectorAll('button, a[href], input, select, textarea')]
        .map(e => e.labels?.[0] ?? e)
        .filter(e => e.checkVisibility({visibilityProperty: true}))
        .filter(e => { const {width, height} = e.getBoundingClientRect()
          return width > 1 && height > 1 && Math.min(width, height) < least })
        .map(e => e.outerHTML.slice(0, 200))""",
        TARGET,
    )


@pytest.mark.parametrize("mode", MODES)
def test_no_tab_has_an_accessibility_violation(open_page: Callable[..., Page], mode: str) -> None:
    page = open_page(mode)
    found = faults(page)
    for tab in TABS:
        fill(page, tab)
        found += faults(page) + small_targets(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= MODES[mode][0], tab
    assert found == []


def reach(page: Page, selector: str, back: bool = False) -> None:
    """Move the focus to an element with the Tab key, and check that the focus is visible."""
    for _ in range(80):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            break
        page.keyboard.press("Shift+Tab" if back else "Tab")
    else:
        raise AssertionError(f"Tab does not reach {selector}")
    seen = page.evaluate(
        """() => { for (let e = document.activeElement; e; e = e.parentElement) {
          const {outlineStyle, boxShadow} = getComputedStyle(e)
          if (outlineStyle !== 'none' || boxShadow !== 'none') return true }
        return false }"""
    )
    assert seen, selector


def open_tab(page: Page, number: int) -> None:
    reach(page, f"[role=tab]:nth-child({number})")
    page.keyboard.press("Enter")


def choose_files(page: Page, selector: str, *files: Path) -> None:
    """Choose files with the Enter key; try again if Gradio has just replaced the button."""
    choosers: list[FileChooser] = []

    def opened(chooser: FileChooser) -> None:
        choosers.append(chooser)

    page.on("filechooser", opened)
    for _ in range(5):
        reach(page, selector)
        page.keyboard.press("Enter")
        page.wait_for_timeout(1000)
        if choosers:
            break
    page.remove_listener("filechooser", opened)
    choosers[0].set_files(list(files))


def saved(page: Page, selector: str) -> Path:
    """Download a file with the keyboard, and return its path."""
    reach(page, selector)
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = Path(download.value.path())
    return path.rename(path.with_name(download.value.suggested_filename))


def test_verify_with_the_keyboard_alone(open_page: Callable[..., Page], examples: Path) -> None:
    page = open_page()
    choose_files(page, "#first button", examples / "both.jpg")
    expect(page.locator("#first-note")).to_contain_text("2 faces found")
    choose_files(page, "#second button", examples / "eileen_collins.jpg")
    expect(page.locator("#second-note")).to_contain_text("One face found.")
    reach(page, "#first-face label:first-of-type input", back=True)
    page.keyboard.press("Space")
    reach(page, "#compare")
    page.keyboard.press("Enter")
    verdict = page.locator("#verdict h2")
    expect(verdict).to_have_text("Same person")
    reach(page, "#clear")
    page.keyboard.press("Enter")
    expect(verdict).to_have_count(0)


def test_identify_with_the_keyboard_alone(open_page: Callable[..., Page], examples: Path) -> None:
    page = open_page()
    open_tab(page, 2)
    choose_files(page, "#photos button", examples / "eileen_collins.jpg")
    expect(page.locator("#photos")).to_contain_text("eileen_collins")
    reach(page, "#enrol")
    page.keyboard.press("Enter")
    expect(page.locator("#wall .fh-person")).to_have_text(["eileen collins1 photo"])
    choose_files(page, "#probe button", examples / "both.jpg")
    read = page.locator("#faces, #names").filter(has_text=re.compile("Faces found|eileen collins"))
    expect(read.first).to_be_visible()
    reach(page, "#identify")
    page.keyboard.press("Enter")
    expect(page.locator("#faces .fh-box")).to_have_text(["1. eileen collins", "2. unknown"])

    table = saved(page, "#faces a[download]")
    assert table.name == "faces.csv"
    with table.open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["eileen collins", ""]
    picture = saved(page, "#faces .fh-download-picture")
    assert picture.name == "faces.jpg"
    with Image.open(picture) as drawn, Image.open(examples / "both.jpg") as plain:
        assert drawn.size == plain.size
        box = page.locator("#faces .fh-box").first
        left, top = (
            float(re.findall(rf"{side}: ?([\d.]+)%", box.get_attribute("style") or "")[0]) / 100
            for side in ("left", "top")
        )
        at = round(left * drawn.width), round((top + 0.05) * drawn.height)
        red, green, blue = drawn.convert("RGB").getpixel(at)  # on the green edge of the box
        assert green > max(red, blue) + 40

    reach(page, "#change button", back=True)
    expect(page.locator("#change button").first).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(page.locator("#change button").first).to_have_attribute("aria-expanded", "true")
    reach(page, "#person input")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#person input")).to_have_value("eileen collins")
    reach(page, "#remove")
    page.keyboard.press("Enter")
    expect(page.locator("#wall")).to_contain_text("The gallery is empty")
    reach(page, "#undo")
    page.keyboard.press("Enter")
    expect(page.locator("#wall .fh-person")).to_have_text(["eileen collins1 photo"])


def test_album_with_the_keyboard_alone(open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_tab(page, 3)
    reach(page, "#album-example")
    page.keyboard.press("Enter")
    expect(page.locator("#album-groups label")).to_have_count(2)
    reach(page, "#album-groups input")
    page.keyboard.press("Space")
    reach(page, "#album-name :is(input, textarea)")
    page.keyboard.type("Eileen")
    page.keyboard.press("Enter")
    expect(page.locator("#album-groups label").first).to_have_text("Eileen, 3 photos")
    assert "Eileen" in saved(page, "#album-links a[download$=csv]").read_text()


def test_a_camera_error_is_shown_as_text(open_page: Callable[..., Page]) -> None:
    page = open_page(
        script="navigator.mediaDevices.getUserMedia = () => "
        "Promise.reject(new DOMException('', window.reason))"
    )
    first = page.locator("#first")
    first.get_by_label("Capture from camera").click()
    for reason in ("NotAllowedError", "NotFoundError", "NotReadableError", "odd"):
        page.evaluate("reason => { window.reason = reason }", reason)
        first.get_by_text("Access Webcam").click()
        message = texts.CAMERA.get(reason, texts.CAMERA["other"])
        expect(first.get_by_role("alert")).to_have_text(message)
    expect(page.locator("#second").get_by_role("alert")).to_have_count(0)


def test_a_page_without_https_says_that_it_gets_no_camera(open_page: Callable[..., Page]) -> None:
    gone = "{value: undefined, configurable: true}"
    page = open_page(script=f"Object.defineProperty(navigator, 'mediaDevices', {gone})")
    first = page.locator("#first")
    first.get_by_label("Capture from camera").click()
    first.get_by_text("Access Webcam").click()
    expect(first.get_by_role("alert")).to_have_text(texts.CAMERA["insecure"])


def test_the_first_screen_says_what_the_page_does_and_does_not_do(
    open_page: Callable[..., Page],
) -> None:
    """The texts are visible without scrolling, on a phone too."""
    for mode in ("light", "phone"):
        page = open_page(mode)
        for text in ("Compare two faces", "Not for decisions", "you confirm that you may use it"):
            expect(page.get_by_text(text).first).to_be_in_viewport()
