"""Evaluation on held-out identities: at the threshold, and by group."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from facehub import FaceRecognizer
from facehub.model.onnx import OnnxEmbedder
from train.__main__ import main
from train.evaluation.heldout import evaluate_heldout


@pytest.fixture
def attributes(faces: Path) -> Path:
    """A file of artificial attributes of people."""
    with zipfile.ZipFile(faces) as file:
        people = sorted({name.split("/")[0] for name in file.namelist()})
    path = faces.parent / "tones.csv"
    rows = [f"{person},{'light' if i < 4 else 'dark'}" for i, person in enumerate(people[:5])]
    path.write_text("\n".join(["identity,tone", *rows]))
    return path


def test_heldout_report_is_added_to_the_evaluation(
    other_weights: Path,
    faces: Path,
    attributes: Path,
    lfw: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Six people with three pictures each: four have tone "light", one "dark", one none."""
    out = tmp_path / "out"
    options = ["--weights", str(other_weights), "--output", str(out), "--groups", str(attributes)]
    command = ["evaluate-heldout", str(faces), *options, "--dataset", "noise"]
    assert main(command) == 1
    assert "has no evaluation.json to add to: `evaluate` first" in capsys.readouterr().err
    assert main(["evaluate", str(lfw), *options[:4]]) == 0
    before = json.loads((out / "evaluation.json").read_text())
    capsys.readouterr()
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "held-out faces      18 of 6 people, noise"
    report = json.loads((out / "evaluation.json").read_text())
    part = report.pop("heldout")
    assert report == before
    assert (part["dataset"], part["pictures"], part["people"]) == ("noise", 18, 6)
    assert (part["all_pairs"]["genuine"], part["all_pairs"]["impostor"]) == (18, 135)
    assert part["fmr"]["total"] == 135
    groups = part["groups"]
    assert (groups["attributes"], groups["unnamed"]) == ("tones.csv", 3)
    sizes = [(g["value"], g["people"], g["impostor"], g["genuine"]) for g in groups["groups"]]
    assert sizes == [("", 5, 90, 15), ("dark", 1, 0, 3), ("light", 4, 54, 12)]
    assert all(group["fmr"] is group["fnmr"] is None for group in groups["groups"])  # too few
    assert "  tone: light       12 pictures, 4 people; FMR too few pairs (54 pairs)" in lines[-1]


def test_heldout_report_is_not_added_to_an_evaluation_of_other_weights(
    other_weights: Path, faces: Path, lfw: Path, tmp_path: Path
) -> None:
    recognizer = FaceRecognizer(OnnxEmbedder.from_pretrained(other_weights))
    content = {"fingerprint": recognizer.fingerprint, "threshold": recognizer.spec.threshold}
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(content))
    evaluate_heldout(faces, recognizer, output=tmp_path)
    path.write_text(json.dumps({**content, "fingerprint": "v2:0"}))
    with pytest.raises(ValueError, match="of other weights or another threshold"):
        evaluate_heldout(faces, recognizer, output=tmp_path)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="of other weights or another threshold"):
        evaluate_heldout(faces, recognizer.with_threshold(0.123), output=tmp_path)


def test_heldout_report_without_a_threshold(other_weights: Path, faces: Path) -> None:
    recognizer = FaceRecognizer(OnnxEmbedder.from_pretrained(other_weights))
    recognizer = replace(recognizer, spec=replace(recognizer.spec, threshold=None))
    report = evaluate_heldout(faces, recognizer, everyone=True)
    assert (report.dataset, report.fmr, report.fnmr) == ("faces", None, None)
    assert [point.fmr for point in report.all_pairs.points] == [0.01]


def test_single_heldout_person_is_refused(other_weights: Path, tmp_path: Path, faces: Path) -> None:
    with zipfile.ZipFile(faces) as source, zipfile.ZipFile(tmp_path / "one.zip", "w") as target:
        for name in source.namelist()[:3]:
            target.writestr(name, source.read(name))
    recognizer = FaceRecognizer(OnnxEmbedder.from_pretrained(other_weights))
    with pytest.raises(ValueError, match=r"one\.zip needs two held-out identities"):
        evaluate_heldout(tmp_path / "one.zip", recognizer)
