"""The page, served once for all tests of the demo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facehub.demo.page import build, launch_options
from facehub.recognizer import default_recognizer


@pytest.fixture(scope="session")
def page_url() -> Iterator[str]:
    page = build(default_recognizer())
    _, url, _ = page.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    yield url
    page.close()
