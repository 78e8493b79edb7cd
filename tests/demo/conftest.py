"""The page, served once for all tests of the demo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from facehub.demo.page import build, launch_options
from facehub.recognizer import default_recognizer

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def examples() -> Path:
    return EXAMPLES


@pytest.fixture(scope="session")
def page_url() -> Iterator[str]:
    page = build(default_recognizer())
    _, url, _ = page.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
    yield url
    page.close()
