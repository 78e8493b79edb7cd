"""Verification sets as people keep them: folders, zips, `.bin` files; with their pairs."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from facehub.io.containers import is_hidden
from facehub.io.formats import SUFFIXES
from facehub.io.sources import Source, open_source
from train.evaluation.binset import read_bin
from train.evaluation.pairs import Pair, PairSet, check_pairs, is_lfw, parse_pairs, read_text

PAIRS = "pairs.txt"


def open_pairs(path: Path, pairs_file: Path | None = None, dataset: str | None = None) -> PairSet:
    """Open a verification set.

    Args:
        path: InsightFace's `.bin`, or a folder or zip of pictures. Folders above the pairs' names
            do not matter, nor do the suffixes of pictures.
        pairs_file: see `parse_pairs`; None for `pairs.txt` among the pictures or beside them.
        dataset: what to call it; None for "LFW" where the pairs have LFW's form, else for the
            name of the file that has the pairs.

    Raises:
        ArchiveError: the pictures cannot be read.
        ValueError: there are no pairs, they are damaged, or a picture is missing.
    """
    if path.suffix.lower() == ".bin" and path.is_file():
        if pairs_file is not None:
            raise ValueError(f"{path} has its own pairs: leave {pairs_file} out")
        found = read_bin(path)
        return PairSet(dataset or found.dataset, found.pairs, found.read, found.aligned)
    source = open_source(path, loose=True)
    text, where = _pairs_text(path, pairs_file)
    pairs = check_pairs(parse_pairs(text, where), where)
    members = locate(source, [name for p in pairs for name in (p.first, p.second)], str(path))
    pairs = [Pair(members[p.first], members[p.second], p.same) for p in pairs]
    named = "LFW" if is_lfw(text) else Path(where).stem
    return PairSet(dataset or named, pairs, source.read)


def locate(source: Source, wanted: Sequence[str], where: str) -> dict[str, str]:
    """Find pictures whose names a protocol file gives.

    Args:
        source: the pictures.
        wanted: "NAME/NAME_0001.jpg"; the pictures may lie in folders more, in another format.
        where: the pictures' folder or zip, for messages.

    Returns:
        For each name, the source's own.

    Raises:
        ValueError: pictures are missing; the message counts them and names one.
    """
    stems: dict[str, str] = {}
    for name in source.names:
        stems.setdefault(_stem(name), name)
    exact = set(source.names)
    beginnings = {""}
    for stem in {_stem(name) for name in wanted[:20]}:
        beginnings |= {found[: -len(stem)] for found in stems if found.endswith("/" + stem)}
    unique = dict.fromkeys(wanted)

    def find(beginning: str) -> dict[str, str]:
        names = {name: beginning + name for name in unique}
        found = {w: n if n in exact else stems.get(_stem(n)) for w, n in names.items()}
        return {w: n for w, n in found.items() if n is not None}

    best = max((find(b) for b in sorted(beginnings, key=len)), key=len)
    missing = [name for name in unique if name not in best]
    if missing:
        raise ValueError(
            f"{where} lacks {missing[0]}"
            + (f" and {len(missing) - 1:,} other pictures" if len(missing) > 1 else "")
        )
    return best


def _stem(name: str) -> str:
    beginning, dot, suffix = name.rpartition(".")
    return beginning if dot and dot + suffix.lower() in SUFFIXES else name


def _pairs_text(path: Path, pairs_file: Path | None) -> tuple[str, str]:
    """The pairs' file: content and name."""
    if pairs_file is not None:
        return read_text(pairs_file), str(pairs_file)
    if path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = _pairs_members(archive.namelist())
            if members:
                where = f"{path}/{members[0]}"
                try:
                    return archive.read(members[0]).decode("utf-8-sig"), where
                except UnicodeDecodeError as error:
                    raise ValueError(f"{where} is not a text file") from error
    for candidate in (path / PAIRS, path.parent / PAIRS):
        if candidate.is_file():
            return read_text(candidate), str(candidate)
    raise ValueError(f"{path} lacks {PAIRS}; name the file of its pairs (--pairs)")


def _pairs_members(names: Collection[str]) -> list[str]:
    """Members called `pairs.txt`, the outermost first."""
    found = []
    for name in names:
        parts = PurePosixPath(name).parts
        if parts and parts[-1] == PAIRS and not any(map(is_hidden, parts)):
            found.append((len(parts), name))
    return [name for _, name in sorted(found)]
