"""Compare ONNX Runtime with PyTorch: largest difference over many faces, and latency.

python benchmarks/engines.py FACES [--count 512]    # aligned: folder, zip or RecordIO
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from facehub.encoder import FaceEncoder
from facehub.model.engine import Engine, OnnxEngine, TorchEngine
from facehub.model.store import default_weights
from train.data.heldout import read_heldout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path, help="aligned faces: folder, zip or RecordIO")
    parser.add_argument("--count", type=int, default=512, help="faces to compare")
    args = parser.parse_args()

    encoder = FaceEncoder.from_pretrained(default_weights())
    engines: list[Engine] = [TorchEngine(encoder), OnnxEngine(encoder)]
    crops, _ = read_heldout(args.faces)
    crops = crops[: args.count]
    by_torch, by_onnx = (engine.embed(crops) for engine in engines)
    print(f"{len(crops)} faces, largest absolute difference {np.abs(by_torch - by_onnx).max():.2g}")
    for n in (1, 8, 64):
        times = [_median_ms(engine, crops[:n]) for engine in engines]
        print(f"{n:>3} faces", end="")
        for engine, time_ms in zip(engines, times, strict=True):
            print(f"  {engine.description}: {time_ms:.1f} ms", end="")
        print(f"  ratio {times[0] / times[1]:.2f}")


def _median_ms(engine: Engine, crops: np.ndarray, runs: int = 30) -> float:
    times = []
    for run in range(runs + 3):
        started = time.perf_counter()
        engine.embed(crops)
        if run >= 3:  # the first ones warm up
            times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


if __name__ == "__main__":
    main()
