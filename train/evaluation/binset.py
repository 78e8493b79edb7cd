"""Read InsightFace's verification sets (lfw.bin, cfp_fp.bin, agedb_30.bin, ...) safely.

A file is a pickle of (encoded pictures, whether each successive two show one person). A pickle is a
program. This reader runs it without any callable: it allows bytes, numbers, lists and tuples.
uint8 arrays, as `cv2.imencode` returns pictures, and bytes in old protocols refer to functions,
which are replaced by stand-ins that only keep bytes.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from train.evaluation.pairs import Pair, PairSet, check_pairs


def read_bin(path: Path) -> PairSet:
    """Read a `.bin` file; equal pictures are merged.

    Args:
        path: a file written by Python 2 or 3, in any protocol. Its pictures are crops of 112 x 112,
            aligned to ArcFace's template.

    Returns:
        Pairs in the file's order; pictures are named by their index ("lfw.bin/00000").

    Raises:
        ValueError: the file is not such a set, is damaged, or holds anything else.
        OSError: the file cannot be read.
    """
    pictures, same = _unpickle(path)
    if len(pictures) != 2 * len(same):
        raise ValueError(f"{path} holds {len(pictures)} pictures for {len(same)} pairs")
    first_place: dict[bytes, str] = {}
    names = [
        first_place.setdefault(picture, f"{path.name}/{i:05d}")
        for i, picture in enumerate(pictures)
    ]
    content = {name: picture for picture, name in first_place.items()}
    pairs = [Pair(names[2 * i], names[2 * i + 1], same[i]) for i in range(len(same))]
    return PairSet(path.stem, check_pairs(pairs, str(path)), content.__getitem__, aligned=True)


def _unpickle(path: Path) -> tuple[list[bytes], list[bool]]:
    try:
        loaded = _Unpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: {error}") from error
    except OSError:
        raise
    except Exception as error:  # on a damaged pickle, the reader raises almost anything
        raise ValueError(f"{path} is not a pickle, or is cut off or damaged") from error
    match loaded:
        case [list() | tuple() as pictures, list() | tuple() as same]:
            return [_picture(p, path) for p in pictures], [_label(s, path) for s in same]
    raise ValueError(f"{path} does not hold a list of pictures and a list of labels")


def _picture(found: object, path: Path) -> bytes:
    if isinstance(found, _Array):
        found = found.content
    if not isinstance(found, bytes | bytearray):
        raise ValueError(f"{path} holds a {type(found).__name__} instead of a picture")
    return bytes(found)


def _label(found: object, path: Path) -> bool:
    if not isinstance(found, int) or found not in (0, 1):
        raise ValueError(f"{path} holds {found!r:.40} instead of True or False")
    return bool(found)


class _DType:
    """Stand-in for `numpy.dtype("uint8")`, the only dtype allowed."""

    def __setstate__(self, state: object) -> None:
        """Ignore byte order and other irrelevant state."""


class _Array:
    """Stand-in for a uint8 array: its content, without its shape."""

    content: bytes | bytearray = b""

    def __setstate__(self, state: object) -> None:
        match state:
            case [_, _, _DType(), _, bytes() | bytearray() as content]:
                self.content = content
            case _:
                raise pickle.UnpicklingError("an array in it is not of uint8")


def _dtype(kind: object, *_: object) -> _DType:
    if kind not in ("u1", b"u1"):
        raise pickle.UnpicklingError(f"an array in it is of {kind!r:.40}, not of uint8")
    return _DType()


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(content: object, dtype: object, *_: object) -> _Array:
    array = _Array()
    array.__setstate__((1, (), dtype, False, content))
    return array


def _encode(text: object, encoding: object) -> bytes:
    """Stand-in for `codecs.encode`, with which Python 3 writes bytes in protocols 0 to 2."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("text in it is not encoded bytes")
    return text.encode("latin1")


def _array_type(*_: object) -> None:
    raise pickle.UnpicklingError("it creates an array in an unknown way")


class _Function:
    """Wraps a function of this module, so a pickle cannot set its attributes."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it tries to change a function")


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): _array_type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
}


class _Unpickler(pickle._Unpickler):
    """Python's pure implementation; the C one allocates as many memo entries as a file claims."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name; nothing is imported."""
        try:
            return _Function(_ADMITTED[module, name])
        except KeyError:
            raise pickle.UnpicklingError(
                f"it refers to {module}.{name}, which is not allowed"
            ) from None
