"""Checks and summary before a training run starts."""

from __future__ import annotations

import torch

from train.config import TrainConfig
from train.data.split import Split
from train.distributed import Processes


def check_precision(config: TrainConfig, device: torch.device, *, allow_slow: bool) -> None:
    """Refuse fp16 on a CPU, which is slow.

    Raises:
        ValueError: fp16 on a CPU.
    """
    if config.amp == "fp16" and device.type == "cpu" and not allow_slow:
        raise ValueError(
            "there is no CUDA GPU, and fp16 is slow on a CPU: "
            "use amp=bf16 or amp=off (or --allow-slow)"
        )


def steps_per_epoch(config: TrainConfig, n_training: int, group: Processes) -> int:
    """Compute the number of optimiser steps per epoch.

    Raises:
        ValueError: a batch cannot be divided evenly, or the data has too few faces.
    """
    if config.batch_size % (config.accumulate * group.count):
        raise ValueError("batch_size must be a multiple of accumulate times the processes")
    possible = n_training // config.batch_size
    if not possible:
        raise ValueError(f"{config.data} has fewer training faces than a batch")
    if config.steps > possible:
        raise ValueError(f"{config.data} has faces for only {possible} steps per epoch")
    return config.steps or possible


def describe(
    config: TrainConfig, group: Processes, faces: Split, n_heldout: int, begins: str
) -> str:
    """Summarise a run, one fact per line.

    Args:
        config: of the run.
        group: the process group.
        faces: training and held-out faces.
        n_heldout: number of held-out identities.
        begins: where the run starts or resumes.
    """
    device = str(group.device)
    if group.device.type == "cuda":
        device += f" ({torch.cuda.get_device_name(group.device)})"
    n_steps = steps_per_epoch(config, len(faces.training), group)
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
        "steps": f"{n_steps:,} per epoch, batches of {config.batch_size:,}",
        "begins": begins,
    }
    return "\n".join(f"{name:<12}{value}" for name, value in lines.items())
