"""Measure how fast a pack is read, from the page cache and from disk, with and without hints.

The file is dropped from the cache before each way of reading, which slows other users of it.
"Hinted before": the kernel gets a hint of a batch just before it is read; "hinted a step ahead": of
the next batch, one training step before it is read.

python benchmarks/reader.py runs/celeba
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from train.data.pack import PackedFaces, open_pack

WAYS = ("warm", "cold", "cold, hinted before", "cold, hinted a step ahead")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--step", type=float, default=0.1, help="seconds of work on a batch")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    hints: list[float] = []
    for number in range(args.rounds):
        order = np.random.default_rng(number).permutation(len(open_pack(args.pack).names))
        batches = np.sort(order[: args.batches * args.batch_size].reshape(args.batches, -1), 1)
        for way in reversed(WAYS):  # so that what comes last is warm
            faces = open_pack(args.pack)  # pages that a process maps stay in the cache
            if way != "warm":
                drop(args.pack / "crops.npy")
            read, hint = measure(faces, batches, way, args.step)
            seconds[way].append(read)
            hints += [hint] if "hinted" in way else []
            del faces
    n = args.batches * args.batch_size
    for way, values in seconds.items():
        times = ", ".join(f"{1000 * value / args.batches:.1f}" for value in values)
        middle = float(np.median(values))
        print(f"{way:<26}{n / middle:9,.0f} images/s; ms a batch: {times}")
    print(f"the hints themselves: {1000 * np.median(hints) / args.batches:.1f} ms a batch")


def measure(faces: PackedFaces, batches: np.ndarray, way: str, step: float) -> tuple[float, float]:
    """Measure the seconds spent on reading and hinting, and on hinting alone."""
    out = np.empty((batches.shape[1], *faces.crops.shape[1:]), np.uint8)
    out[:] = 0  # its own pages are there
    ahead = int(way.endswith("ahead"))
    read = hint = 0.0
    for number, rows in enumerate(batches):
        start = time.perf_counter()
        if way.startswith("cold, hinted") and number + ahead < len(batches):
            faces.prefetch(batches[number + ahead])
            hint += time.perf_counter() - start
        faces.read(rows, out)
        if not (ahead and number == 0):  # the first batch cannot be prefetched
            read += time.perf_counter() - start
        if ahead:
            time.sleep(step)
    return read, hint


def drop(path: Path) -> None:
    """Drop a file from the cache, as far as no process maps it."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


if __name__ == "__main__":
    main()
