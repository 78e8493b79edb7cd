"""The page as a person uses it, in headless Chromium, at desktop and at phone width."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Dialog,
    Locator,
    Page,
    Playwright,
    Route,
    expect,
)

from facehub import MemoryGallery, default_recognizer, enrol
from facehub.demo import page as page_module
from facehub.demo import photo as photo_module
from facehub.demo import texts
from facehub.demo.settings import Settings
from facehub.hosted.recognizer import Host
from facehub.io.formats import SUFFIXES

pytestmark = pytest.mark.browser
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
PEOPLE = {
    "Eileen Collins": ("eileen_collins.jpg", "eileen_collins_tilted.jpg"),
    "Grace Hopper": ("grace_hopper.jpg",),
}
SIZES = {"desktop": (1366, 800), "phone": (390, 844)}
SCREENSHOTS = os.environ.get("FACEHUB_SCREENSHOTS")  # the folder for screenshots


@contextlib.contextmanager
def launch(playwright: Playwright, chromium: str, picture: Path, folder: Path) -> Iterator[Browser]:
    """Launch a browser whose webcam shows a picture, above a patch that changes in each frame."""
    still = cv2.imread(str(picture))
    scale = min(640 / still.shape[1], 440 / still.shape[0])
    still = cv2.resize(still, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[: still.shape[0], : still.shape[1]] = still
    with (folder / "webcam.mjpeg").open("wb") as file:
        for number in range(20):
            frame[-40:] = 10 * number
            file.write(cv2.imencode(".jpg", frame)[1].tobytes())
    flags = [*FLAGS, f"--use-file-for-fake-video-capture={folder / 'webcam.mjpeg'}"]
    browser = playwright.chromium.launch(executable_path=chromium, args=flags)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def browser(
    playwright: Playwright,
    chromium: str,
    examples: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Browser]:
    """A browser whose webcam shows two people."""
    folder = tmp_path_factory.mktemp("webcam")
    with launch(playwright, chromium, examples / "both.jpg", folder) as browser:
        yield browser


@pytest.fixture(scope="module", params=SIZES)
def context(
    browser: Browser, page_url: str, request: pytest.FixtureRequest
) -> Iterator[BrowserContext]:
    """A browser of one size; its pages share a cache."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=page_url.rstrip("/"))
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, page_url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.set_default_timeout(20_000)
    page.goto(page_url)
    expect(page.locator("#compare")).to_be_visible(timeout=20_000)
    yield page
    assert [url for url in asked if not url.startswith((page_url, "data:", "blob:"))] == []
    assert page_url in asked
    assert page.viewport_size is not None
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing overflows
    if SCREENSHOTS:
        page.wait_for_timeout(600)  # let the result fade in
        name = request.node.name.removeprefix("test_").replace("[", "-").rstrip("]")
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)
    page.close()


def upload(page: Page, component: str, *files: Path) -> None:
    page.set_input_files(f"#{component} input[type=file]", list(files))


def put(page: Page, side: str, file: Path, note: str = "One face found.") -> None:
    upload(page, side, file)
    expect(page.locator(f"#{side}-note")).to_contain_text(note)


def compare(page: Page, first: Path, second: Path) -> None:
    put(page, "first", first)
    put(page, "second", second)


def is_on_the_screen(element: Locator, scrolled: bool = False) -> None:
    """Check that all of it is visible and, unless `scrolled`, that the page has not scrolled."""
    expect(element).to_be_in_viewport(ratio=0.99)
    assert scrolled or element.evaluate("scrollY") == 0


def expect_only_message(page: Page, element: str, text: str) -> None:
    """Expect one message, in its place, without a toast or an error badge of Gradio."""
    expect(page.locator(f"#{element} .fh-card")).to_have_text(text)
    expect(page.get_by_text(text)).to_have_count(1)
    expect(page.get_by_test_id("toast-body")).to_have_count(0)
    expect(page.locator("span.error")).to_have_count(0)


def start_webcam(component: Locator) -> None:
    component.get_by_text("Access Webcam").click()
    video = component.locator("video")
    expect(video).to_be_visible()
    video.evaluate("e => new Promise(r => e.videoWidth ? r() : e.addEventListener('playing', r))")


