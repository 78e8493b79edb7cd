"""Compare facehub's clustering with other algorithms on the same embeddings.

python benchmarks/album.py FACES [--pictures LFW.zip] [--cache FOLDER] [--people]
python benchmarks/album.py FACES --count 100000

FACES are aligned faces, of which the held-out identities are read; algorithms and settings are
chosen there. `--people` adds samples with as few photos per person as in LFW. LFW.zip holds
pictures, `NAME/NAME_0001.jpg`, which go through the whole pipeline; it is for the final comparison
only. `--count` measures time and memory instead, on a mixture around the held-out embeddings.
InsightFace's rule is DBSCAN at a cosine of 0.48, tried as a distance and as a similarity.
"""

from __future__ import annotations

import argparse
import functools
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.cluster import DBSCAN, HDBSCAN

from facehub.clustering import GroupingRule, cluster
from facehub.io.sources import identity_of, open_source
from facehub.model.spec import ModelSpec
from facehub.pipeline import FaceRecognizer, default_recognizer
from train.data.heldout import read_heldout
from train.evaluation.clusters import bcubed, pairwise
from train.evaluation.embedding import embed_detected

Faces = tuple[np.ndarray, np.ndarray]  # embeddings and people
Rule = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path, help="aligned faces: folder, zip or RecordIO")
    parser.add_argument("--pictures", type=Path, help="pictures in a folder for each person")
    parser.add_argument("--cache", type=Path, help="folder that keeps the embeddings")
    parser.add_argument("--people", action="store_true", help="also people with few photos")
    parser.add_argument("--count", type=int, help="measure time and memory on so many faces")
    args = parser.parse_args()

    recognizer = default_recognizer()
    heldout = _cached(args.cache, "heldout", lambda: _heldout(args.faces, recognizer))
    if args.count:
        _print_speed(heldout, args.count, recognizer.spec)
        return
    _print_rules("held-out identities", [heldout], recognizer.spec)
    if args.people:
        few = [_with_few_photos(heldout, seed) for seed in range(6)]
        _print_rules("6 draws, few photos each", few, recognizer.spec)
    if args.pictures:
        found = _cached(args.cache, "pictures", lambda: _pictures(args.pictures, recognizer))
        _print_rules(args.pictures.name, [found], recognizer.spec)


def _heldout(faces: Path, recognizer: FaceRecognizer) -> Faces:
    crops, people = read_heldout(faces)
    return recognizer.embedder.embed(crops), people


def _pictures(path: Path, recognizer: FaceRecognizer) -> Faces:
    """Embed the face nearest the centre of each picture that shows one."""
    source = open_source(path)
    rows = embed_detected(source.names, source.read, recognizer)
    people = np.unique([identity_of(name) for name in source.names], return_inverse=True)[1]
    found = np.isfinite(rows).all(axis=1)
    return rows[found], people[found]


def _cached(folder: Path | None, name: str, make: Callable[[], Faces]) -> Faces:
    file = None if folder is None else folder / f"album-{name}.npz"
    if file is not None and file.is_file():
        with np.load(file) as kept:
            return kept["embeddings"], kept["labels"]
    embeddings, labels = make()
    if file is not None:
        np.savez(file, embeddings=embeddings, labels=labels)
    return embeddings, labels


def _with_few_photos(faces: Faces, seed: int) -> Faces:
    """Sample people as in LFW: seven of ten with one photo, the others with two or more."""
    embeddings, people = faces
    rng = np.random.default_rng(seed)
    kept: list[int] = []
    for person in np.unique(people):
        count = 1 if rng.random() < 0.7 else 1 + rng.geometric(0.35)
        kept += rng.permutation(np.flatnonzero(people == person))[:count].tolist()
    return embeddings[kept], people[kept]


def _rules(count: int, spec: ModelSpec) -> Iterator[tuple[str, Rule]]:
    rule = GroupingRule.for_faces(spec, count)
    yield f"facehub, {rule.pair:.2f} to {rule.group:.2f}", lambda rows: cluster(rows, rule)
    for what, eps in (("distance", 0.48), ("similarity", 0.52)):
        model = DBSCAN(eps=eps, min_samples=2, metric="cosine")
        yield f"DBSCAN, {what} 0.48", functools.partial(_fit, model)
    yield "HDBSCAN", functools.partial(_fit, HDBSCAN(min_cluster_size=2, copy=True))
    yield (
        f"chinese whispers, {rule.pair:.2f}",
        lambda rows: _chinese_whispers(rows, rule.pair),
    )


