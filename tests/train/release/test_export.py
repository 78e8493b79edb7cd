"""Exporting a run: weights as float16, with the records of the run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from facehub.encoder import FaceEncoder
from facehub.errors import WeightsError
from facehub.model.onnx import OnnxEmbedder
from facehub.model.spec import ModelSpec
from facehub.model.store import read_spec
from tests.thin import make_thin
from train.data.sample import sample_training
from train.release.export import export
from train.release.quantize import activation_ranges
from train.release.shrink import shrink_components


@pytest.fixture
def run(tmp_path: Path, tiny_pack: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a run of `fit` that started from another run.

    The weights are untrained, and of a thin network: `test_publish.py` exports one of full width.
    """
    make_thin(monkeypatch.setattr)
    torch.manual_seed(0)
    run = tmp_path / "run"
    FaceEncoder().eval().save_pretrained(run / "best")
    first = tmp_path / "first"
    first.mkdir()
    for folder, init in ((first, ""), (run, str(first))):
        (folder / "config.json").write_text(json.dumps({"data": tiny_pack, "init": init}))
        (folder / "checkpoint.pt").touch()
    (run / "metrics.csv").write_text("epoch,loss\n1,2\n2,1\n")
    (run / "curves.png").write_bytes(b"picture")
    return run


def test_exported_weights_have_half_the_size_and_nearly_the_same_embeddings(
    run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    exported = export(run, out, dataset="celeba")
    sizes = [(p / "model.safetensors").stat().st_size for p in (run / "best", out)]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.01)
    loaded = FaceEncoder.from_pretrained(out)
    assert loaded.spec.fingerprint == exported.spec.fingerprint
    crops = np.random.default_rng(0).integers(0, 256, (4, 112, 96, 3), np.uint8)
    before, after = FaceEncoder.from_pretrained(run / "best").embed(crops), loaded.embed(crops)
    assert (before * after).sum(1).min() > 0.9999


def test_flip_option_sets_flip_in_the_spec(run: Path, tmp_path: Path) -> None:
    assert not export(run, tmp_path / "out", dataset="celeba").spec.flip
    export(run, tmp_path / "out", dataset="celeba", flip=True)
    assert FaceEncoder.from_pretrained(tmp_path / "out").spec.flip


def test_shrink_option_shrinks_components_before_rounding(
    run: Path, tmp_path: Path, tiny_pack: str
) -> None:
    crops = sample_training(Path(tiny_pack), 1000)
    expected = FaceEncoder.from_pretrained(run / "best")
    with torch.no_grad():  # measure statistics, without which the mean is the only component
        expected.train().features(expected.preprocess(torch.from_numpy(crops)))
    expected.save_pretrained(run / "best")
    before = expected.eval().embed(crops)
    exported = export(run, tmp_path / "out", dataset="celeba", shrink=0.5)
    shrink_components(expected, crops, 0.5)
    np.testing.assert_allclose(exported.embed(crops), expected.embed(crops), atol=1e-3)
    assert np.abs(before - expected.embed(crops)).max() > 0.01
    assert json.loads((tmp_path / "out" / "training.json").read_text())["shrink"] == 0.5


def test_average_option_exports_the_mean_of_the_weights(run: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = FaceEncoder(ModelSpec(flip=True)).eval()
    other.save_pretrained(tmp_path / "other")
    before = FaceEncoder.from_pretrained(run / "best").state_dict()
    folder = str(tmp_path / "other")
    found = export(run, tmp_path / "out", dataset="celeba", average=[folder]).state_dict()
    for name, value in other.state_dict().items():
        if value.is_floating_point():
            expected = (value + before[name]) / 2
            torch.testing.assert_close(found[name], expected, atol=1e-6, rtol=1e-3)
    training = json.loads((tmp_path / "out" / "training.json").read_text())
    assert training["average"] == [folder]


def test_mean_with_another_architecture_is_refused(run: Path, tmp_path: Path) -> None:
    FaceEncoder(ModelSpec(dilated=True)).eval().save_pretrained(tmp_path / "other")
    with pytest.raises(WeightsError, match="one architecture"):
        export(run, tmp_path / "out", dataset="celeba", average=[str(tmp_path / "other")])
    assert not (tmp_path / "out").exists()


def test_negative_shrink_strength_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="strength must be 0 or more"):
        export(run, tmp_path / "out", dataset="celeba", shrink=-1)
    assert not (tmp_path / "out").exists()


