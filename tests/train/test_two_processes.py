"""Two processes, one of which dies in mid-epoch: both are started anew and end where they would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

SCRIPT = """
import os, sys, time
from pathlib import Path
from train import fit as module
from train.checkpoint import load_checkpoint
from train.config import load_config

run, *overrides = sys.argv[1:]
run = Path(run)
augment, calls = module.augment, 0

def dying(*args):
    global calls
    calls += 1
    if calls == 5 and os.environ["RANK"] == "1":  # the second of three steps of epoch 2
        while (load_checkpoint(run) or {"step": 0})["step"] != 1:
            time.sleep(0.01)
        os._exit(1)
    return augment(*args)

if run.name == "killed" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    module.augment = dying
module.fit(load_config(None, overrides), run)
"""


def test_a_dead_process_is_replaced_in_mid_epoch(tiny_pack: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    overrides = [f'data="{tiny_pack}"', 'stem="imagenet"', "epochs=2", "batch_size=16"]
    overrides += ["accumulate=1", "sizes=[[0,32,32]]", 'optimizer="sgd"', "learning_rate=0.01"]
    overrides += ["scale=16.0", "ema=0.5", 'amp="off"', "checkpoint_minutes=0.0"]
    runs = []
    for name in ("whole", "killed"):
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        command += ["--max-restarts=1", str(script), str(tmp_path / name), *overrides]
        runs.append(
            subprocess.run(
                [sys.executable, *command],
                env={
                    **os.environ,
                    "PYTHONPATH": str(Path(__file__).parents[2]),
                    "OMP_NUM_THREADS": "1",
                    "CUDA_VISIBLE_DEVICES": "",
                },
                capture_output=True,
                text=True,
                timeout=300,
            )
        )
        assert runs[-1].returncode == 0, runs[-1].stderr[-2000:]
    assert "exitcode: 1" in runs[1].stderr or "exitcode  : 1" in runs[1].stderr
    whole, killed = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "killed")
    )
    assert killed["epoch"] == 2
    for part in ("modules", "averaged"):
        assert whole[part].keys() == killed[part].keys()
        assert all(torch.equal(whole[part][name], killed[part][name]) for name in whole[part])
