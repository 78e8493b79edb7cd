"""A teacher's vectors of packed faces, from a network whose outputs are easy to calculate."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub.errors import WeightsError
from facehub.model.add import add_network
from facehub.model.onnx import OnnxEmbedder
from facehub.model.spec import Preprocessing
from facehub.model.store import default_weights
from facehub.template import AlignmentTemplate
from tests.train.networks import mean_network, mean_weights
from train.__main__ import main
from train.data.pack import open_pack, pack
from train.data.teacher import embed_teacher
from train.model.distill import load_teacher, teacher_source

PUPILS = AlignmentTemplate(112, 112, (38.4, 51.6), (73.6, 51.6))  # needs no landmarks


def wanted(crops: np.ndarray, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    padded = np.pad(crops, ((0, 0), (0, 0), (8, 8), (0, 0)), mode="reflect")
    vectors = (padded.mean((1, 2)) - mean) / std * [2, 3, 5]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("batch", ["faces", 1])
def test_teacher_vectors_are_unit_vectors_of_padded_faces(
    batch: int | str, tiny_pack: str, tmp_path: Path
) -> None:
    pack = open_pack(Path(tiny_pack))
    target = tmp_path / "teacher.npz"
    weights = mean_weights(tmp_path / "net", PUPILS, mean=100, std=50, batch=batch)
    assert embed_teacher(weights, Path(tiny_pack), target) == {"faces": 96, "vector": 3}
    found = load_teacher(target, pack.names).numpy()
    assert np.abs(found - wanted(pack.crops, 100, 50)).max() < 1e-3
    assert np.abs(found - wanted(pack.crops)).max() > 0.1


def test_network_in_the_form_of_opencv_zoo_is_a_teacher(tiny_pack: str, tmp_path: Path) -> None:
    network = mean_network(tmp_path / "net.onnx", batch=1, zoo=True)
    preprocessing = Preprocessing(mean=100, std=50)
    add_network(network, tmp_path / "net", template=PUPILS, preprocessing=preprocessing)
    embed_teacher(tmp_path / "net", Path(tiny_pack), tmp_path / "teacher.npz")
    pack = open_pack(Path(tiny_pack))
    found = load_teacher(tmp_path / "teacher.npz", pack.names).numpy()
    assert np.abs(found - wanted(pack.crops, 100, 50)).max() < 1e-3


def test_unsuitable_network_is_refused(tiny_pack: str, tmp_path: Path) -> None:
    target = tmp_path / "teacher.npz"

    def refused(weights: Path, message: str, kind: type[Exception] = WeightsError) -> None:
        with pytest.raises(kind, match=message):
            embed_teacher(weights, Path(tiny_pack), target)
        assert not target.exists()

    small = AlignmentTemplate(width=64, height=64, left_eye=(20, 20), right_eye=(44, 20))
    small_weights = mean_weights(tmp_path / "small", small, mean=100, std=50)
    refused(small_weights, "input of 64 x 64 pixels is smaller than a crop", ValueError)
    refused(mean_weights(tmp_path / "grey", channels=1), "cannot be run")
    refused(
        mean_weights(tmp_path / "map", last="Identity"), r"returned float32 \(2, 3, 1, 1\), not"
    )
    refused(mean_weights(tmp_path / "one", last="Reshape"), r"returned float32 \(1, 6\), not float")
    refused(mean_weights(tmp_path / "bad", last="Reshape", shape=(1, 3)), "cannot be run")
    text = mean_weights(tmp_path / "text")
    (text / "net.onnx").write_text("not a network")
    refused(text, "cannot be run")
    refused(tmp_path / "nothing", "There is no folder")


def test_zero_vectors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "faces" / "a").mkdir(parents=True)
    Image.new("RGB", (96, 112)).save(tmp_path / "faces" / "a" / "black.png")
    pack(tmp_path / "faces", tmp_path / "pack")
    weights = mean_weights(tmp_path / "net", PUPILS)
    with pytest.raises(ValueError, match="returns zero vectors"):
        embed_teacher(weights, tmp_path / "pack", tmp_path / "teacher.npz")


def test_names_with_accents_are_kept(tmp_path: Path) -> None:
    (tmp_path / "faces" / "José").mkdir(parents=True)
    Image.new("RGB", (96, 112), (200, 100, 50)).save(tmp_path / "faces" / "José" / "é.png")
    pack(tmp_path / "faces", tmp_path / "pack")
    target = tmp_path / "teacher.npz"
    embed_teacher(mean_weights(tmp_path / "net", PUPILS), tmp_path / "pack", target)
    assert load_teacher(target, np.array(["José/é.png"])).shape == (1, 3)


def test_shipped_network_teaches_in_float32(
    tiny_pack: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The precision variable is ignored, so the student does not learn rounding errors."""
    monkeypatch.setenv("FACEHUB_PRECISION", "int8")
    arguments = ["embed-teacher", default_weights(), tiny_pack, str(tmp_path / "ours.npz")]
    assert main([*arguments, "--source", "facehub (Apache-2.0)"]) == 0
    assert teacher_source(tmp_path / "ours.npz") == "facehub (Apache-2.0)"
    assert "vector             512" in capsys.readouterr().out
    crops = open_pack(Path(tiny_pack)).crops
    expected = OnnxEmbedder.from_pretrained(precision="float32").embed(crops)  # with flip
    with np.load(tmp_path / "ours.npz") as saved:
        np.testing.assert_allclose(saved["embeddings"], expected, atol=1e-3)
