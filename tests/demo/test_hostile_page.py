"""Hostile and odd inputs (`tests/hostile/`) through the endpoints and the page."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from facehub import FaceRecognizer, MemoryGallery, enrol
from facehub.demo import texts
from tests.demo.routes import ask, picture, upload, uploads
from tests.hostile.cases import (
    ANY,
    FACE,
    FACES,
    LIMIT_BYTES,
    NO_PICTURE,
    NONE,
    Case,
    GalleryCase,
    ZipCase,
    limits,
    one_in,
)
from tests.hostile.galleries import GALLERIES
from tests.hostile.pictures import CASES
from tests.hostile.sound import hopper
from tests.hostile.zips import ZIPS

DECISIONS = {"same", "uncertain", "different"}
UPLOADS = [case for case in CASES if case.content and case.name != "name not in utf-8"]

TOO_LARGE = "33 MB"
TO_IDENTIFY = [
    case for case in UPLOADS if case.expected not in (FACE, NO_PICTURE) and case.name != TOO_LARGE
]

# All pictures, zips and galleries go through the command or the library; the endpoints and the
# browser try some.
some_uploads_by_api = one_in(3, UPLOADS)
some_uploads = one_in(8, UPLOADS)
some_zips = one_in(4, ZIPS)
some_galleries = one_in(4, GALLERIES)
each_zip = pytest.mark.parametrize("case", ZIPS, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The path of each picture case."""
    folder = tmp_path_factory.mktemp("corpus")
    return {case.name: case.write(folder) for case in UPLOADS}


@pytest.fixture(scope="module", autouse=True)
def earlier(page_url: str) -> set[Path]:
    """Files of other tests in the upload folder, which are not swept yet."""
    return uploads()


