"""Albums: the order of groups, JSON and CSV, and damaged files."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from facehub import default_recognizer
from facehub.album import COLUMNS, Album, AlbumFace, AlbumGroup, make_album
from facehub.clustering import GroupingRule
from facehub.errors import AlbumError

BOX = (1.04, 2.0, 30.0, 40.0)


def face(photo: str) -> AlbumFace:
    return AlbumFace(photo, BOX)


@pytest.fixture
def album() -> Album:
    return Album(
        (AlbumGroup((face("a.jpg"), face("b.jpg")), "Ada"), AlbumGroup((face("é.jpg"),))),
        GroupingRule(0.5, 0.4),
        "v2:abc",
    )


@pytest.mark.models
def test_make_album_groups_equal_faces_but_never_two_of_one_photo() -> None:
    spec = default_recognizer().spec
    one, other = np.eye(512, dtype=np.float32)[:2]
    faces = [face(name) for name in ("a", "b", "b", "c", "d")]
    made = make_album(faces, np.stack([one, other, other, other, one]), spec)
    assert [[f.photo for f in group.faces] for group in made.groups] == [
        ["a", "d"],
        ["b", "c"],
        ["b"],  # a second face of photo b, which already has one in the group above
    ]
    assert (made.n_faces, made.n_singles) == (5, 1)
    assert made.fingerprint == spec.fingerprint
    assert made.rule == GroupingRule.for_faces(spec, 5)
    with pytest.raises(FrozenInstanceError):
        made.fingerprint = ""
    assert make_album([], np.empty((0, 512), np.float32), spec).groups == ()


@pytest.mark.models
def test_make_album_with_uncalibrated_weights_needs_a_threshold() -> None:
    spec = replace(default_recognizer().spec, threshold=None, calibration=None)
    faces, rows = [face("a"), face("b")], np.eye(512, dtype=np.float32)[[0, 0]]
    with pytest.raises(AlbumError, match="not calibrated"):
        make_album(faces, rows, spec)
    assert len(make_album(faces, rows, spec, threshold=0.5).groups) == 1


def test_album_survives_a_json_round_trip(album: Album) -> None:
    again = Album.from_dict(json.loads(json.dumps(album.to_dict())))
    assert again.to_dict() == album.to_dict()
    assert again.groups[0].name == "Ada"
    assert again.groups[0].faces[0].box == (1.0, 2.0, 30.0, 40.0)
    assert replace(again, groups=()) == replace(album, groups=())


@pytest.mark.parametrize(
    "change",
    [
        {"format": "facehub-album-2"},
        {"fingerprint": None},
        {"threshold": {"pair": 0.4, "group": 0.5}},
        {"threshold": {}},
        {"groups": [{"name": None, "faces": []}]},
        {"groups": [{"name": "", "faces": [{"photo": "a", "box": [0, 0, 1, 1]}]}]},
        {"groups": [{"name": None, "faces": [{"photo": 1, "box": [0, 0, 1, 1]}]}]},
        {"groups": [{"name": None, "faces": [{"photo": "a", "box": [0, 0, 1]}]}]},
        {"groups": [{"name": None, "faces": [{"photo": "a", "box": [0, 0, 1, "inf"]}]}]},
        {"groups": 7},
    ],
    ids=str,
)
def test_damaged_album_is_refused(album: Album, change: dict[str, Any]) -> None:
    with pytest.raises(AlbumError, match="damaged"):
        Album.from_dict({**album.to_dict(), **change})


def test_empty_json_object_is_refused_as_an_album() -> None:
    with pytest.raises(AlbumError, match="damaged"):
        Album.from_dict({})


def test_csv_has_a_row_for_each_face(album: Album) -> None:
    header, *lines = csv.reader(io.StringIO(album.to_csv(), newline=""))
    assert tuple(header) == COLUMNS
    assert lines == [
        ["1", "Ada", "a.jpg", "1.0", "2.0", "30.0", "40.0"],
        ["1", "Ada", "b.jpg", "1.0", "2.0", "30.0", "40.0"],
        ["2", "", "é.jpg", "1.0", "2.0", "30.0", "40.0"],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_holds_no_formula(album: Album, text: str) -> None:
    group = AlbumGroup((face(text),), text)
    line = list(csv.reader(io.StringIO(replace(album, groups=(group,)).to_csv(), newline="")))[1]
    assert line[1:3] == [f"'{text}"] * 2
