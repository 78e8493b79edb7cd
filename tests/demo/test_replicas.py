"""Two processes of the app on one gallery in PostgreSQL, each with a visitor of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.demo.app_process import AppProcess
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.browser


@pytest.fixture
def replicas(postgres: PostgresServer, tmp_path: Path) -> Iterator[tuple[AppProcess, AppProcess]]:
    address = postgres.address("replicas")
    with (
        AppProcess(tmp_path / "first.txt", FACEHUB_GALLERY=address) as first,
        AppProcess(tmp_path / "second.txt", FACEHUB_GALLERY=address) as second,
    ):
        yield first.wait(), second.wait()


def visit(browser: Browser, app: AppProcess) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(20_000)
    page.goto(app.url)
    page.get_by_role("tab", name="Identify").click()
    return page


def upload(page: Page, component: str, file: Path) -> None:
    page.set_input_files(f"#{component} input[type=file]", [file])


def enrol(page: Page, photo: Path, name: str) -> None:
    upload(page, "photos", photo)
    expect(page.locator("#photos")).to_contain_text(photo.stem)
    page.fill("#name input, #name textarea", name)
    page.click("#enrol")
    expect(page.locator("#notice")).to_contain_text("1 added.")


def expect_faces(page: Page, *labels: str) -> None:
    page.click("#identify")
    expect(page.locator("#faces .fh-box")).to_have_text(list(labels))


def test_a_person_enrolled_in_one_replica_is_found_in_the_other(
    browser: Browser, replicas: tuple[AppProcess, AppProcess], examples: Path
) -> None:
    """Both ways, on pages that are already open. A removed person is found in neither."""
    first, second = (visit(browser, app) for app in replicas)
    enrol(first, examples / "eileen_collins.jpg", "Eileen")
    upload(second, "probe", examples / "both.jpg")
    expect(second.locator("#faces .fh-box")).to_have_count(2)
    expect_faces(second, "1. Eileen", "2. unknown")

    enrol(second, examples / "grace_hopper.jpg", "Grace")
    upload(first, "probe", examples / "both.jpg")
    expect(first.locator("#faces .fh-box")).to_have_count(2)
    expect_faces(first, "1. Eileen", "2. Grace")
    expect_faces(second, "1. Eileen", "2. Grace")

    first.get_by_role("button", name="Change the gallery").click()
    first.locator("#person input").click()
    first.get_by_role("option", name="Eileen").click()
    first.click("#remove")
    expect(first.locator("#wall .fh-person b")).to_have_text(["Grace"])
    expect_faces(second, "1. unknown", "2. Grace")
