"""Measure a whole `facehub verify` process, and break down its time.

python benchmarks/cold_start.py [--runs 7] [--against 'OTHER COMMAND']

`--against` names another command, of an earlier version say. Both run in turn, and the ratio is
computed for each pair of runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
PAIR = [str(EXAMPLES / name) for name in ("eileen_collins.jpg", "grace_hopper.jpg")]

STEPS = """
import json, sys, time
start = time.perf_counter()
shares = {}
def done(name):
    global start
    now = time.perf_counter()
    shares[name] = now - start
    start = now
import facehub.cli.main
done("import facehub (NumPy, OpenCV, Pillow)")
from facehub.model.graph import to_onnx
done("import the graph writer")
import onnxruntime
done("import ONNX Runtime")
from facehub.model import onnx, store
weights = store.read_weights(store.weights_folder(store.default_weights()))
done("read and check the weights")
precision = onnx.choose_precision(weights.spec, "cpu")
to_onnx(weights.content, weights.spec, precision=precision)
done("graph")
embedder = onnx.OnnxEmbedder(weights)
done("session and self-test")
shares["session and self-test"] -= shares["graph"]  # the embedder builds it, too
from facehub import FaceRecognizer, load_image
recognizer = FaceRecognizer(embedder)
picture = load_image(sys.argv[1])
done("decode one picture")
recognizer.detector.find(picture)
done("MediaPipe: import, models, first picture")
recognizer.faces(sys.argv[2])
done("second picture")
print(json.dumps(shares))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--against", help="another command, run in turn with this one")
    args = parser.parse_args()

    ours = [sys.executable, "-m", "facehub", "verify", *PAIR]
    other = shlex.split(args.against) if args.against else None
    times: list[tuple[float, float]] = []
    other_times: list[tuple[float, float]] = []
    for run in range(args.runs + 1):
        pair = [(ours, times)] + ([(other, other_times)] if other else [])
        for command, found in pair:
            measured = _run(command)
            if run:  # the first one fills the file cache
                found.append(measured)
    _print("facehub verify", times)
    if other:
        _print("against", other_times)
        for number, name in enumerate(("wall", "CPU")):
            ratios = [a[number] / b[number] for a, b in zip(times, other_times, strict=True)]
            print(f"{name} ratio: median {statistics.median(ratios):.3f}, max {max(ratios):.3f}")

    shares: dict[str, list[float]] = {}
    for _ in range(args.runs):
        output = subprocess.run(
            [sys.executable, "-c", STEPS, *PAIR], capture_output=True, text=True, check=True
        ).stdout
        for name, seconds in json.loads(output).items():
            shares.setdefault(name, []).append(seconds)
    medians = {name: statistics.median(values) for name, values in shares.items()}
    for name, seconds in medians.items():
        share = 100 * seconds / sum(medians.values())
        print(f"{name:<45}{1000 * seconds:7.0f} ms  {share:4.0f} %")


def _run(command: list[str]) -> tuple[float, float]:
    """(wall, CPU) seconds of a process."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    code = subprocess.run(command, env=environment, capture_output=True, check=False).returncode
    wall = time.perf_counter() - start
    if code not in (0, 1, 3):  # decided, one way or another
        raise SystemExit(f"{shlex.join(command)} ended with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def _print(name: str, times: list[tuple[float, float]]) -> None:
    wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{name}: {wall:.2f} s, {cpu:.2f} s of CPU (median of {len(times)} processes)")


if __name__ == "__main__":
    main()
