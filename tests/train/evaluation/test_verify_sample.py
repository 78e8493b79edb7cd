"""`verify` on real photos."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from facehub import Decision, FaceRecognizer, verify
from train.evaluation.pairs_text import parse_pairs


def test_error_rates_on_a_sample_of_lfw(recognizer: FaceRecognizer, shared_data: Path) -> None:
    """20 genuine and 20 impostor pairs of LFW; these weights have FNMR 15 % and FMR 0.2 %.

    The chance that such weights exceed a bound is below one in 1,000.
    """
    rng = np.random.default_rng(0)
    errors = {}
    with zipfile.ZipFile(shared_data / "lfw_pairs.zip") as archive:
        pairs = parse_pairs(archive.read("pairs.txt").decode(), "pairs.txt")
        for same in (True, False):
            chosen = rng.choice([p for p in pairs if p.same == same], 20, replace=False)
            errors[same] = 0
            for pair in chosen:
                photos = (archive.read(name) for name in (pair.first, pair.second))
                result = verify(*photos, policy="largest", recognizer=recognizer)
                errors[same] += (result.decision is Decision.SAME) != same
    print(f"false non-matches {errors[True]} of 20, false matches {errors[False]} of 20")
    assert errors[True] <= 9
    assert errors[False] <= 1
