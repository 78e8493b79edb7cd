"""Run `facehub verify` on a random sample of LFW pairs and count its decisions.

python benchmarks/verify_sample.py LFW.zip [--pairs 200] [--seed 0]
"""

import argparse
import contextlib
import io
import json
import random
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from facehub.cli import faces as commands
from facehub.cli import main as cli
from facehub.pipeline import default_recognizer
from train.evaluation.pairs_text import parse_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    # Load the weights once, not for every pair.
    setattr(commands, "load_recognizer", lambda _: default_recognizer())  # noqa: B010
    counts: Counter[tuple[bool, str]] = Counter()
    with zipfile.ZipFile(args.lfw) as archive, tempfile.TemporaryDirectory() as folder:
        pairs = parse_pairs(archive.read("pairs.txt").decode(), "pairs.txt")
        for pair in random.Random(args.seed).sample(pairs, args.pairs):
            paths = [archive.extract(member, folder) for member in (pair.first, pair.second)]
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                cli.main(["verify", *paths, "--faces", "largest", "--json"])
            counts[pair.same, json.loads(output.getvalue())["decision"]] += 1

    print(f"{args.pairs} of {len(pairs)} pairs, seed {args.seed}")
    decisions = ("same", "uncertain", "different", "cannot_tell")
    print(f"{'':<18}" + "".join(f"{decision:>13}" for decision in decisions))
    for same, who in ((True, "one person"), (False, "two people")):
        print(f"{who:<18}" + "".join(f"{counts[same, decision]:>13}" for decision in decisions))


if __name__ == "__main__":
    main()
