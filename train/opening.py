"""What `fit` says and checks before it begins."""

from __future__ import annotations

import torch

from train.config import TrainConfig
from train.data.split import Split
from train.distributed import Processes


def check_precision(config: TrainConfig, device: torch.device, *, allow_slow: bool) -> None:
    """Refuse half precision that a CPU can do but only slowly.

    Raises:
        ValueError: fp16 on a CPU.
    """
    if config.amp == "fp16" and device.type == "cpu" and not allow_slow:
        raise ValueError(
            "there is no CUDA GPU, and fp16 is slow on a CPU: "
            "add amp=bf16 or amp=off (or --allow-slow)"
        )


def steps_an_epoch(config: TrainConfig, n_training: int, group: Processes) -> int:
    """Number of optimiser steps in an epoch.

    Raises:
        ValueError: the batches do not come out even, or the data has too few faces for them.
    """
    if config.batch_size % (config.accumulate * group.count):
        raise ValueError("batch_size must be a multiple of accumulate times the processes")
    possible = n_training // config.batch_size
    if not possible:
        raise ValueError(f"{config.data} has fewer training faces than a batch")
    if config.steps > possible:
        raise ValueError(f"{config.data} has faces for {possible} steps an epoch only")
    return config.steps or possible


def describe(
    config: TrainConfig, group: Processes, faces: Split, n_heldout: int, begins: str
) -> str:
    """One line for each fact.

    Args:
        config: of the run.
        group: processes that train.
        faces: what is learned from and what is scored on.
        n_heldout: number of held-out identities.
        begins: where the run begins, or goes on.
    """
    device = str(group.device)
    if group.device.type == "cuda":
        device += f" ({torch.cuda.get_device_name(group.device)})"
    n_steps = steps_an_epoch(config, len(faces.training), group)
    heldout = "none: the last epoch's weights go to best/"
    if config.heldout:
        heldout = f"{n_heldout:,} identities, {len(faces.heldout):,} faces"
        heldout += f" ({len(faces.scored):,} scored)"
    lines = {
        "device": device,
        "precision": "float32" if config.amp == "off" else config.amp,
        "processes": str(group.count),
        "faces": f"{len(faces.training):,} of {faces.n_identities:,} identities",
        "held out": heldout,
        "steps": f"{n_steps:,} an epoch, batches of {config.batch_size:,}",
        "begins": begins,
    }
    return "\n".join(f"{name:<12}{value}" for name, value in lines.items())
