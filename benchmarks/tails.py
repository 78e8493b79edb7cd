"""Check whether tails fitted to a few hundred people hold for a thousand times as many pairs.

python benchmarks/tails.py VECTORS.npz --judge VECTORS.npz [--faces CELEBA.zip]

Both files are from `python -m train embed-teacher`, of two networks: names (PERSON/PICTURE) and
embeddings, or codes and scale. The highest pairs are mostly label errors. All pairs are therefore
measured without mislabelled pictures (by the rule of `train/evaluation/labels.py`, in one pass),
and without pairs that the judge takes for one person.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

from facehub.io.sources import open_source
from train.evaluation.labels import MIN_PICTURES, mislabelled
from train.evaluation.metrics import all_pairs
from train.evaluation.tail import fit_tail

FMRS = (1e-5, 1e-6, 1e-7, 1e-8)
SHARES = (1e-2, 3e-3, 1e-3, 3e-4)
ROWS = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--faces", type=Path, help="only the pictures in this source")
    parser.add_argument("--people", type=int, default=417, help="to fit each tail to (417)")
    parser.add_argument("--draws", type=int, default=40, help="random choices of people (40)")
    args = parser.parse_args()

    names, vectors = read_vectors(args.vectors)
    judge = dict(zip(*read_vectors(args.judge), strict=True))
    wanted = set(judge) & set(names if args.faces is None else open_source(args.faces).names)
    rows = np.array([row for row, name in enumerate(names) if name in wanted])
    vectors = vectors[rows]
    judged = np.stack([judge[names[row]] for row in rows])
    labels = np.unique([names[row].split("/")[-2] for row in rows], return_inverse=True)[1]
    people = int(labels.max()) + 1
    kept = ~claimed(vectors, labels)
    top, n = highest_pairs(vectors[kept], judged[kept], labels[kept])
    found = [float(top[int(n * fmr)]) for fmr in FMRS]
    print(f"{len(rows):,} faces of {people:,} people, {n:,.0f} impostor pairs")
    print(
        "all pairs          ",
        "  ".join(f"{f:.0e} {s:.3f}" for f, s in zip(FMRS, found, strict=True)),
    )

    rng = np.random.default_rng(0)
    drawn = [np.isin(labels, rng.choice(people, args.people, False)) for _ in range(args.draws)]
    for share in SHARES:
        print(f"tail of {share:<11g}", "  ".join(predict(vectors, labels, drawn, share, found)))


def read_vectors(file: Path) -> tuple[list[str], np.ndarray]:
    """Load names, and embeddings, float32 (N, D), L2-normalised rows."""
    with np.load(file) as content:
        names = [n.decode() if isinstance(n, bytes) else str(n) for n in content["names"].tolist()]
        if "codes" in content:
            vectors = content["codes"].astype(np.float32) * content["scale"]
        else:
            vectors = content["embeddings"].astype(np.float32)
    return names, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def claimed(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Like `mislabelled`, for more people than fit into a matrix of all means."""
    counts = np.bincount(labels)
    means = np.zeros((len(counts), vectors.shape[1]), np.float32)
    np.add.at(means, labels, vectors)
    means /= counts[:, None]
    limit = one_person(vectors, labels)
    found = np.zeros(len(labels), bool)
    for start in range(0, len(labels), ROWS):
        block = vectors[start : start + ROWS] @ means.T
        block[:, counts < MIN_PICTURES] = -1
        block[np.arange(len(block)), labels[start : start + ROWS]] = -1
        found[start : start + ROWS] = block.max(axis=1) >= limit
    return found


def one_person(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Median similarity of genuine pairs, of neighbours in the order of people."""
    order = np.argsort(labels, kind="stable")
    pairs = itertools.pairwise(order)
    return float(np.median([vectors[a] @ vectors[b] for a, b in pairs if labels[a] == labels[b]]))


def highest_pairs(
    vectors: np.ndarray, judged: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, float]:
    """The highest impostor similarities, descending, and the number of all impostor pairs."""
    some = np.random.default_rng(0).choice(len(labels), min(4000, len(labels)), replace=False)
    similarity, same = all_pairs(vectors[some], labels[some])
    cut = np.quantile(similarity[~same], 1 - 2 * FMRS[0])
    limit = one_person(judged, labels)
    kept = []
    for start in range(0, len(labels), ROWS):
        block = vectors[start : start + ROWS] @ vectors[start:].T
        a, b = np.nonzero(block > cut)
        a, b, found = a + start, b + start, block[a, b]
        ours = (b > a) & (labels[a] != labels[b])
        ours[ours] = (judged[a[ours]] * judged[b[ours]]).sum(axis=1) < limit
        kept.append(found[ours])
    counts = np.bincount(labels).astype(float)
    return np.sort(np.concatenate(kept))[::-1], (counts.sum() ** 2 - (counts**2).sum()) / 2


def predict(
    vectors: np.ndarray,
    labels: np.ndarray,
    drawn: list[np.ndarray],
    share: float,
    found: list[float],
) -> list[str]:
    """Mean and deviation of the tails' predictions, and the coverage of their intervals."""
    predicted, holds = [], []
    for chosen in drawn:
        own, people = vectors[chosen], labels[chosen]
        kept = ~mislabelled(own, people)
        tail = fit_tail(*all_pairs(own[kept], people[kept]), people[kept], share=share)
        assert tail is not None
        predicted.append([tail.similarity_at(fmr) for fmr in FMRS])
        intervals = [tail.interval_at(fmr) or (1.0, -1.0) for fmr in FMRS]
        holds.append([low <= s <= high for (low, high), s in zip(intervals, found, strict=True)])
    mean, deviation = np.mean(predicted, axis=0), np.std(predicted, axis=0)
    return [
        f"{fmr:.0e} {m:.3f} ± {d:.3f} ({100 * h:.0f} %)"
        for fmr, m, d, h in zip(FMRS, mean, deviation, np.mean(holds, axis=0), strict=True)
    ]


if __name__ == "__main__":
    main()
