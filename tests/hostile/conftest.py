"""The corpus and the limits for tests of the library and of the command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.cases import LIMIT_BYTES, limits, time_limit
from tests.hostile.pictures import CASES


@pytest.fixture(autouse=True)
def within_limits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test over 60 s, and an input over 10 s of processor time or 2 GB of memory."""
    if "case" in request.fixturenames:
        request.getfixturevalue("recognizer")  # load the weights before measuring
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
