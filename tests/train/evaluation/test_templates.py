"""Templates of several media, pooled and compared as IJB-B and IJB-C specify."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import FaceRecognizer
from facehub.model.onnx import OnnxEmbedder
from facehub.template import TEMPLATES
from tests.train.networks import mean_weights
from train.__main__ import main
from train.evaluation.templates import (
    Media,
    evaluate_templates,
    pool,
    read_landmarks,
    read_media,
    read_template_pairs,
)


def test_pool_averages_media_and_skips_missing_faces() -> None:
    """Template 9 is a video of two frames and a still. One frame of template 4 has no face."""
    rows = np.array([[1, 0], [0, 1], [0, 1], [np.nan, np.nan], [0.6, 0.8], [np.nan, np.nan]])
    media = Media(list("abcdef"), np.array([9, 9, 9, 4, 4, 5]), np.array([7, 7, 3, 7, 7, 1]))
    ids, pooled = pool(rows.astype(np.float32), media)
    assert ids.tolist() == [4, 5, 9]
    assert pooled[0] == pytest.approx([0.6, 0.8])
    assert np.isnan(pooled[1]).all()
    expected = np.array([0.5, 0.5 + 1])  # the frames' mean and the still
    assert pooled[2] == pytest.approx(expected / np.linalg.norm(expected))


def test_pool_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 5)).astype(np.float32)
    templates, media = rng.integers(0, 7, 60), rng.integers(0, 4, 60)
    ids, pooled = pool(rows, Media([], templates, media))
    for number, found in zip(ids, pooled, strict=True):
        mine = templates == number
        means = [rows[mine & (media == m)].mean(axis=0) for m in np.unique(media[mine])]
        expected = np.sum(means, axis=0)
        assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


# Three people with one colour each. Templates 1 and 2 show red, 3 green, 4 blue.
MEDIA = "1.jpg 1 10\n2.jpg 1 10\n3.jpg 2 11\n4.jpg 3 12\n5.jpg 4 13\n1.jpg 4 14\n"
PAIRS = "1 2 1\n1 3 0\n2 3 0\n3 4 0\n" + "2 3 0\n" * 17
COLOURS = [(250, 5, 5), (240, 9, 9), (250, 5, 5), (5, 250, 5), (5, 5, 250)]


@pytest.fixture
def protocol(tmp_path: Path) -> tuple[Path, Path, Path, Path]:
    """The folder of pictures, which are in a sub-folder; files of media, pairs, landmarks."""
    points = " ".join(f"{v:.1f}" for v in TEMPLATES["arcface112"].points.ravel())
    folder = tmp_path / "IJBC" / "loose_crop"
    folder.mkdir(parents=True)
    for i, colour in enumerate(COLOURS, 1):
        picture = np.full((112, 112, 3), colour, np.uint8)
        Image.fromarray(picture).save(folder / f"{i}.jpg", quality=95)
    files = {
        "ijbc_face_tid_mid.txt": MEDIA,
        "ijbc_template_pair_label.txt": PAIRS,
        "ijbc_name_5pts_score.txt": "".join(f"{i}.jpg {points} 0.9\n" for i in range(1, 6)),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    media, pairs, landmarks = (tmp_path / name for name in files)
    return tmp_path / "IJBC", media, pairs, landmarks


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A network whose vector is (2, 3, 5) times the channels' means."""
    return mean_weights(tmp_path / "net")


