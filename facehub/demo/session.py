"""The gallery behind the page: of one browser session, or one file that all sessions share."""

from __future__ import annotations

import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from facehub.demo import texts
from facehub.errors import FaceHubError, GalleryError, ImageDecodeError, ImageTooLargeError
from facehub.gallery import Gallery
from facehub.identification import enrol
from facehub.images import MAX_BYTES, SUFFIXES, ImageSource
from facehub.recognizer import FaceRecognizer

MAX_PHOTOS = 300


class SessionGallery:
    """What has been enrolled; lives in memory only, or in `file` as well.

    Args:
        gallery: people and templates; a template's source is its key in `crops`.
        file: where the gallery is kept, shared by all sessions; None for one session's own.

    Attributes:
        crops: uint8 (112, 96, 3), RGB, by source.
    """

    def __init__(self, gallery: Gallery, file: Path | None = None) -> None:
        self.gallery, self.file = gallery, file
        self.crops: dict[str, np.ndarray] = {}
        self._enrolled = 0
        self._lock = threading.RLock()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Gradio copies a state's first value for each session: a shared gallery stays one."""
        if self.file is not None:
            return self
        return type(self)(Gallery(self.gallery.fingerprint, self.gallery.size))

    def enrol(self, name: str, image: ImageSource, file: str, recognizer: FaceRecognizer) -> None:
        """Add a photo; on any error nothing changes.

        Raises:
            FaceHubError: the photo or the name is no good, or the gallery is full.
        """
        if self.gallery.n_templates >= MAX_PHOTOS:
            raise GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
        with self._lock:
            source = f"{self._enrolled + 1}. {file}"
            face = enrol(self.gallery, name, image, source=source, recognizer=recognizer)
            self._enrolled += 1
            self.crops[source] = face.face.crop
            self._keep()

    def enrol_many(
        self, name: str, files: list[str], recognizer: FaceRecognizer
    ) -> tuple[int, list[str]]:
        """Add several photos.

        Args:
            name: who they show; empty to take each file's name, or its folder's in a zip.
            files: paths of uploads: pictures, or zips of pictures.
            recognizer: weights in use.

        Returns:
            How many were added, and a message for each that was not.
        """
        count, failures = 0, []
        for shown, hint, content in _pictures(files):
            try:
                if isinstance(content, FaceHubError):
                    raise content
                self.enrol(name.strip() or hint, content, shown, recognizer)
            except FaceHubError as error:
                failures.append(f"{shown}: {error}")
            else:
                count += 1
        return count, failures

    def remove(self, name: str, example: int | None = None) -> None:
        """Forget a person, or one photo."""
        with self._lock:
            examples = self.gallery.examples(name)
            self.gallery.remove(name, example)
            for gone in examples if example is None else examples[example : example + 1]:
                self.crops.pop(gone.source, None)  # a gallery file has no crops
            self._keep()

    def rename(self, name: str, new_name: str, *, merge: bool = False) -> None:
        """Rename a person, or merge with another."""
        with self._lock:
            self.gallery.rename(name, new_name, merge=merge)
            self._keep()

    def replace(self, gallery: Gallery) -> None:
        """Hold another gallery instead."""
        if gallery.size != self.gallery.size:
            raise GalleryError("The gallery's templates have another length than these weights'.")
        with self._lock:
            self.gallery, self.crops = gallery, {}
            self._enrolled += gallery.n_templates  # its sources may look like ours
            self._keep()

    def _keep(self) -> None:
        if self.file is not None:
            self.gallery.save(self.file)


def name_from_file(file: str) -> str:
    """`ada_lovelace-2.jpg` shows "ada lovelace": no suffix, no number at the end."""
    stem = re.sub(r"[_\-. ]+", " ", Path(file).stem)
    return re.sub(r"[\d() ]+$", "", stem).strip() or stem.strip() or file


def _pictures(files: list[str]) -> Iterator[tuple[str, str, ImageSource | FaceHubError]]:
    """(file name, whom it shows, picture or what is wrong) for uploads; zips are looked into."""
    for file in files:
        name = Path(file).name if isinstance(file, str) else texts.SNAPSHOT
        if not name.lower().endswith(".zip"):
            yield name, name_from_file(name), file
            continue
        try:
            with zipfile.ZipFile(file) as archive:
                yield from _members(name, archive)
        except Exception as error:  # a damaged zip makes the readers raise almost anything
            yield name, "", ImageDecodeError(f"This zip cannot be read: {error}.")


def _members(
    name: str, archive: zipfile.ZipFile
) -> Iterator[tuple[str, str, ImageSource | FaceHubError]]:
    """Pictures of a zip, read in memory: no member's path is ever used as a path."""
    members = [
        info
        for info in archive.infolist()
        if Path(info.filename).suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "__")) for part in Path(info.filename).parts)
    ]
    if not members:
        yield name, "", ImageDecodeError("This zip holds no JPEG, PNG or WebP picture.")
    if len(members) > MAX_PHOTOS + 1:
        yield name, "", GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
    for info in members[: MAX_PHOTOS + 1]:
        path = Path(info.filename)
        folder = path.parent.name
        shown = f"{folder}/{path.name}" if folder else path.name
        hint = folder or name_from_file(path.name)
        if info.file_size > MAX_BYTES:
            yield shown, hint, ImageTooLargeError("This member of the zip is too large.")
            continue
        content: bytes | FaceHubError
        try:
            with archive.open(info) as member:
                content = member.read(MAX_BYTES + 1)
        except Exception:  # the decompressors raise almost anything
            content = ImageDecodeError("This member of the zip is damaged or encrypted.")
        yield shown, hint, content
