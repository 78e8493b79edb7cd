"""`facehub cluster`."""

from __future__ import annotations

import csv
import functools
import json
import shutil
from pathlib import Path

import pytest

from facehub.album import Album
from facehub.clustering import GroupingRule
from facehub.pipeline import FaceRecognizer
from tests.facehub.cli.conftest import Run


@pytest.fixture
def run(run: Run) -> Run:
    """Run `facehub cluster` in this process: exit code, stdout, stderr."""
    return functools.partial(run, "cluster")


def names(album: Album) -> list[list[str]]:
    return [[Path(face.photo).name for face in group.faces] for group in album.groups]


def test_cluster_writes_a_private_album(
    run: Run, tmp_path: Path, photos: Path, recognizer: FaceRecognizer
) -> None:
    output = tmp_path / "album.json"
    found = [photos / name for name in ("astronaut.png", "both.png", "hopper.jpg", "nobody.webp")]
    code, stdout, _ = run(*found, photos / "both.png", "-o", output)  # one of them twice
    assert code == 0
    assert stdout.startswith("4 faces from 4 photos (1 without a face)\n2 groups of several faces")
    assert output.stat().st_mode & 0o077 == 0
    album = Album.from_dict(json.loads(output.read_text()))
    assert names(album) == [["astronaut.png", "both.png"], ["both.png", "hopper.jpg"]]
    assert album.fingerprint == recognizer.fingerprint
    left, right = (group.faces[i].box for group, i in zip(album.groups, (1, 0), strict=True))
    assert left[2] < right[0]


def test_cluster_writes_a_private_csv_file(run: Run, tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "album.CSV"
    code, stdout, _ = run(photos / "both.png", photos / "hopper.jpg", "-o", output, "--json")
    assert code == 0
    answer = json.loads(stdout)
    assert (answer["faces"], answer["groups"], answer["single_faces"]) == (3, 1, 1)
    assert output.stat().st_mode & 0o077 == 0
    with output.open(newline="") as file:
        lines = [(line["group"], Path(line["photo"]).name) for line in csv.DictReader(file)]
    assert lines == [("1", "both.png"), ("1", "hopper.jpg"), ("2", "both.png")]


def test_cluster_applies_the_given_threshold(run: Run, tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "album.json"
    code, _, _ = run(photos, "-o", output, "--threshold", "1")
    assert code == 6  # text.jpg is no picture, and the others are grouped
    album = Album.from_dict(json.loads(output.read_text()))
    assert album.rule == GroupingRule(1, 1)
    assert len(album.groups) == album.n_singles == 4


def test_cluster_without_a_face_writes_an_empty_album(
    run: Run, tmp_path: Path, photos: Path
) -> None:
    output = tmp_path / "album.json"
    assert run(photos / "nobody.webp", "-o", output)[0] == 0
    assert Album.from_dict(json.loads(output.read_text())).groups == ()


def test_cluster_without_a_usable_photo_keeps_the_old_file(
    run: Run, tmp_path: Path, photos: Path
) -> None:
    output = tmp_path / "album.json"
    output.write_text("old")
    assert run(photos / "text.jpg", "-o", output)[0] == 5
    assert output.read_text() == "old"


@pytest.mark.parametrize(
    ("output", "message"),
    [("nothing/album.json", "cannot be written")],
)
def test_cluster_refuses_a_bad_output_before_any_work(
    run: Run,
    tmp_path: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
    message: str,
) -> None:
    monkeypatch.setattr("facehub.cli.album.load_recognizer", None)
    code, _, stderr = run(photos / "hopper.jpg", "-o", tmp_path / output)
    assert code == 5
    assert message in stderr


def test_cluster_with_uncalibrated_weights_needs_a_threshold(
    run: Run, tmp_path: Path, photos: Path, other_weights: Path
) -> None:
    folder = shutil.copytree(other_weights, tmp_path / "weights")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "threshold": None}))
    output = tmp_path / "album.json"
    code, _, stderr = run(photos / "hopper.jpg", "-o", output, "--weights", folder)
    assert code == 5
    assert "not calibrated" in stderr
    assert not output.exists()
    arguments = ["-o", output, "--weights", folder, "--threshold", "0.5"]
    assert run(photos / "hopper.jpg", *arguments)[0] == 0
