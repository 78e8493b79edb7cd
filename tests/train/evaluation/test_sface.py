"""OpenCV's SFace, calibrated and evaluated on a part of CelebA and of LFW."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from train.__main__ import main
from train.data.heldout import is_heldout
from train.evaluation.pairs_text import parse_pairs


@pytest.fixture
def faces(tmp_path: Path, shared_data: Path) -> Path:
    """Aligned faces of 24 held-out identities of CelebA."""
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(shared_data / "celeba_aligned.zip") as source:
        names = [name for name in source.namelist() if is_heldout(name.rpartition("/")[0])]
        chosen = set(sorted({name.rpartition("/")[0] for name in names})[:24])
        with zipfile.ZipFile(path, "w") as target:
            for name in names:
                if name.rpartition("/")[0] in chosen:
                    target.writestr(name, source.read(name))
    return path


def save_lfw(path: Path, shared_data: Path, count: int) -> Path:
    """Save `count` genuine and `count` impostor pairs of each fold of LFW."""
    with zipfile.ZipFile(shared_data / "lfw_pairs.zip") as source:
        lines = source.read("pairs.txt").decode().splitlines()
        text = "\n".join(
            [f"10\t{count}", *(x for i, x in enumerate(lines[1:]) if i % (300 // count) == 0)]
        )
        with zipfile.ZipFile(path, "w") as target:
            target.writestr("pairs.txt", text)
            pairs = parse_pairs(text, "pairs.txt")
            for name in sorted({name for pair in pairs for name in (pair.first, pair.second)}):
                target.writestr(name, source.read(name))
    return path


def test_sface_is_calibrated_and_reaches_97_percent_on_lfw(
    sface: Path,
    faces: Path,
    shared_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(sface, tmp_path / "sface"))
    small = save_lfw(tmp_path / "small.zip", shared_data, 1)
    assert main(["evaluate", str(small), "--weights", str(folder)]) == 0
    assert "calibrate" in capsys.readouterr().out
    options = ["--dataset", "a part of CelebA", "--fmr", "1e-2"]
    assert main(["calibrate", str(folder), str(faces), *options]) == 0
    assert "impostor pairs" in capsys.readouterr().out
    lfw = save_lfw(tmp_path / "lfw.zip", shared_data, 3)
    assert main(["evaluate", str(lfw), "--weights", str(folder)]) == 0
    report = capsys.readouterr().out
    accuracy = next(line for line in report.splitlines() if line.startswith("10-fold accuracy"))
    assert float(accuracy.split()[2]) >= 97
    assert "at threshold" in report
