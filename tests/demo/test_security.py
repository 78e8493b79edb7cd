"""Promises of SECURITY.md about the page; SECURITY.md names the tests."""

from __future__ import annotations

import http.client
import os
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, Response, expect

from facehub.demo import texts
from facehub.demo.host import sweeper
from facehub.demo.host.uploads import sweep
from facehub.demo.settings import Settings
from tests.demo.app_process import AppProcess
from tests.demo.routes import ask, handler, picture, trigger, upload, uploads

ROOT = Path(__file__).parents[2]


def _uploads() -> set[Path]:
    return {path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def client(page_url: str) -> Client:
    return Client(page_url, verbose=False)


def test_uploads_are_removed_as_soon_as_they_are_read(client: Client, examples: Path) -> None:
    before = _uploads()
    collins, hopper = (examples / f"{n}.jpg" for n in ("eileen_collins", "grace_hopper"))
    client.predict(handle_file(collins), handle_file(hopper), "exactly_one", api_name="/verify")
    client.predict(handle_file(collins), [handle_file(hopper)], ["G"], api_name="/identify")
    assert _uploads() - before == set()


def test_bad_uploads_are_removed_too(client: Client, examples: Path, tmp_path: Path) -> None:
    before = _uploads()
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    with pytest.raises(AppError):
        client.predict(handle_file(text), handle_file(text), "exactly_one", api_name="/verify")
    assert _uploads() - before == set()


def test_uploads_of_a_call_that_is_refused_are_removed_too(page_url: str, examples: Path) -> None:
    before = uploads()
    for data in ((None, "exactly_one"), ([], ["Ada"]), ([], None)):
        one = picture(upload(page_url, examples / "grace_hopper.jpg"))
        endpoint = "verify" if data[0] is None else "identify"
        assert "event: error" in ask(page_url, endpoint, one, *data)[1]
    assert uploads() == before  # and no folder


def test_the_page_leaves_no_file_behind(browser: Browser, page_url: str, examples: Path) -> None:
    before = _uploads()
    page = browser.new_page()
    page.goto(page_url)
    page.set_input_files("#first input[type=file]", examples / "both.jpg")
    expect(page.locator("#first-note")).to_contain_text("2 faces found")
    page.get_by_role("tab", name="Identify").click()
    page.set_input_files("#photos input[type=file]", examples / "grace_hopper.jpg")
    expect(page.locator("#photos")).to_contain_text("grace_hopper")
    page.click("#enrol")
    expect(page.locator("#wall .fh-person")).to_have_count(1)
    page.set_input_files("#probe input[type=file]", examples / "both.jpg")
    expect(page.locator("#faces .fh-box")).to_have_text(["1. unknown", "2. grace hopper"])
    page.close()
    assert _uploads() - before == set()


def test_equal_uploads_get_separate_files(page_url: str, examples: Path) -> None:
    """Otherwise one session would remove the file of another, and could learn of it."""
    first, second = (Path(upload(page_url, examples / "grace_hopper.jpg")) for _ in range(2))
    assert first != second
    first.unlink()
    assert second.is_file()
    second.unlink()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppProcess]:
    with AppProcess(tmp_path / "log.txt") as app:
        yield app.wait()


def test_the_app_logs_nothing_about_faces_and_removes_uploads_when_it_ends(
    app: AppProcess, examples: Path, tmp_path: Path
) -> None:
    telltale = tmp_path / "telltale_file.jpg"
    telltale.write_bytes((examples / "eileen_collins.jpg").read_bytes())
    bad = tmp_path / "telltale_bad.jpg"
    bad.write_text("telltale content")
    client = Client(app.url, verbose=False)
    client.predict(
        handle_file(telltale), [handle_file(telltale)], ["Telltale Name"], api_name="/identify"
    )
    with pytest.raises(AppError):
        client.predict(handle_file(bad), handle_file(telltale), "exactly_one", api_name="/verify")
    waiting = Path(upload(app.url, telltale))  # uploaded and never used
    folder = next(p for p in waiting.parents if p.name.startswith("facehub-"))
    assert waiting.is_file()
    assert folder.stat().st_mode & 0o077 == 0
    app.process.send_signal(signal.SIGTERM)
    app.process.wait(20)
    assert not folder.exists()
    assert "telltale" not in app.log.read_text().lower()
    assert "Traceback" not in app.log.read_text()


