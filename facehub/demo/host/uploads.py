"""Uploaded files: each at a secret path of its own in one private folder, and soon removed."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from facehub.demo import texts
from facehub.demo.errors import PageError
from facehub.demo.upload import BrokenUpload
from facehub.hosting import MAX_UPLOADS
from facehub.io.locks import hold_folder, remove_unheld

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108  # kept in memory by Linux, not on a disk
PREFIX = "facehub-uploads-"
LIFETIME = 600.0  # seconds that an unused upload stays


@functools.cache
def upload_folder() -> str:
    """This process's folder for uploads: in memory where possible, removed when it ends."""
    memory = (
        os.access(MEMORY_FOLDER, os.W_OK) and shutil.disk_usage(MEMORY_FOLDER).free >= MAX_UPLOADS
    )
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY_FOLDER if memory else None)
    hold_folder(folder)  # until this process ends, however it does
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if not memory:
        print(texts.ON_DISK.format(folder=folder, memory=MEMORY_FOLDER))
    return folder


def in_memory() -> bool:
    """Whether uploads lie in memory rather than on a disk."""
    return Path(upload_folder()).is_relative_to(MEMORY_FOLDER)


@contextmanager
def uploads(*values: Any) -> Iterator[None]:
    """Remove uploaded files when the body ends, also by an error; other files stay.

    Raises:
        PageError: a value is a `BrokenUpload`.
    """
    try:
        for value in values:
            if isinstance(value, BrokenUpload):
                raise PageError(value)
        yield
    finally:
        folder = Path(upload_folder()).resolve()
        for value in values:
            if isinstance(value, str | Path) and Path(value).resolve().is_relative_to(folder):
                Path(value).unlink(missing_ok=True)
                with suppress(OSError):  # each upload has a folder of its own
                    Path(value).parent.rmdir()


def folder_size() -> int:
    """Bytes of all uploads."""
    return sum(entry.st_size for _, entry in _entries())


def sweep(age: float = LIFETIME) -> None:
    """Remove files and empty folders that have been in the upload folder for `age` seconds.

    Upload folders of processes that were killed are removed too.
    """
    for path, entry in _entries():
        if time.time() - entry.st_mtime > age:
            with suppress(OSError):  # gone by now, or a folder in use
                if path.is_dir():
                    path.rmdir()
                else:
                    path.unlink()
    for folder in Path(upload_folder()).parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # gone by now
            if time.time() - folder.stat().st_mtime > age:
                remove_unheld(folder)


def _entries() -> Iterator[tuple[Path, os.stat_result]]:
    """Everything in the upload folder; the content of a folder comes before the folder."""
    for folder, folders, files in os.walk(upload_folder(), topdown=False):
        for name in (*files, *folders):
            with suppress(FileNotFoundError):
                yield Path(folder, name), Path(folder, name).lstat()
