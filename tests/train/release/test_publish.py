"""From training to use: train, export, calibrate, evaluate, publish, download and run."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from huggingface_hub import ModelCard, hf_hub_download

from facehub import FaceEncoder, FaceRecognizer, ModelSpec, verify
from facehub.model.spec import Head, Stem
from facehub.model.store import read_spec, read_weights, write_spec
from facehub.model.tail import Tail
from tests.local_hub import LocalHub
from tests.thin import make_thin
from train.__main__ import main
from train.config import TrainConfig
from train.fit import fit
from train.release import publish as module
from train.release.card import render_card
from train.release.history import DATASETS, describe_training
from train.release.publish import ReleaseError, make_release, release_folder

ROOT = Path(__file__).parents[3]
NAME = "owner/tiny"
FILES = {
    "README.md",
    "config.json",
    "curves.png",
    "evaluation.json",
    "evaluation.png",
    "metrics.csv",
    "model.onnx",
    "model.safetensors",
    "model_int8.onnx",
    "training.json",
}


@pytest.fixture(scope="session")
def _trained(tiny_pack: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("published") / "run"
    config = TrainConfig(
        data=tiny_pack,
        stem="imagenet",
        epochs=1,
        batch_size=16,
        sizes=((0, 32, 32),),
        optimizer="adamw",
        learning_rate=1e-3,
        amp="off",
    )
    fit(config, run)
    return run


@pytest.fixture(scope="session")
def _ready(_trained: Path, faces_once: Path, lfw_once: Path) -> Path:
    weights = str(_trained / "weights")
    assert main(["export", str(_trained), "--dataset", "celeba", "--flip"]) == 0
    assert main(["calibrate", weights, str(faces_once), "--dataset", "noise", "--fmr", "0.1"]) == 0
    assert main(["evaluate", str(lfw_once), "--weights", weights, "--output", weights]) == 0
    return _trained


@pytest.fixture
def run(_ready: Path, tmp_path: Path) -> Path:
    """A run that is ready to be published."""
    return shutil.copytree(_ready, tmp_path / "run")


def _snippets(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def test_published_weights_are_downloaded_and_run_in_the_demo(
    run: Path,
    writer: LocalHub,
    examples: Path,
    free_port: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["publish", str(run), NAME]) == 0
    pinned = capsys.readouterr().out.splitlines()[-1].removeprefix("pinned: ")
    sent = writer.files(NAME)
    assert set(sent) - {".gitattributes"} == FILES
    assert len(writer.repos["models", NAME].commits) == 2  # its initial commit, and ours

    for name in FILES:
        path = hf_hub_download(NAME, name, cache_dir=tmp_path / "cache")
        assert Path(path).read_bytes() == sent[name]
    assert sent["model.safetensors"] == (run / "weights" / "model.safetensors").read_bytes()

    recognizer = FaceRecognizer.from_pretrained(pinned)
    assert recognizer.fingerprint == read_spec(run / "weights").fingerprint
    first, second = (str(examples / f"{n}.jpg") for n in ("eileen_collins", "grace_hopper"))
    expected = verify(first, second, recognizer=recognizer).similarity
    assert expected is not None

    app = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={
            **os.environ,
            "FACEHUB_MODEL": pinned,
            "HF_HOME": str(tmp_path / "fresh"),
            "GRADIO_SERVER_PORT": str(free_port),
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert app.stdout is not None
        url = next(m[0] for line in app.stdout if (m := re.search(r"http://[\d.]+:\d+", line)))
        answer = Client(url, verbose=False).predict(
            handle_file(first), handle_file(second), "exactly_one", api_name="/verify"
        )
    finally:
        app.terminate()
        app.wait(20)
    assert answer["similarity"] == pytest.approx(expected, abs=1e-3)


def test_card_says_how_each_run_was_made(run: Path) -> None:
    path = run / "weights" / "training.json"
    training = json.loads(path.read_text())
    (settings,) = training["configs"]
    training["configs"] = [
        settings | {"init": "owner/first", "teacher": "one.npz"},  # as facehub 0.1 wrote it
        settings | {"dilated": True, "teachers": ["one.npz", "two.npz"]},
    ]
    training["teachers"] = ["One (Apache-2.0)", "Two (BSD-3)"]
    training["shrink"] = 0.5
    training["average"] = ["owner/first"]
    path.write_text(json.dumps(training))
    card = make_release(run / "weights", NAME)["README.md"].decode()
    first, second = re.findall(r"Run \d of 2: (.*?)\.(?= |$)", card, re.MULTILINE)
    assert "it starts from the weights of owner/first; distilled from another network's" in first
    assert "last stage dilated; distilled from 2 networks' embeddings of the same faces" in second
    assert "multiplied by v / (v + 0.5 * mean of all v)" in card
    assert (
        "export RUN_2 weights --dataset celeba --average owner/first --flip --shrink 0.5\n" in card
    )
    assert "the mean of the last run's and of owner/first." in card
    assert (
        "distilled from; their authors' terms hold for them:\n\n- One (Apache-2.0)\n- Two" in card
    )


def test_card_names_stem_and_head(run: Path) -> None:
    """The card names those of the network, and those of each run that sets a head."""
    path = run / "weights" / "training.json"
    training = json.loads(path.read_text())
    dataset = DATASETS[training["dataset"]]

    def text(**architecture: Any) -> str:
        return describe_training(training, ModelSpec(**architecture), dataset)

    assert "; ResNet18 with the imagenet stem." in text()
    assert "; ResNet18 with the face stem, depthwise head." in text(stem="face", head="depthwise")
    assert "; IResNet18 as in InsightFace." in text(stem="iresnet", head="flatten")
    assert "; IResNet18 as in InsightFace, average head." in text(stem="iresnet")
    assert " head" not in text()
    training["configs"][0]["head"] = "depthwise"
    assert text(head="depthwise").endswith("Nothing was chosen on LFW.")
    assert "precision off, depthwise head." in text(head="depthwise")


def test_card_is_filled_from_the_evaluation(run: Path, faces: Path) -> None:
    folder = run / "weights"
    card = ModelCard(make_release(folder, NAME)["README.md"].decode())
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert card.data.library_name == "facehub"
    assert card.data.license == "other"
    (result, *_) = card.data.eval_results
    assert result.metric_value == evaluation["accuracy"]["mean"]
    assert f"{evaluation['accuracy']['mean']:.2f} %" in card.text
    assert f"Similarity {read_spec(folder).threshold:.3f} or more" in card.text
    assert "48 aligned faces of 8 identities" in card.text
    assert "teachers" not in card.text
    assert "{{" not in card.text.replace("version = {{", "")
    assert "{%" not in card.text

    point = {"fmr": 0.001, "fnmr": {"value": 0.5, "low": 0.4, "high": 0.6}}
    evaluation["all_pairs"]["points"] = [point]
    sizes = {"gallery_size": 100, "rank1": 0.9, "fnir": 0.4, "fpir": 0.01}
    evaluation["identification"] = [{**sizes, "rank1_std": 0.02, "fnir_std": 0.03}]
    evaluation["accuracy"]["mean"] = 12.34
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    text = render_card(folder, NAME)
    assert "12.34 % (std over folds 0.00; 2,000 pairs: 100.00 % [99.81, 100.00])" in text
    assert "impostor pairs) | 50.00 % |" in text  # no interval, as the pairs share pictures
    assert "rank-1 90.0 ± 2.0 %, FNIR 40.0 ± 3.0 % at FPIR 1 %" in text


def test_card_lists_thresholds_from_the_tail(run: Path) -> None:
    """The card lists thresholds for galleries and marks extrapolated ones; none without a tail."""
    folder = run / "weights"
    before = render_card(folder, NAME)
    assert "Pareto" not in before
    assert "left out" not in before
    spec = read_spec(folder)
    assert spec.calibration is not None
    curve = ((0.0, 1.0, 0.0), (0.4, 1e-3, 0.3), (0.9, 0.0, 1.0))
    intervals = tuple((10.0**-n, 0.1 * n, 0.1 * n + 0.1) for n in range(4, 9))
    tail = Tail(0.4, 1e-3, 0.0, 0.1 / math.log(10), 400, intervals, (1e-6, 0.71, 0.02, 0.72))
    calibration = replace(
        spec.calibration, curve=curve, tail=tail, impostor_pairs=1_000_000, left_out=2
    )
    write_spec(folder, replace(spec, threshold=0.41, calibration=calibration))
    text = render_card(folder, NAME)
    assert "network finds another person in them than their label says: 2." in text
    assert "so that at most 1 % of strangers are named." in text
    assert "From a tenth of the pairs it predicts FMR 1e-06 at 0.710 ± 0.020; all of them" in text
    rows = text[text.index("| templates |") :].split("\n\n")[0].splitlines()[2:]
    assert rows[0] == "| 1,000 | 1.0e-05 | 0.600 [0.500, 0.600] | 58 % |  |"
    assert (
        rows[2] == "| 100,000 | 1.0e-07 | 0.800 [0.700, 0.800] | 86 % | beyond what was measured |"
    )
    assert "\n\n| templates |" in text
    assert "\n\nLFW, " in text


def test_card_lists_rates_by_group(run: Path) -> None:
    """The card has one table for LFW and one for held-out identities, or says there is none."""
    folder = run / "weights"
    evaluation = json.loads((folder / "evaluation.json").read_text())
    before = render_card(folder, NAME)
    assert "were not measured: expect them to differ" in before
    assert "By group" not in before

    share = {"value": 0.002, "low": 0.001, "high": 0.004}
    sizes = {"pictures": 1200, "people": 200, "impostor": 5000, "genuine": 50}
    everyone = {"column": "", "value": "", **sizes, "fmr": share, "fnmr": None}
    group = {"column": "tone", "value": "V|VI", **sizes, "people": None, "fmr": None, "fnmr": share}
    groups = {"attributes": "tones.csv", "all_against_all": True, "threshold": 0.4, "unnamed": 7}
    groups["groups"] = [everyone, group]
    evaluation["groups"] = groups
    everything = {"impostor": 3000, "points": [{"fmr": 0.01, "fnmr": share}]}
    heldout = {"dataset": "CelebA", "people": 417, "fmr": share, "fnmr": share}
    evaluation["heldout"] = {**heldout, "all_pairs": everything, "groups": groups}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    text = render_card(folder, NAME)
    assert text.count("By group, on LFW, at the threshold 0.400, over all pairs within") == 1
    assert text.count("By group, on held-out identities of CelebA,") == 1
    rate, too_few = "0.20 % [0.10, 0.40]", "too few pairs"
    row = f"| all of these | 1,200 | 200 | {rate} (5,000 pairs) | {too_few} (50 pairs) |"
    assert text.count(row) == 2
    row = f"| tone: V/VI | 1,200 | unknown | {too_few} (5,000 pairs) | {rate} (50 pairs) |"
    assert text.count(row) == 2
    assert (
        "417 held-out identities of CelebA, all against all (3,000 impostor pairs) | 0.20 %" in text
    )
    assert "were not measured: expect them to differ" not in text
    table = text[text.index("| group |") :].split("\n\n")[0].splitlines()
    assert len(table) == 4
    assert text.index("## Training") > text.rindex("| group |")
    assert "\n\n## Training" in text


def test_card_names_the_evaluated_set(run: Path) -> None:
    folder = run / "weights"
    evaluation = json.loads((folder / "evaluation.json").read_text())
    change = {"dataset": "agedb_30", "alignment": "crop", "all_pairs": None, "identification": []}
    (folder / "evaluation.json").write_text(json.dumps({**evaluation, **change}))
    card = ModelCard(render_card(folder, NAME))
    assert "agedb_30, 3 pictures, aligned crops as they are in " in card.text
    assert "No face was found" not in card.text
    assert "all against all" not in card.text
    assert {result.dataset_type for result in card.data.eval_results} == {"agedb_30"}


def test_card_snippets_run_as_printed(
    run: Path, writer: LocalHub, tmp_path: Path, examples: Path
) -> None:
    assert main(["publish", str(run), NAME]) == 0
    card = writer.files(NAME)["README.md"].decode()
    with_facehub, with_onnx, with_torch = _snippets(card)
    for name, to in (("eileen_collins", "first"), ("grace_hopper", "second")):
        shutil.copy(examples / f"{name}.jpg", tmp_path / f"{to}.jpg")
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 96, 3), np.uint8)
    np.save(tmp_path / "crops.npy", crops)
    expected = FaceEncoder.from_pretrained(run / "weights").embed(crops)

    def run_snippet(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert run_snippet(with_facehub).split()[0] in {"same", "different", "uncertain"}
    only = "\nimport sys; assert not {'facehub', 'torch', 'torchvision'} & set(sys.modules)"
    save = "\nimport numpy as np; c = np.load('crops.npy'); np.save('{}.npy', {})"
    by_onnx = save.format("onnx", "session.run(None, {'crops': c})[0]")
    assert run_snippet(with_onnx + only + by_onnx) == "same person\n"
    by_torch = save.format("torch", "encoder(encoder.preprocess(torch.from_numpy(c))).numpy()")
    assert float(run_snippet(with_torch + by_torch)) == pytest.approx(1, abs=1e-4)
    for name in ("onnx", "torch"):
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected, atol=1e-5)

    assert "`model_int8.onnx` takes the same place" in card
    run_snippet(with_onnx.replace("model.onnx", "model_int8.onnx") + only + by_onnx)
    found = np.load(tmp_path / "onnx.npy")
    assert 0.9 < (found * expected).sum(axis=1).min() < 0.99999


@pytest.mark.parametrize(
    ("stem", "head", "dilated", "flip"),
    [
        ("imagenet", "average", False, False),
        ("imagenet", "depthwise", True, True),
        ("face", "average", False, False),
        ("face", "average", True, True),
        ("iresnet", "flatten", False, True),
    ],
)
def test_onnx_snippet_of_the_card_equals_pytorch_for_every_encoder(
    stem: Stem,
    head: Head,
    dilated: bool,
    flip: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With every stem, head, dilation and flip, the snippet agrees with PyTorch."""
    make_thin(monkeypatch.setattr)
    torch.manual_seed(0)
    encoder = FaceEncoder(ModelSpec(stem=stem, head=head, dilated=dilated, flip=flip)).eval()
    encoder.save_pretrained(tmp_path)
    (tmp_path / "model.onnx").write_bytes(module.checked_onnx(read_weights(tmp_path)))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda _, name: tmp_path / name)
    template = (ROOT / "model_card.md").read_text()
    values = {"height": "112", "width": "96", "threshold": "0.45"}
    code = re.sub(r"{{ ?(\w+) ?}}", lambda m: values.get(m[1], ""), _snippets(template)[1])
    names: dict[str, Any] = {}
    exec(code, names)
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 96, 3), np.uint8)
    (found,) = names["session"].run(None, {"crops": crops})
    np.testing.assert_allclose(found, encoder.embed(crops), atol=1e-5)


