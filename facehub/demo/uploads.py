"""Uploaded files: each at its own secret path in one private folder, removed soon."""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils, route_utils
from gradio.data_classes import FileData, ListFiles

from facehub.demo import texts
from facehub.demo.errors import problem

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108  # kept in memory by Linux, not on a disk
MAX_FOLDER = 2**30  # bytes of all uploads together
LIFETIME = 600.0  # seconds; of an upload that nothing was done with


@functools.cache
def upload_folder() -> str:
    """This process's folder for uploads, in memory where possible, removed when it ends."""
    in_memory = (
        os.access(MEMORY_FOLDER, os.W_OK) and shutil.disk_usage(MEMORY_FOLDER).free >= MAX_FOLDER
    )
    folder = tempfile.mkdtemp(prefix="facehub-", dir=MEMORY_FOLDER if in_memory else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def take_over() -> None:
    """Make Gradio keep uploads as this module wants it; call before the page is built.

    Gradio names an upload's folder by the hash of its content. Two visitors with the same picture
    would share one file, which the first to be served removes; and who has a picture could find out
    whether somebody else has uploaded it. And where a client sends an address in place of an
    upload, Gradio fetches it.
    """
    os.environ["GRADIO_TEMP_DIR"] = upload_folder()
    route_utils.GradioUploadFile = _SecretUpload  # type: ignore[misc]
    processing_utils.async_ssrf_protected_download = _no_download


class _SecretUpload(route_utils.GradioUploadFile):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sha.update(secrets.token_bytes(16))


async def _no_download(url: str, cache_dir: str) -> str:
    raise problem(texts.NO_ADDRESS)


@contextmanager
def uploads(*values: Any) -> Iterator[None]:
    """Remove uploaded files when the body ends, however it does; other files are left alone."""
    try:
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
    """Remove what has lain in the upload folder for `age` seconds: files, and empty folders."""
    for path, entry in _entries():
        if time.time() - entry.st_mtime > age:
            with suppress(OSError):  # gone by now, or a folder in use
                if path.is_dir():
                    path.rmdir()
                else:
                    path.unlink()


def _entries() -> Iterator[tuple[Path, os.stat_result]]:
    """Everything in the upload folder, the content of a folder before itself."""
    for folder, folders, files in os.walk(upload_folder(), topdown=False):
        for name in (*files, *folders):
            with suppress(FileNotFoundError):
                yield Path(folder, name), Path(folder, name).lstat()


def file_input(label: str, **kwargs: Any) -> gr.File:
    """A `gr.File` whose value reaches the handler as a path, or a list of paths.

    Gradio's own would leave an empty temporary file behind for each.
    """
    component = gr.File(label=label, **kwargs)
    # On the instance: for a subclass, Gradio writes a .pyi file beside the module.
    setattr(component, "preprocess", _paths)  # noqa: B010
    return component


def _paths(payload: ListFiles | FileData | None) -> list[str] | str | None:
    if payload is None:
        return None
    if isinstance(payload, FileData):
        return _present(payload.path)
    return [_present(file.path) for file in payload.root]


def _present(path: str) -> str:
    if not Path(path).is_file():
        raise problem(texts.EXPIRED)
    return path
