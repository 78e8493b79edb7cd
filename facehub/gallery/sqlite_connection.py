"""Connections to SQLite, and its errors as ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facehub.errors import GalleryError, GalleryUnavailableError

PAGE = 16384  # bytes
WAIT = 30.0  # seconds for another process's change to end


def connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's other files follow it
    db = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {PAGE}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def words(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise GalleryUnavailableError(
                f"{path} is in use: another process is changing it."
            ) from error
        raise GalleryUnavailableError(f"{path} cannot be used: {error}.") from error
    except sqlite3.ProgrammingError as error:
        raise GalleryUnavailableError(f"{path} has been closed.") from error
    except sqlite3.DatabaseError as error:
        raise damaged(path) from error
    except OSError as error:
        raise GalleryUnavailableError(
            f"{path} cannot be used: {error.strerror or error}."
        ) from error


def damaged(path: Path) -> GalleryError:
    return GalleryError(f"{path} is damaged or not a facehub gallery.")
