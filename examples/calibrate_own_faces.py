"""Choose a threshold on your own photos, and measure its error rates.

    python examples/calibrate_own_faces.py people/ --fmr 1e-3

`people/` has one sub-folder per person. All photos are compared with all. With N impostor pairs, no
FMR below 3 / N can be shown (95 % confidence), and pairs that share a person are not independent.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from facehub import FaceHubError, FaceRecognizer


def main() -> None:
    """Print the threshold for an FMR and its error rates."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("people", type=Path, help="a folder with one sub-folder per person")
    parser.add_argument("--fmr", type=float, default=1e-3, help="target false match rate")
    args = parser.parse_args()
    recognizer = FaceRecognizer.from_pretrained()
    embeddings, labels = embed(args.people, recognizer)
    similarity = embeddings @ embeddings.T
    first, second = np.triu_indices(len(labels), k=1)
    scores, same = similarity[first, second], labels[first] == labels[second]
    genuine, impostor = np.sort(scores[same]), np.sort(scores[~same])
    if not len(genuine) or not len(impostor):
        raise SystemExit("Calibration needs two people, and two photos of one of them.")
    allowed = int(args.fmr * len(impostor))  # impostor pairs that may pass
    threshold = float(np.nextafter(impostor[len(impostor) - 1 - allowed], np.float32(2)))
    fnmr = float(np.mean(genuine < threshold))
    print(f"{len(genuine):,} genuine and {len(impostor):,} impostor pairs")
    if args.fmr * len(impostor) < 3:
        print(f"too few impostor pairs for FMR {args.fmr:g}: at least {3 / args.fmr:,.0f} needed")
    print(f"threshold {threshold:.3f}: FMR {allowed / len(impostor):.3g}, FNMR {fnmr:.3g}")
    own = recognizer.spec.threshold
    if own is not None:
        print(f"the weights' own {own:.3f}: FMR {np.mean(impostor >= own):.3g}, "
              f"FNMR {np.mean(genuine < own):.3g}")  # fmt: skip
    print(f"use it as recognizer.with_threshold({threshold:.3f}), or FACEHUB_THRESHOLD")


def embed(people: Path, recognizer: FaceRecognizer) -> tuple[np.ndarray, np.ndarray]:
    """Float32 (N, 512) embeddings and int (N,) labels of a folder of people."""
    photos = sorted(p for p in people.glob("*/*") if p.is_file())
    names = sorted({p.parent.name for p in photos})
    rows, labels = [], []
    for photo, found in zip(photos, recognizer.faces_many(photos, policy="largest"), strict=True):
        if isinstance(found, FaceHubError):
            print(f"{photo}: {found}")
            continue
        rows.append(found[0].embedding)
        labels.append(names.index(photo.parent.name))
    if not rows:
        raise SystemExit(f"{people} has no photo that can be used.")
    return np.stack(rows), np.array(labels)


if __name__ == "__main__":
    main()