def test_export_writes_the_records_and_removes_an_old_evaluation(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "evaluation.json").write_text("of other weights")
    export(run, out, dataset="celeba")
    training = json.loads((out / "training.json").read_text())
    assert (training["faces"], training["identities"], training["epochs"]) == (48, 8, 2)
    assert training["dataset"] == "celeba"
    assert [config["init"] for config in training["configs"]] == ["", str(tmp_path / "first")]
    assert (out / "metrics.csv").read_text() == "epoch,loss\n1,2\n2,1\n"
    assert (out / "curves.png").read_bytes() == b"picture"
    assert not (out / "evaluation.json").exists()


def test_each_teacher_is_named_once(run: Path, tmp_path: Path) -> None:
    known, unknown = tmp_path / "known.npz", tmp_path / "unknown.npz"
    np.savez(known, names=["a/1"], embeddings=np.ones((1, 2)), source="A network (MIT)")
    np.savez(unknown, names=["a/1"], embeddings=np.ones((1, 2)))
    for folder, teachers in ((tmp_path / "first", [known]), (run, [known, unknown, "gone.npz"])):
        settings = json.loads((folder / "config.json").read_text())
        settings["teachers"] = [str(path) for path in teachers]
        (folder / "config.json").write_text(json.dumps(settings))
    export(run, tmp_path / "out", dataset="celeba")
    training = json.loads((tmp_path / "out" / "training.json").read_text())
    assert training["teachers"] == ["A network (MIT)"]


def test_export_measures_activation_ranges_on_training_faces(
    run: Path, tmp_path: Path, tiny_pack: str
) -> None:
    out = tmp_path / "out"
    exported = export(run, out, dataset="celeba", flip=True)
    spec = read_spec(out)
    assert spec == exported.spec
    crops = sample_training(Path(tiny_pack), 1000)
    assert len(crops) == 48
    assert spec.activation_ranges == activation_ranges(exported.tensors(), spec, crops)
    assert spec.known_answer
    assert OnnxEmbedder.from_pretrained(out, precision="int8").precision == "int8"


def test_records_of_a_run_started_from_weights_include_their_runs(
    run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(run, out, dataset="celeba")
    settings = json.loads((run / "config.json").read_text())
    for _ in range(2):  # a second export does not repeat the entry of the run
        for init, expected in ((out, ["", str(tmp_path / "first"), str(out)]), ("a/b", ["a/b"])):
            (run / "config.json").write_text(json.dumps(settings | {"init": str(init)}))
            target = out if init == out else tmp_path / "other"
            export(run, target, dataset="celeba")
            configs = json.loads((target / "training.json").read_text())["configs"]
            assert [config["init"] for config in configs] == expected


def test_folder_that_is_no_run_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "metrics.csv").unlink()
    with pytest.raises(ValueError, match="is not a run of"):
        export(run, tmp_path / "out", dataset="celeba")
    assert not (tmp_path / "out").exists()


def test_weights_beyond_float16_are_refused(run: Path, tmp_path: Path) -> None:
    encoder = FaceEncoder.from_pretrained(run / "best")
    encoder.norm.running_var[0] = 1e6
    encoder.save_pretrained(run / "best")
    with pytest.raises(WeightsError, match="not finite"):
        export(run, tmp_path / "out", dataset="celeba")
    assert not (tmp_path / "out" / "model.safetensors").exists()