def take_snapshot(page: Page) -> None:
    page.get_by_role("button", name="Webcam or clipboard").click()
    snapshot = page.locator("#snapshot")
    start_webcam(snapshot)
    snapshot.get_by_label("capture photo").click()
    expect(snapshot.locator("img")).to_be_visible()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_verify_compares_as_soon_as_both_pictures_are_read(page: Page, examples: Path) -> None:
    consent = page.locator("#consent")
    expect(consent).to_contain_text("you confirm that you may use it")
    above = page.locator("#first").bounding_box()
    assert above is not None
    assert (consent.bounding_box() or above)["y"] < above["y"]  # before the first upload
    compare(page, examples / "eileen_collins.jpg", examples / "grace_hopper.jpg")
    verdict = page.locator("#verdict")
    expect(verdict.locator("h2")).to_have_text("Different people")
    expect(verdict.locator(".fh-pair img")).to_have_count(2)
    expect(verdict.locator(".fh-mark")).to_be_visible()
    expect(verdict.locator(".fh-odds")).to_contain_text("pairs of one person score this low")
    is_on_the_screen(verdict.locator(".fh-says"))
    put(page, "second", examples / "eileen_collins_tilted.jpg")
    expect(verdict.locator("h2")).to_have_text("Same person")  # at once
    is_on_the_screen(verdict.locator(".fh-says"))


def test_examples_run_at_a_click(page: Page) -> None:
    page.get_by_role("button", name="Example: one person").click()
    expect(page.locator("#verdict h2")).to_have_text("Same person")
    page.get_by_role("button", name="Example: two people").click()
    expect(page.locator("#verdict h2")).to_have_text("Different people")


def test_choosing_another_face_changes_the_verdict(page: Page, examples: Path) -> None:
    put(page, "first", examples / "both.jpg", "2 faces found")
    put(page, "second", examples / "eileen_collins.jpg")
    thumbnail = page.locator("#first-face label").first.locator("span").first
    shown = thumbnail.evaluate("e => getComputedStyle(e, '::before').backgroundImage")
    assert shown.startswith('url("data:image/jpeg')
    expect(page.locator("#verdict h2")).to_have_text("Different people")  # the largest face
    page.get_by_label("Face 1").check()
    expect(page.locator("#verdict h2")).to_have_text("Same person")
    is_on_the_screen(page.locator("#verdict .fh-says"), scrolled=True)


def test_a_face_can_be_chosen_with_the_keyboard(page: Page, examples: Path) -> None:
    put(page, "first", examples / "both.jpg", "2 faces found")
    put(page, "second", examples / "eileen_collins.jpg")
    page.locator("#first-face input").first.focus()
    page.keyboard.press("Space")
    expect(page.get_by_label("Face 1")).to_be_checked()
    expect(page.locator("#verdict h2")).to_have_text("Same person")


def test_swap_keeps_the_verdict_and_clear_removes_it(page: Page, examples: Path) -> None:
    put(page, "first", examples / "both.jpg", "2 faces found")
    put(page, "second", examples / "eileen_collins.jpg")
    expect(page.locator("#verdict h2")).to_have_text("Different people")
    page.get_by_label("Face 1").check()
    expect(page.locator("#verdict h2")).to_have_text("Same person")
    page.click("#swap")
    expect(page.locator("#first-note")).to_contain_text("One face found.")
    expect(page.locator("#second-note")).to_contain_text("2 faces found")
    expect(page.get_by_label("Face 1")).to_be_checked()
    expect(page.locator("#verdict h2")).to_have_text("Same person")
    page.click("#clear")
    expect(page.locator("#verdict")).to_contain_text("Choose two pictures")
    expect(page.locator("#share")).to_be_hidden()
    expect(page.locator("#first img")).to_have_count(0)
    page.click("#compare")
    expect_only_message(page, "verdict", texts.TWO_PICTURES)
    page.get_by_role("button", name="Example: one person").click()
    expect(page.locator("#verdict h2")).to_have_text("Same person")
    expect(page.get_by_text(texts.TWO_PICTURES)).to_have_count(0)


def test_result_as_text_holds_no_face(page: Page) -> None:
    expect(page.locator("#share")).to_be_hidden()
    page.get_by_role("button", name="Example: one person").click()
    expect(page.locator("#verdict h2")).to_have_text("Same person")
    share = page.locator("#share textarea")
    expect(share).to_have_value(re.compile("^facehub: Same person. Similarity 0."))
    assert "data:" not in share.input_value()


