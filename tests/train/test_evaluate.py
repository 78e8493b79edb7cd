"""The report on a small made-up LFW."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import FaceRecognizer
from train.evaluate import describe, evaluate


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path, astronaut: np.ndarray, hopper: np.ndarray, nobody: np.ndarray) -> Path:
    """Ten folds of 200 pairs of five pictures. In each fold one genuine pair lacks a face."""
    fold = 60 * ["E\t1\t2"] + 39 * ["G\t1\t2"] + ["G\t1\t3"] + 100 * ["E\t1\tG\t1"]
    path = tmp_path / "lfw.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("pairs.txt", "\n".join(["10\t100", *10 * fold]))
        file.writestr("E/E_0001.jpg", png(astronaut))
        file.writestr("E/E_0002.jpg", png(astronaut[:, ::-1]))
        file.writestr("G/G_0001.jpg", png(hopper))
        file.writestr("G/G_0002.jpg", png((hopper * 0.8).astype(np.uint8)))
        file.writestr("G/G_0003.jpg", png(nobody))
    return path


def test_evaluate(recognizer: FaceRecognizer, archive: Path, tmp_path: Path) -> None:
    """All pairs are easy, but 1 genuine pair of 100 has no face: 1 error in 200 pairs."""
    report = evaluate(archive, recognizer.encoder, output=tmp_path / "out")
    assert report.accuracy.mean == pytest.approx(99.5)
    assert report.accuracy.std == pytest.approx(0)
    assert (report.n_pictures, report.no_face) == (5, 1)
    assert report.threshold == recognizer.config.threshold
    assert (report.fmr.count, report.fmr.total) == (0, 1000)
    assert (report.fnmr.count, report.fnmr.total) == (10, 1000)
    assert [(p.fmr, p.fnmr.count) for p in report.points] == [(0.01, 10), (0.001, 10)]
    # Genuine: E 1-2, G 1-2, 1-3, 2-3. Impostor: 2 x 3, too few for any rate or gallery.
    assert (report.all_pairs.genuine, report.all_pairs.impostor) == (4, 6)
    assert report.all_pairs.points == ()
    assert report.identification == ()
    assert "no face found       1 of 5 pictures" in describe(report)
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["fnmr"]["count"] == 10
    with Image.open(tmp_path / "out" / "evaluation.png") as image:
        assert image.size == (1210, 495)
