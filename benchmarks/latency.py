"""Measure the time from one 512 x 512 JPEG with one face to its embedding, step by step.

python benchmarks/latency.py [--runs 100] [--against CHECKOUT]

`--against` names another checkout, of an earlier version say (`git worktree add CHECKOUT COMMIT`).
Both versions of `FaceRecognizer.face` run in turn, in separate processes.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from skimage import data

from facehub.align import align
from facehub.io.images import load_image
from facehub.pipeline import default_recognizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--against", type=Path, help="another checkout of facehub")
    args = parser.parse_args()
    runs = args.runs

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "JPEG", quality=90)
    picture = buffer.getvalue()
    recognizer = default_recognizer()
    image = load_image(picture)
    found = recognizer.detector.find(image)[0]
    template = recognizer.spec.template
    crops = align(image, found, template).crop[None]

    print(f"{os.cpu_count()} CPUs, {recognizer.embedder.description}, median of {runs} runs")
    steps: dict[str, Callable[[], object]] = {
        "decode": lambda: load_image(picture),
        "detection": lambda: recognizer.detector.find(image),
        "alignment": lambda: align(image, found, template),
        "network": lambda: recognizer.embedder.embed(crops),
        "picture to embedding": lambda: recognizer.face(picture),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for run in range(runs + 5):
        for name, step in steps.items():  # in turn, so that all see the same machine
            start = time.perf_counter()
            step()
            if run >= 5:  # the first ones warm up
                times[name].append(1000 * (time.perf_counter() - start))
    whole = statistics.median(times["picture to embedding"])
    for name, values in times.items():
        middle, worst = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(f"{name:<22}{middle:6.1f} ms  {100 * middle / whole:4.0f} %   95 %: {worst:6.1f} ms")
    if args.against:
        _compare(args.against, picture, runs)


WORKER = """
import sys, time
from facehub import default_recognizer
picture = sys.stdin.buffer.read(int(sys.argv[1]))
recognizer = default_recognizer()
for _ in range(5):
    recognizer.face(picture)
print(flush=True)
for _ in sys.stdin.buffer:
    start = time.perf_counter()
    recognizer.face(picture)
    print(time.perf_counter() - start, flush=True)
"""


def _compare(other: Path, picture: bytes, runs: int) -> None:
    """Time picture to embedding in two checkouts, in turn."""
    workers = []
    for folder in (Path(__file__).parents[1], other.resolve()):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(len(picture))],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(picture)
        worker.stdin.flush()
        worker.stdout.readline()
        workers.append((worker.stdin, worker.stdout))
    times = []
    for _ in range(runs):
        pair = []
        for ask, answer in workers:
            ask.write(b"\n")
            ask.flush()
            pair.append(float(answer.readline()))
        times.append(pair)
    for ask, _ in workers:
        ask.close()
    own, others = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    print(f"picture to embedding: {own:.1f} ms here, {others:.1f} ms in {other}, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
