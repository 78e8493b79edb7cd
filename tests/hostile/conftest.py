"""What the library and the command are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.cases import LIMIT_BYTES, limits, time_limit
from tests.hostile.pictures import CASES


@pytest.fixture(autouse=True)
def within_limits(request: pytest.FixtureRequest) -> Iterator[None]:
    """One input takes no 10 seconds of a processor and no 2 GB, and nothing hangs."""
    if "case" in request.fixturenames:
        request.getfixturevalue("recognizer")  # what it loads is not the input's
        request.getfixturevalue("corpus")
        with time_limit(60), limits(10, LIMIT_BYTES):
            yield
    else:  # many inputs at once
        with time_limit(60):
            yield


@pytest.fixture(scope="package")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The path of each picture case."""
    folder = tmp_path_factory.mktemp("corpus")
    return {case.name: case.write(folder) for case in CASES}
