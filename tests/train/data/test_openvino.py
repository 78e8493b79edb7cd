"""A network in OpenVINO's format, whose outputs are easy to calculate."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facehub.errors import WeightsError
from train.data.openvino import OpenVinoEmbedder
from train.data.pack import open_pack
from train.data.teacher import embed_teacher
from train.model.distill import load_teacher

openvino = pytest.importorskip("openvino", reason="pip install --no-deps openvino")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network that returns the channels' means, with the input of the Open Model Zoo's one."""
    ops = openvino.opset13
    picture = ops.parameter([1, 3, 128, 128], np.float32)
    mean = ops.reduce_mean(picture, np.array([2, 3]), keep_dims=True)
    model = openvino.Model([mean], [picture])
    openvino.save_model(model, tmp_path / "net.xml", compress_to_fp16=False)
    return tmp_path / "net.xml"


def test_network_gets_bgr_from_0_to_255(network: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (35, 128, 128, 3), np.uint8)
    crops[:, :, :, 0] //= 4
    wanted = crops.mean((1, 2))[:, ::-1]
    found = OpenVinoEmbedder(network).embed(crops)
    np.testing.assert_allclose(
        found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5
    )


def test_openvino_network_is_a_teacher(network: Path, tiny_pack: str, tmp_path: Path) -> None:
    target = tmp_path / "teacher.npz"
    assert embed_teacher(network, Path(tiny_pack), target) == {"faces": 96, "vector": 3}
    vectors = load_teacher(target, open_pack(Path(tiny_pack)).names).numpy()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.xml").write_text("not a network")
    with pytest.raises(WeightsError, match=r"net\.xml cannot be run"):
        OpenVinoEmbedder(tmp_path / "net.xml")


def test_openvino_telemetry_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "openvino_telemetry.py").write_text("print('telemetry')")
    code = """
from pathlib import Path
from facehub.errors import WeightsError
from train.data.openvino import OpenVinoEmbedder
try:
    OpenVinoEmbedder(Path("missing.xml"))
except WeightsError as error:
    print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "WeightsError\n"
