"""Every kind of gallery, for the tests that all of them must pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facehub import Gallery, MemoryGallery
from facehub.gallery.postgres import PostgresGallery
from facehub.gallery.sqlite import SqliteGallery

FINGERPRINT = "sha256:" + 64 * "a"
NewGallery = Callable[..., Gallery]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which kind of gallery."""
    return request.param


@pytest.fixture
def new_gallery(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[NewGallery]:
    """A function that makes empty galleries; all are closed after the test."""
    made: list[Gallery] = []
    numbers = itertools.count()
    server = request.getfixturevalue("postgres") if kind == "postgres" else None

    def make(size: int = 4, fingerprint: str = FINGERPRINT) -> Gallery:
        if kind == "memory":
            gallery: Gallery = MemoryGallery(fingerprint, size)
        elif server is None:
            gallery = SqliteGallery(tmp_path / f"{next(numbers)}.db", fingerprint, size)
        else:
            address = server.address(f"{tmp_path.name} {next(numbers)}".replace(" ", "-"))
            gallery = PostgresGallery(address, fingerprint, size)
        made.append(gallery)
        return gallery

    yield make
    for gallery in made:
        gallery.close()
