"""Training of the occlusion network, on a few portraits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from facehub import align_faces, load_image
from facehub.io.files import write_atomically
from facehub.model.runtime import open_session
from train.__main__ import main
from train.data.heldout import is_heldout
from train.data.landmarks import LANDMARKS
from train.occlusion import fit
from train.occlusion.draw import DECOYS, KINDS, USUAL_POINTS
from train.occlusion.fit import PLAIN, answers, rates, set_limits, train_net
from train.occlusion.net import OcclusionNet, to_onnx


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """Copies of two faces under many names, some of them held out."""
    crops = [
        align_faces(load_image(examples / name))[0].crop
        for name in ("grace_hopper.jpg", "eileen_collins.jpg")
    ]
    names = [f"{number:05d}/{copy}.webp" for number in range(40) for copy in range(4)]
    folder = tmp_path_factory.mktemp("pack")
    np.save(folder / "crops.npy", np.stack([crops[i % 2] for i in range(len(names))]))
    write_atomically(folder / "index.json", json.dumps({"names": names}).encode())
    np.save(folder / LANDMARKS, np.stack([USUAL_POINTS] * len(names)))
    assert any(is_heldout(name.partition("/")[0]) for name in names)
    return folder


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw all faces in this process: no set is large enough for worker processes."""
    monkeypatch.setattr(fit, "_CHUNK", 10**6)


def drawn(pack: Path, kinds: list[str], count: int, seed: int) -> fit.Drawn:
    faces = fit.open_pack(pack)
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(faces.crops), size=count)
    return fit.draw_set(faces, pack, rows, rng.choice(kinds, count), seed=seed)


@pytest.mark.usefixtures("in_this_process")
def test_network_learns_and_keeps_the_rate_of_false_alarms(pack: Path) -> None:
    training = drawn(pack, [PLAIN, "clear glasses", "dark glasses", "mask"], 400, 0)
    net = train_net(training, epochs=6, seed=0)
    plain = drawn(pack, [PLAIN, "hat"], 200, 1)
    set_limits(net, plain.inputs)
    alarms = answers(net, plain.inputs) > 0
    assert alarms.mean(axis=0).max() <= fit.FALSE_ALARMS
    report = rates(net, drawn(pack, ["dark glasses", "mask"], 100, 2))
    assert report["eyes"]["dark glasses"]["found"] > 80
    assert report["mouth"]["mask"]["found"] > 80
    assert report["mouth"]["dark glasses"]["false"] < 30


def test_nothing_is_learned_from_labels_of_nan(pack: Path) -> None:
    """Only the weight decay changes the weights: all by the same factor."""
    unknown = drawn(pack, [PLAIN, "mask"], 64, 0)
    unknown.labels[:] = np.nan
    trained = train_net(unknown, epochs=1, seed=0)
    torch.manual_seed(0)
    initial = OcclusionNet()
    for after, before in zip(trained.parameters(), initial.parameters(), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-3, atol=0)


def test_onnx_file_equals_pytorch(pack: Path) -> None:
    """After training, too, when the batch norms are folded into the convolutions."""
    pictures = drawn(pack, [PLAIN, *KINDS, *DECOYS], 60, 0)
    net = train_net(pictures, epochs=1, seed=0)
    content = to_onnx(net)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    x = pictures.inputs.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    (found,) = open_session(content, threads=1).run(None, {"faces": x})
    expected = torch.from_numpy(answers(net, pictures.inputs)).sigmoid().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.usefixtures("in_this_process")
def test_occlusion_command_writes_a_repeatable_network_and_a_report(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "occlusion.onnx"
    assert main(["occlusion", str(pack), str(target), "--epochs", "1"]) == 0
    assert open_session(target.read_bytes(), threads=1)
    report = json.loads(target.with_suffix(".json").read_text())
    assert set(report) == {"eyes", "mouth"}
    assert "eyes   plain" in capsys.readouterr().out
    again = tmp_path / "again.onnx"
    assert main(["occlusion", str(pack), str(again), "--epochs", "1"]) == 0
    assert again.read_bytes() == target.read_bytes()
    assert main(["occlusion", str(tmp_path), str(target)]) == 1
    assert "is not a packed data set" in capsys.readouterr().err


def test_size_of_the_network_and_its_file() -> None:
    """The network is small enough for the package."""
    net = OcclusionNet()
    assert sum(p.numel() for p in net.parameters()) < 20_000
    assert len(to_onnx(net)) < 80_000