@pytest.mark.parametrize(
    ("element", "kind", "data", "answer"),
    [
        ("rename", "click", ["Telltale", "Telltale Bob"], texts.NO_SUCH_PERSON),
        ("merge", "click", ["Telltale", "Telltale Bob"], texts.NO_SUCH_PERSON),
        ("remove", "click", ["Telltale"], texts.NO_SUCH_PERSON),
        ("remove", "click", [["Telltale"]], texts.NO_SUCH_PERSON),
        ("remove", "click", [None], texts.NO_PERSON),
        ("remove-photo", "click", ["Telltale", "telltale"], texts.NO_SUCH_PERSON),
        ("undo", "click", [], texts.NOTHING_TO_UNDO),
        ("add-face", "click", [0], texts.NONE_WAITING),
        ("compare", "click", [], texts.TWO_PICTURES),
        ("first-face", "input", ["telltale"], texts.TWO_PICTURES),
        ("identify", "click", [], texts.NO_PROBE),
    ],
)
def test_an_expired_session_gets_a_message_and_its_names_are_not_logged(
    page_url: str,
    capfd: pytest.CaptureFixture[str],
    element: str,
    kind: str,
    data: list[Any],
    answer: str,
) -> None:
    """The page still shows, and sends, the choices that the server has forgotten."""
    session = f"expired-{secrets.token_hex(4)}"
    text = trigger(page_url, handler(page_url, element, kind), None, *data, session=session)
    assert answer in text
    output, errors = capfd.readouterr()
    assert "Traceback" not in output + errors
    assert "elltale" not in output + errors


