"""The training loop on a small artificial data set: it learns, resumes exactly, stops on NaN.

A CPU can run fp16 too, so the scaler is tested on every machine.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facehub.encoder import FaceEncoder
from facehub.errors import FaceHubError
from tests.thin import make_thin
from train import fit as module
from train.checkpoint import load_checkpoint, save_checkpoint
from train.config import MarginType, TrainConfig, remember_config
from train.data.pack import PackedFaces, open_pack
from train.distributed import Processes
from train.fit import DivergedError, StoppedError, fit
from train.initialize import CENTRE_NORM
from train.records import MissingLibraryError, read_metrics

FULL_WIDTH = {  # other tests train a thin network: the loop is the same
    "test_fit_learns_and_keeps_records",
    "test_sigterm_writes_a_checkpoint_and_ends_the_run",
    "test_elastic_run_with_a_killed_worker_gives_the_losses_of_one_process",
    "test_mixed_precision_run_on_cuda_learns",
}


@pytest.fixture
def config(tiny_pack: str) -> TrainConfig:
    return TrainConfig(
        data=tiny_pack,
        stem="imagenet",
        epochs=2,
        batch_size=16,
        sizes=((0, 32, 32),),
        optimizer="adamw",
        learning_rate=1e-3,
        warmup_epochs=0.5,
        margin_epochs=1,
        scale=16.0,
        ema=0.5,
        amp="off",
    )


# Few CPUs calculate in float16; on others, a longer run takes minutes.
QUICK: Any = {"batch_size": 4, "steps": 3}


@pytest.fixture(autouse=True)
def thin_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.name not in FULL_WIDTH:
        make_thin(monkeypatch.setattr)


@pytest.fixture(autouse=True)
def few_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the plots, which take half of an epoch's time here; one test draws the first."""
    real, wanted = module.plot, request.node.name == "test_fit_learns_and_keeps_records"

    def plot(run: Path) -> None:
        if wanted and not (run / "curves.png").exists():
            real(run)

    monkeypatch.setattr(module, "plot", plot)


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def on_cuda() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU on this machine")


def overrides(config: TrainConfig) -> list[str]:
    return [f"{k}={json.dumps(v)}" for k, v in dataclasses.asdict(config).items() if v != ""]


def killed(function: Callable, *numbers: int) -> Callable:
    """A wrapper that is interrupted in the calls with these numbers; `calls` counts all calls."""

    def interrupted(*args: object) -> object:
        interrupted.calls += 1
        if interrupted.calls in numbers:
            raise KeyboardInterrupt
        return function(*args)

    interrupted.calls = 0
    return interrupted


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    return {**state["modules"], **{f"averaged.{k}": v for k, v in state["averaged"].items()}}


def test_fit_learns_and_keeps_records(config: TrainConfig, tmp_path: Path) -> None:
    fit(dataclasses.replace(config, epochs=8), tmp_path)
    rows = read_metrics(tmp_path)
    assert [row["epoch"] for row in rows] == list(range(1, 9))
    assert rows[-1]["loss"] < 0.7 * rows[1]["loss"]  # from the first epoch at the full margin
    assert rows[-1]["accuracy"] > 60  # chance is 12.5 %
    assert [row["plateau_active"] for row in rows] == [0] + [1] * 7
    assert rows[0]["margin"] < rows[1]["margin"] == 0.35
    assert (tmp_path / "curves.png").is_file()
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    best = FaceEncoder.from_pretrained(tmp_path / "best")
    assert best.spec.stem == "imagenet"


