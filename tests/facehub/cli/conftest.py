"""Fixtures that run the command in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from facehub import FaceRecognizer, enrol
from facehub.cli.main import main
from facehub.gallery.sqlite import SqliteGallery

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def enrolled(
    tmp_path_factory: pytest.TempPathFactory, photos: Path, recognizer: FaceRecognizer
) -> Path:
    """A gallery file with Eileen and Grace; copy it to change it."""
    path = tmp_path_factory.mktemp("gallery") / "people.db"
    with SqliteGallery(path, recognizer.fingerprint) as people:
        for name, photo in (("Eileen", "astronaut.png"), ("Grace", "hopper.jpg")):
            enrol(people, name, photos / photo, source=photo, recognizer=recognizer)
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        code = main([str(arg) for arg in args])
        return code, *capsys.readouterr()

    return run
