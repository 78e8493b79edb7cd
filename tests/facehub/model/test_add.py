"""`facehub model add`: an ONNX network becomes a weight folder, or an error says why not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from facehub import FaceRecognizer, OnnxEmbedder, WeightsError, verify
from facehub.cli.main import main
from facehub.model.add import add_network
from facehub.model.selftest import synthetic_crops
from facehub.model.spec import Preprocessing
from facehub.template import DEFAULT_TEMPLATE, TEMPLATES
from tests.facehub.model.networks import SIZE, expected, save_network

ARCFACE = TEMPLATES["arcface112"]
CROPS = np.random.default_rng(1).integers(0, 256, (5, 112, 112, 3), np.uint8)
PLAIN = Preprocessing(mean=0, std=1)


def add(tmp_path: Path, preprocessing: Preprocessing = PLAIN, **options: object) -> OnnxEmbedder:
    path = save_network(tmp_path / "net.onnx", **options)
    add_network(path, tmp_path / "folder", template=ARCFACE, preprocessing=preprocessing)
    return OnnxEmbedder.from_pretrained(tmp_path / "folder")


def test_add_network_writes_the_config(tmp_path: Path) -> None:
    embedder = add(tmp_path)
    values = json.loads((tmp_path / "folder" / "config.json").read_text())
    assert (values["architecture"], values["file"]) == ("onnx", "net.onnx")
    assert values["embedding_size"] == SIZE
    assert values["threshold"] is None
    assert values["template"]["nose"] == [56.0252, 71.7366]
    assert values["fingerprint"] == embedder.fingerprint()
    answer = embedder.embed(synthetic_crops(ARCFACE))[0]
    np.testing.assert_allclose(values["known_answer"], answer, atol=1e-5)


@pytest.mark.parametrize("batch", ["N", 1, 7], ids=str)
@pytest.mark.parametrize("listed", [False, True])
def test_embed_in_batches_of_any_size(tmp_path: Path, batch: int | str, listed: bool) -> None:
    embedder = add(tmp_path, batch=batch, listed=listed)
    np.testing.assert_allclose(embedder.embed(CROPS), expected(CROPS), atol=1e-5)
    np.testing.assert_allclose(embedder.embed(CROPS, batch_size=2), expected(CROPS), atol=1e-5)
    assert len(embedder.embed(CROPS[:0])) == 0


def test_network_that_mixes_faces_of_a_batch_gets_one_at_a_time(tmp_path: Path) -> None:
    embedder = add(tmp_path, squash_batch=True)
    np.testing.assert_allclose(embedder.embed(CROPS), expected(CROPS), atol=1e-5)


def test_mean_and_std_are_applied(tmp_path: Path) -> None:
    embedder = add(tmp_path, Preprocessing(mean=100, std=50))
    np.testing.assert_allclose(embedder.embed(CROPS), expected(CROPS, 100, 50), atol=1e-5)


def test_mean_and_std_per_channel_are_applied(tmp_path: Path) -> None:
    embedder = add(tmp_path, Preprocessing(mean=(10, 20, 30), std=(1, 2, 4)))
    changed = (CROPS - np.array([10.0, 20.0, 30.0])) / np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(embedder.embed(CROPS), expected(changed), atol=1e-5)


def test_bgr_network_gets_bgr(tmp_path: Path) -> None:
    embedder = add(tmp_path, Preprocessing(colour="BGR", mean=0, std=1))
    np.testing.assert_allclose(embedder.embed(CROPS), expected(CROPS[..., ::-1]), atol=1e-5)


def test_nhwc_network_gets_channels_last(tmp_path: Path) -> None:
    embedder = add(tmp_path, Preprocessing(layout="NHWC", mean=0, std=1), layout="NHWC")
    np.testing.assert_allclose(embedder.embed(CROPS), expected(CROPS), atol=1e-5)


def test_flip_adds_the_embedding_of_the_mirror_image(tmp_path: Path) -> None:
    for layout in ("NCHW", "NHWC"):
        path = save_network(tmp_path / "net.onnx", layout=layout)
        add_network(
            path,
            tmp_path / layout,
            template=ARCFACE,
            preprocessing=Preprocessing(layout=layout, mean=0, std=1),  # type: ignore[arg-type]
            flip=True,
        )
        both = expected(CROPS) + expected(CROPS[:, :, ::-1])
        both /= np.linalg.norm(both, axis=1, keepdims=True)
        found = OnnxEmbedder.from_pretrained(tmp_path / layout).embed(CROPS)
        np.testing.assert_allclose(found, both, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "template", "message"),
    [
        ({}, DEFAULT_TEMPLATE, "takes 112 x 112 pixels; the template has 96 x 112"),
        ({"layout": "NHWC"}, ARCFACE, r"needs one input \(N, 3, height, width\)"),
        ({"scale": 0.0}, ARCFACE, "an embedding is zero"),
        ({"scale": float("nan")}, ARCFACE, "not finite"),
    ],
    ids=["size", "layout", "zero", "nan"],
)
def test_network_that_does_not_fit_is_refused(
    tmp_path: Path, options: dict[str, object], template: object, message: str
) -> None:
    path = save_network(tmp_path / "net.onnx", **options)
    with pytest.raises(WeightsError, match=message):
        add_network(path, tmp_path / "folder", template=template, preprocessing=PLAIN)  # type: ignore[arg-type]
    assert not (tmp_path / "folder").exists()


def test_missing_and_damaged_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="There is no file"):
        add_network(tmp_path / "x.onnx", tmp_path, template=ARCFACE, preprocessing=PLAIN)
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"is not an ONNX file|does not take"):
        add_network(tmp_path / "x.onnx", tmp_path, template=ARCFACE, preprocessing=PLAIN)


def test_changed_network_file_is_refused(tmp_path: Path) -> None:
    add(tmp_path)
    save_network(tmp_path / "folder" / "net.onnx", scale=2.0)
    with pytest.raises(WeightsError, match="does not belong to"):
        OnnxEmbedder.from_pretrained(tmp_path / "folder")


def test_config_with_wrong_colour_order_is_refused(tmp_path: Path) -> None:
    """Without a fingerprint, the known answer detects it."""
    add(tmp_path)
    path = tmp_path / "folder" / "config.json"
    values = json.loads(path.read_text())
    values["fingerprint"], values["preprocessing"]["colour"] = None, "BGR"
    path.write_text(json.dumps(values))
    with pytest.raises(WeightsError, match="differs from the one in config"):
        OnnxEmbedder.from_pretrained(tmp_path / "folder")


def test_config_with_wrong_embedding_size_is_refused(tmp_path: Path) -> None:
    add(tmp_path)
    path = tmp_path / "folder" / "config.json"
    values = json.loads(path.read_text()) | {
        "fingerprint": None,
        "known_answer": [],
        "embedding_size": 5,
    }
    path.write_text(json.dumps(values))
    with pytest.raises(WeightsError, match=r"returned float32 \(2, 4\), not float \(2, 5\)"):
        OnnxEmbedder.from_pretrained(tmp_path / "folder")


def test_int8_of_an_added_network_is_refused(tmp_path: Path) -> None:
    add(tmp_path)
    with pytest.raises(WeightsError, match="precision of its file"):
        OnnxEmbedder.from_pretrained(tmp_path / "folder", precision="int8")


def test_recognizer_and_verify_run_on_an_added_network(
    tmp_path: Path, astronaut: np.ndarray
) -> None:
    add(tmp_path)
    recognizer = FaceRecognizer.from_pretrained(tmp_path / "folder")
    (face,) = recognizer.faces(astronaut)
    assert face.face.crop.shape == (112, 112, 3)
    np.testing.assert_allclose(face.embedding, expected(face.face.crop[None])[0], atol=1e-5)
    result = verify(astronaut, astronaut, recognizer=recognizer)
    assert result.decision.value == "uncalibrated"
    assert result.similarity == pytest.approx(1, abs=1e-6)


def test_model_add_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], photos: Path
) -> None:
    network, folder = save_network(tmp_path / "net.onnx"), tmp_path / "folder"
    options = ["--mean", "1", "2", "3", "--std", "4", "--colour", "BGR", "--threshold", "0.5"]
    assert main(["model", "add", str(network), "-o", str(folder), *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["embedding_size"] == SIZE
    spec = OnnxEmbedder.from_pretrained(folder).spec
    assert spec.preprocessing == Preprocessing("BGR", "NCHW", (1, 2, 3), 4)
    assert spec.threshold == 0.5
    pair = [str(photos / "astronaut.png"), str(photos / "hopper.jpg")]
    main(["verify", *pair, "--weights", str(folder)])
    assert "threshold 0.500" in capsys.readouterr().out
    assert main(["model", "add", str(network), "-o", str(folder)]) == 5
    assert "already holds weights" in capsys.readouterr().err
    assert main(["model", "add", str(network), "-o", str(folder), "--force"]) == 0
    assert "no threshold yet" in capsys.readouterr().out
    assert main(["verify", *pair, "--weights", str(folder)]) == 4
    assert capsys.readouterr().out.startswith("uncalibrated")
    for bad in (["--mean", "1", "2"], ["--std", "0"], ["--mean", "nan"]):
        assert main(["model", "add", str(network), "-o", str(folder), *bad, "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "UsageError"
    (tmp_path / "file").touch()
    assert main(["model", "add", str(network), "-o", str(tmp_path / "file"), "--json"]) == 5
    assert "cannot be written" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_network_that_does_not_run_leaves_no_folder(tmp_path: Path) -> None:
    onnx.save(onnx.ModelProto(), tmp_path / "empty.onnx")
    with pytest.raises(WeightsError):
        add_network(
            tmp_path / "empty.onnx", tmp_path / "folder", template=ARCFACE, preprocessing=PLAIN
        )
    assert not (tmp_path / "folder").exists()
