"""Aligning a raw data set: the right faces, a report, and resuming after an interruption."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

from facehub.detect.mediapipe import default_detector
from facehub.rotated import align_faces
from facehub.template import TEMPLATES
from tests.train.recordio import part, record
from train.data.align import _outputs, align


def test_align_writes_crops_reports_failures_and_resumes(
    tmp_path: Path, astronaut: np.ndarray, nobody: np.ndarray
) -> None:
    raw, aligned = tmp_path / "raw", tmp_path / "aligned"
    for identity in ("a", "b"):
        (raw / identity).mkdir(parents=True)
    Image.fromarray(astronaut).save(raw / "a" / "1.png")
    Image.fromarray(astronaut[:, ::-1]).save(raw / "b" / "1.png")
    Image.fromarray(nobody).save(raw / "b" / "nobody.png")
    (raw / "b" / "text.jpg").write_text("no picture")
    (raw / "c").mkdir()
    Image.fromarray(nobody).save(raw / "c" / "1.ppm")

    counts = align(raw, aligned, workers=1)
    rest = {"no_face": 1, "unreadable": 1, "ignored": 1, "empty": 1}
    assert counts == {"aligned": 2, "already_there": 0, **rest}
    with Image.open(aligned / "a" / "1.webp") as image:
        crop = np.asarray(image.convert("RGB")).astype(int)
    expected = align_faces(astronaut, default_detector())[0].crop.astype(int)
    assert crop.shape == (112, 96, 3)
    assert abs(crop - expected).mean() < 4  # WebP loses a little

    with (aligned / "failures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["picture"] for row in rows] == ["b/nobody.png", "b/text.jpg", "c/1.ppm", "c/"]
    assert rows[0]["reason"] == "no face"
    assert "not a picture" in rows[1]["reason"]
    assert rows[2]["reason"] == "not a supported picture suffix"
    assert rows[3]["reason"] == "no picture left"

    (aligned / "a" / "1.webp").unlink()
    before = (aligned / "b" / "1.webp").stat().st_mtime_ns
    counts = align(raw, aligned, workers=1)
    assert counts == {"aligned": 1, "already_there": 1, **rest}
    assert (aligned / "a" / "1.webp").exists()
    assert (aligned / "b" / "1.webp").stat().st_mtime_ns == before


def test_align_to_another_template(tmp_path: Path, astronaut: np.ndarray) -> None:
    raw, aligned = tmp_path / "raw", tmp_path / "aligned"
    (raw / "a").mkdir(parents=True)
    Image.fromarray(astronaut).save(raw / "a" / "1.png")
    template = TEMPLATES["arcface112"]
    assert align(raw, aligned, workers=1, template=template)["aligned"] == 1
    with Image.open(aligned / "a" / "1.webp") as image:
        crop = np.asarray(image.convert("RGB")).astype(int)
    (face,) = align_faces(astronaut, default_detector(), template=template)
    assert crop.shape == (112, 112, 3)
    assert abs(crop - face.crop.astype(int)).mean() < 4


def test_align_insightface_records(tmp_path: Path, astronaut: np.ndarray) -> None:
    """ArcFace's 112 x 112 crops, the usual form of CASIA-WebFace, with two workers."""
    crop = align_faces(astronaut, default_detector())[0].crop
    records = []
    for number, picture in enumerate((crop, crop[:, ::-1])):
        buffer = io.BytesIO()
        wide = np.pad(picture, ((0, 0), (8, 8), (0, 0)), mode="reflect")
        Image.fromarray(wide).save(buffer, format="jpeg", quality=95)
        records.append(part(record(number, [7.0], buffer.getvalue())))
    (tmp_path / "train.rec").write_bytes(b"".join(records))
    counts = align(tmp_path / "train.rec", tmp_path / "aligned", workers=2)
    assert counts["aligned"] == 2
    with Image.open(tmp_path / "aligned" / "0000007" / "00000000.webp") as image:
        found = np.asarray(image.convert("RGB")).astype(int)
    assert abs(found - crop).mean() < 15  # the same face at the same place
    assert abs(found - crop[:, ::-1]).mean() > 25


def test_outputs_keep_the_suffix_if_only_it_differs() -> None:
    assert _outputs(["a/1.jpg", "a/1.png", "a/2.b.jpg", "b/1.jpg", "0000001/00000007"]) == {
        "a/1.jpg": "a/1.jpg.webp",
        "a/1.png": "a/1.png.webp",
        "a/2.b.jpg": "a/2.b.webp",
        "b/1.jpg": "b/1.webp",
        "0000001/00000007": "0000001/00000007.webp",
    }
