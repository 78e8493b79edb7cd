"""Files of pairs, and what follows from the pairs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from train.evaluation.pairs import Pair, PairSet, parse_pairs


def test_lfw_form() -> None:
    text = "10\t300\nAbel_Pacheco\t1\t4\nAnn\t12\tBob_Lee\t3\n\n"
    assert parse_pairs(text, "pairs.txt") == [
        Pair("Abel_Pacheco/Abel_Pacheco_0001.jpg", "Abel_Pacheco/Abel_Pacheco_0004.jpg", True),
        Pair("Ann/Ann_0012.jpg", "Bob_Lee/Bob_Lee_0003.jpg", False),
    ]


@pytest.mark.parametrize(
    "text",
    ["a/1.jpg b/1.jpg 0\nc 2 1\n", "a/1.jpg\tb/1.jpg\t0\nc\t2\t1", "a/1.jpg, b/1.jpg, 0\r\nc,2,1"],
    ids=["spaces", "tabs", "commas"],
)
def test_simple_form(text: str) -> None:
    assert parse_pairs(text, "p") == [Pair("a/1.jpg", "b/1.jpg", False), Pair("c", "2", True)]


def test_simple_form_with_spaces_in_names() -> None:
    assert parse_pairs("./Ann Lee\\1.jpg\tBob/2.jpg\t1\n", "p") == [
        Pair("Ann Lee/1.jpg", "Bob/2.jpg", True)
    ]


@pytest.mark.parametrize("line", ["Ann", "Ann\t1", "Ann\t1\tBob\t2\t3", "Ann\tone\ttwo"])
def test_bad_line_of_lfw(line: str) -> None:
    with pytest.raises(ValueError, match=r"pairs\.txt, line 3: not a pair"):
        parse_pairs(f"1\t1\nAnn\t1\t2\n{line}\n", "pairs.txt")


@pytest.mark.parametrize("line", ["a.jpg b.jpg", "a.jpg b.jpg 2", "a.jpg b.jpg 0.5", ",b.jpg,1"])
def test_bad_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"p\.csv, line 2: not two pictures"):
        parse_pairs(f"a.jpg b.jpg 1\n{line}\n", "p.csv")


def test_pairs_of_lfw(shared_data: Path) -> None:
    """Ten folds, each with 300 genuine and then 300 impostor pairs."""
    with zipfile.ZipFile(shared_data / "lfw_pairs.zip") as archive:
        pairs = parse_pairs(archive.read("pairs.txt").decode(), "pairs.txt")
        members = set(archive.namelist())
    assert [pair.same for pair in pairs] == 10 * (300 * [True] + 300 * [False])
    assert {name for pair in pairs for name in (pair.first, pair.second)} < members


def test_similarities() -> None:
    names = ["A/A_0001.jpg", "A/A_0002.jpg", "B/B_0001.jpg"]
    found = PairSet("x", [Pair(names[1], names[0], True), Pair(names[0], names[2], False)], bytes)
    assert found.names == names
    embeddings = np.array([[1, 0], [0.6, 0.8], [np.nan, np.nan]], np.float32)
    assert found.similarities(embeddings).tolist() == [pytest.approx(0.6), -np.inf]
    assert found.same.tolist() == [True, False]
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "pair", [Pair("A/1", "A/2", False), Pair("A/1", "B/1", True)], ids=["too few", "too many"]
)
def test_folders_that_are_not_people(pair: Pair) -> None:
    pairs = [Pair("A/1", "A/3", True), Pair("A/1", "C/1", False), pair]
    assert PairSet("x", pairs, bytes).labels is None