@pytest.mark.parametrize(
    ("optimizer", "ema", "amp", "margin_type", "partial_fc"),
    [("adamw", 0.5, "off", "arcface", 0.0), ("sgd", 0.0, "fp16", "adaface", 1.0)],
)
def test_killed_run_resumes_to_the_same_weights(
    config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_cpu: None,
    optimizer: str,
    ema: float,
    amp: str,
    margin_type: MarginType,
    partial_fc: float,
) -> None:
    config = dataclasses.replace(
        config,
        optimizer=optimizer,
        ema=ema,
        amp=amp,
        margin_type=margin_type,
        partial_fc=partial_fc,
        clip_centres=not partial_fc,
        **QUICK,
        sizes=((0, 16, 16),),
    )
    fit(config, tmp_path / "whole", allow_slow=True)

    # A checkpoint at every step. An epoch has 3 steps.
    config = dataclasses.replace(config, checkpoint_minutes=0.0)
    step = killed(module.augment, 2, 8)  # in the middle of an epoch, and just before the end
    monkeypatch.setattr(module, "augment", step)
    monkeypatch.setattr(module, "embed_at", killed(module.embed_at, 1))
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            fit(config, tmp_path / "killed", allow_slow=True)
    fit(config, tmp_path / "killed", allow_slow=True)
    assert step.calls == 6 + 3  # repeated: the killed steps, and the one before the validation

    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert whole.keys() == resumed.keys()
    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name
    keep = ("loss", "accuracy", "margin", "learning_rate")
    for a, b in zip(
        read_metrics(tmp_path / "whole"), read_metrics(tmp_path / "killed"), strict=True
    ):
        assert [a[k] for k in keep] == [b[k] for k in keep]


