"""Measure this machine's training speed relative to its matrix product, and its reading speed.

A step is everything that `fit` does for a batch: read, augment, forward with the teacher, backward,
clip, optimise, average. Its floating-point operations are those of forward and backward alone.

python benchmarks/training.py runs/celeba --config train/configs/celeba_cpu.toml
python benchmarks/training.py runs/celeba --config CONFIG.toml --stems face iresnet

With `--stems`, only the speed of a step with each stem relative to the first is measured, in turn,
in batches of `--batch-size` faces.
"""

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from facehub.model.spec import Stem
from train.config import TrainConfig, load_config
from train.data.augment import augment
from train.data.pack import PackedFaces, open_pack
from train.optimizer import ema_update, make_optimizer
from train.step import TrainingStep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--stems", nargs="+", choices=get_args(Stem), help="to compare")
    parser.add_argument("--batch-size", type=int, default=16, help="with --stems (16)")
    args = parser.parse_args()
    faces = open_pack(args.pack)
    if args.stems:
        compare_stems(args.config, args.stems, faces, args.batch_size)
        return
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
            flops, train = training_step(config, faces, height, width)
            seconds = median_of(train, 8)
            print(
                f"training {height} x {width:<13}{config.batch_size / seconds:8.0f} images/s, "
                f"{flops / seconds / 1e9:.0f} GFLOP/s, "
                f"{100 * flops / seconds / peak:.0f} % of the matrix product"
            )


def compare_stems(
    path: Path, stems: list[str], faces: PackedFaces, batch_size: int, rounds: int = 7
) -> None:
    """Print the median time of a step with each stem, and its speed relative to the first one."""
    for amp in ("off", "bf16"):
        steps: dict[str, tuple[int, Callable[[], None]]] = {}
        times: dict[str, list[float]] = {stem: [] for stem in stems}
        for stem in stems:
            size = f"batch_size={batch_size}"
            config = load_config(
                path, [f"stem={stem}", "head=", "dilated=false", f"amp={amp}", size]
            )
            _, height, width = config.size_at(config.epochs)
            steps[stem] = training_step(config, faces, height, width)
        for turn in range(rounds + 1):
            for stem, (_, train) in steps.items():
                start = time.perf_counter()
                train()
                if turn > 0:  # the first one warms up
                    times[stem].append(time.perf_counter() - start)
        base = float(np.median(times[stems[0]]))
        for stem, (flops, _) in steps.items():
            seconds = float(np.median(times[stem]))
            print(
                f"{amp:<5}{stem:<9}{1000 * seconds:8.0f} ms, {batch_size / seconds:5.1f} images/s, "
                f"{flops / batch_size / 1e9:.1f} GFLOP a face, "
                f"{base / seconds:.2f} times {stems[0]}"
            )


def training_step(
    config: TrainConfig, faces: PackedFaces, height: int, width: int
) -> tuple[int, Callable[[], None]]:
    """Return the floating-point operations of one optimiser step, and a function that takes it."""
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
    return counter.get_total_flops(), train


def matrix_rate(dtype: torch.dtype, size: int = 2048) -> float:
    """Measure the floating-point operations per second of a square matrix product."""
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
