"""Every kind of gallery, for the tests that all of them have to pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facehub import Gallery, MemoryGallery
from facehub.gallery.sqlite import SqliteGallery

FINGERPRINT = "sha256:" + 64 * "a"
NewGallery = Callable[..., Gallery]


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which kind of gallery."""
    return request.param


@pytest.fixture
def new_gallery(kind: str, tmp_path: Path) -> Iterator[NewGallery]:
    """Makes empty galleries; all are closed at the end."""
    made: list[Gallery] = []
    numbers = itertools.count()

    def make(size: int = 4, fingerprint: str = FINGERPRINT) -> Gallery:
        if kind == "memory":
            gallery: Gallery = MemoryGallery(fingerprint, size)
        else:
            gallery = SqliteGallery(tmp_path / f"{next(numbers)}.db", fingerprint, size)
        made.append(gallery)
        return gallery

    yield make
    for gallery in made:
        gallery.close()
