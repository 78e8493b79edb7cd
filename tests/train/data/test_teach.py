"""A teacher's vectors of packed faces, from a network small enough to work out by hand."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from train.__main__ import main
from train.data.pack import open_pack, pack
from train.data.teach import teach
from train.model.distill import load_teacher


def network(
    path: Path,
    height: int = 112,
    width: int = 112,
    channels: int = 3,
    last: str = "Flatten",
    shape: tuple[int, ...] = (1, -1),
) -> Path:
    """Each channel's mean times 2, 3 and 5; two weights are also inputs, one of them idle."""
    values = numpy_helper.from_array(np.array([2, 3, 5], np.float32).reshape(1, 3, 1, 1), "weight")
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["means"]),
        helper.make_node("Mul", ["means", "weight"], ["weighted"]),
        helper.make_node(
            last, ["weighted", "shape"] if last == "Reshape" else ["weighted"], ["vector"]
        ),
    ]
    inputs = [
        helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, channels, height, width]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, [1, 3, 1, 1]),
        helper.make_tensor_value_info("idle", TensorProto.FLOAT, [8]),
    ]
    output = helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(
        nodes,
        "teacher",
        inputs,
        [output],
        [values, numpy_helper.from_array(np.array(shape), "shape")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def wanted(crops: np.ndarray, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    padded = np.pad(crops, ((0, 0), (0, 0), (8, 8), (0, 0)), mode="reflect")
    vectors = (padded.mean((1, 2)) - mean) / std * [2, 3, 5]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_unit_vectors_of_faces_with_reflected_borders(tiny_pack: str, tmp_path: Path) -> None:
    pack = open_pack(Path(tiny_pack))
    target = tmp_path / "teacher.npz"
    counts = teach(network(tmp_path / "net.onnx"), Path(tiny_pack), target, mean=100, std=50)
    assert counts == {"faces": 96, "vector": 3}
    found = load_teacher(target, pack.names).numpy()
    assert np.abs(found - wanted(pack.crops, 100, 50)).max() < 1e-3
    assert np.abs(found - wanted(pack.crops)).max() > 0.1


def test_two_teachers_weigh_the_same(
    tiny_pack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = open_pack(Path(tiny_pack))
    rng = np.random.default_rng(0)
    other = 100 + 10 * rng.normal(size=(96, 4))
    shuffled = rng.permutation(96)
    np.savez(tmp_path / "other.npz", names=pack.names[shuffled], embeddings=other[shuffled])
    arguments = [network(tmp_path / "net.onnx"), tiny_pack, tmp_path / "both.npz"]
    options = ["--beside", tmp_path / "other.npz"]
    assert main([str(a) for a in ("teach", *arguments, *options)]) == 0
    assert "vector               7" in capsys.readouterr().out
    found = load_teacher(tmp_path / "both.npz", pack.names).numpy()
    for block, before in ((found[:, :4], other), (found[:, 4:], wanted(pack.crops))):
        assert np.abs(block.mean(0)).max() < 1e-2
        assert block.var(0).sum() == pytest.approx(1, abs=1e-2)
        centred = before - before.mean(0)
        assert np.corrcoef(block.ravel(), centred.ravel())[0, 1] > 0.9999


def test_networks_that_do_not_fit(tiny_pack: str, tmp_path: Path) -> None:
    target = tmp_path / "teacher.npz"

    def refused(model: Path, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            teach(model, Path(tiny_pack), target)
        assert not target.exists()

    refused(network(tmp_path / "small.onnx", 64, 64), "takes 64 x 64 pixels, less than a crop")
    refused(network(tmp_path / "grey.onnx", channels=1), r"does not take \(N, 3, height, width\)")
    refused(network(tmp_path / "any.onnx", 0, 0), r"does not take \(N, 3, height, width\)")
    refused(network(tmp_path / "map.onnx", last="Identity"), r"gives \(32, 3, 1, 1\) for 32 faces")
    refused(network(tmp_path / "one.onnx", last="Reshape"), r"gives \(1, 96\) for 32 faces")
    refused(network(tmp_path / "bad.onnx", last="Reshape", shape=(1, 3)), "cannot be run on 32")
    (tmp_path / "text.onnx").write_text("not a network")
    refused(tmp_path / "text.onnx", "is not an ONNX file")
    np.savez(tmp_path / "other.npz", names=np.array(["a/1"]), embeddings=np.ones((1, 2)))
    with pytest.raises(ValueError, match="lacks 96 faces"):
        teach(tmp_path / "net.onnx", Path(tiny_pack), target, beside=tmp_path / "other.npz")


def test_names_of_any_script(tmp_path: Path) -> None:
    (tmp_path / "faces" / "José").mkdir(parents=True)
    Image.new("RGB", (96, 112), (200, 100, 50)).save(tmp_path / "faces" / "José" / "é.png")
    pack(tmp_path / "faces", tmp_path / "pack")
    target = tmp_path / "teacher.npz"
    teach(network(tmp_path / "net.onnx"), tmp_path / "pack", target)
    assert load_teacher(target, np.array(["José/é.png"])).shape == (1, 3)
