"""Compare PyTorch, float32 and int8: speed, and error rates on held-out identities.

python benchmarks/engines.py FACES [--weights FOLDER] [--other FOLDER]   # aligned faces

`--other FOLDER` adds a network made by `facehub model add`, for its speed only.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from facehub.encoder import FaceEncoder
from facehub.model.embedder import Embedder
from facehub.model.onnx import OnnxEmbedder
from facehub.model.store import default_weights
from train.data.heldout import read_heldout
from train.evaluation.metrics import all_pairs, operating_points

FMRS = (1e-2, 1e-3, 1e-4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path, help="aligned faces: folder, zip or RecordIO")
    parser.add_argument("--weights", default=default_weights())
    parser.add_argument("--other", type=Path, help="folder of another network")
    args = parser.parse_args()

    crops, labels = read_heldout(args.faces)
    print(f"{len(crops)} faces of {len(set(labels.tolist()))} held-out identities")
    embeddings: dict[str, np.ndarray] = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        engines = _engines(args.weights, threads)
        if args.other:
            engines["other"] = OnnxEmbedder.from_pretrained(args.other, threads=threads)
        for count in (1, 32):
            _print_speed(engines, crops, count, threads)
        if threads == 1:
            for name in ("PyTorch", "float32", "int8"):
                embeddings[name] = engines[name].embed(crops)
    for name, own in embeddings.items():
        _print_rates(name, own, own, labels)
    exact, rough = embeddings["float32"], embeddings["int8"]
    _print_rates("float32 against int8", exact, rough, labels)
    agreement = (exact * rough).sum(axis=1)
    print(f"cosine of int8 to float32: mean {agreement.mean():.5f}, lowest {agreement.min():.5f}")
    largest = np.abs(exact - embeddings["PyTorch"]).max()
    print(f"largest difference of float32 to PyTorch: {largest:.2g}")


def _engines(weights: str, threads: int) -> dict[str, Embedder]:
    return {
        "PyTorch": FaceEncoder.from_pretrained(weights),
        "float32": OnnxEmbedder.from_pretrained(weights, precision="float32", threads=threads),
        "int8": OnnxEmbedder.from_pretrained(weights, precision="int8", threads=threads),
    }


def _print_speed(
    engines: dict[str, Embedder], crops: np.ndarray, count: int, threads: int, runs: int = 31
) -> None:
    """Print median times, with the engines in turn, and the speed relative to float32."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for run in range(runs + 2):
        for name, engine in engines.items():
            batch = _fitting(crops[:count], engine)
            start = time.perf_counter()
            engine.embed(batch)
            if run >= 2:  # the first ones warm up
                times[name].append(1000 * (time.perf_counter() - start))
    base = statistics.median(times["float32"])
    for name, values in times.items():
        middle = statistics.median(values)
        print(
            f"{threads} threads, {count:>2} faces, {name:<8}{middle:8.1f} ms, "
            f"{base / middle:.2f} times float32"
        )


def _fitting(crops: np.ndarray, engine: Embedder) -> np.ndarray:
    """Make crops of a network's input size; their content does not affect its speed."""
    t = engine.spec.template
    return np.resize(crops, (len(crops), t.height, t.width, 3)) if t.width != 96 else crops


def _print_rates(name: str, first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> None:
    """Print FNMR @ FMR, all against all; probes from `first`, gallery from `second`."""
    if first is second:
        similarity, same = all_pairs(first, labels)
    else:
        rows, columns = np.triu_indices(len(labels), 1)
        similarity = (first @ second.T)[rows, columns]
        same = labels[rows] == labels[columns]
    points = operating_points(similarity[same], similarity[~same], FMRS)
    print(f"{name:<22}" + "  ".join(_rate(point.fmr, point.fnmr.value) for point in points))


def _rate(fmr: float, fnmr: float) -> str:
    return f"FNMR {100 * fnmr:.2f} % at FMR {fmr:g}"


if __name__ == "__main__":
    main()
