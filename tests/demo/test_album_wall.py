"""The Album tab shows crops, counts and escaped texts, nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from facehub.demo import album_wall
from facehub.demo.session_album import SessionAlbum
from facehub.pipeline import default_recognizer


@pytest.fixture(scope="module")
def album(examples: Path) -> SessionAlbum:
    files = ("eileen_collins.jpg", "eileen_collins_tilted.jpg", "grace_hopper.jpg")
    return SessionAlbum.read([str(examples / name) for name in files], default_recognizer())


def test_choices_give_name_and_size_of_each_group(album: SessionAlbum) -> None:
    assert album_wall.choices(album) == [("Group 1, 2 photos", 0), ("Group 2, 1 photo", 2)]
    assert album_wall.choices(album.named(2, "Grace"))[1] == ("Grace, 1 photo", 2)


def test_wall_shows_counts_and_crops_and_escapes_texts(album: SessionAlbum) -> None:
    html = album_wall.wall(album, "groups")
    assert "Faces: 3, in 3 photos. Groups of several faces: 1. Single faces: 1." in html
    first, second = re.findall(r"#groups label:nth-of-type\((\d)\) span::before\{(.*?)\}", html)
    assert (first[0], first[1].count("data:image/jpeg")) == ("1", 2)
    assert (second[0], second[1].count("data:image/jpeg")) == ("2", 1)
    hostile = replace(album, failures=("<script>alert(1)</script>: no",))
    assert "<script" not in album_wall.wall(hostile, "groups")


def test_wall_limits_the_faces_of_a_large_group(album: SessionAlbum) -> None:
    large = replace(album, groups={0: (0, 1) * 10})
    assert album_wall.wall(large, "groups").count("data:image/jpeg") == album_wall.MAX_CROPS
