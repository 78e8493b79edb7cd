"""The report on a small made-up LFW."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from facehub import FaceRecognizer
from train.evaluation.evaluate import AllPairs, Report, describe, evaluate, plot
from train.evaluation.metrics import KFoldAccuracy, OperatingPoint, rate
from train.evaluation.openset import OpenSet


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
    report = evaluate(archive, recognizer, output=tmp_path / "out")
    assert report.accuracy.mean == pytest.approx(99.5)
    assert report.accuracy.std == pytest.approx(0)
    assert (report.accuracy.correct.count, report.accuracy.correct.total) == (1990, 2000)
    assert (report.n_pictures, report.no_face) == (5, 1)
    assert report.fingerprint == recognizer.fingerprint
    assert report.engine == recognizer.embedder.description
    assert report.precision in report.engine
    assert report.threshold == recognizer.spec.threshold
    assert report.fmr is not None
    assert report.fnmr is not None
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


def test_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 impostor pairs 10 reach the threshold, of 4 genuine ones 3."""
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: drawn.append(figure))
    impostor = np.repeat([-0.4, 0.1, 0.2, 0.6], 10)
    plot(tmp_path / "plot.png", np.array([0.3, 0.55, 0.7, 0.8]), impostor, 0.5)
    curve, dot = drawn[0].axes[0].lines
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (0.25, 0.75)
    points = curve.get_xydata().tolist()
    assert points[0] == [1, 1]
    assert [0.25, 0.75] in points
    assert min(fmr for fmr, _ in points) == 0.25  # no rate from fewer than ten impostor pairs


def test_uncalibrated_weights(
    recognizer: FaceRecognizer, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that needs no threshold is measured; the picture has neither dot nor line."""
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: drawn.append(figure))
    uncalibrated = replace(recognizer, spec=replace(recognizer.spec, threshold=None))
    report = evaluate(archive, uncalibrated, output=tmp_path / "out")
    assert (report.threshold, report.fmr, report.fnmr) == (None, None, None)
    assert report.accuracy.mean == pytest.approx(99.5)
    assert [(p.fmr, p.fnmr.count) for p in report.points] == [(0.01, 10), (0.001, 10)]
    assert "no threshold: `python -m train calibrate` chooses one" in describe(report)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["threshold"] is None
    roc, histogram = drawn[0].axes
    assert len(roc.lines) == 1
    assert not histogram.lines


def test_describe_what_was_measured() -> None:
    found = rate(10, 100)
    report = Report(
        fingerprint="v2:0",
        precision="int8",
        engine="ONNX Runtime 1.0 on cpu, int8",
        flip=False,
        accuracy=KFoldAccuracy(90.0, 1.0, (0.5,), rate(90, 100)),
        n_pictures=9,
        no_face=0,
        threshold=0.5,
        fmr=found,
        fnmr=found,
        points=(OperatingPoint(0.01, 0.5, found),),
        all_pairs=AllPairs(100, 10_000, (OperatingPoint(0.001, 0.6, found),)),
        identification=(OpenSet(100, 10, 0.9, 0.02, 0.01, 0.4, 0.03, 0.6, 50, 500),),
    )
    lines = describe(report).splitlines()
    assert lines[:3] == [
        "weights             v2:0",
        "engine              ONNX Runtime 1.0 on cpu, int8",
        "10-fold accuracy    90.00 % [82.56, 94.48] (std over folds 1.00)",
    ]
    assert lines[5:] == [
        "FNMR at FMR 0.01    0.1000 [0.0552, 0.1744]",
        "FNMR at FMR 0.001   too few impostor pairs",
        "all against all     10,000 impostor pairs",
        "FNMR at FMR 0.01    too few impostor pairs",
        "FNMR at FMR 0.001   0.1000",
        "FNMR at FMR 0.0001  too few impostor pairs",
        "FNMR at FMR 1e-05   too few impostor pairs",
        "gallery of 100      rank-1 0.9000 (std over 10 draws 0.0200), FNIR 0.4000 (0.0300) "
        "at FPIR 0.01",
        "gallery of 1000     too few people",
    ]
