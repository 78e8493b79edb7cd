"""How fast this machine trains, against its own matrix product, and how fast a pack is read.

A step is all that `fit` does for a batch: read, augment, forward with the teacher, backward, clip,
optimise, average. Its floating-point operations are those of forward and backward alone.

python benchmarks/training.py runs/celeba --config train/configs/celeba_cpu.toml
"""

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from train.config import TrainConfig, load_config
from train.data.augment import augment
from train.data.pack import PackedFaces, open_pack
from train.optimizer import ema_update, make_optimizer
from train.step import TrainingStep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--config", type=Path, required=True)
    args = parser.parse_args()
    faces = open_pack(args.pack)
    rng = np.random.default_rng(0)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    chosen = [np.sort(rng.integers(0, len(faces.names), 128)) for _ in range(40)]
    for rows in chosen:
        faces.crops[rows].sum()  # into the file cache
    start = time.perf_counter()
    for rows in chosen:
        torch.from_numpy(faces.crops[rows])
    speed = 128 * len(chosen) / (time.perf_counter() - start)
    print(f"packed reader, one core   {speed:8.0f} images/s")

    torch.set_num_threads(threads)
    for overrides in (["amp=off"], ["amp=bf16"]):
        config = load_config(args.config, overrides)
        half = config.amp == "bf16"
        peak = matrix_rate(torch.bfloat16 if half else torch.float32)
        print(f"matrix product, {config.amp:<10}{peak / 1e9:8.0f} GFLOP/s")
        for _, height, width in config.sizes:
            flops, seconds = training_cost(config, faces, height, width)
            print(
                f"training {height} x {width:<13}{config.batch_size / seconds:8.0f} images/s, "
                f"{flops / seconds / 1e9:.0f} GFLOP/s, "
                f"{100 * flops / seconds / peak:.0f} % of the matrix product"
            )


def training_cost(
    config: TrainConfig, faces: PackedFaces, height: int, width: int
) -> tuple[int, float]:
    """Floating-point operations and seconds of one optimiser step."""
    training = np.flatnonzero(~faces.heldout)
    identities, labels = np.unique(faces.labels[training], return_inverse=True)
    module = TrainingStep(config, faces.names[training], len(identities))
    module.encoder.to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(module.encoder).requires_grad_(False)
    optimizer = make_optimizer(config, module)
    generator = torch.Generator().manual_seed(0)
    chosen = np.sort(np.random.default_rng(0).choice(len(training), config.batch_size, False))

    def read() -> torch.Tensor:
        pixels = torch.from_numpy(faces.crops[training[chosen]])
        x = augment(module.encoder.preprocess(pixels), (height, width), generator)
        return x.contiguous(memory_format=torch.channels_last)

    def differentiate(x: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        module(x, torch.from_numpy(labels[chosen]), torch.from_numpy(chosen))[0].backward()

    def train() -> None:
        differentiate(read())
        nn.utils.clip_grad_norm_(module.parameters(), config.clip)
        optimizer.step()
        if config.ema > 0:
            ema_update(averaged, module.encoder, config.ema, 1000)

    x = read()
    with FlopCounterMode(display=False) as counter:
        differentiate(x)
    return counter.get_total_flops(), median_of(train, 8)


def matrix_rate(dtype: torch.dtype, size: int = 2048) -> float:
    """Floating-point operations a second of a square matrix product."""
    a = torch.randn(size, size).to(dtype)
    return 2 * size**3 / median_of(lambda: a @ a, 10)


def median_of(run: Callable[[], object], times: int) -> float:
    """Median seconds of a call, after a warm-up."""
    run()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