def test_an_unusable_picture_shows_the_reason_and_the_other_picture_stays(
    page: Page, examples: Path, tmp_path: Path
) -> None:
    text, grey = tmp_path / "text.jpg", tmp_path / "grey.png"
    text.write_text("no picture")
    Image.new("RGB", (300, 300), "grey").save(grey)
    put(page, "first", text, "This is not a picture")
    put(page, "second", grey, "No face was found")
    expect_only_message(page, "verdict", texts.ONE_MORE)
    put(page, "first", examples / "eileen_collins.jpg")
    expect(page.locator("#verdict h2")).to_have_text("Cannot tell")
    expect(page.locator("#verdict")).to_contain_text("What helps: a sharp, well-lit picture")
    expect(page.locator("#verdict")).to_contain_text("second picture: No face was found")
    expect(page.locator("#first img")).to_be_visible()


def test_a_small_face_gets_advice(page: Page, examples: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    with Image.open(examples / "grace_hopper.jpg") as picture:
        picture.resize((64, 75)).save(small)
    put(page, "first", small)
    put(page, "second", examples / "grace_hopper.jpg")
    expect(page.locator("#verdict")).to_contain_text("use a larger or closer picture")


def test_enrolled_people_are_identified_and_renamed_in_the_result(
    page: Page, examples: Path, tmp_path: Path
) -> None:
    open_tab(page, "Identify")
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
    faces, names = page.locator("#faces"), page.locator("#names")
    expect(names.locator("h2")).to_have_text("Eileen")
    expect(names).to_contain_text("1 face is unknown.")
    expect(page.locator("#probe img")).to_be_visible()
    expect(faces.locator(".fh-box")).to_have_text(["1. Eileen", "2. unknown"])
    expect(faces.locator(".fh-candidate img")).to_have_count(2)  # the photo that matches best
    expect(faces).to_contain_text("is taken for somebody in a gallery of 2 photos")

    page.get_by_role("button", name="Change the gallery").click()
    choose(page, "person", "Eileen")
    page.fill("#new-name input, #new-name textarea", "Colonel")
    page.click("#rename")
    expect(page.locator("#wall .fh-person b")).to_have_text(["Colonel"])
    expect(faces.locator(".fh-box")).to_have_text(["1. Colonel", "2. unknown"])  # at once
    choose(page, "person", "Colonel")
    page.click("#remove")
    expect(page.locator("#wall")).to_contain_text("The gallery is empty")
    expect(faces.locator(".fh-box")).to_have_text(["1. unknown", "2. unknown"])
    expect(names).to_contain_text("The gallery is empty: add people, or name a face")


def test_identified_names_are_visible_without_scrolling(page: Page) -> None:
    open_tab(page, "Identify")
    page.click("#identify-example")
    expect(page.locator("#names h2")).to_have_text("Eileen Collins, Grace Hopper")
    is_on_the_screen(page.locator("#names"), scrolled=True)


def test_errors_are_shown_once_and_disappear_with_the_next_success(
    page: Page, examples: Path
) -> None:
    open_tab(page, "Identify")
    page.click("#enrol")
    expect_only_message(page, "notice", texts.NO_PHOTOS)
    page.click("#identify")
    expect_only_message(page, "names", texts.NO_PROBE)
    page.get_by_role("button", name="Change the gallery").click()
    page.click("#remove")
    expect_only_message(page, "change-notice", texts.NO_PERSON)
    for control in ("name", "photos", "probe", "person", "wall"):
        expect(page.locator(f"#{control}")).to_be_visible()
    upload(page, "photos", examples / "grace_hopper.jpg")
    expect(page.locator("#photos")).to_contain_text("grace_hopper")
    page.click("#enrol")
    expect(page.locator("#notice")).to_have_text("1 added.")
    expect(page.get_by_text(texts.NO_PERSON)).to_have_count(0)


def test_enrolment_of_many_photos_shows_progress_and_can_be_stopped(
    page: Page, examples: Path, tmp_path: Path
) -> None:
    photo = (examples / "grace_hopper.jpg").read_bytes()
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as file:
        for number in range(111):
            file.writestr(f"Person {number:03}/1.jpg", photo)
    open_tab(page, "Identify")
    upload(page, "photos", tmp_path / "many.zip")
    expect(page.locator("#photos")).to_contain_text("many")
    expect(page.locator("#stop-enrol")).to_be_hidden()
    page.click("#enrol")
    notice = page.locator("#notice")
    expect(notice).to_have_text(re.compile(r"^\s*[1-9]\d* of 111 photos\s*$"))
    expect(page.get_by_text("of 111")).to_have_count(1)
    page.click("#stop-enrol")
    expect(notice).to_contain_text("Stopped after")
    expect(page.locator("#stop-enrol")).to_be_hidden()
    stopped = re.search(r"Stopped after (\d+) of 111", notice.inner_text())
    assert stopped is not None
    assert 0 < int(stopped[1]) < 111
    expect(page.locator("#wall .fh-person")).to_have_count(int(stopped[1]))


def test_enrolment_of_a_photo_of_two_people_asks_for_the_face(page: Page, examples: Path) -> None:
    open_tab(page, "Identify")
    upload(page, "photos", examples / "both.jpg")
    expect(page.locator("#photos")).to_contain_text("both")
    page.fill("#name input, #name textarea", "Grace")
    page.click("#enrol")
    expect(page.locator("#which-question")).to_have_text(
        "both.jpg shows 2 faces. Which one is Grace?"
    )
    page.click("#add-face")
    expect_only_message(page, "notice", texts.CHOOSE_FACE)
    page.locator("#which-face").get_by_label("Face 2").check()
    page.click("#add-face")
    expect(page.locator("#wall .fh-person")).to_have_text(["Grace1 photo"])
    expect(page.locator("#several")).to_be_hidden()
    upload(page, "probe", examples / "grace_hopper.jpg")
    expect(page.locator("#names h2")).to_have_text("Grace")


def test_a_zip_of_folders_is_enrolled_by_folder(page: Page, examples: Path, tmp_path: Path) -> None:
    open_tab(page, "Identify")
    archive = tmp_path / "people.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(examples / "eileen_collins.jpg", "Eileen Collins/1.jpg")
        file.write(examples / "eileen_collins_tilted.jpg", "Eileen Collins/2.jpg")
        file.write(examples / "grace_hopper.jpg", "Grace Hopper/1.jpg")
    upload(page, "photos", archive)
    expect(page.locator("#photos")).to_contain_text("people")
    page.click("#enrol")
    expect(page.locator("#wall .fh-person")).to_have_text(
        ["Eileen Collins2 photos", "Grace Hopper1 photo"]
    )


def drop(page: Page, component: str, *paths: Path, y: float = 40) -> None:
    """Drop files or folders on a component, with the events that Chromium itself sends."""
    zone = page.locator(f"#{component}")
    zone.scroll_into_view_if_needed()
    box = zone.bounding_box()
    assert box is not None
    client = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"type": kind, "x": box["x"] + box["width"] / 2, "y": box["y"] + y}
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        client.send("Input.dispatchDragEvent", {**at, "data": data})


