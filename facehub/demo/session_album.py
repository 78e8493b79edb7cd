"""The album behind the page: groups of faces from uploads, held by one browser session."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from facehub.album import Album, AlbumFace, AlbumGroup, by_size
from facehub.clustering import GroupingRule, cluster
from facehub.demo import texts
from facehub.demo.portraits import portraits
from facehub.enrolment import Enrolment, Portrait
from facehub.errors import AlbumError, FaceHubError
from facehub.gallery.base import clean_name
from facehub.io.images import ImageSource
from facehub.pipeline import FaceRecognizer
from facehub.quality import ADVICE
from facehub.results import EmbeddedFace, QualityIssue

MAX_FACES = 600  # of one album


@dataclass(frozen=True, eq=False)
class AlbumPhoto:
    """A face that was found in a photo.

    Attributes:
        photo: name of the photo, for display.
        face: crop, box and embedding.
    """

    photo: str
    face: EmbeddedFace = field(repr=False)


@dataclass(frozen=True, eq=False)
class AlbumProgress:
    """How many photos have been read, and the album once all have.

    Attributes:
        seen: how many were read.
        total: how many there are to read.
        album: the result; None before the end.
    """

    seen: int
    total: int
    album: SessionAlbum | None = None


@dataclass(frozen=True, eq=False)
class SessionAlbum:
    """Faces in groups. It is immutable: every change gives a new album.

    Attributes:
        faces: in the order of the photos.
        groups: for each key the positions of its faces in `faces`, the largest group first. A group
            keeps its key as long as it exists.
        names: names of groups by key; not every group has one.
        rule: the similarities from which faces were grouped.
        fingerprint: of the weights.
        photos: number of photos that were read.
        failures: a message for each photo that could not be used or was left out.
    """

    faces: tuple[AlbumPhoto, ...]
    groups: Mapping[int, tuple[int, ...]]
    names: Mapping[int, str]
    rule: GroupingRule
    fingerprint: str
    photos: int
    failures: tuple[str, ...] = ()

    @classmethod
    def read(cls, files: Iterable[str | bytes], recognizer: FaceRecognizer) -> Self:
        """Find and group the faces of uploads; see `read_each`."""
        *_, last = cls.read_each(files, recognizer)
        assert isinstance(last.album, cls)
        return last.album

    @classmethod
    def read_each(
        cls,
        files: Iterable[str | bytes],
        recognizer: FaceRecognizer,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[AlbumProgress]:
        """Find the faces of uploads photo by photo, then group them.

        Args:
            files: paths of pictures or of zips of pictures, or pictures as bytes.
            recognizer: weights in use.
            stopped: asked after each photo: whether to read no more, and group what was found.

        Yields:
            How many photos have been read, before the first and after each; at last the album.

        Raises:
            AlbumError: the weights have no threshold.
        """
        spec = recognizer.spec
        GroupingRule.for_faces(spec, 0)  # raises before the work starts
        faces: list[AlbumPhoto] = []
        pictures: list[int] = []
        failures: list[str] = []
        left_out: list[str] = []
        photos = 0
        with ExitStack() as zips:
            everything = list(portraits("", files, zips, left_out))
            yield AlbumProgress(0, len(everything))
            for portrait, found in _faces(everything, recognizer):
                photos += 1
                yield AlbumProgress(photos, len(everything))
                if isinstance(found, FaceHubError):
                    failures.append(f"{portrait.source}: {found}")
                    found = []
                if found and QualityIssue.TOO_MANY_FACES in found[0].issues:
                    warning = ADVICE[QualityIssue.TOO_MANY_FACES]
                    failures.append(f"{portrait.source}: {warning}")
                kept = found[: MAX_FACES - len(faces)]
                faces += [AlbumPhoto(portrait.source, face) for face in kept]
                pictures += [photos] * len(kept)
                if len(kept) < len(found):
                    failures.append(texts.ALBUM_FULL.format(limit=MAX_FACES))
                    break
                if stopped() and photos < len(everything):
                    left_out.append(texts.STOPPED.format(seen=photos, total=len(everything)))
                    break
        rule = GroupingRule.for_faces(spec, len(faces))
        rows = np.array([photo.face.embedding for photo in faces], np.float32)
        labels = cluster(rows.reshape(-1, spec.embedding_size), rule, pictures)
        groups = {members[0]: tuple(members) for members in by_size(labels)}
        album = cls(
            tuple(faces), groups, {}, rule, recognizer.fingerprint, photos, (*failures, *left_out)
        )
        yield AlbumProgress(photos, len(everything), album)

    def named(self, key: int, name: str) -> Self:
        """The album with a name for one group.

        Raises:
            FaceHubError: there is no such group, the name cannot be used, or another group has it.
        """
        self._check([key])
        name = clean_name(name)
        if name in [other for k, other in self.names.items() if k != key]:
            raise AlbumError(texts.ALBUM_TAKEN.format(name=name))
        return replace(self, names={**self.names, key: name})

    def merged(self, keys: Sequence[int]) -> Self:
        """The album with several groups merged: a person may know better than the similarity.

        The merged group has the place and the key of the first, and the first name among them.

        Raises:
            AlbumError: a group does not exist, or fewer than two were chosen.
        """
        self._check(keys)
        if len(set(keys)) < 2:
            raise AlbumError(texts.ALBUM_TWO)
        chosen = [key for key in self.groups if key in keys]
        name = next((self.names[key] for key in chosen if key in self.names), None)
        members = sorted(place for key in chosen for place in self.groups[key])
        groups = {
            key: tuple(members) if key == chosen[0] else group
            for key, group in self.groups.items()
            if key == chosen[0] or key not in chosen
        }
        names = {key: other for key, other in self.names.items() if key not in chosen}
        return replace(
            self, groups=groups, names=names if name is None else {**names, chosen[0]: name}
        )

    def enrolments(self) -> list[Enrolment]:
        """The faces of all named groups, ready to be added to a gallery."""
        return [
            Enrolment(Portrait(self.names[key], photo.face.face.crop, photo.photo), face=photo.face)
            for key, members in self.groups.items()
            if key in self.names
            for photo in (self.faces[place] for place in members)
        ]

    def to_album(self) -> Album:
        """The result without pictures and embeddings."""
        groups = tuple(
            AlbumGroup(
                tuple(
                    AlbumFace(self.faces[place].photo, self.faces[place].face.face.box)
                    for place in members
                ),
                self.names.get(key),
            )
            for key, members in self.groups.items()
        )
        return Album(groups, self.rule, self.fingerprint)

    def _check(self, keys: Sequence[int]) -> None:
        if not keys:
            raise AlbumError(texts.ALBUM_CHOOSE)
        if any(key not in self.groups for key in keys):
            raise AlbumError(texts.ALBUM_GONE)


def _faces(
    everything: Iterable[Portrait], recognizer: FaceRecognizer
) -> Iterator[tuple[Portrait, list[EmbeddedFace] | FaceHubError]]:
    """One picture at a time: the host's setting limits how many requests are computed at once."""
    for portrait in everything:
        images = [functools.partial(_image, portrait)]
        (found,) = recognizer.faces_many(images, search="thorough", workers=1)
        yield portrait, found


def _image(portrait: Portrait) -> ImageSource:
    image = portrait.image
    if isinstance(image, FaceHubError):
        raise image
    return image() if callable(image) else image
