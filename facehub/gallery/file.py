"""Read and write a gallery as one safetensors file: for exchange, and the format of facehub 0.1."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from facehub.errors import GalleryError, GalleryUnavailableError
from facehub.gallery.base import Entry, clean_name, wrong_weights
from facehub.io.files import write_atomically

FORMAT = "facehub-gallery-1"


def write_gallery(
    path: str | os.PathLike[str], fingerprint: str, size: int, entries: Iterable[Entry]
) -> None:
    """Write a gallery file atomically, readable by its owner only.

    Args:
        path: the file.
        fingerprint: of the weights that made the templates.
        size: length of a template.
        entries: grouped by person, as from `Gallery.export`.

    Raises:
        GalleryUnavailableError: the file cannot be written.
    """
    templates: list[np.ndarray] = []
    sources: dict[str, list[str]] = {}
    for entry in entries:
        templates.append(entry.template)
        sources.setdefault(entry.name, []).append(entry.source)
    matrix = np.stack(templates) if templates else np.empty((0, size), np.float32)
    people = [{"name": name, "sources": each} for name, each in sources.items()]
    metadata = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "people": json.dumps(people, ensure_ascii=False),
    }
    try:
        write_atomically(path, save({"templates": matrix}, metadata), private=True)
    except OSError as error:
        raise GalleryUnavailableError(
            f"{path} cannot be written: {error.strerror or error}."
        ) from error


def read_gallery(
    path: str | os.PathLike[str],
    *,
    fingerprint: str,
    compatible: Callable[[str], bool] = lambda _: False,
) -> tuple[int, list[Entry]]:
    """Read a gallery file and check all of it.

    Args:
        path: the file.
        fingerprint: of the weights in use.
        compatible: called with another fingerprint; returns whether it is of the same weights.

    Returns:
        (length of a template, entries grouped by person, in the order of enrolment).

    Raises:
        GalleryError: the file is missing, damaged or not a gallery.
        GalleryMismatchError: other weights made it, so similarities would be meaningless.
    """
    if not os.path.isfile(path):  # never raises, unlike `Path.is_file`
        raise GalleryError(f"There is no gallery file {path}.")
    try:
        open(path, "rb").close()
    except OSError as error:
        raise GalleryUnavailableError(
            f"{path} cannot be read: {error.strerror or error}."
        ) from error
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            templates = file.get_tensor("templates")
        if metadata.get("format") != FORMAT:
            raise ValueError("another format")
        people = [
            (str(person["name"]), [str(source) for source in person["sources"]])
            for person in json.loads(metadata["people"])
        ]
        total = sum(len(sources) for _, sources in people)
        if templates.dtype != np.float32 or templates.ndim != 2 or len(templates) != total:
            raise ValueError("templates and people disagree")
        if not np.allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-3):
            raise ValueError("templates are not unit vectors")
        if len({clean_name(name) for name, _ in people}) != len(people):
            raise ValueError("a name occurs twice")
        if not all(sources for _, sources in people):
            raise ValueError("a person without a template")
    except Exception as error:  # on damaged data, the readers raise almost anything
        raise GalleryError(f"{path} is damaged or not a facehub gallery.") from error
    made_by = metadata.get("fingerprint", "")
    if made_by != fingerprint and not compatible(made_by):
        raise wrong_weights(path, made_by, fingerprint)
    rows = iter(templates)
    entries = [Entry(name, next(rows), source) for name, sources in people for source in sources]
    return templates.shape[1], entries
