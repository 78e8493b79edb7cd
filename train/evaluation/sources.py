"""Open verification sets with their pairs: folders, zips, `.bin` files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from facehub.errors import ImageError
from facehub.io.containers import ZipSource
from facehub.io.formats import SUFFIXES
from facehub.io.sources import Source, open_source
from facehub.io.walking import is_hidden
from train.evaluation.binset import read_bin
from train.evaluation.pairs import Pair, PairSet, check_pairs
from train.evaluation.pairs_text import PairsError, decode_text, is_lfw, parse_pairs, read_text

PAIRS = "pairs.txt"


def open_pairs(path: Path, pairs_file: Path | None = None, dataset: str | None = None) -> PairSet:
    """Open a verification set.

    Args:
        path: InsightFace's `.bin`, or a folder or zip of pictures. Parent folders and the suffixes
            of pictures may differ from the pairs'.
        pairs_file: see `parse_pairs`; None: the outermost `pairs.txt` among the pictures, or the
            one beside them.
        dataset: name of the set; None: "LFW" for pairs in LFW's format, else the name of the pairs'
            file.

    Raises:
        ArchiveError: the pictures cannot be read.
        PairsError: there are no pairs, or they are damaged.
        ValueError: a picture is missing, or a `.bin` file is damaged.
    """
    if path.suffix.lower() == ".bin" and path.is_file():
        if pairs_file is not None:
            raise ValueError(f"{path} has its own pairs: leave {pairs_file} out")
        found = read_bin(path)
        return PairSet(dataset or found.dataset, found.pairs, found.read, found.aligned)
    source = open_source(path, loose=True)
    text, where = _pairs_text(path, source, pairs_file)
    pairs = check_pairs(parse_pairs(text, where), where)
    members = locate(source, [name for p in pairs for name in (p.first, p.second)], str(path))
    pairs = [Pair(members[p.first], members[p.second], p.same) for p in pairs]
    named = "LFW" if is_lfw(text) else Path(where).stem
    return PairSet(dataset or named, pairs, source.read)


def locate(source: Source, wanted: Sequence[str], where: str) -> dict[str, str]:
    """Find the pictures of a protocol file.

    Args:
        source: the pictures.
        wanted: "NAME/NAME_0001.jpg"; the source may have further parent folders or other suffixes.
        where: the pictures' folder or zip, for messages.

    Returns:
        {wanted name: name in the source}.

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


def _pairs_text(path: Path, source: Source, pairs_file: Path | None) -> tuple[str, str]:
    """Find and read the pairs' file: (content, name)."""
    if pairs_file is not None:
        return read_text(pairs_file), str(pairs_file)
    members = _pairs_members(source.ignored)
    if len(members) > 1 and len({len(PurePosixPath(name).parts) for name in members[:2]}) == 1:
        raise PairsError(
            f"{path} has several files of pairs, {members[0]} and {members[1]}: choose "
            "one (--pairs)"
        )
    if members and isinstance(source, ZipSource):
        where = f"{path}/{members[0]}"
        return decode_text(_member(source, members[0], where), where), where
    beside = [path / name for name in members[:1]] + [path.parent / PAIRS]
    for candidate in beside:
        if candidate.is_file():
            return read_text(candidate), str(candidate)
    raise PairsError(f"{path} lacks {PAIRS}; name the file of its pairs (--pairs)")


def _member(source: ZipSource, name: str, where: str) -> bytes:
    try:
        return source.read(name)
    except ImageError as error:
        raise PairsError(
            f"{where} cannot be read: it is damaged, encrypted or too large"
        ) from error


def _pairs_members(names: Collection[str]) -> list[str]:
    """List files named `pairs.txt`, the outermost first."""
    found = []
    for name in names:
        parts = PurePosixPath(name).parts
        if parts and parts[-1] == PAIRS and not any(map(is_hidden, parts)):
            found.append((len(parts), name))
    return [name for _, name in sorted(found)]