@pytest.mark.parametrize(
    "names", [tuple(PEOPLE), ("Anna!", "Anna"), ("2019", "Agent 007"), ("#1 & <b>", "v. d. Berg")]
)
def test_dropped_folders_are_enrolled_under_their_names(
    page: Page, examples: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    open_tab(page, "Identify")
    for name, pictures in zip(names, PEOPLE.values(), strict=True):
        (tmp_path / "people" / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            shutil.copy(examples / picture, tmp_path / "people" / name / f"IMG_{number}.JPG")
    (tmp_path / "people" / names[1] / "notes.txt").write_text("no picture")
    (tmp_path / "people" / names[1] / "1.cr2").write_text("of a camera")
    (tmp_path / "people" / ".hidden").mkdir()
    (tmp_path / "people" / names[1] / "gone.jpg").symlink_to(tmp_path / "nowhere")
    drop(page, "photos", tmp_path / "people")
    expect(page.locator("#photos")).to_contain_text(names[1])
    card = page.locator("#nothing-dropped .fh-card")
    left_out = [f"people/{names[1]}/{file}" for file in ("1.cr2", "notes.txt")]
    for path in ("people/.hidden/", *left_out):
        expect(card).to_contain_text(path)
    expect(card).not_to_contain_text("Nothing dropped")
    page.click("#enrol")
    expect(page.locator("#notice")).to_have_text("3 added.")
    wall = page.locator("#wall .fh-person")
    expect(wall).to_have_text([f"{names[0]}2 photos", f"{names[1]}1 photo"])


def test_a_zip_in_a_dropped_folder_is_enrolled(page: Page, examples: Path, tmp_path: Path) -> None:
    open_tab(page, "Identify")
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "folder" / "Ada.zip", "w") as file:
        file.write(examples / "eileen_collins.jpg", "IMG_1.jpg")
    drop(page, "photos", tmp_path / "folder")
    expect(page.locator("#photos")).to_contain_text("Ada")
    page.click("#enrol")
    expect(page.locator("#wall .fh-person")).to_have_text(["Ada1 photo"])


def test_a_dropped_folder_without_pictures_shows_a_message(
    page: Page, examples: Path, tmp_path: Path
) -> None:
    open_tab(page, "Identify")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("no picture")
    card = page.locator("#nothing-dropped .fh-card")
    expect(card).to_be_hidden()
    drop(page, "photos", tmp_path / "folder")
    expect(card).to_be_visible()
    expect(card).to_contain_text("Nothing dropped can be used")
    drop(page, "photos", examples / "grace_hopper.jpg")
    expect(card).to_be_hidden()


def test_files_dropped_beside_the_zone_or_on_the_list_are_added(
    page: Page, page_url: str, examples: Path
) -> None:
    open_tab(page, "Identify")
    drop(page, "photos", examples / "eileen_collins.jpg", y=2)
    expect(page.locator("#photos")).to_contain_text("eileen_collins")
    drop(page, "photos", examples / "grace_hopper.jpg", y=60)
    expect(page.locator("#photos")).to_contain_text("grace_hopper")
    assert page.url == page_url
    page.click("#enrol")
    wall = page.locator("#wall .fh-person")
    expect(wall).to_have_text(["eileen collins1 photo", "grace hopper1 photo"])


def test_files_dropped_during_another_upload_are_added(page: Page, examples: Path) -> None:
    def slowly(route: Route) -> None:
        page.wait_for_timeout(500)
        route.continue_()

    page.route("**/upload?*", slowly)
    open_tab(page, "Identify")
    drop(page, "photos", examples / "eileen_collins.jpg")
    drop(page, "photos", examples / "grace_hopper.jpg")
    expect(page.locator("#photos table")).to_contain_text("grace_hopper")
    expect(page.locator("#photos table")).to_contain_text("eileen_collins")


def test_dropped_files_are_enrolled(page: Page, examples: Path) -> None:
    open_tab(page, "Identify")
    drop(page, "photos", examples / "eileen_collins.jpg", examples / "grace_hopper.jpg")
    expect(page.locator("#photos")).to_contain_text("grace_hopper")
    page.click("#enrol")
    wall = page.locator("#wall .fh-person")
    expect(wall).to_have_text(["eileen collins1 photo", "grace hopper1 photo"])


def test_a_snapshot_is_enrolled_under_the_given_name(
    playwright: Playwright, chromium: str, page_url: str, examples: Path, tmp_path: Path
) -> None:
    with launch(playwright, chromium, examples / "eileen_collins.jpg", tmp_path) as browser:
        page = browser.new_page()
        page.goto(page_url)
        open_tab(page, "Identify")
        take_snapshot(page)
        page.click("#enrol")
        expect_only_message(page, "notice", texts.NO_NAME)
        page.fill("#name input, #name textarea", "Me")
        page.click("#enrol")
        expect(page.locator("#notice")).to_contain_text("1 added.")
        expect(page.locator("#name input, #name textarea")).to_have_value("")
        upload(page, "probe", examples / "both.jpg")
        boxes = page.locator("#faces .fh-box")
        expect(boxes).to_have_text(["1. Me", "2. unknown"])


def test_a_snapshot_of_two_people_asks_for_the_face(page: Page) -> None:
    open_tab(page, "Identify")
    take_snapshot(page)
    page.fill("#name input, #name textarea", "Me")
    page.click("#enrol")
    expect(page.locator("#which-question")).to_contain_text("shows 2 faces. Which one is Me?")
    page.click("#leave-out")
    expect(page.locator("#several")).to_be_hidden()
    expect(page.locator("#wall")).to_contain_text("The gallery is empty")


def choose(page: Page, dropdown: str, option: str) -> None:
    page.locator(f"#{dropdown} input").click()
    page.locator(f"#{dropdown}").get_by_role("option", name=option, exact=True).click()
    expect(page.locator(f"#{dropdown} input")).to_have_value(option)


def answer(page: Page, yes: bool) -> list[str]:
    """Answer the next dialog; the list holds its question afterwards."""
    questions = []

    def handle(dialog: Dialog) -> None:
        questions.append(dialog.message)
        dialog.accept() if yes else dialog.dismiss()

    page.once("dialog", handle)
    return questions


def test_gallery_changes_can_be_undone_and_deletion_asks_first(page: Page, examples: Path) -> None:
    open_tab(page, "Identify")
    names = ("eileen_collins.jpg", "eileen_collins_tilted.jpg", "grace_hopper.jpg")
    upload(page, "photos", *(examples / name for name in names))
    expect(page.locator("#photos")).to_contain_text("grace_hopper")
    page.click("#enrol")
    wall = page.locator("#wall .fh-person b")
    expect(wall).to_have_text(["eileen collins", "eileen collins tilted", "grace hopper"])
    expect(page.locator("#wall")).to_contain_text("is a copy of eileen_collins.jpg")

    merged = ["eileen collins2 photos", "grace hopper1 photo"]
    expect(page.locator("#merge-found")).to_have_text(
        "Merge eileen collins tilted with eileen collins"
    )
    page.click("#merge-found")
    expect(page.locator("#wall .fh-person")).to_have_text(merged)
    expect(page.locator("#merge-found")).to_be_hidden()
    page.click("#undo")  # in the accordion that the merge opened
    expect(wall).to_have_text(["eileen collins", "grace hopper", "eileen collins tilted"])
    choose(page, "person", "eileen collins tilted")
    page.fill("#new-name input, #new-name textarea", "eileen collins")
    page.click("#rename")
    expect_only_message(page, "change-notice", "There is already a person named eileen collins.")
    choose(page, "merge-with", "eileen collins")
    page.click("#merge")
    expect(page.locator("#wall .fh-person")).to_have_text(merged)
    page.click("#undo")
    expect(wall).to_have_text(["eileen collins", "grace hopper", "eileen collins tilted"])
    expect(page.locator("#undo")).to_be_hidden()
    choose(page, "person", "eileen collins tilted")
    choose(page, "merge-with", "eileen collins")
    page.click("#merge")
    expect(page.locator("#wall .fh-person")).to_have_text(merged)
    choose(page, "person", "eileen collins")
    choose(page, "one-photo", "eileen_collins_tilted.jpg")
    page.click("#remove-photo")
    expect(page.locator("#wall .fh-person").first).to_have_text("eileen collins1 photo")
    choose(page, "person", "grace hopper")
    page.fill("#new-name input, #new-name textarea", "Grace Hopper")
    page.click("#rename")
    expect(wall).to_have_text(["eileen collins", "Grace Hopper"])
    choose(page, "person", "Grace Hopper")
    page.click("#remove")
    expect(wall).to_have_text(["eileen collins"])
    page.click("#undo")
    expect(wall).to_have_text(["eileen collins", "Grace Hopper"])
    choose(page, "person", "Grace Hopper")
    page.click("#remove")
    expect(wall).to_have_text(["eileen collins"])
    questions = answer(page, False)
    page.click("#delete")
    assert questions == ["Delete everybody in the gallery? This cannot be undone."]
    expect(wall).to_have_text(["eileen collins"])
    answer(page, True)
    page.click("#delete")
    expect(page.locator("#wall")).to_contain_text("The gallery is empty")
    expect_only_message(page, "change-notice", texts.DELETED)
    expect(page.locator("#undo")).to_be_hidden()


def test_a_gallery_file_replaces_the_gallery_only_if_valid_and_confirmed(
    page: Page, examples: Path, tmp_path: Path
) -> None:
    open_tab(page, "Identify")
    page.click("#identify-example")
    boxes = page.locator("#faces .fh-box")
    expect(boxes).to_have_text(["1. Eileen Collins", "2. Grace Hopper"])
    damaged, other = tmp_path / "damaged.safetensors", tmp_path / "other.safetensors"
    damaged.write_bytes(b"not a gallery")
    MemoryGallery("sha256:other").save(other)
    page.get_by_role("button", name="Load a gallery file").click()
    for file, complaint in (
        (damaged, "damaged.safetensors is damaged or not a facehub gallery"),
        (other, "other.safetensors was made with other weights"),
    ):
        answer(page, True)
        upload(page, "gallery-file", file)
        expect(page.locator("#notice")).to_contain_text(complaint)
    expect(page.locator("#wall .fh-person")).to_have_count(2)  # nothing lost

    sound = MemoryGallery(default_recognizer().fingerprint)
    enrol(sound, "Admiral", examples / "grace_hopper.jpg")
    sound.save(tmp_path / "sound.safetensors")
    questions = answer(page, False)
    page.click("#identify-example")
    assert questions == ["Replace everybody in the gallery?"]
    questions = answer(page, False)
    upload(page, "gallery-file", tmp_path / "sound.safetensors")
    assert questions == ["Replace everybody in the gallery?"]
    expect(page.locator("#wall .fh-person")).to_have_count(2)
    answer(page, True)
    upload(page, "gallery-file", tmp_path / "sound.safetensors")
    expect(page.locator("#notice")).to_contain_text("1 person with 1 photo loaded.")
    expect(boxes).to_have_text(["1. unknown", "2. Admiral"])


def test_a_dropped_gallery_file_needs_confirmation(
    page: Page, examples: Path, tmp_path: Path
) -> None:
    open_tab(page, "Identify")
    people = MemoryGallery(default_recognizer().fingerprint)
    enrol(people, "Admiral", examples / "grace_hopper.jpg")
    people.save(tmp_path / "people.safetensors")
    page.get_by_role("button", name="Load a gallery file").click()
    zone = page.locator("#gallery-file")
    for yes, names in ((False, []), (True, ["Admiral"])):
        zone.scroll_into_view_if_needed()
        page.wait_for_timeout(500)  # the accordion opens
        questions = answer(page, yes)
        drop(page, "gallery-file", tmp_path / "people.safetensors", y=60)
        expect(page.locator("#wall .fh-person b")).to_have_text(names)
        assert questions == ["Replace everybody in the gallery?"]


def test_live_webcam_names_every_face(page: Page) -> None:
    open_tab(page, "Identify")
    page.click("#identify-example")
    expect(page.locator("#faces .fh-box")).to_have_count(2)
    page.get_by_role("button", name="Live webcam").click()
    camera = page.locator("#camera")
    start_webcam(camera)
    camera.get_by_label("capture photo").click()
    labels = page.locator("#live-faces .fh-box")
    expect(labels).to_have_count(2)
    assert {text.split(". ")[1] for text in labels.all_inner_texts()} == {
        "Eileen Collins",
        "Grace Hopper",
    }
    frames = page.evaluate(
        """async () => { const pictures = new Set(); const end = Date.now() + 10000
        while (Date.now() < end && pictures.size < 4) {
          const picture = document.querySelector('#live-faces .fh-photo > img')
          if (picture) pictures.add(picture.src)
          await new Promise(requestAnimationFrame)
        }
        return pictures.size }"""
    )
    assert frames == 4  # the picture changes
    camera.get_by_label("capture photo").click()


def test_a_busy_server_shows_a_message(
    browser: Browser, serve, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One picture is being read, one waits, and the third visitor gets the message."""
    busy, go_on = threading.Event(), threading.Event()
    read_photo = photo_module.read_photo

    def slow(*args, **kwargs):
        busy.set()
        assert go_on.wait(60)
        return read_photo(*args, **kwargs)

    class OneThread(Host):
        threads = property(lambda _: 1, lambda *_: None)  # type: ignore[assignment]

    monkeypatch.setattr(photo_module, "read_photo", slow)
    monkeypatch.setattr(page_module, "Host", OneThread)
    app, url = serve(Settings(queue_size=1, workers=1))
    pages = [browser.new_page() for _ in range(3)]
    for page in pages:
        page.goto(url)
    upload(pages[0], "first", examples / "grace_hopper.jpg")
    assert busy.wait(20)
    upload(pages[1], "first", examples / "grace_hopper.jpg")
    for _ in range(100):
        if len(app._queue):
            break
        pages[1].wait_for_timeout(100)
    upload(pages[2], "first", examples / "grace_hopper.jpg")
    expect(pages[2].get_by_test_id("toast-body")).to_contain_text(
        "currently busy. Please try again."
    )
    expect(pages[2].locator("#first-note")).to_have_text(texts.NOT_READ)
    go_on.set()
    for page in pages[:2]:
        expect(page.locator("#first-note")).to_contain_text("One face found.")
        page.close()


def test_about_tab_shows_limits_thresholds_and_figures(page: Page) -> None:
    open_tab(page, "About")
    expect(page.get_by_role("heading", name="What is not claimed")).to_be_visible()
    expect(page.get_by_text("No liveness")).to_be_visible()
    expect(page.locator("#thresholds tbody tr")).to_have_count(5)
    expect(page.get_by_role("img", name="Share of pairs")).to_be_visible()
    pictures = page.locator("#evaluation img")
    expect(pictures).to_have_count(2)
    for picture in pictures.all():
        assert picture.evaluate("e => e.naturalWidth") > 500


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes_are_legible(page: Page, page_url: str, theme: str) -> None:
    """Text and background have a contrast of 4.5 to 1, as WCAG requires."""
    page.goto(f"{page_url}?__theme={theme}")
    page.get_by_role("button", name="Example: two people").click()
    expect(page.locator("#verdict h2")).to_have_text("Different people")
    assert _contrast(page.locator("#verdict h2")) >= 4.5
    open_tab(page, "About")
    curve = page.locator("#curve")
    for colour in ("--fh-first", "--fh-second"):
        curve.evaluate("(e, name) => { e.style.color = `var(${name})` }", colour)
        assert _contrast(curve) >= 4.5


def _contrast(element: Locator) -> float:
    colours = element.evaluate(
        """e => { const colour = getComputedStyle(e).color
        while (getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)') e = e.parentElement
        return [colour, getComputedStyle(e).backgroundColor] }"""
    )

    def luminance(colour: str) -> float:
        values = [float(v) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, colours))
    return (light + 0.05) / (dark + 0.05)


def test_every_control_has_a_name(page: Page) -> None:
    for tab in ("Verify", "Identify"):
        open_tab(page, tab)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, textarea, input:not([type=file])')]
            .filter(e => e.offsetParent && !(e.innerText.trim() || e.ariaLabel || e.title
              || e.labels?.length || e.closest('label') || e.placeholder))
            .map(e => e.outerHTML.slice(0, 120))"""
        )
        assert nameless == []


def test_an_unknown_face_can_be_named_in_the_result(page: Page, examples: Path) -> None:
    open_tab(page, "Identify")
    upload(page, "photos", examples / "eileen_collins.jpg")
    page.click("#enrol")
    expect(page.locator("#wall .fh-person")).to_have_text(["eileen collins1 photo"])
    upload(page, "probe", examples / "both.jpg")
    boxes = page.locator("#faces .fh-box")
    expect(boxes).to_have_text(["1. eileen collins", "2. unknown"])
    page.click("#name-face button")
    page.fill("#face-name input, #face-name textarea", "Grace")
    page.click("#enrol-face")
    expect_only_message(page, "naming-notice", texts.CHOOSE_FACE)
    choose(page, "face-choice", "2. unknown")
    page.click("#enrol-face")
    expect(boxes).to_have_text(["1. eileen collins", "2. Grace"])
    expect(page.locator("#wall .fh-person")).to_have_text(["eileen collins1 photo", "Grace1 photo"])


def test_file_pickers_offer_the_supported_formats(page: Page) -> None:
    """This covers pictures and photos to enrol."""
    pictures = ",".join(sorted(SUFFIXES))
    for side in ("first", "second"):
        expect(page.locator(f"#{side} input[type=file]")).to_have_attribute("accept", pictures)
    page.get_by_role("tab", name="Identify").click()
    expect(page.locator("#probe input[type=file]")).to_have_attribute("accept", pictures)
    photos = page.locator("#photos input[type=file]").get_attribute("accept") or ""
    assert {part.strip() for part in photos.split(",")} == SUFFIXES | {".zip"}


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "AVIF"])
def test_a_picture_of_any_format_is_shown_as_jpeg(
    page: Page, examples: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"face.{kind.lower()}"
    with Image.open(examples / "grace_hopper.jpg") as picture:
        picture.convert("RGB").save(path, kind)
    put(page, "first", path)
    expect(page.locator("#first img").first).to_have_attribute(
        "src", re.compile("^data:image/jpeg")
    )


@pytest.mark.parametrize("name", ["face.heic", "FACE.AVIF", "face.jfif"])
def test_a_picture_without_a_mime_type_is_read(page: Page, examples: Path, name: str) -> None:
    """Chromium gives HEIC files no type on most systems."""
    if Path(name).suffix not in SUFFIXES | {".AVIF"}:
        pytest.skip("needs facehub[heic]")
    content = (examples / "grace_hopper.jpg").read_bytes()
    untyped = {"name": name, "mimeType": "", "buffer": content}
    page.set_input_files("#first input[type=file]", untyped)
    expect(page.locator("#first-note")).to_contain_text("One face found.")


def test_a_dropped_picture_without_a_mime_type_is_read(page: Page, examples: Path) -> None:
    content = list((examples / "grace_hopper.jpg").read_bytes())
    page.evaluate(
        """content => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(content)], "face.AVIF"));
            document.querySelector("#first button").dispatchEvent(
                new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
        }""",
        content,
    )
    expect(page.locator("#first-note")).to_contain_text("One face found.")