def _fit(model: DBSCAN | HDBSCAN, rows: np.ndarray) -> np.ndarray:
    """Fit a model; each face without a group forms its own."""
    labels: np.ndarray = model.fit_predict(rows.astype(np.float64))
    alone = labels < 0
    labels[alone] = labels.max() + 1 + np.arange(alone.sum())
    return labels


def _chinese_whispers(rows: np.ndarray, limit: float, rounds: int = 20) -> np.ndarray:
    """Chinese whispers: each face in turn takes its neighbours' heaviest label (Biemann, 2006)."""
    rng = np.random.default_rng(0)
    near, weights = [], []
    for number, row in enumerate(rows):
        scores = rows @ row
        scores[number] = -1
        near.append(np.flatnonzero(scores >= limit))
        weights.append(scores[near[-1]])
    labels = np.arange(len(rows))
    for _ in range(rounds):
        before = labels.copy()
        for number in rng.permutation(len(rows)):
            if len(near[number]):
                found, place = np.unique(labels[near[number]], return_inverse=True)
                labels[number] = found[np.bincount(place, weights[number]).argmax()]
        if (labels == before).all():
            break
    return labels


def _print_rules(title: str, sets: list[Faces], spec: ModelSpec) -> None:
    """Print means over the sets."""
    faces = sum(len(people) for _, people in sets) / len(sets)
    everyone = sum(len(set(people.tolist())) for _, people in sets) / len(sets)
    print(f"\n{title}: {faces:,.0f} faces of {everyone:,.0f} people")
    print(f"{'':<28}{'pairwise F1':>12}{'P':>8}{'R':>8}{'BCubed F':>12}{'P':>8}{'R':>8}{'s':>8}")
    for name, rule in _rules(round(faces), spec):
        start = time.perf_counter()
        labels = [rule(rows) for rows, _ in sets]
        seconds = (time.perf_counter() - start) / len(sets)
        numbers = [
            np.mean(
                [
                    value
                    for (_, people), found in zip(sets, labels, strict=True)
                    for value in [getattr(measure(people, found), part)]
                ]
            )
            for measure in (pairwise, bcubed)
            for part in ("f", "precision", "recall")
        ]
        f1, p1, r1, f3, p3, r3 = (f"{100 * number:.1f}" for number in numbers)
        print(f"{name:<28}{f1:>12}{p1:>8}{r1:>8}{f3:>12}{p3:>8}{r3:>8}{seconds:>8.1f}", flush=True)


def _print_speed(faces: Faces, count: int, spec: ModelSpec) -> None:
    """Make copies of the held-out people, each randomly rotated, with some noise."""
    embeddings, people = faces
    rng = np.random.default_rng(0)
    size = embeddings.shape[1]
    parts = []
    for _ in range(-(-count // len(embeddings))):
        turn = np.linalg.qr(rng.normal(size=(size, size)))[0].astype(np.float32)
        parts.append(embeddings @ turn)
    rows = np.concatenate(parts)[:count]
    rows += rng.normal(scale=0.2 / size**0.5, size=rows.shape).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    copies = np.repeat(np.arange(len(parts)), len(people))[:count]
    labels = copies * (people.max() + 1) + np.tile(people, len(parts))[:count]
    del parts
    start, cpu = time.perf_counter(), time.process_time()
    found = cluster(rows, GroupingRule.for_faces(spec, count))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{count:,} faces: {seconds:.0f} s, {cpu:.0f} s of CPU; the process had "
        f"{peak / 1024:,.0f} MiB at most, {rows.nbytes / 2**20:,.0f} of them embeddings; "
        f"{found.max() + 1:,} groups, pairwise F1 {100 * pairwise(labels, found).f:.1f} %"
    )


if __name__ == "__main__":
    main()
