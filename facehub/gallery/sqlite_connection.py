"""Connect to SQLite, and translate its errors."""

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
    """Open a connection; a missing file is created, readable by its owner only."""
    if not path.exists():
        # SQLite gives its other files the permissions of this one.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
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
def translated_errors(path: Path) -> Iterator[None]:
    """Translate SQLite's errors to GalleryError."""
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
    """Make the error for a file that is damaged or not a gallery."""
    return GalleryError(f"{path} is damaged or not a facehub gallery.")
