"""`python -m train`: the commands that evaluate and calibrate, and errors in one line."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import FaceRecognizer
from facehub.io.sources import open_source
from facehub.model.store import read_spec
from tests.train.networks import mean_weights
from train.__main__ import main
from train.data.heldout import heldout_names
from train.evaluation import calibrate as calibration


@pytest.fixture
def weights(tmp_path: Path, other_weights: Path) -> Path:
    return shutil.copytree(other_weights, tmp_path / "weights")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """An ONNX network of five-point 112 x 112 crops, without a threshold."""
    return mean_weights(tmp_path / "network", mean=127.5)


def test_evaluate_prints_the_report(
    lfw: Path, recognizer: FaceRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(lfw)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"weights             {recognizer.fingerprint}"
    assert lines[1] == f"engine              {recognizer.embedder.description}"
    del lines[1]
    # Wilson's lower end for 2,000 of 2,000: 2000 / (2000 + z^2) = 0.9981.
    assert lines[1] == "10-fold accuracy    100.00 % [99.81, 100.00] (std over folds 0.00)"
    assert lines[2] == "no face found       0 of 3 pictures"
    # Wilson's upper end for no error in 1,000 trials: z^2 / (1000 + z^2) = 0.0038.
    assert lines[3] == (
        f"at threshold {recognizer.spec.threshold:.3f}  "
        "FMR 0.0000 [0.0000, 0.0038], FNMR 0.0000 [0.0000, 0.0038]"
    )
    assert lines.pop(4) == "repeated pairs      1,998, 0 with the other label"
    assert lines[4] == "FNMR at FMR 0.01    0.0000 [0.0000, 0.0038]"
    assert lines[5] == "FNMR at FMR 0.001   0.0000 [0.0000, 0.0038]"
    assert lines[6:] == [
        "all against all     2 impostor pairs",
        "FNMR at FMR 0.01    too few impostor pairs",
        "FNMR at FMR 0.001   too few impostor pairs",
        "FNMR at FMR 0.0001  too few impostor pairs",
        "FNMR at FMR 1e-05   too few impostor pairs",
        "gallery of 100      too few people",
        "gallery of 1000     too few people",
    ]


@pytest.mark.parametrize(
    "words",
    [("--config", "FILE", "epochs=3", "amp=off"), ("epochs=3", "--config", "FILE", "amp=off")],
)
def test_fit_takes_overrides_after_options(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.toml").write_text('data = "faces"\nepochs = 9\n')
    found = []
    monkeypatch.setattr("train.fit.fit", lambda *given, **options: found.append((given, options)))
    words = tuple(str(tmp_path / "run.toml") if word == "FILE" else word for word in words)
    assert main(["fit", "run", *words]) == 0
    (((config, run), options),) = found
    assert options == {"allow_slow": False}
    assert (config.epochs, config.amp, config.data, run) == (3, "off", "faces", Path("run"))


@pytest.mark.parametrize("words", [("fit", "run", "--epochs", "3"), ("pack", "a", "b", "c")])
def test_unknown_arguments_are_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(words)) == 2
    assert f"unrecognized arguments: {words[-2] if words[0] == 'fit' else 'c'}" in (
        capsys.readouterr().err
    )


def test_evaluate_prints_the_report_as_json(
    lfw: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(lfw), "--weights", str(weights), "--flip", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_pictures"] == 3
    assert report["flip"] is True
    assert report["fingerprint"] != read_spec(weights).fingerprint
    assert report["points"][1]["fmr"] == 0.001
    assert len(report["accuracy"]["thresholds"]) == 10


def test_calibrate_changes_the_threshold_only(
    weights: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, tensors = read_spec(weights), (weights / "model.safetensors").read_bytes()
    arguments = ["calibrate", str(weights), str(faces), "--dataset", "noise", "--fmr", "0.1"]
    assert main(arguments) == 0
    after = read_spec(weights)
    assert after.calibration.dataset == "noise"
    assert (after.calibration.genuine_pairs, after.calibration.impostor_pairs) == (18, 135)
    assert after.calibration.fmr <= 0.1
    assert after.threshold != before.threshold
    assert after.fingerprint == before.fingerprint
    assert (weights / "model.safetensors").read_bytes() == tensors
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "18 faces of 6 identities"
    assert lines[1] == f"uncertain from {after.threshold - after.uncertain_margin:.3f}"
    assert lines[2].startswith(f"threshold {after.threshold:.3f}: FMR ")
    assert lines[3] == "135 impostor pairs, 18 genuine pairs"


@pytest.mark.parametrize(
    "words",
    [
        ["calibrate", "WEIGHTS", "FACES", "--dataset", "noise", "--fmr", "0.1"],
        ["evaluate-heldout", "FACES", "--weights", "WEIGHTS"],
    ],
)
def test_ignored_files_are_counted_and_named(
    words: list[str], weights: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"WEIGHTS": str(weights), "FACES": str(faces)}
    words = [places.get(word, word) for word in words]
    with zipfile.ZipFile(faces, "a") as file:
        file.writestr("notes.txt", "not a face")
    assert main(words) == 0  # a text file among the faces is no fault
    assert "1 left out" in capsys.readouterr().err
    with zipfile.ZipFile(faces, "a") as file:
        file.writestr("00001/camera.cr2", "a picture that is not read")
    assert main(words) == 6
    stderr = capsys.readouterr().err
    assert "2 left out; `python -m train pack " in stderr
    assert stderr.index("ignored: 00001/camera.cr2: ") < stderr.index("ignored: notes.txt: ")


def test_calibrate_leaves_out_mislabelled_pictures(
    weights: Path,
    faces: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calibration, "mislabelled", lambda _, labels: np.arange(len(labels)) == 3)
    arguments = ["calibrate", str(weights), str(faces), "--dataset", "noise", "--fmr", "0.1"]
    assert main(arguments) == 0
    found = read_spec(weights).calibration
    assert (found.genuine_pairs, found.impostor_pairs, found.left_out) == (16, 120, 1)
    fourth = heldout_names(open_source(faces))[3]
    assert f"excluded as probably mislabelled: {fourth}" in capsys.readouterr().out.splitlines()
    assert main([*arguments, "--as-labelled"]) == 0
    found = read_spec(weights).calibration
    assert (found.genuine_pairs, found.impostor_pairs, found.left_out) == (18, 135, 0)
    assert "mislabelled" not in capsys.readouterr().out


def test_calibrate_with_keep_keeps_the_threshold(weights: Path, faces: Path) -> None:
    before = read_spec(weights).threshold
    assert main(["calibrate", str(weights), str(faces), "--dataset", "noise", "--keep"]) == 0
    after = read_spec(weights)
    assert after.threshold == before
    assert after.calibration.target_fmr is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"--fmr": "0.001"},
            "135 impostor pairs are too few to measure a false match rate of 0.001",
        ),
        ({"faces": "nothing.zip"}, "nothing.zip is not a folder, a zip or a RecordIO data set"),
        ({"faces": "text.zip"}, "text.zip is not a folder, a zip or a RecordIO data set"),
        ({"weights": "nothing"}, "There is no folder"),
    ],
    ids=["too few pairs", "no faces", "not a zip", "no weights"],
)
def test_failed_calibrate_leaves_the_config_unchanged(
    weights: Path,
    faces: Path,
    change: dict[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (faces.parent / "text.zip").write_text("faces")
    config = (weights / "config.json").read_bytes()
    arguments = [
        str(weights.parent / change.get("weights", weights.name)),
        str(faces.parent / change.get("faces", faces.name)),
    ]
    fmr = change.get("--fmr", "0.1")
    assert main(["calibrate", *arguments, "--dataset", "noise", "--fmr", fmr]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: ")
    assert message in stderr
    assert (weights / "config.json").read_bytes() == config


def test_onnx_network_is_calibrated_and_evaluated(
    network: Path, faces: Path, lfw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The crops of 96 x 112 are padded to the network's size. `calibrate` sets the threshold."""
    assert main(["evaluate", str(lfw), "--weights", str(network)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("engine              ONNX Runtime ")
    assert lines[2].startswith("10-fold accuracy    ")
    assert lines[4] == "uncalibrated        no threshold: `python -m train calibrate` chooses one"
    keep = ["calibrate", str(network), str(faces), "--dataset", "noise", "--keep"]
    assert main(keep) == 1
    assert "there is no threshold to keep" in capsys.readouterr().err

    content = (network / "net.onnx").read_bytes()
    assert main(["calibrate", *keep[1:5], "--fmr", "0.1", "--uncertain-fmr", "0.5"]) == 0
    spec = read_spec(network)
    assert spec.calibration is not None
    assert (spec.calibration.genuine_pairs, spec.calibration.impostor_pairs) == (18, 135)
    assert spec.threshold is not None
    assert (network / "net.onnx").read_bytes() == content

    out = tmp_path / "out"
    command = ["evaluate", str(lfw), "--weights", str(network), "--output", str(out)]
    assert main(command) == 0
    report = json.loads((out / "evaluation.json").read_text())
    assert report["threshold"] == spec.threshold
    assert report["fmr"]["total"] == 1000
    assert report["precision"] == "file"
    assert report["engine"].startswith("ONNX Runtime ")
    assert report["fingerprint"] == spec.fingerprint


def test_calibrate_and_evaluate_run_in_the_given_precision(
    weights: Path, tiny_pack: str, faces: Path, lfw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate = ["calibrate", str(weights), str(faces), "--dataset", "noise", "--fmr", "0.1"]
    assert main([*calibrate, "--precision", "int8"]) == 1
    assert "cannot run as int8" in capsys.readouterr().err
    assert main(["quantize", str(weights), tiny_pack, "--count", "8"]) == 0
    assert main([*calibrate, "--precision", "int8"]) == 0
    capsys.readouterr()
    found = {}
    for precision in ("float32", "int8"):
        command = ["evaluate", str(lfw), "--weights", str(weights), "--json"]
        assert main([*command, "--precision", precision]) == 0
        report = found[precision] = json.loads(capsys.readouterr().out)
        assert report["precision"] == precision
        assert report["engine"].endswith(precision)
    assert found["float32"]["fingerprint"] == found["int8"]["fingerprint"]


def test_evaluate_without_pairs_is_refused(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(faces)]) == 1
    assert capsys.readouterr().err == (
        f"error: {faces} lacks pairs.txt; name the file of its pairs (--pairs)\n"
    )


def test_evaluate_with_groups_reports_the_chosen_columns(
    lfw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("name,tone,age\nE,I,old\nG,II,young\n")
    command = ["evaluate", str(lfw), "--groups", str(tmp_path / "a.csv"), "--columns", "age"]
    assert main([*command, "--dataset", "three pictures", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["dataset"] == "three pictures"
    assert [g["value"] for g in report["groups"]["groups"]] == ["", "old", "young"]
    assert main([*command, "tome"]) == 1
    assert "a.csv has no column 'tome', but: tone, age" in capsys.readouterr().err
    assert main(["evaluate", str(lfw), "--columns", "age"]) == 1
    assert "--columns needs --groups" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["calibrate", "w", "f", "--dataset", "d"], ["calibrate", "w", "f", "--keep"]],
)
def test_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    assert main(arguments) == 2


@pytest.mark.parametrize("command", ["evaluate", "evaluate-templates", "evaluate-heldout"])
def test_unwritable_output_is_refused_before_the_evaluation(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    options = ["--media", "m", "--pairs", "p"] if command == "evaluate-templates" else []
    assert main([command, "nothing", *options, "--output", str(tmp_path / "file")]) == 1
    assert (
        capsys.readouterr().err
        == f"error: --output must be a folder, and {tmp_path}/file is not one\n"
    )


@pytest.mark.parametrize("target", ["teacher.csv", "nothing/teacher.npz"])
def test_bad_target_of_embed_teacher_is_refused_before_the_work(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed-teacher", "nothing", "nothing", str(tmp_path / target)]) == 1
    assert "must be an .npz file in an existing folder" in capsys.readouterr().err


def test_align_and_pack_count_and_name_ignored_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both ignore a raw camera picture, a picture outside folders, and a dangling link.

    `align` also leaves out the last picture, as it shows no face, and so its person.
    """

    def check(stderr: str, count: int, where: str) -> None:
        assert f"{count} left out; {where}\n" in stderr
        for name in ("a/2.cr2", "3.jpg", "a/4.jpg"):
            assert f"ignored: {name}: " in stderr

    raw = tmp_path / "raw"
    (raw / "a").mkdir(parents=True)
    Image.new("RGB", (96, 112)).save(raw / "a" / "1.png")
    (raw / "a" / "2.cr2").touch()
    (raw / "3.jpg").touch()
    (raw / "a" / "4.jpg").symlink_to(tmp_path / "nowhere")
    assert main(["pack", str(raw), str(tmp_path / "pack")]) == 6
    stdout, stderr = capsys.readouterr()
    assert "ignored              3" in stdout.splitlines()
    check(stderr, 3, f"{tmp_path}/pack/index.json lists all")
    left_out = json.loads((tmp_path / "pack" / "index.json").read_text())["left_out"]
    assert left_out.keys() == {"a/2.cr2", "3.jpg", "a/4.jpg"}

    assert main(["align", str(raw), str(tmp_path / "aligned"), "--workers", "1"]) == 6
    stdout, stderr = capsys.readouterr()
    assert "ignored                3" in stdout.splitlines()
    check(stderr, 5, f"{tmp_path}/aligned/failures.csv lists all")
    for name in left_out:
        assert name in (tmp_path / "aligned" / "failures.csv").read_text()