@pytest.mark.parametrize("alignment", ["landmarks", "crop"])
def test_evaluate_templates_prints_and_writes_the_report(
    alignment: str,
    protocol: tuple[Path, Path, Path, Path],
    colours: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures, media, pairs, landmarks = protocol
    option = ["--landmarks", str(landmarks)] if alignment == "landmarks" else []
    command = ["evaluate-templates", str(pictures), "--media", str(media), "--pairs", str(pairs)]
    command += ["--weights", str(colours), "--dataset", "IJB-C", "--output", str(tmp_path / "out")]
    assert main([*command, *(option or ["--alignment", "crop"])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:5] == [
        "templates           4 of 5 pictures, IJB-C",
        "no face found       0 pictures; 0 empty templates",
        "pairs               1 genuine, 20 impostor",
    ]
    assert lines[6] == "FNMR at FMR 0.1     0.0000 [0.0000, 0.7935]"
    assert lines[7] == "FNMR at FMR 0.01    too few impostor pairs"
    report = json.loads((tmp_path / "out" / "templates.json").read_text())
    assert report["alignment"] == alignment
    assert (report["fmr"], report["threshold"]) == (None, None)
    assert [point["fmr"] for point in report["points"]] == [0.1]


def test_templates_are_aligned_by_detection(
    protocol: tuple[Path, Path, Path, Path],
    recognizer: FaceRecognizer,
    astronaut: np.ndarray,
    hopper: np.ndarray,
) -> None:
    """The fifth picture has no face. Template 4 keeps the first one, of template 1's person."""
    pictures, media, pairs, _ = protocol
    faces = [astronaut, astronaut[:, ::-1], astronaut[20:], hopper]
    for i, face in enumerate(faces, 1):
        Image.fromarray(face).save(pictures / "loose_crop" / f"{i}.jpg", quality=90)
    pairs.write_text("1 2 1\n1 4 1\n3 4 0\n2 3 0\n")
    report = evaluate_templates(pictures, media, pairs, recognizer)
    assert (report.alignment, report.no_face, report.empty) == ("detect", 1, 0)
    assert report.fmr is not None
    assert report.fnmr is not None
    assert (report.fmr.count, report.fmr.total) == (0, 2)
    assert (report.fnmr.count, report.fnmr.total) == (0, 2)
    media.write_text(MEDIA.replace("1.jpg 4 14\n", ""))
    report = evaluate_templates(pictures, media, pairs, recognizer)
    assert (report.no_face, report.empty) == (1, 1)
    assert report.fnmr is not None
    assert report.fnmr.count == 1


def test_missing_templates_landmarks_and_pictures_are_named(
    protocol: tuple[Path, Path, Path, Path], colours: Path
) -> None:
    pictures, media, pairs, landmarks = protocol
    recognizer = FaceRecognizer(OnnxEmbedder.from_pretrained(colours))
    pairs.write_text("1 2 1\n1 77 0\n")
    with pytest.raises(ValueError, match=r"label\.txt names template 77, which .*tid_mid\.txt"):
        evaluate_templates(pictures, media, pairs, recognizer)
    pairs.write_text(PAIRS)
    landmarks.write_text("")
    with pytest.raises(ValueError, match=r"5pts_score\.txt lacks 1\.jpg"):
        evaluate_templates(pictures, media, pairs, recognizer, landmarks_file=landmarks)
    media.write_text(MEDIA + "6.jpg 1 1\n7.jpg 1 1\n")
    with pytest.raises(ValueError, match=r"IJBC lacks 6\.jpg and 1 other pictures"):
        evaluate_templates(pictures, media, pairs, recognizer)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no picture"),
        ("1.jpg 1", "line 1: not picture, template, medium"),
        ("1.jpg 1 2\n2.jpg one 2", "line 2: not a number: 'one'"),
    ],
)
def test_damaged_media_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"m\.txt.*{message}"):
        read_media(tmp_path / "m.txt")


@pytest.mark.filterwarnings("ignore:loadtxt")
@pytest.mark.parametrize(
    "text", ["", "1 2\n", "1 2 1\n1 2\n", "1 2 1\n1 2 3\n", "1 2 1\n1 x 0\n", "1 2 1\n1 3 1\n"]
)
def test_damaged_pairs_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(ValueError, match=r"p\.txt"):
        read_template_pairs(tmp_path / "p.txt")


@pytest.mark.parametrize("line", ["2.jpg 1 2 3", "2.jpg" + 11 * " x", "2.jpg" + 10 * " nan"])
def test_damaged_landmarks_file_is_refused(line: str, tmp_path: Path) -> None:
    good = "1.jpg" + "".join(f" {i}" for i in range(10))
    (tmp_path / "l.txt").write_text(f"{good}\n")
    assert read_landmarks(tmp_path / "l.txt")["1.jpg"].tolist() == [
        [0, 1], [2, 3], [4, 5], [6, 7], [8, 9]
    ]  # fmt: skip
    (tmp_path / "l.txt").write_text(f"{good}\n{line}\n")
    with pytest.raises(ValueError, match=r"l\.txt, line 2: not five points"):
        read_landmarks(tmp_path / "l.txt")
