"""The evaluation report on a small artificial LFW."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from facehub import FaceRecognizer
from facehub.errors import ImageDecodeError
from facehub.model.onnx import OnnxEmbedder
from facehub.rotated import align_faces
from facehub.template import TEMPLATES
from tests.train.networks import mean_weights
from train.evaluation.attributes import Attributes
from train.evaluation.evaluate import Report, describe, evaluate
from train.evaluation.metrics import KFoldAccuracy, OperatingPoint, rate
from train.evaluation.openset import OpenSet
from train.evaluation.plot import plot
from train.evaluation.report import AllPairs


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


def test_evaluate_reports_accuracy_and_rates(
    recognizer: FaceRecognizer, archive: Path, tmp_path: Path
) -> None:
    """All pairs are easy, except that 1 genuine pair of 100 has no face: 1 error in 200."""
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
    assert (report.dataset, report.alignment, report.groups) == ("LFW", "detect", None)
    assert report.all_pairs is not None
    # Genuine: E 1-2, G 1-2, 1-3, 2-3. Impostor: 2 x 3, too few for any rate or gallery.
    assert (report.all_pairs.genuine, report.all_pairs.impostor) == (4, 6)
    assert report.all_pairs.points == ()
    assert report.identification == ()
    assert "no face found       1 of 5 pictures" in describe(report)
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["fnmr"]["count"] == 10
    with Image.open(tmp_path / "out" / "evaluation.png") as image:
        assert image.size == (1210, 495)


def test_plot_draws_the_roc_curve_and_the_threshold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the threshold, 10 of 40 impostor pairs and 3 of 4 genuine pairs are accepted."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: figures.append(figure))
    impostor = np.repeat([-0.4, 0.1, 0.2, 0.6], 10)
    plot(tmp_path / "plot.png", np.array([0.3, 0.55, 0.7, 0.8]), impostor, 0.5)
    curve, dot = figures[0].axes[0].lines
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (0.25, 0.75)
    points = curve.get_xydata().tolist()
    assert points[0] == [1, 1]
    assert [0.25, 0.75] in points
    assert min(fmr for fmr, _ in points) == 0.25  # no rate from fewer than ten impostor pairs


def test_uncalibrated_weights_are_evaluated_without_a_threshold(
    recognizer: FaceRecognizer, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that needs no threshold is measured; the plot shows no threshold."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: figures.append(figure))
    uncalibrated = replace(recognizer, spec=replace(recognizer.spec, threshold=None))
    report = evaluate(archive, uncalibrated, output=tmp_path / "out")
    assert (report.threshold, report.fmr, report.fnmr) == (None, None, None)
    assert report.accuracy.mean == pytest.approx(99.5)
    assert [(p.fmr, p.fnmr.count) for p in report.points] == [(0.01, 10), (0.001, 10)]
    assert "no threshold: `python -m train calibrate` chooses one" in describe(report)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["threshold"] is None
    roc, histogram = figures[0].axes
    assert len(roc.lines) == 1
    assert not histogram.lines


def test_describe_prints_what_was_measured() -> None:
    found = rate(10, 100)
    report = Report(
        fingerprint="v2:0",
        precision="int8",
        engine="ONNX Runtime 1.0 on cpu, int8",
        flip=False,
        dataset="LFW",
        alignment="detect",
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


@pytest.fixture
def bin_set(tmp_path: Path, astronaut: np.ndarray, hopper: np.ndarray) -> Path:
    """Ten folds of two pairs of crops of 112 x 112: E and her mirror image, E and G."""
    crops = []
    for picture in (astronaut, astronaut[:, ::-1], hopper):
        face = align_faces(picture, template=TEMPLATES["arcface112"])[0]
        crops.append(png(face.crop))
    e, mirrored, g = crops
    path = tmp_path / "agedb_30.bin"
    path.write_bytes(pickle.dumps((10 * [e, mirrored, e, g], 10 * [True, False]), 2))
    return path


def test_bin_set_is_evaluated_by_detection_or_by_crops(
    recognizer: FaceRecognizer, bin_set: Path, tmp_path: Path
) -> None:
    """Crops are aligned again, or their middle is cut out. The identities are unknown."""
    report = evaluate(bin_set, recognizer)
    assert (report.alignment, report.accuracy.mean, report.no_face) == ("detect", 100, 0)
    report = evaluate(bin_set, recognizer, alignment="crop", output=tmp_path / "out")
    assert (report.dataset, report.alignment, report.n_pictures) == ("agedb_30", "crop", 3)
    assert (report.accuracy.mean, report.accuracy.correct.total) == (100, 20)
    assert (report.all_pairs, report.identification, report.no_face) == (None, (), 0)
    lines = describe(report).splitlines()
    assert lines[3] == "aligned crops       3 pictures"
    assert lines[-1] == "all against all     the pairs do not give the identities"
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["all_pairs"] is None
    assert (tmp_path / "out" / "evaluation.png").is_file()


def test_bin_set_with_a_network_of_the_same_template_uses_whole_crops(
    bin_set: Path, tmp_path: Path
) -> None:
    """Such a network gets all 112 columns of the crops."""
    network = OnnxEmbedder.from_pretrained(mean_weights(tmp_path / "net"))
    report = evaluate(bin_set, FaceRecognizer(network))
    assert (report.alignment, report.n_pictures, report.threshold) == ("crop", 3, None)
    assert report.accuracy.mean == 100  # a face and its mirror image are of one colour


def test_damaged_crop_is_named(recognizer: FaceRecognizer, tmp_path: Path) -> None:
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((10 * [b"", b"", b"", b"x"], 10 * [True, False])))
    with pytest.raises(ImageDecodeError, match=r"^lfw\.bin/00000: "):
        evaluate(path, recognizer)


def test_fewer_pairs_than_folds_are_refused(recognizer: FaceRecognizer, tmp_path: Path) -> None:
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(([b"", b"", b"", b"x"], [True, False])))
    with pytest.raises(ValueError, match=r"lfw\.bin has 2 pairs, too few for 10 folds"):
        evaluate(path, recognizer)


def test_groups_are_reported_over_all_or_given_pairs(
    recognizer: FaceRecognizer, archive: Path, tmp_path: Path
) -> None:
    """All pairs within a group if folders are people, else the pairs of the file."""
    attributes = Attributes("a.csv", ("tone",), {"E": ("I",), "G": ("II",)})
    report = evaluate(archive, recognizer, attributes=attributes, output=tmp_path)
    assert report.groups is not None
    assert report.groups.all_against_all
    sizes = [(g.value, g.people, g.impostor, g.genuine) for g in report.groups.groups]
    assert sizes == [("", 2, 6, 4), ("I", 1, 0, 1), ("II", 1, 0, 3)]
    assert json.loads((tmp_path / "evaluation.json").read_text())["groups"]["unnamed"] == 0
    assert describe(report).splitlines()[-1].startswith("  tone: II          3 pictures, 1 people;")

    pairs = 120 * "E/E_0001.jpg E/E_0002.jpg 1\nG/G_0001.jpg E/E_0001.jpg 0\n"
    (tmp_path / "pairs.csv").write_text(pairs + "E/E_0001.jpg E/E_0002.jpg 0\n")  # a wrong label
    report = evaluate(archive, recognizer, pairs_file=tmp_path / "pairs.csv", attributes=attributes)
    assert (report.dataset, report.all_pairs) == ("pairs", None)
    assert report.groups is not None
    everyone, first, second = report.groups.groups
    assert (everyone.impostor, everyone.genuine, everyone.people) == (121, 120, None)
    assert everyone.fmr == rate(1, 121)
    assert (first.impostor, first.fmr, first.fnmr) == (1, None, rate(0, 120))
    assert (second.impostor, second.genuine) == (0, 0)