def test_diverging_loss_stops_the_run_and_keeps_the_checkpoint(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.augment
    steps = 0

    def poisoned(*args: object) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return real(*args) * (float("nan") if steps == 5 else 1)  # in the second epoch

    monkeypatch.setattr(module, "augment", poisoned)
    with pytest.raises(DivergedError, match="epoch 2"):
        fit(config, tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["epoch"] == 1
    assert all(torch.isfinite(v).all() for v in weights(tmp_path).values())
    assert issubclass(DivergedError, FaceHubError)  # so the command line prints one line


def poison_gradients(monkeypatch: pytest.MonkeyPatch, first: int, last: int) -> None:
    """Make the gradients infinite in these steps; the loss stays finite."""
    steps = 0

    class Poisoned(module.TrainingStep):
        def forward(self, *args: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            nonlocal steps
            steps += 1
            loss, parts = super().forward(*args)
            if first <= steps <= last:
                loss.register_hook(lambda gradient: gradient * float("inf"))
            return loss, parts

    monkeypatch.setattr(module, "TrainingStep", Poisoned)


def test_diverging_gradients_stop_the_run_and_keep_the_checkpoint(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison_gradients(monkeypatch, 5, 5)
    with pytest.raises(DivergedError, match="epoch 2, step 2"):
        fit(dataclasses.replace(config, checkpoint_minutes=0.0), tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (state["epoch"], state["step"]) == (1, 1)
    assert all(torch.isfinite(v).all() for v in weights(tmp_path).values())


def test_scaler_skips_a_few_overflows_then_the_run_stops(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scale is halved in steps 5, 6 and 7, from 4 to 0.5. The eighth step is too much."""
    monkeypatch.setattr(
        torch.amp, "GradScaler", functools.partial(torch.amp.GradScaler, init_scale=4.0)
    )
    poison_gradients(monkeypatch, 5, 100)
    config = dataclasses.replace(config, epochs=3, amp="fp16", checkpoint_minutes=0.0, **QUICK)
    with pytest.raises(DivergedError, match="epoch 3, step 2"):
        fit(config, tmp_path, allow_slow=True)
    assert all(torch.isfinite(v).all() for v in weights(tmp_path).values())


def test_dilated_network_with_face_stem_trains(config: TrainConfig, tmp_path: Path) -> None:
    fit(dataclasses.replace(config, stem="face", dilated=True, epochs=1, batch_size=48), tmp_path)
    trained = FaceEncoder.from_pretrained(tmp_path / "best").spec
    assert (trained.stem, trained.dilated) == ("face", True)


def test_resumed_run_repeats_the_dropout(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_cpu: None
) -> None:
    config = dataclasses.replace(
        config, head="flatten", sizes=((0, 112, 96),), epochs=1, checkpoint_minutes=0.0
    )
    fit(config, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(module, "augment", killed(module.augment, 3))
        with pytest.raises(KeyboardInterrupt):
            fit(config, tmp_path / "killed")
    torch.manual_seed(99)  # another process
    fit(config, tmp_path / "killed")
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name
    assert FaceEncoder.from_pretrained(tmp_path / "whole" / "best").spec.head == "flatten"
    assert whole["encoder.norm.weight"].eq(1).all()


def test_network_with_iresnet_stem_trains(config: TrainConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(config, stem="iresnet", head="average", epochs=1, amp="bf16")
    fit(config, tmp_path)
    trained = FaceEncoder.from_pretrained(tmp_path / "best").spec
    assert (trained.stem, trained.head) == ("iresnet", "average")


def test_run_folder_refuses_another_configuration(config: TrainConfig, tmp_path: Path) -> None:
    remember_config(dataclasses.replace(config, epochs=1), tmp_path, started=False)
    save_checkpoint(tmp_path, {})
    with pytest.raises(ValueError, match="another configuration"):
        fit(config, tmp_path)


def test_run_without_a_checkpoint_accepts_other_settings(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "augment", killed(module.augment, 2))
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path)
    fit(dataclasses.replace(config, epochs=1, learning_rate=1e-4), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["learning_rate"] == 1e-4


def test_fit_prints_its_plan(
    config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_cpu: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = dataclasses.replace(config, epochs=1, steps=2, checkpoint_minutes=0.0)
    monkeypatch.setattr(module, "augment", killed(module.augment, 2))
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "device      cpu",
        "precision   float32",
        "processes   1",
        "faces       48 of 8 identities",
        "held out    8 identities, 48 faces (48 scored)",
        "steps       2 per epoch, batches of 16",
        "begins      anew",
    ]
    fit(config, tmp_path)
    assert "begins      resumed after epoch 0, step 1 of 2" in capsys.readouterr().out


def test_steps_setting_shortens_an_epoch(config: TrainConfig, tmp_path: Path) -> None:
    fit(dataclasses.replace(config, epochs=1, steps=2, ema=0.0), tmp_path)
    state = load_checkpoint(tmp_path)
    assert state is not None
    assert state["modules"]["encoder.trunk.bn1.num_batches_tracked"] == 2
    with pytest.raises(ValueError, match="has faces for only 3 steps per epoch"):
        fit(dataclasses.replace(config, steps=4), tmp_path / "other")


def test_fp16_on_a_cpu_is_refused(config: TrainConfig, tmp_path: Path, on_cpu: None) -> None:
    with pytest.raises(ValueError, match="use amp=bf16 or amp=off"):
        fit(dataclasses.replace(config, amp="fp16"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_run_without_heldout_trains_on_all_identities(
    config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without held-out faces, the last weights count as the best."""
    fit(dataclasses.replace(config, heldout=False, ema=0.0, steps=3), tmp_path)
    assert "faces       96 of 16 identities" in capsys.readouterr().out
    assert weights(tmp_path)["head.weight"].shape[0] == 16
    assert not any(name.startswith("tar") for row in read_metrics(tmp_path) for name in row)
    best = dict(FaceEncoder.from_pretrained(tmp_path / "best").named_parameters())
    assert all(torch.equal(weights(tmp_path)[f"encoder.{k}"], v) for k, v in best.items())


def test_processes_with_different_checkpoints_are_refused(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processes, "agree", lambda self, *numbers: False)
    with pytest.raises(ValueError, match="must read the same checkpoint"):
        fit(config, tmp_path)


def test_missing_library_is_reported_before_the_run(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingLibraryError, match=r"pip install -e \. --group train"):
        fit(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_heldout_faces_without_a_genuine_pair_are_refused(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.arange(100)
    crops = np.zeros((100, 112, 96, 3), np.uint8)
    faces = PackedFaces(crops, labels.astype(str), labels, labels < 50)
    monkeypatch.setattr(module, "open_pack", lambda folder: faces)
    with pytest.raises(ValueError, match="no held-out identity with two faces"):
        fit(config, tmp_path)


def test_fewer_faces_than_a_batch_are_refused(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fewer training faces than a batch"):
        fit(dataclasses.replace(config, batch_size=64), tmp_path)


ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}  # as here


def curve(run: Path) -> list[list[float]]:
    names = ("loss", "arcface", "accuracy", "margin", "learning_rate")
    return [[row[name] for name in names] for row in read_metrics(run)]


def test_two_processes_give_the_losses_of_one(
    config: TrainConfig, tmp_path: Path, on_cpu: None
) -> None:
    """Batch norm sees a quarter of a batch: four parts, or two parts in each of two processes."""
    config = dataclasses.replace(
        config, optimizer="sgd", learning_rate=5e-3, batch_size=24, sizes=((0, 64, 56),)
    )
    fit(dataclasses.replace(config, accumulate=4), tmp_path / "one")
    config = dataclasses.replace(config, accumulate=2)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "tests.thin", "fit", str(tmp_path / "two"), *overrides(config)]
    run = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-20000:]
    for one, two in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert one == pytest.approx(two, rel=1e-3)


def test_batch_size_that_is_no_multiple_of_accumulate_is_refused(
    config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="multiple of accumulate"):
        fit(dataclasses.replace(config, accumulate=3), tmp_path)


def test_run_killed_by_sigkill_resumes_to_the_same_weights(
    config: TrainConfig, tmp_path: Path, on_cpu: None
) -> None:
    # A checkpoint follows every step: keep it small (SGD, no average), and the steps few.
    config = dataclasses.replace(config, optimizer="sgd", ema=0.0, **QUICK)
    fit(config, tmp_path / "whole")
    config = dataclasses.replace(config, checkpoint_minutes=0.0)
    command = [sys.executable, "-m", "tests.thin", "fit", str(tmp_path / "killed")]
    run = subprocess.Popen([*command, *overrides(config)], cwd=ROOT, env=ENVIRONMENT)
    try:
        while not (tmp_path / "killed" / "checkpoint.pt").exists():
            assert run.poll() is None
            time.sleep(0.01)
    finally:
        run.kill()
        run.wait()
    fit(config, tmp_path / "killed")
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_sigterm_writes_a_checkpoint_and_ends_the_run(
    config: TrainConfig, tmp_path: Path, on_cpu: None
) -> None:
    config = dataclasses.replace(config, optimizer="sgd", ema=0.0, epochs=40)
    command = [sys.executable, "-m", "train", "fit", str(tmp_path / "run"), *overrides(config)]
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert run.stdout is not None
        while not run.stdout.readline().startswith("begins"):
            assert run.poll() is None
        run.terminate()
        _, stderr = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 128 + signal.SIGTERM
    state = load_checkpoint(tmp_path / "run")
    assert state is not None
    assert state["step"] > 0
    where = f"epoch {state['epoch'] + 1}, step {state['step']} of 3"
    assert stderr.splitlines()[-1] == (
        f"stopped by SIGTERM after {where}; run the same command to resume"
    )


def test_run_stopped_by_sigterm_resumes_to_the_same_weights(
    config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_cpu: None,
) -> None:
    """The signal arrives in the last step of an epoch."""
    config = dataclasses.replace(config, **QUICK)
    fit(config, tmp_path / "whole")
    real, calls = module.augment, 0

    def signalled(*args: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*args)

    monkeypatch.setattr(module, "augment", signalled)
    with pytest.raises(StoppedError, match="epoch 1, step 3 of 3"):
        fit(config, tmp_path / "stopped")
    fit(config, tmp_path / "stopped")
    assert calls == 6
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert curve(tmp_path / "whole") == curve(tmp_path / "stopped")


WORKER = """
import os, signal, sys
from train import fit as module
from train.__main__ import main

real, calls = module.augment, 0
def killed(*args):
    global calls
    calls += 1
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" and os.environ["RANK"] == "1" and calls == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)

module.augment = killed
sys.exit(main())
"""


@pytest.mark.slow
def test_elastic_run_with_a_killed_worker_gives_the_losses_of_one_process(
    config: TrainConfig, tmp_path: Path, on_cpu: None
) -> None:
    """Two processes share the centres; one of them is killed once, in the second epoch."""
    config = dataclasses.replace(
        config, optimizer="sgd", learning_rate=5e-3, batch_size=24, clip_centres=False
    )
    fit(dataclasses.replace(config, accumulate=4), tmp_path / "one")
    config = dataclasses.replace(config, accumulate=2, partial_fc=1.0, checkpoint_minutes=0.0)
    (tmp_path / "worker.py").write_text(WORKER)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["--max-restarts=1", str(tmp_path / "worker.py")]
    run = subprocess.run(
        [sys.executable, *command, "fit", str(tmp_path / "two"), *overrides(config)],
        cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-20000:]
    begins = [line for line in run.stdout.splitlines() if line.startswith("begins")]
    assert begins[0] == "begins      anew"
    assert begins[1].startswith("begins      resumed after epoch ")
    for one, two in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert one == pytest.approx(two, rel=1e-3)


def test_learning_rate_follows_warmup_plateau_and_cooldown(
    config: TrainConfig, tmp_path: Path
) -> None:
    """Rates of the last of three steps. Only a fall of the loss by 99 % counts as progress, so the
    schedule reduces the rate as early as possible: after the second epoch at the full margin.
    """
    config = dataclasses.replace(
        config,
        **QUICK,
        epochs=5,
        learning_rate=0.8e-3,
        warmup_epochs=1.0,
        cooldown_epochs=2.0,
        margin_epochs=2.0,
        plateau_factor=0.5,
        plateau_patience=0,
        plateau_threshold=0.99,
    )
    fit(config, tmp_path)
    rows = read_metrics(tmp_path)
    rates = [row["learning_rate"] / 0.8e-3 for row in rows]
    assert rates == pytest.approx([2 / 3, 1, 1, 2 / 3, 0.5 * 1 / 6], rel=1e-4)
    assert [row["plateau_active"] for row in rows] == [0, 0, 1, 1, 1]


def test_gradients_are_clipped(config: TrainConfig, tmp_path: Path) -> None:
    plain = dataclasses.replace(config, optimizer="sgd", weight_decay=0.0, ema=0.0, epochs=1)
    found = {}
    for name, changes in {
        "still": {"learning_rate": 1e-12},
        "moving": {},
        "clipped": {"clip": 1e-9},
    }.items():
        fit(dataclasses.replace(plain, **changes), tmp_path / name)
        found[name] = weights(tmp_path / name)["head.weight"]
    assert (found["moving"] - found["still"]).abs().max() > 1e-5
    assert (found["clipped"] - found["still"]).abs().max() < 1e-8


def test_killed_run_on_cuda_resumes_to_nearly_the_same_loss(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_cuda: None
) -> None:
    config = dataclasses.replace(config, checkpoint_minutes=0.0, amp="fp16")
    fit(config, tmp_path / "whole")
    monkeypatch.setattr(module, "augment", killed(module.augment, 5))
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "killed")
    fit(config, tmp_path / "killed")
    whole, resumed = (curve(tmp_path / name) for name in ("whole", "killed"))
    assert resumed[-1][0] == pytest.approx(whole[-1][0], rel=0.05)


def test_mixed_precision_run_on_cuda_learns(
    config: TrainConfig, tmp_path: Path, on_cuda: None
) -> None:
    fit(dataclasses.replace(config, epochs=8, amp="fp16"), tmp_path)
    assert read_metrics(tmp_path)[-1]["accuracy"] > 60


def test_run_starts_from_another_run(config: TrainConfig, tmp_path: Path) -> None:
    fit(config, tmp_path / "first")
    second = dataclasses.replace(
        config, init=str(tmp_path / "first"), epochs=1, learning_rate=1e-9, ema=0.0
    )
    fit(second, tmp_path / "second")
    before, after = (load_checkpoint(tmp_path / name) for name in ("first", "second"))
    assert before is not None
    assert after is not None
    for name in ("encoder.trunk.conv1.weight", "head.weight"):
        difference = (before["modules"][name] - after["modules"][name]).abs().max()
        assert difference < 1e-5, name
    assert after["epoch"] == 1


def test_frozen_stages_keep_weights_and_batch_statistics(
    config: TrainConfig, tmp_path: Path
) -> None:
    fit(dataclasses.replace(config, epochs=1), tmp_path / "first")
    second = dataclasses.replace(config, init=str(tmp_path / "first"), epochs=1, frozen=3)
    fit(second, tmp_path / "second")
    before, after = (load_checkpoint(tmp_path / name) for name in ("first", "second"))
    assert before is not None
    assert after is not None
    changed = {
        name.split(".")[2]
        for name, value in after["modules"].items()
        if name.startswith("encoder.trunk.") and not torch.equal(value, before["modules"][name])
    }
    assert changed == {"layer3", "layer4"}


def test_run_from_weights_starts_with_long_centres_at_the_mean_embeddings(
    config: TrainConfig, tmp_path: Path
) -> None:
    """AdamW's steps have one length: they would turn short centres away at once."""
    fit(dataclasses.replace(config, epochs=1), tmp_path / "first")
    start = dataclasses.replace(config, init=str(tmp_path / "first" / "best"), epochs=1)
    fit(dataclasses.replace(start, learning_rate=1e-9), tmp_path / "second")
    found = load_checkpoint(tmp_path / "second")
    assert found is not None
    norms = found["modules"]["head.weight"].norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, CENTRE_NORM))


def test_run_starts_from_another_run_with_another_teacher(
    config: TrainConfig, tmp_path: Path
) -> None:
    names = open_pack(Path(config.data)).names
    for size in (3, 5):
        vectors = np.random.default_rng(size).normal(size=(len(names), size))
        np.savez(tmp_path / f"{size}.npz", names=names, embeddings=vectors)
    first = dataclasses.replace(
        config, epochs=1, teachers=(str(tmp_path / "3.npz"),), projection_weight=1.0
    )
    fit(first, tmp_path / "first")
    second = dataclasses.replace(
        first,
        init=str(tmp_path / "first"),
        teachers=(str(tmp_path / "5.npz"),),
        learning_rate=1e-9,
        ema=0.0,
    )
    fit(second, tmp_path / "second")
    before, after = (load_checkpoint(tmp_path / name) for name in ("first", "second"))
    assert before is not None
    assert after is not None
    assert after["modules"]["teacher.project.weight"].shape[0] == 5
    difference = before["modules"]["head.weight"] - after["modules"]["head.weight"]
    assert difference.abs().max() < 1e-5


def test_change_of_input_size_does_not_count_as_plateau(
    config: TrainConfig, tmp_path: Path
) -> None:
    """The loss rises with the input size; this must not reduce the learning rate."""
    changing = dataclasses.replace(
        config,
        sizes=((0, 32, 32), (1, 64, 56)),
        margin_epochs=0,
        plateau_patience=0,
        plateau_threshold=0.99,  # compared with the first epoch, any loss would be a plateau
    )
    fit(changing, tmp_path / "run")
    state = load_checkpoint(tmp_path / "run")
    assert state is not None
    assert state["plateau"]["multiplier"] == 1.0
