"""Small data sets shared by the tests of training."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.data.heldout import is_heldout
from train.data.pack import pack


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory: pytest.TempPathFactory) -> str:
    """8 training and 8 held-out identities with 6 pictures each: noisy coarse random patterns."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    names = [f"{i:05d}" for i in range(1000)]
    training = [name for name in names if not is_heldout(name)][:8]
    heldout = [name for name in names if is_heldout(name)][:8]
    for name in training + heldout:
        (root / name).mkdir()
        pattern = rng.integers(0, 255, (7, 6, 3))
        for i in range(6):
            noisy = np.clip(pattern + rng.normal(0, 20, pattern.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).resize((96, 112)).save(root / name / f"{i}.png")
    target = tmp_path_factory.mktemp("pack")
    pack(root, target)
    return str(target)


@pytest.fixture(scope="session")
def faces_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 faces of six held-out identities, made of noise: 18 genuine and 135 impostor pairs."""
    rng = np.random.default_rng(0)
    names = [name for name in (f"{i:05d}" for i in range(300)) if is_heldout(name)][:6]
    path = tmp_path_factory.mktemp("faces") / "faces.zip"
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
def faces(faces_once: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(faces_once, tmp_path))


@pytest.fixture(scope="session")
def lfw_once(
    tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray, hopper: np.ndarray
) -> Path:
    """Ten folds of 200 pairs, made from three pictures."""
    fold = 100 * ["E\t1\t2"] + 100 * ["E\t1\tG\t1"]
    path = tmp_path_factory.mktemp("lfw") / "lfw.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("pairs.txt", "\n".join(["10\t100", *10 * fold]))
        for name, picture in (("E_0001", astronaut), ("E_0002", astronaut), ("G_0001", hopper)):
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, format="png", compress_level=1)
            file.writestr(f"{name[0]}/{name}.jpg", buffer.getvalue())
    return path


@pytest.fixture
def lfw(lfw_once: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(lfw_once, tmp_path))
