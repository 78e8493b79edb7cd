"""The gallery behind the page: of one browser session, or one file that all sessions share."""

from __future__ import annotations

import re
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from facehub.demo import texts
from facehub.enrolment import enrol
from facehub.errors import FaceHubError, GalleryError, ImageDecodeError, ImageTooLargeError
from facehub.gallery.memory import Example, Gallery
from facehub.io.images import MAX_BYTES, SUFFIXES, ImageSource
from facehub.pipeline import FaceRecognizer

SLASH = "\u2215"  # folders.js puts it between a folder and a file, where no "/" is allowed
MAX_PHOTOS = 300
MAX_TRIED = 2 * MAX_PHOTOS  # pictures looked at in one go
CAMERA = re.compile(  # the words that cameras and phones name files with
    r"(\b(img|dsc[nf]?|pxl|mvimg|gopr|dcim|wa|p|hdr|burst|portrait|image|photo|picture|screenshot"
    r"|whatsapp|at)\b ?)*",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Enrolled:
    """People and their photos at one moment; never changed.

    Attributes:
        gallery: people and templates; a template's source is its key in `crops`.
        crops: uint8 (112, 96, 3), RGB, by source; none for templates from a gallery file.
    """

    gallery: Gallery
    crops: Mapping[str, np.ndarray]


class SessionGallery:
    """What has been enrolled; lives in memory only, or in `file` as well.

    Changes are made to a copy that then replaces `now`: who reads has no need of a lock, and sees
    people and crops that belong together.

    Args:
        gallery: people and templates to begin with.
        file: where the gallery is kept, shared by all sessions; None for one session's own.

    Attributes:
        now: what is enrolled at present. Take it once where it is read more than once.
    """

    def __init__(self, gallery: Gallery, file: Path | None = None) -> None:
        self.now = Enrolled(gallery, {})
        self.file = file
        self._enrolled = 0
        self._lock = threading.RLock()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Gradio copies a state's first value for each session: a shared gallery stays one."""
        if self.file is not None:
            return self
        return type(self)(Gallery(self.gallery.fingerprint, self.gallery.size))

    @property
    def gallery(self) -> Gallery:
        """People and templates at present."""
        return self.now.gallery

    @property
    def crops(self) -> Mapping[str, np.ndarray]:
        """Pictures by source at present."""
        return self.now.crops

    def enrol(self, name: str, image: ImageSource, file: str, recognizer: FaceRecognizer) -> None:
        """Add a photo; on any error nothing changes.

        Raises:
            FaceHubError: the photo or the name is no good, or the gallery is full.
        """
        with self._change() as (gallery, crops):
            if gallery.n_templates >= MAX_PHOTOS:
                raise GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
            source = f"{self._enrolled + 1}. {file}"
            face = enrol(gallery, name, image, source=source, recognizer=recognizer)
            self._enrolled += 1
            crops[source] = face.face.crop

    def enrol_many(
        self, name: str, files: list[str], recognizer: FaceRecognizer
    ) -> tuple[int, list[str]]:
        """Add several photos.

        Args:
            name: who they show; empty to take each file's name, or its folder's, or for a zip
                without folders the zip's own.
            files: paths of uploads: pictures, or zips of pictures.
            recognizer: weights in use.

        Returns:
            How many were added, and a message for each that was not.
        """
        count, failures = 0, []
        for tried, (shown, hint, content) in enumerate(_pictures(files)):
            if tried == MAX_TRIED:
                failures.append(f"{shown}: {texts.TOO_MANY.format(limit=MAX_TRIED)}")
                break
            try:
                if isinstance(content, FaceHubError):
                    raise content
                self.enrol(name.strip() or hint, content, shown, recognizer)
            except FaceHubError as error:
                failures.append(f"{shown}: {error}")
            else:
                count += 1
        return count, failures

    def remove(self, name: str, photo: str | None = None) -> None:
        """Forget a person, or the photo with this `photo_key`, wherever it is by now.

        Raises:
            GalleryError: there is no such person or photo any more.
        """
        with self._change() as (gallery, crops):
            examples = gallery.examples(name)
            if photo is None:
                gallery.remove(name)
            else:
                keys = [photo_key(example) for example in examples]
                if photo not in keys:
                    raise GalleryError(texts.GONE)
                place = keys.index(photo)
                gallery.remove(name, place)
                examples = examples[place : place + 1]
            for gone in examples:
                crops.pop(gone.source, None)

    def rename(self, name: str, new_name: str, *, merge: bool = False) -> None:
        """Rename a person, or merge with another."""
        with self._change() as (gallery, _):
            gallery.rename(name, new_name, merge=merge)

    def replace(self, gallery: Gallery) -> None:
        """Hold another gallery instead.

        Raises:
            GalleryError: these weights cannot search it, or it is too large.
        """
        if gallery.size != self.gallery.size:
            raise GalleryError(texts.OTHER_LENGTH)
        if gallery.n_templates > MAX_PHOTOS:
            raise GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
        with self._lock:
            self._keep(Enrolled(gallery, {}))
            self._enrolled += gallery.n_templates  # its sources may look like ours

    @contextmanager
    def _change(self) -> Iterator[tuple[Gallery, dict[str, np.ndarray]]]:
        """A copy to change, which is kept unless the body raises."""
        with self._lock:
            gallery, crops = self.now.gallery.copy(), dict(self.now.crops)
            yield gallery, crops
            self._keep(Enrolled(gallery, crops))

    def _keep(self, enrolled: Enrolled) -> None:
        if self.file is not None:
            try:
                enrolled.gallery.save(self.file)
            except GalleryError as error:
                print(error, file=sys.stderr)  # its path is for the host only
                raise GalleryError(texts.NOT_WRITTEN) from None
        self.now = enrolled


def photo_key(example: Example) -> str:
    """What names a photo on the page: the same for equal photos only, and only in this process."""
    return f"{hash((example.source, example.template.tobytes())):x}"


def name_from_file(file: str) -> str:
    """`ada_lovelace-2.jpg` shows "ada lovelace": no suffix, no number at the end.

    The numbers stay where a camera named the file: IMG_0001 and IMG_0002 need not show one person.
    """
    stem = re.sub(r"[_\-. ]+", " ", Path(file).stem).strip()
    if CAMERA.fullmatch(re.sub(r"[\d() ]+", " ", stem).strip()):
        return stem or file
    return re.sub(r"[\d() ]+$", "", stem)


def _pictures(files: list[str]) -> Iterator[tuple[str, str, ImageSource | FaceHubError]]:
    """(file name, whom it shows, picture or what is wrong) for uploads; zips are looked into."""
    for file in files:
        name = Path(file).name if isinstance(file, str) else texts.SNAPSHOT
        if not name.lower().endswith(".zip"):
            folder, slash, inside = name.partition(SLASH)
            if slash:
                yield f"{folder}/{inside}", folder, file
            else:
                yield name, name_from_file(name), file
            continue
        try:
            with zipfile.ZipFile(file) as archive:
                yield from _members(name, archive)
        except Exception as error:  # a damaged zip makes the readers raise almost anything
            yield name, "", ImageDecodeError(texts.BAD_ZIP.format(error=error))


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
        yield name, "", ImageDecodeError(texts.EMPTY_ZIP)
    if len(members) > MAX_PHOTOS + 1:
        yield name, "", GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
    flat = not any(Path(info.filename).parent.name for info in members)
    for info in members[: MAX_PHOTOS + 1]:
        path = Path(info.filename)
        folder = path.parent.name
        shown = f"{folder}/{path.name}" if folder else path.name
        hint = folder or name_from_file(name if flat else path.name)
        if info.file_size > MAX_BYTES:
            yield shown, hint, ImageTooLargeError(texts.LARGE_MEMBER)
            continue
        content: bytes | FaceHubError
        try:
            with archive.open(info) as member:
                content = member.read(MAX_BYTES + 1)
        except Exception:  # the decompressors raise almost anything
            content = ImageDecodeError(texts.BAD_MEMBER)
        yield shown, hint, content