def test_weights_without_ranges_have_no_int8_file(run: Path) -> None:
    folder = run / "weights"
    write_spec(folder, replace(read_spec(folder), activation_ranges={}))
    files = make_release(folder, NAME)
    assert set(files) == FILES - {"model_int8.onnx"}
    assert "model_int8" not in files["README.md"].decode().split("## What it reaches")[0]


def test_published_spec_equals_the_exported_one(
    run: Path, writer: LocalHub, tmp_path: Path
) -> None:
    assert main(["publish", str(run), NAME]) == 0
    encoder = FaceEncoder.from_pretrained(NAME, cache_dir=tmp_path / "cache")
    assert encoder.spec == read_spec(run / "weights")


def test_dry_run_sends_nothing(
    run: Path, writer: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(["publish", str(run), NAME, "--dry-run", "--output", str(output)]) == 0
    assert writer.requests == []
    printed = capsys.readouterr().out
    assert {path.name for path in output.iterdir()} == FILES
    assert all(f" {name}\n" in printed for name in FILES)
    assert "10 files; nothing was sent to owner/tiny" in printed


def test_publishing_again_replaces_the_files(run: Path, writer: LocalHub) -> None:
    assert main(["publish", str(run), NAME]) == 0
    first = writer.files(NAME)["config.json"]
    (run / "weights" / "metrics.csv").write_text("epoch\n1\n")
    assert main(["publish", str(run / "weights"), NAME]) == 0  # the weights' folder is accepted too
    assert writer.files(NAME)["metrics.csv"] == b"epoch\n1\n"
    assert writer.files(NAME)["config.json"] == first


def _spoil_nothing_exported(weights: Path) -> None:
    shutil.rmtree(weights)


def _spoil_no_evaluation(weights: Path) -> None:
    (weights / "evaluation.json").unlink()


def _spoil_no_calibration(weights: Path) -> None:
    config = json.loads((weights / "config.json").read_text())
    (weights / "config.json").write_text(json.dumps({**config, "calibration": None}))


def _spoil_other_threshold(weights: Path) -> None:
    config = json.loads((weights / "config.json").read_text())
    (weights / "config.json").write_text(json.dumps({**config, "threshold": 0.9}))


def _spoil_other_weights(weights: Path) -> None:
    evaluation = json.loads((weights / "evaluation.json").read_text())
    evaluation["fingerprint"] = "v2:0"
    (weights / "evaluation.json").write_text(json.dumps(evaluation))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_spoil_nothing_exported, "no weights to publish: `python -m train export"),
        (_spoil_no_evaluation, r"lacks evaluation.json: `python -m train evaluate"),
        (_spoil_no_calibration, "not calibrated: `python -m train calibrate"),
        (_spoil_other_threshold, "measured with other weights or another threshold"),
        (_spoil_other_weights, "measured with other weights or another threshold"),
    ],
)
def test_run_that_is_not_ready_is_refused(
    run: Path, writer: LocalHub, spoil: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(run / "weights")  # type: ignore[operator]
    assert main(["publish", str(run), NAME]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert writer.requests == []


@pytest.mark.parametrize("broken", ["float32", "int8"])
def test_onnx_file_that_differs_from_pytorch_is_refused(
    run: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(tensors: dict[str, np.ndarray], spec: ModelSpec, *, precision: str) -> bytes:
        if precision != broken:
            return to_onnx(tensors, spec, precision=precision)
        flipped = {**tensors, "embedding.weight": -tensors["embedding.weight"]}
        return to_onnx(flipped, spec, precision=precision)

    to_onnx = module.to_onnx
    monkeypatch.setattr(module, "to_onnx", spoiled)
    with pytest.raises(ReleaseError, match=f"The {broken} ONNX file differs from PyTorch"):
        make_release(release_folder(run), NAME)


def test_shipped_weights_can_be_published() -> None:
    files = make_release(ROOT / "weights", NAME)
    assert set(files) == FILES
    card = files["README.md"].decode()
    assert "distilled from another network's embeddings" in card
    assert "The teachers' own training data may show people of the evaluation." in card