@pytest.fixture(autouse=True)
def nothing_raised(
    request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Check that the server, in this process, keeps the limits and prints no traceback."""
    if "page" in request.fixturenames and "case" in request.fixturenames:  # one at a time
        request.getfixturevalue("page")
        request.getfixturevalue("corpus")
        with limits(10, LIMIT_BYTES):
            yield
    else:
        yield
    output, errors = capfd.readouterr()
    assert "Traceback" not in output + errors


# --- the endpoints --------------------------------------------------------------------------------


Answer = dict | str  # the message of a refusal is a str
Answers = dict[tuple[str, str], Future[Answer]]


def ask_for(url: str, endpoint: str, *data: Any) -> Answer:
    status, text = ask(url, endpoint, *data)
    if status != 200:
        return text
    kind, _, content = text.split("event: ")[-1].partition("\ndata: ")
    answer = json.loads(content)
    return answer[0] if kind == "complete" else answer["error"]


@pytest.fixture(scope="module")
def answers(
    request: pytest.FixtureRequest,
    page_url: str,
    corpus: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    examples: Path,
) -> Iterator[Answers]:
    """Answers by endpoint and case. Four requests run at a time, as Gradio mostly waits."""
    zips = tmp_path_factory.mktemp("zips")

    def sent(file: Path) -> dict[str, Any]:
        return picture(upload(page_url, file))

    def verify(case: Case) -> Answer:
        pictures = sent(corpus[case.name]), sent(examples / "grace_hopper.jpg")
        return ask_for(page_url, "verify", *pictures, "exactly_one")

    def identify(case: Case) -> Answer:
        people = [sent(examples / "grace_hopper.jpg")]
        return ask_for(page_url, "identify", sent(corpus[case.name]), people, ["Grace"])

    def enrol_zip(case: ZipCase) -> Answer:
        people = [sent(case.write(zips))]
        return ask_for(page_url, "identify", sent(examples / "grace_hopper.jpg"), people, ["Ada"])

    def answer(ask: Callable[[Any], Answer], case: Case | ZipCase) -> Answer:
        try:
            return ask(case)
        except httpx.HTTPStatusError as error:  # the upload was refused
            return error.response.text

    asked = {item.name for item in request.session.items}
    test = test_api_verify_decides_or_gives_the_expected_error.__name__
    chosen = [case for case in UPLOADS if f"{test}[{case.name}]" in asked]
    with ExitStack() as stack:
        found: Answers = {}
        for name, ask, cases, workers in (
            ("verify", verify, chosen, 2),
            ("identify", identify, TO_IDENTIFY, 1),
            ("zip", enrol_zip, ZIPS, 1),
        ):  # one pool each: a test that runs alone does not wait for other endpoints
            pool = ThreadPoolExecutor(workers)
            stack.callback(pool.shutdown, cancel_futures=True)
            found |= {(name, case.name): pool.submit(answer, ask, case) for case in cases}
        yield found


def is_refused(answer: Answer, message: str) -> None:
    assert isinstance(answer, str), answer
    assert re.search(message, answer)
    assert "Traceback" not in answer
    assert os.environ["GRADIO_TEMP_DIR"] not in answer
    assert "/" not in answer


@some_uploads_by_api
def test_api_verify_decides_or_gives_the_expected_error(case: Case, answers: Answers) -> None:
    answer = answers["verify", case.name].result(60)
    if case.name == TOO_LARGE:  # refused by Gradio, before facehub sees it
        assert isinstance(answer, str)
        assert "exceeded" in answer
    elif case.fails:
        is_refused(answer, re.escape(case.expected))
    else:
        assert isinstance(answer, dict), answer
        wanted = {FACE: DECISIONS, ANY: DECISIONS | {"cannot_tell"}}
        assert answer["decision"] in wanted.get(case.expected, {"cannot_tell"})


@pytest.mark.parametrize("case", TO_IDENTIFY, ids=lambda case: case.name)
def test_api_identify_finds_the_faces_or_gives_the_expected_error(
    case: Case, answers: Answers
) -> None:
    answer = answers["identify", case.name].result(60)
    if case.fails:
        is_refused(answer, re.escape(case.expected))
    else:
        assert isinstance(answer, dict), answer
        found = (NONE, FACE, FACES)[min(len(answer["faces"]), 2)]
        assert case.expected in (ANY, found)


@each_zip
def test_api_identify_refuses_a_zip(case: ZipCase, answers: Answers) -> None:
    answer = answers["zip", case.name].result(60)
    if case.name == "a picture":
        assert isinstance(answer, dict), answer
    else:
        is_refused(answer, "not a picture|is empty")


def test_api_works_after_bad_inputs_and_leaves_no_upload(
    page_url: str, examples: Path, earlier: set[Path]
) -> None:
    pictures = [picture(upload(page_url, examples / "eileen_collins.jpg")) for _ in range(2)]
    answer = ask_for(page_url, "verify", *pictures, "exactly_one")
    assert isinstance(answer, dict), answer
    assert answer["decision"] == "same"
    assert uploads() <= earlier


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(browser: Browser, page_url: str) -> Page:
    """One page for all cases."""
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(page_url)
    expect(page.locator("#compare")).to_be_visible(timeout=20_000)
    return page


@pytest.fixture
def verify_tab(page: Page) -> Page:
    """The tab with both pictures cleared."""
    if not page.locator("#clear").is_visible():
        page.get_by_role("tab", name="Verify").click()
    # Clear only if needed: the answer to the click could arrive late and remove the next picture.
    if page.locator("#first-note").inner_text().strip() or page.locator("#first img").count():
        page.click("#clear")
    page.wait_for_function(
        """() => !document.querySelector('#first-note').innerText.trim()
        && !document.querySelector('#first img')"""
    )
    return page


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, recognizer: FaceRecognizer) -> Path:
    """A gallery file with three photos of Grace, unlike that of any case."""
    people = MemoryGallery(recognizer.fingerprint)
    for number in range(3):
        photo = hopper().rotate(5 * number)
        enrol(people, "Grace", photo, source=f"{number}.jpg", recognizer=recognizer)
    path = tmp_path_factory.mktemp("gallery") / "three.safetensors"
    people.save(path)
    return path


@pytest.fixture
def identify_tab(page: Page) -> Page:
    """The tab, with the controls of the gallery open."""
    if not page.locator("#enrol").is_visible():
        page.get_by_role("tab", name="Identify").click()
    for name, control in (("Load a gallery file", "#gallery-file"), ("Change the", "#delete")):
        if not page.locator(control).is_visible():
            page.get_by_role("button", name=name).click()
            expect(page.locator(control)).to_be_visible()
    return page


def wait_for_text(page: Page, element: str) -> str:
    """Wait for a text in `element` or in a toast, close the toasts, and return the text."""
    text = page.wait_for_function(
        """([element, reading]) => [`${element} [role=status]`, '[data-testid=toast-text]']
        .map(place => document.querySelector(place)?.innerText.trim())
        .find(text => text && text !== reading)""",
        arg=[element, texts.READING],
    ).json_value()
    for close in page.get_by_test_id("toast-close").all():
        close.click()
    expect(page.get_by_test_id("toast-text")).to_have_count(0)
    return text


def check_page(page: Page) -> None:
    """Check that no script of an input has run, and that the page shows no traceback."""
    assert page.evaluate("window.hacked") is None
    assert "Traceback" not in page.locator("body").inner_text()


@pytest.mark.browser
@some_uploads
def test_page_reads_a_picture_or_shows_the_expected_error(
    case: Case, corpus: dict[str, Path], verify_tab: Page
) -> None:
    page = verify_tab
    page.set_input_files("#first input[type=file]", corpus[case.name])
    text = wait_for_text(page, "#first-note")
    if not case.browser:
        assert "Invalid file type" in text
    elif case.name == TOO_LARGE:
        assert "exceed the maximum allowed size" in text
    elif case.fails:
        assert case.expected in text
        expect(page.locator("#first img")).to_have_count(0)
    else:
        notes = {FACE: "One face found.", FACES: "faces found", NONE: "No face was found"}
        wanted = notes.values() if case.expected == ANY else [notes[case.expected]]
        assert any(note in text for note in wanted), text
        expect(page.locator("#first img").first).to_be_visible()
    check_page(page)


@pytest.mark.browser
@some_zips
def test_page_enrols_the_valid_pictures_of_a_zip(
    case: ZipCase, identify_tab: Page, tmp_path: Path
) -> None:
    page = identify_tab
    page.click("#delete")
    expect(page.locator("#change-notice")).to_have_text("The gallery has been deleted.")
    path = case.write(tmp_path)
    page.set_input_files("#photos input[type=file]", path)
    expect(page.locator("#photos")).to_contain_text(path.stem[:8])
    page.click("#enrol")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("added.")
    check_page(page)
    names = page.locator("#wall .fh-person b")
    for part in case.failures:
        expect(notice).to_contain_text(part)
    expect(names).to_have_text(list(case.people))


@pytest.mark.browser
@some_galleries
def test_page_loads_a_valid_gallery_and_keeps_the_old_one_otherwise(
    case: GalleryCase, identify_tab: Page, three: Path, tmp_path: Path, recognizer: FaceRecognizer
) -> None:
    page, notice = identify_tab, identify_tab.locator("#notice")
    wall = page.locator("#wall .fh-person")
    if wall.all_inner_texts() != ["Grace\n3 photos"]:
        page.set_input_files("#gallery-file input[type=file]", three)
        expect(notice).to_have_text("1 person with 3 photos loaded.")
    path = case.write(tmp_path, recognizer.fingerprint)
    page.set_input_files("#gallery-file input[type=file]", path)
    if case.expected is None and case.usable:
        count = len(case.people)
        one = count == 1
        people, photos = ("person", "photo") if one else ("people", "photos")
        expect(notice).to_have_text(f"{count} {people} with {count} {photos} loaded.")
        expect(page.locator("#wall .fh-person b")).to_have_text(list(case.people))
    else:
        expect(notice).to_contain_text(case.expected or "another length")
        assert case.expected is None or f"{path.name} " in notice.inner_text()
        expect(wall).to_have_count(1)  # nothing lost
        expect(wall).to_have_text("Grace3 photos")
    check_page(page)


@pytest.mark.browser
def test_page_works_after_bad_inputs_and_leaves_no_upload(
    verify_tab: Page, earlier: set[Path]
) -> None:
    page = verify_tab
    page.get_by_role("button", name="Example: one person").click()
    expect(page.locator("#verdict h2")).to_have_text("Same person")
    assert uploads() <= earlier