def test_a_person_of_an_expired_session_has_no_photos(
    page_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    number = handler(page_url, "person", "change")
    assert '"choices":[]' in trigger(page_url, number, None, "Telltale", session="expired")
    output, errors = capfd.readouterr()
    assert "elltale" not in output + errors


def test_a_face_that_is_not_there_is_refused(
    page_url: str, examples: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for side in ("first", "second"):
        given = picture(upload(page_url, examples / "grace_hopper.jpg"))
        read = handler(page_url, side, "clear")  # this handler also reads a new picture
        assert "One face found" in trigger(page_url, read, None, given, session="faces")
    choose = handler(page_url, "first-face", "input")
    for face in (1, -1, "telltale", [0]):
        assert texts.NO_SUCH_FACE in trigger(page_url, choose, None, face, session="faces")
    assert "Same person" in trigger(page_url, choose, None, 0, session="faces")
    assert "telltale" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "data",
    [
        ("telltale", "telltale", "exactly_one"),
        (picture("/telltale"), picture("/telltale"), "exactly_one"),
        (None, None, "telltale"),
    ],
)
def test_values_from_a_client_are_not_logged(
    page_url: str, capfd: pytest.CaptureFixture[str], data: tuple[Any, ...]
) -> None:
    assert "event: error" in ask(page_url, "verify", *data)[1]
    output, errors = capfd.readouterr()
    assert "telltale" not in output + errors
    assert "Traceback (most recent call last)" in errors  # where the call failed
    assert "Error" in errors


def test_a_swept_upload_gives_the_message_for_expired_uploads(
    page_url: str, examples: Path
) -> None:
    path = upload(page_url, examples / "grace_hopper.jpg")
    os.utime(path, (0, 0))
    sweep()
    one = picture(path)
    assert texts.EXPIRED in ask(page_url, "verify", one, one, "exactly_one")[1]
    assert texts.EXPIRED in ask(page_url, "identify", one, [one], ["Ada"])[1]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        str(ROOT / "app.py"),
        str(ROOT / "weights/config.json"),
        "../../etc/passwd",
        "{folder}/../../etc/passwd",
        "{folder}/%2e%2e/%2e%2e/etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_file_of_the_server_is_served(page_url: str, path: str) -> None:
    where = urlsplit(page_url)
    assert where.hostname
    path = path.format(folder=os.environ["GRADIO_TEMP_DIR"])
    connection = http.client.HTTPConnection(where.hostname, where.port)
    connection.request("GET", f"/gradio_api/file={path}")  # unchanged: httpx would resolve ".."
    answer = connection.getresponse()
    assert answer.status in (403, 404)
    assert b"root:" not in answer.read()


def test_upload_names_cannot_leave_the_folder(page_url: str, examples: Path) -> None:
    folder = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
    path = Path(upload(page_url, examples / "grace_hopper.jpg", "../../../evil.jpg"))
    assert path.resolve().is_relative_to(folder)
    assert not (folder.parent / "evil.jpg").exists()
    path.unlink()


def _enrol(page: Page, name: str, photo: Path) -> None:
    page.get_by_role("tab", name="Identify").click()
    page.set_input_files("#photos input[type=file]", photo)
    expect(page.locator("#photos")).to_contain_text(photo.stem)
    page.fill("#name input, #name textarea", name)
    page.click("#enrol")
    expect(page.locator("#wall .fh-person b")).to_have_text([name])


def test_two_sessions_with_the_same_names_stay_separate(
    browser: Browser, page_url: str, examples: Path
) -> None:
    pages = [browser.new_context().new_page() for _ in range(2)]
    for page, photo in zip(pages, ("eileen_collins.jpg", "grace_hopper.jpg"), strict=True):
        page.goto(page_url)
        _enrol(page, "Ada", examples / photo)
    found = []
    for page in pages:
        page.set_input_files("#probe input[type=file]", examples / "both.jpg")
        expect(page.locator("#faces .fh-box")).to_have_count(2)
        found.append(page.locator("#faces .fh-box").all_inner_texts())
    assert found == [["1. Ada", "2. unknown"], ["1. unknown", "2. Ada"]]
    pages[0].click("#change button")
    pages[0].once("dialog", lambda dialog: dialog.accept())
    pages[0].click("#delete")
    expect(pages[0].locator("#wall")).to_contain_text("The gallery is empty")
    pages[1].click("#identify")
    expect(pages[1].locator("#faces .fh-box")).to_have_text(["1. unknown", "2. Ada"])
    for page in pages:
        page.context.close()


def test_no_embedding_reaches_the_page(browser: Browser, page_url: str) -> None:
    page = browser.new_page()
    bodies: list[str] = []

    def keep(response: Response) -> None:
        if "/gradio_api/" in response.url or response.url.rstrip("/") == page_url.rstrip("/"):
            try:
                bodies.append(response.text())
            except Exception:
                bodies.append("")  # a stream that was closed

    page.on("response", keep)
    page.goto(page_url)
    page.get_by_role("button", name="Example: one person").click()
    expect(page.locator("#verdict h2")).to_have_text("Same person")
    page.get_by_role("tab", name="Identify").click()
    page.click("#identify-example")
    expect(page.locator("#faces .fh-box")).to_have_count(2)
    html = page.content()
    page.close()
    vector = re.compile(r"(?:-?\d+\.\d+(?:[eE]-?\d+)?\s*,\s*){64}")
    assert any("fh-mark" in body for body in bodies)  # both answers are among them
    assert any("fh-box" in body for body in bodies)
    assert not any(vector.search(body) for body in [*bodies, html])


def test_an_expired_session_is_forgotten(serve, browser: Browser, examples: Path) -> None:
    server, url = serve(Settings(session_minutes=0.05))  # type: ignore[arg-type]  # 3 seconds
    page = browser.new_page()
    page.goto(url)
    _enrol(page, "Ada", examples / "grace_hopper.jpg")
    page.set_input_files("#probe input[type=file]", examples / "both.jpg")
    expect(page.locator("#faces .fh-box")).to_have_count(2)
    _wait(lambda: not server.state_holder.session_data)  # the page is still open
    assert server.state_holder.time_last_used == {}
    expect(page.locator("#wall .fh-person b")).to_have_text(["Ada"])
    page.click("#identify")
    expect(page.locator("#names")).to_have_text(texts.NO_PROBE)
    expect(page.locator("#wall")).to_have_text(texts.WALL_EMPTY)
    page.fill("#name input, #name textarea", "Bob")
    page.set_input_files("#photos input[type=file]", examples / "eileen_collins.jpg")
    expect(page.locator("#photos")).to_contain_text("eileen_collins")
    page.click("#enrol")
    expect(page.locator("#wall .fh-person b")).to_have_text(["Bob"])  # and no Ada
    page.close()


def test_a_session_ends_soon_after_its_page_is_closed(
    serve, browser: Browser, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "CLOSED_LIFETIME", 1.0)
    server, url = serve(Settings())
    page = browser.new_page()
    page.goto(url)
    _enrol(page, "Ada", examples / "grace_hopper.jpg")
    time.sleep(6)
    assert server.state_holder.session_data  # the page is still open
    page.close()
    _wait(lambda: not server.state_holder.session_data)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_fresh_page_shows_the_shared_gallery(
    serve, browser: Browser, examples: Path, tmp_path: Path
) -> None:
    _, url = serve(Settings(gallery=str(tmp_path / "shared.db")))
    first, second = (browser.new_page() for _ in range(2))
    first.goto(url)
    first.get_by_role("tab", name="Identify").click()
    expect(first.locator("#wall")).to_contain_text("All users share it")
    _enrol(first, "Ada", examples / "grace_hopper.jpg")
    second.goto(url)
    second.get_by_role("tab", name="Identify").click()
    expect(second.locator("#wall .fh-person b")).to_have_text(["Ada"])
    second.click("#change button")
    second.locator("#person input").click()
    expect(second.get_by_role("option", name="Ada")).to_be_visible()
    first.close()
    second.close()


def test_an_example_does_not_replace_a_shared_gallery(serve, tmp_path: Path) -> None:
    _, url = serve(Settings(gallery=str(tmp_path / "shared.db")))
    answer = trigger(url, handler(url, "identify-example"), None)
    assert texts.NOT_REPLACED in answer


def test_the_page_needs_the_right_password(serve) -> None:
    _, url = serve(Settings(auth=(("ada", "secret"),)))
    assert httpx.get(f"{url}config").status_code == 401
    login = httpx.post(f"{url}login", data={"username": "ada", "password": "wrong"})
    assert login.status_code == 400
    right = httpx.post(f"{url}login", data={"username": "ada", "password": "secret"})
    assert right.status_code == 200
    assert httpx.get(f"{url}config", cookies=right.cookies).status_code == 200


def test_failed_logins_are_slow(serve) -> None:
    _, url = serve(Settings(auth=(("ada", "secret"),)))
    wrong = {"username": "ada", "password": "wrong"}
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:  # at once: the server refuses most without a check
        statuses = list(pool.map(lambda _: httpx.post(f"{url}login", data=wrong), range(8)))
    assert 1 <= time.monotonic() - started < 5
    found = [answer.status_code for answer in statuses]
    assert sorted(set(found)) == [400, 429]
    assert found.count(400) <= 2
    assert all(int(a.headers["retry-after"]) > 0 for a in statuses if a.status_code == 429)
    right = httpx.post(f"{url}login", data={"username": "ada", "password": "secret"})
    assert right.status_code == 200


def test_a_full_queue_refuses_calls_with_a_message(serve, examples: Path) -> None:
    _, url = serve(Settings(queue_size=1, workers=1))

    def compare(_: int) -> tuple[int, str]:
        one, two = (picture(upload(url, examples / "both.jpg")) for _ in range(2))
        return ask(url, "verify", one, two, "best_pair")

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(compare, range(12)))
    answered = [text for status, text in answers if status == 200]
    refused = [text for status, text in answers if status == 503]
    assert len(answered) + len(refused) == 12
    assert answered
    assert refused
    assert all('"decision":"same"' in text.replace(" ", "") for text in answered)
    assert all("ueue is full" in text for text in refused)
    assert compare(0)[0] == 200  # the page still works
