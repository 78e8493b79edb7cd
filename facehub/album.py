"""An album: the faces of many photos in groups of one person each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from facehub.clustering import GroupingRule, cluster
from facehub.errors import AlbumError, GalleryError
from facehub.gallery.base import clean_name
from facehub.io.spreadsheet import cell
from facehub.model.spec import ModelSpec
from facehub.results import Box, rounded

FORMAT = "facehub-album-1"
COLUMNS = ("group", "name", "photo", "x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class AlbumFace:
    """A face of a photo.

    Attributes:
        photo: path or name of the photo.
        box: (x0, y0, x1, y1) around the face, in pixels of the photo; may extend beyond it.
    """

    photo: str
    box: Box

    def to_dict(self) -> dict[str, Any]:
        """Convert to a dict for JSON."""
        return {"photo": self.photo, "box": [round(float(value), 1) for value in self.box]}


@dataclass(frozen=True)
class AlbumGroup:
    """Faces that show one person, judged by similarity.

    Attributes:
        faces: one or more, in the order of the photos.
        name: the person's name, if a user gave it.
    """

    faces: tuple[AlbumFace, ...]
    name: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Convert to a dict for JSON."""
        return {"name": self.name, "faces": [face.to_dict() for face in self.faces]}


@dataclass(frozen=True)
class Album:
    """All faces of many photos, in groups. An album holds no embeddings.

    Attributes:
        groups: the largest first; ties in the order of their first faces.
        rule: similarities at which faces were grouped.
        fingerprint: of the weights.
    """

    groups: tuple[AlbumGroup, ...]
    rule: GroupingRule
    fingerprint: str

    @property
    def n_faces(self) -> int:
        """Number of faces of all groups."""
        return sum(len(group.faces) for group in self.groups)

    @property
    def n_singles(self) -> int:
        """Number of groups of one face."""
        return sum(len(group.faces) == 1 for group in self.groups)

    def to_dict(self) -> dict[str, Any]:
        """Convert to a dict for JSON; `from_dict` reads it."""
        return {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "threshold": {"pair": rounded(self.rule.pair), "group": rounded(self.rule.group)},
            "groups": [group.to_dict() for group in self.groups],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the result of `to_dict`.

        Args:
            values: from JSON.

        Raises:
            AlbumError: the values are damaged or not an album.
        """
        try:
            if values["format"] != FORMAT:
                raise ValueError("another format")
            threshold = values["threshold"]
            return cls(
                tuple(_group(group) for group in values["groups"]),
                GroupingRule(float(threshold["pair"]), float(threshold["group"])),
                _text(values["fingerprint"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError, GalleryError) as error:
            raise AlbumError("This is damaged or not a facehub album.") from error

    def to_csv(self) -> str:
        """Convert to CSV with the columns `COLUMNS`: one line per face, groups numbered from 1.

        An apostrophe is put before names and paths that a spreadsheet would run as a formula.
        """
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for number, group in enumerate(self.groups, 1):
            for face in group.faces:
                box = [round(float(value), 1) for value in face.box]
                writer.writerow([number, cell(group.name or ""), cell(face.photo), *box])
        return text.getvalue()


def make_album(
    faces: Sequence[AlbumFace],
    embeddings: np.ndarray,
    spec: ModelSpec,
    *,
    threshold: float | None = None,
) -> Album:
    """Group faces by person.

    Args:
        faces: N faces; two faces of one photo are never in one group.
        embeddings: float32 (N, D), L2-normalised rows, from the weights of `spec`.
        spec: of the weights.
        threshold: cosine similarity (-1 to 1) from which faces count as one person; None: from the
            calibration, see `GroupingRule.for_faces`.

    Raises:
        AlbumError: the weights are not calibrated, and no threshold is given.
        ValueError: the numbers of faces and embeddings differ.
    """
    rule = GroupingRule.for_faces(spec, len(faces), threshold=threshold)
    labels = cluster(embeddings, rule, photo_numbers(face.photo for face in faces))
    groups = tuple(AlbumGroup(tuple(faces[i] for i in members)) for members in by_size(labels))
    return Album(groups, rule, spec.fingerprint or "")


def photo_numbers(photos: Iterable[str]) -> np.ndarray:
    """Number photos: int64 (N,), equal numbers for equal photos."""
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(photo, len(numbers)) for photo in photos]
    return np.array(found, np.int64)


def by_size(labels: np.ndarray) -> list[list[int]]:
    """List the members of each group: the largest group first; ties by first member.

    Args:
        labels: int (N,), from `cluster`.
    """
    groups: dict[int, list[int]] = {}
    for index, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(index)
    return sorted(groups.values(), key=lambda members: (-len(members), members[0]))


def _group(values: Mapping[str, Any]) -> AlbumGroup:
    faces = tuple(_face(face) for face in values["faces"])
    if not faces:
        raise ValueError("a group without a face")
    name = values["name"]
    return AlbumGroup(faces, None if name is None else clean_name(_text(name)))


def _face(values: Mapping[str, Any]) -> AlbumFace:
    x0, y0, x1, y1 = (float(value) for value in values["box"])
    if not np.isfinite((x0, y0, x1, y1)).all():
        raise ValueError("a box that is not finite")
    return AlbumFace(_text(values["photo"]), (x0, y0, x1, y1))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
