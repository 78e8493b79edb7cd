"""Verify LFW pairs whose first picture is rotated, and count the answers that change.

python benchmarks/rotated.py lfw_pairs.zip [--pairs 300] [--seed 0]

A changed answer carries a warning where it cannot tell, or says that the face lies or may not be
upright. Fails where fewer than 97 % of the answers stay, or one changes without a warning.
"""

import argparse
import random
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from facehub.io.images import load_image
from facehub.pipeline import default_recognizer
from facehub.results import QualityIssue
from facehub.verification import compare_faces
from train.evaluation.pairs_text import parse_pairs

LEAST = 0.97  # of the answers that stay, at each turn
WARNINGS = {QualityIssue.STRONG_ROLL, QualityIssue.DOUBTFUL_FACE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    recognizer = default_recognizer()
    changes: dict[int, Counter[str]] = {turn: Counter() for turn in (1, 2, 3)}
    stayed: Counter[int] = Counter()
    unwarned = 0
    with zipfile.ZipFile(args.lfw) as archive:
        pairs = parse_pairs(archive.read("pairs.txt").decode(), "pairs.txt")
        for pair in random.Random(args.seed).sample(pairs, args.pairs):
            picture = load_image(archive.read(pair.first))
            other = recognizer.faces(archive.read(pair.second))
            answer = compare_faces(recognizer.faces(picture), other, recognizer.spec)
            for turn in changes:
                faces = recognizer.faces(np.ascontiguousarray(np.rot90(picture, turn)))
                turned = compare_faces(faces, other, recognizer.spec)
                if turned.decision == answer.decision:
                    stayed[turn] += 1
                    continue
                warned = turned.reason or (turned.first and WARNINGS & {*turned.first.issues})
                unwarned += not warned
                changes[turn][f"{answer.decision} to {turned.decision}"] += 1
                print(f"{pair.first} at {90 * turn}: {answer.similarity} to {turned.similarity}")
    for turn, counts in changes.items():
        print(f"{90 * turn} degrees: {stayed[turn]} of {args.pairs} stay; {dict(counts)}")
    print(f"changed without a warning: {unwarned}")
    if unwarned or min(stayed[turn] for turn in changes) < LEAST * args.pairs:
        sys.exit("error: too many answers change")


if __name__ == "__main__":
    main()
