"""Downloads of the page hold names, boxes and similarities, and no embedding."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path

import pytest

from facehub import FaceRecognizer, enrol, identify
from facehub.album import Album
from facehub.demo import downloads
from facehub.demo.session_album import SessionAlbum
from facehub.results import IdentifiedFace


@pytest.fixture(scope="module")
def faces(recognizer: FaceRecognizer, examples: Path) -> list[IdentifiedFace]:
    """Eileen Collins, who is in the gallery under an odd name, and Grace Hopper, who is not."""
    gallery = recognizer.empty_gallery()
    enrol(gallery, "=É, </a>", examples / "eileen_collins.jpg", recognizer=recognizer)
    return identify(examples / "both.jpg", gallery, recognizer=recognizer)


def contents(html: str) -> list[str]:
    """Return the contents of all files that the links hold."""
    assert "</a>" not in re.sub(r"<a [^>]*>[^<]*</a>", "", html)
    return [base64.b64decode(part).decode() for part in re.findall(r'base64,([^"]*)"', html)]


def test_album_downloads_hold_names_and_boxes(recognizer: FaceRecognizer, examples: Path) -> None:
    files = ("eileen_collins.jpg", "eileen_collins_tilted.jpg", "grace_hopper.jpg")
    album = SessionAlbum.read([str(examples / name) for name in files], recognizer)
    as_json, as_csv = contents(downloads.of_album(album.named(0, "É </a>").to_album()))
    result = Album.from_dict(json.loads(as_json))
    assert [group.name for group in result.groups] == ["É </a>", None]
    assert set(json.loads(as_json)["groups"][0]["faces"][0]) == {"photo", "box"}
    assert [line["name"] for line in csv.DictReader(io.StringIO(as_csv))] == ["É </a>"] * 2 + [""]


def test_faces_download_holds_names_boxes_and_similarities(faces: list[IdentifiedFace]) -> None:
    html = downloads.of_faces(faces)
    (table,) = contents(html)
    known, unknown = csv.DictReader(io.StringIO(table))
    assert known["name"] == known["candidate_1"] == "'=É, </a>"  # not a spreadsheet formula
    assert float(known["similarity"]) == pytest.approx(faces[0].similarity, abs=1e-4)
    box = [float(known[column]) for column in downloads.BOX]
    assert box == pytest.approx(faces[0].probe.face.box, abs=0.05)
    assert (unknown["face"], unknown["name"], unknown["similarity"]) == ("2", "", "")
    assert float(unknown["candidate_1_similarity"]) < 0.5
    assert html.count("<button") == 1  # for the picture


def test_a_row_has_as_many_cells_as_the_heading(faces: list[IdentifiedFace]) -> None:
    alone = IdentifiedFace(faces[1].probe, None, None, ())
    heading, *rows = csv.reader(io.StringIO(downloads.faces_csv([faces[0], alone])))
    assert heading[-2:] == ["candidate_1", "candidate_1_similarity"]
    assert [len(row) for row in rows] == [len(heading)] * 2
