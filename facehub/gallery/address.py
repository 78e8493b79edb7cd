"""Open a gallery by its address: a file name or a database URL."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from facehub.errors import GalleryError
from facehub.gallery.base import Gallery
from facehub.gallery.memory import MemoryGallery
from facehub.gallery.sqlite import SqliteGallery

POSTGRES = ("postgresql://", "postgres://")
DATABASES = (".db", ".sqlite", ".sqlite3")
FILE = ".safetensors"


def open_gallery(
    address: str | os.PathLike[str],
    fingerprint: str,
    size: int = 512,
    *,
    new: bool = True,
    compatible: Callable[[str], bool] = lambda _: False,
) -> Gallery:
    """Open a gallery; close it after use.

    Args:
        address: `people.db`, an SQLite file; `postgresql://user@host/database?gallery=people`, with
            `&search=hnsw` for approximate search, see `PostgresGallery`; or `people.safetensors`,
            which is loaded into memory; changes to it are not saved, see `check_changeable`.
        fingerprint: of the weights in use.
        size: length of their templates.
        new: whether to create a missing gallery.
        compatible: called with another fingerprint; returns whether it is of the same weights.

    Raises:
        GalleryError: the gallery is missing or unusable, or the address has no known form.
        GalleryMismatchError: the gallery belongs to other weights.
    """
    if _is_postgres(address):
        return _postgres_gallery(os.fspath(address), fingerprint, size, new)
    check_address(address)
    path = Path(address)
    if path.suffix.lower() == FILE:
        return MemoryGallery.load(path, fingerprint=fingerprint, compatible=compatible)
    if not new and not path.exists():
        raise GalleryError(f"There is no gallery {path}.")
    return SqliteGallery(path, fingerprint, size)


def check_address(address: str | os.PathLike[str]) -> None:
    """Fail early on an address that cannot be a gallery's.

    Raises:
        GalleryError: the suffix is unknown.
    """
    path = Path(address)
    if not _is_postgres(address) and path.suffix.lower() not in (FILE, *DATABASES):
        raise GalleryError(f"{path} is not a gallery address: use a file name like {path.name}.db.")


def check_changeable(address: str | os.PathLike[str]) -> None:
    """Fail early on a gallery that cannot be changed or created.

    Raises:
        GalleryError: it is a read-only copy (`.safetensors`), its folder does not exist, or its
            suffix is unknown.
    """
    if _is_postgres(address):
        return
    path = Path(address)
    if not os.path.isdir(path.parent):
        raise GalleryError(f"{path} cannot be written: there is no folder {path.parent}.")
    check_address(address)
    if path.suffix.lower() == FILE:
        raise GalleryError(
            f"{path} is a read-only copy. Copy it into a gallery first "
            f"(facehub gallery copy {path} {path.with_suffix('.db')})."
        )


def _is_postgres(address: str | os.PathLike[str]) -> bool:
    return isinstance(address, str) and address.startswith(POSTGRES)


def _postgres_gallery(address: str, fingerprint: str, size: int, new: bool) -> Gallery:
    try:
        from facehub.gallery.postgres import PostgresGallery
    except ImportError as error:
        raise GalleryError(
            "A gallery in PostgreSQL needs psycopg and pgvector: pip install 'facehub[postgres]'"
        ) from error
    return PostgresGallery(address, fingerprint, size, new=new)
