"""`python -m train`: the commands that evaluate and calibrate, and errors in one line."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import FaceRecognizer
from facehub.weights import read_config
from train.__main__ import main
from train.heldout import is_heldout


@pytest.fixture
def weights(tmp_path: Path, other_weights: Path) -> Path:
    return shutil.copytree(other_weights, tmp_path / "weights")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """18 faces of six held-out identities, of noise: 18 genuine and 135 impostor pairs."""
    rng = np.random.default_rng(0)
    names = [name for name in (f"{i:05d}" for i in range(300)) if is_heldout(name)][:6]
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            for number in range(3):
                coarse = rng.integers(0, 256, (7, 6, 3), np.uint8)
                picture = Image.fromarray(coarse.repeat(16, axis=0).repeat(16, axis=1))
                buffer = io.BytesIO()
                picture.save(buffer, format="webp")
                file.writestr(f"{name}/{number}.webp", buffer.getvalue())
    return path


@pytest.fixture
def lfw(tmp_path: Path, astronaut: np.ndarray, hopper: np.ndarray) -> Path:
    """Ten folds of 200 pairs of three pictures."""
    fold = 100 * ["E\t1\t2"] + 100 * ["E\t1\tG\t1"]
    path = tmp_path / "lfw.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("pairs.txt", "\n".join(["10\t100", *10 * fold]))
        for name, picture in (("E_0001", astronaut), ("E_0002", astronaut), ("G_0001", hopper)):
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, format="png", compress_level=1)
            file.writestr(f"{name[0]}/{name}.jpg", buffer.getvalue())
    return path


def test_evaluate(
    lfw: Path, recognizer: FaceRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(lfw)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("weights             sha256:")
    assert lines[1] == "10-fold accuracy    100.00 % (std over folds 0.00)"
    assert lines[2] == "no face found       0 of 3 pictures"
    # Wilson's upper end for no error in 1,000 trials: z^2 / (1000 + z^2) = 0.0038.
    assert lines[3] == (
        f"at threshold {recognizer.config.threshold:.3f}  "
        "FMR 0.0000 [0.0000, 0.0038], FNMR 0.0000 [0.0000, 0.0038]"
    )
    assert lines[4] == "FNMR at FMR 0.01    0.0000 [0.0000, 0.0038]"
    assert lines[5] == "FNMR at FMR 0.001   0.0000 [0.0000, 0.0038]"
    assert lines[6] == "all against all     2 impostor pairs"  # too few for any FMR, or a gallery
    assert len(lines) == 7


def test_evaluate_json(lfw: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(lfw), "--weights", str(weights), "--flip", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_pictures"] == 3
    assert report["flip"] is True
    assert report["points"][1]["fmr"] == 0.001
    assert len(report["accuracy"]["thresholds"]) == 10


def test_calibrate(weights: Path, faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, tensors = read_config(weights), (weights / "model.safetensors").read_bytes()
    arguments = ["calibrate", str(weights), str(faces), "--dataset", "noise", "--fmr", "0.1"]
    assert main(arguments) == 0
    after = read_config(weights)
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


def test_calibrate_keeps_the_threshold(weights: Path, faces: Path) -> None:
    before = read_config(weights).threshold
    assert main(["calibrate", str(weights), str(faces), "--dataset", "noise", "--keep"]) == 0
    after = read_config(weights)
    assert after.threshold == before
    assert after.calibration.target_fmr is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--fmr": "0.001"}, "135 impostor pairs cannot show a false match rate of 0.001"),
        ({"faces": "nothing.zip"}, "No such file"),
        ({"faces": "text.zip"}, "not a zip file"),
        ({"weights": "nothing"}, "There is no folder"),
    ],
    ids=["too few pairs", "no faces", "not a zip", "no weights"],
)
def test_calibrate_that_fails(
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


def test_evaluate_that_fails(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(faces)]) == 1
    assert capsys.readouterr().err == f"error: {faces} lacks pairs.txt\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["calibrate", "w", "f", "--dataset", "d"], ["calibrate", "w", "f", "--keep"]],
)
def test_wrong_command_line(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
