"""The Album tab as it is served."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from facehub.album import Album
from facehub.demo import texts
from facehub.demo.settings import Settings
from tests.demo.routes import handler, picture, trigger, upload, uploads

Serve = Callable[[Settings], tuple[Any, str]]


def group(url: str, session: str, *files: str) -> str:
    number = handler(url, "album-find")
    return trigger(url, number, None, [picture(file) for file in files], session=session)


def test_album_uploads_are_removed_and_failures_are_reported(
    page_url: str, examples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = uploads()
    text = tmp_path / "secret-notes.jpg"
    text.write_text("no picture")
    files = [upload(page_url, file) for file in (examples / "both.jpg", text)]
    answer = group(page_url, "album-failures", *files)
    assert "Faces: 2, in 2 photos. Groups of several faces: 0. Single faces: 2." in answer
    assert "secret-notes.jpg: This is not a picture" in answer
    assert "album.json" in answer
    assert "data:text/csv" in answer
    assert uploads() == before
    assert not re.search(r"(?:-?\d+\.\d+(?:[eE]-?\d+)?\s*,\s*){64}", answer)  # no embedding
    output = capfd.readouterr()
    assert "secret" not in output.out + output.err


@pytest.mark.parametrize(
    ("element", "data", "message"),
    [
        ("album-find", [None, None], texts.NO_PHOTOS),
        ("album-set", [None, [0], "Ada"], texts.ALBUM_EXPIRED),
        ("album-set", [None, [0, 1], "Ada"], texts.ALBUM_ONE),
        ("album-merge", [None, [0, 1]], texts.ALBUM_EXPIRED),
        ("album-send", [None, None, None], texts.ALBUM_EXPIRED),
    ],
)
def test_album_requests_that_cannot_work_get_a_message(
    page_url: str, element: str, data: list[Any], message: str
) -> None:
    assert message in trigger(page_url, handler(page_url, element), *data, session="album-odd")


def test_expired_album_photos_are_reported_in_the_tab(page_url: str, examples: Path) -> None:
    path = upload(page_url, examples / "both.jpg")
    Path(path).unlink()
    answer = group(page_url, "album-gone", path)
    assert texts.EXPIRED in answer
    assert '"success":true' in answer  # Gradio lays no toast over the page


def test_invalid_album_choices_are_refused(page_url: str, examples: Path) -> None:
    group(page_url, "album-choices", upload(page_url, examples / "both.jpg"))
    name, merge = handler(page_url, "album-set"), handler(page_url, "album-merge")
    for number, data, message in (
        (name, [None, [0, 1], "Ada"], texts.ALBUM_ONE),
        (name, [None, [0], " "], "A person needs a name."),
        (merge, [None, []], texts.ALBUM_CHOOSE),
        (merge, [None, [0, 0]], texts.ALBUM_TWO),
    ):
        assert message in trigger(page_url, number, *data, session="album-choices")


def test_downloads_can_be_switched_off(serve: Serve, examples: Path) -> None:
    _, url = serve(Settings(downloads=False))
    answer = group(url, "album-links", upload(url, examples / "grace_hopper.jpg"))
    assert "Single faces: 1." in answer
    assert "album.json" not in answer
    assert "data:text/csv" not in answer


def test_no_handler_of_the_page_shows_the_progress_of_gradio(serve: Serve) -> None:
    """The page shows progress and errors in one place, not over each component."""
    page, _ = serve(Settings())
    handlers = {fn.name for fn in page.fns.values() if fn.outputs and fn.show_progress != "hidden"}
    assert handlers == {"on_verify", "on_identify"}  # these belong to the API


@pytest.mark.browser
def test_album_groups_can_be_named_merged_and_sent_to_the_gallery(
    browser: Browser, page_url: str, examples: Path
) -> None:
    page = browser.new_page(accept_downloads=True)
    page.set_default_timeout(20_000)
    page.goto(page_url)
    page.get_by_role("tab", name="Album").click()
    names = ("eileen_collins.jpg", "eileen_collins_tilted.jpg", "grace_hopper.jpg")
    page.set_input_files("#album-photos input[type=file]", [examples / name for name in names])
    expect(page.locator("#album-photos")).to_contain_text("grace_hopper")
    page.click("#album-find")
    expect(page.locator("#album-stop")).to_be_hidden()
    labels = page.locator("#album-groups label")
    expect(labels).to_have_text(["Group 1, 2 photos", "Group 2, 1 photo"])
    faces = labels.first.locator("span").evaluate(
        "e => getComputedStyle(e, '::before').backgroundImage"
    )
    assert faces.count('url("data:image/jpeg') == 2
    labels.first.click()
    page.fill("#album-name input, #album-name textarea", "Eileen")
    page.click("#album-set")
    expect(labels).to_have_text(["Eileen, 2 photos", "Group 2, 1 photo"])
    page.click("#album-send")
    expect(page.locator("#album-notice")).to_contain_text("2 added.")
    labels.first.click()
    labels.last.click()
    page.click("#album-merge")
    expect(labels).to_have_text(["Eileen, 3 photos"])
    with page.expect_download() as download:
        page.get_by_text("Download album.json").click()
    result = Album.from_dict(json.loads(Path(download.value.path()).read_text()))
    assert [(group.name, len(group.faces)) for group in result.groups] == [("Eileen", 3)]
    page.get_by_role("tab", name="Identify").click()
    expect(page.locator("#wall .fh-person")).to_have_text(["Eileen2 photos"])
    page.close()
