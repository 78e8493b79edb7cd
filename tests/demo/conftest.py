"""The page, served once for all tests of the demo, and pages with other settings."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from facehub.demo.page import build, launch_options
from facehub.demo.settings import Settings
from facehub.hosted.recognizer import Host, HostedRecognizer
from facehub.model.spec import ModelSpec
from facehub.pipeline import default_recognizer
from facehub.template import TEMPLATES
from tests.facehub.model.networks import SIZE, save_network

expect.set_options(timeout=20_000)  # ms, as for actions: a busy machine is slow

# Each `httpx.get` spends most of its time on certificates, which no page uses: cache them.
_transport = httpx._transports.default
_transport.create_ssl_context = functools.cache(_transport.create_ssl_context)


@pytest.fixture(scope="session")
def page_url() -> Iterator[str]:
    page = build(default_recognizer())
    _, url, _ = page.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    yield url
    page.close()


@pytest.fixture(scope="session")
def hosted() -> HostedRecognizer:
    """The weights that ship, as the page uses them."""
    return HostedRecognizer.of(default_recognizer(), Host(workers=1, deadline=60))


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def serve() -> Iterator:
    """Serve pages with other settings; close all of them at the end."""
    pages = []

    def start(settings: Settings) -> tuple:
        page = build(default_recognizer(), settings)
        pages.append(page)
        options = launch_options(settings)
        _, url, _ = page.launch(**options, prevent_thread_lock=True, quiet=True)
        return page, url

    yield start
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def onnx_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of another, tiny network: 112 x 112, five points, not calibrated."""
    folder = tmp_path_factory.mktemp("onnx") / "tiny"
    folder.mkdir()
    save_network(folder / "tiny.onnx")
    spec = ModelSpec(
        architecture="onnx",
        file="tiny.onnx",
        embedding_size=SIZE,
        template=TEMPLATES["arcface112"],
        threshold=None,
    )
    (folder / "config.json").write_text(spec.to_json())
    return folder
