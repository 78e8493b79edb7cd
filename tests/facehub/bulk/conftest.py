"""Fixtures of the tests of bulk runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.facehub.bulk.stages import LOG


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the stage of these tests lists the photos that it starts."""
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(LOG, str(path))
    return path
