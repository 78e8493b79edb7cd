"""Files of pairs, in every known form."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from train.evaluation.pairs import Pair
from train.evaluation.pairs_text import PairsError, decode_text, is_lfw, parse_pairs

ANN = Pair("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", True)
BOB = Pair("Ann/Ann_0001.jpg", "Bob/Bob_0003.jpg", False)


def test_lfw_form_is_parsed() -> None:
    text = "1\t1\nAbel_Pacheco\t1\t4\nAnn\t12\tBob_Lee\t3\n\n"
    assert parse_pairs(text, "pairs.txt") == [
        Pair("Abel_Pacheco/Abel_Pacheco_0001.jpg", "Abel_Pacheco/Abel_Pacheco_0004.jpg", True),
        Pair("Ann/Ann_0012.jpg", "Bob_Lee/Bob_Lee_0003.jpg", False),
    ]


@pytest.mark.parametrize(
    "text",
    ["a/1.jpg b/1.jpg 0\nc 2 1\n", "a/1.jpg\tb/1.jpg\t0\nc\t2\t1", "a/1.jpg, b/1.jpg, 0\r\nc,2,1"],
    ids=["spaces", "tabs", "commas"],
)
def test_simple_form_with_any_separator_is_parsed(text: str) -> None:
    assert parse_pairs(text, "p") == [Pair("a/1.jpg", "b/1.jpg", False), Pair("c", "2", True)]


def test_simple_form_with_spaces_in_names() -> None:
    assert parse_pairs("./Ann Lee\\1.jpg\tBob/2.jpg\t1\n", "p") == [
        Pair("Ann Lee/1.jpg", "Bob/2.jpg", True)
    ]


@pytest.mark.parametrize("line", ["Ann", "Ann\t1", "Ann\t1\tBob\t2\t3", "Ann\tone\ttwo"])
def test_bad_line_of_the_lfw_form_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"pairs\.txt, line 3: not a pair"):
        parse_pairs(f"1\t1\nAnn\t1\t2\n{line}\n", "pairs.txt")


@pytest.mark.parametrize("line", ["a.jpg b.jpg", "a.jpg b.jpg 2", "a.jpg b.jpg 0.5", ",b.jpg,1"])
def test_bad_line_of_the_simple_form_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"p\.csv, line 2: not two pictures"):
        parse_pairs(f"a.jpg b.jpg 1\n{line}\n", "p.csv")


def test_pairs_of_the_real_lfw_are_parsed(shared_data: Path) -> None:
    """Ten folds, each with 300 genuine and then 300 impostor pairs."""
    with zipfile.ZipFile(shared_data / "lfw_pairs.zip") as archive:
        pairs = parse_pairs(archive.read("pairs.txt").decode(), "pairs.txt")
        members = set(archive.namelist())
    assert [pair.same for pair in pairs] == 10 * (300 * [True] + 300 * [False])
    assert {name for pair in pairs for name in (pair.first, pair.second)} < members


@pytest.mark.parametrize(
    "text",
    [
        "1\t1\nAnn\t1\t2\nAnn\t1\tBob\t3\n",
        "1\nAnn\t1\t2\nAnn\t1\tBob\t3\n",
        "Ann\t1\t2\nAnn\t1\tBob\t3\n",
        "Ann 1 2\r\nAnn 1 Bob 3\r\n",
        "\n\nAnn\t1\t2\r\rAnn\t1\tBob\t3",
        "name,imagenum1,imagenum2,\nAnn,1,2,\nAnn,1,Bob,3\n",
        "1,1,,\nAnn, 1, 2\nAnn, 1, Bob, 3\n",
    ],
    ids=["head", "one number", "no head", "CRLF", "blank lines, CR", "words", "commas"],
)
def test_variants_of_the_lfw_form_are_recognised(text: str) -> None:
    assert is_lfw(text)
    assert parse_pairs(text, "p") == [ANN, BOB]


def test_lfw_form_with_numbers_like_labels_is_recognised_by_its_second_line() -> None:
    """The first line alone could also be two pictures and a label."""
    text = "Ann\t2\t1\nAnn\t1\tBob\t3\n"
    assert parse_pairs(text, "p") == [Pair(ANN.second, ANN.first, True), BOB]
    assert not is_lfw("Ann\t2\t1\n")


def test_lfw_form_with_spaces_in_names_is_parsed() -> None:
    (pair,) = parse_pairs("Ann Lee\t1\t12\n", "p")
    assert pair == Pair("Ann Lee/Ann Lee_0001.jpg", "Ann Lee/Ann Lee_0012.jpg", True)


def test_simple_form_with_heading_and_quoted_names_is_parsed() -> None:
    text = 'first,second,same\n"Lee, Ann/1.jpg",Bob/2.jpg,1\n'
    assert parse_pairs(text, "p") == [Pair("Lee, Ann/1.jpg", "Bob/2.jpg", True)]
    with pytest.raises(PairsError, match="p, line 2"):  # a heading must be the first line
        parse_pairs("a/1.jpg,b/1.jpg,1\nfirst,second,same\n", "p")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("1\t2", "it announces 2 pairs of one person and as many of two, but there are 1 and 1"),
        ("10\t300", "it announces 3,000 pairs"),
        ("5", "it announces 5 pairs"),
        ("0", "it announces 0 pairs"),
    ],
)
def test_announced_counts_that_are_wrong_are_refused(head: str, message: str) -> None:
    with pytest.raises(PairsError, match=rf"pairs\.txt, line 1: {message}"):
        parse_pairs(f"{head}\nAnn\t1\t2\nAnn\t1\tBob\t3\n", "pairs.txt")


def test_names_with_spaces_separated_by_spaces_are_refused_with_a_hint() -> None:
    with pytest.raises(PairsError, match=r"line 1: .*names with spaces need tabs or commas"):
        parse_pairs("Ann Lee/1.jpg Bob/1.jpg 1\n", "p")


@pytest.mark.parametrize(
    "content",
    [
        "Zo\xeb".encode(),
        "Zo\xeb".encode("utf-8-sig"),
        "Zo\xeb".encode("utf-16"),
        b"\xfe\xff" + "Zo\xeb".encode("utf-16-be"),
        "Zo\xeb".encode("utf-16-le"),
        "Zo\xeb".encode("utf-16-be"),
    ],
    ids=["UTF-8", "BOM", "UTF-16", "UTF-16 BE", "UTF-16 LE, no mark", "UTF-16 BE, no mark"],
)
def test_text_is_decoded_from_utf8_and_utf16(content: bytes) -> None:
    assert decode_text(content, "p") == "Zo\xeb"


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"caf\xe9", b"PK\3\4ab\0\0", b"\0\0\0\0"])
def test_binary_content_is_refused(content: bytes) -> None:
    with pytest.raises(PairsError, match=r"^p is not a text file"):
        decode_text(content, "p")
