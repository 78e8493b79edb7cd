"""InsightFace's .bin files, and damaged or hostile ones."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.evaluation.binset import read_bin
from train.evaluation.pairs import Pair

A, B, C = b"\xff\xd8 first '\n", b"\xff\xd8\x00second", b"\xff\xd8third\\"
# ([A, B, A, C], [True, False]) as Python 2.7 writes it, where bytes are strings.
PYTHON_2 = {
    0: b"((lp0\nS\"\\xff\\xd8 first '\\n\"\np1\naS'\\xff\\xd8\\x00second'\np2\nag1\na"
    b"S'\\xff\\xd8third\\\\'\np3\na(lp4\nI01\naI00\natp5\n.",
    2: b"\x80\x02]q\x00(U\x0b\xff\xd8 first '\nq\x01U\x09\xff\xd8\x00secondq\x02h\x01"
    b"U\x08\xff\xd8third\\q\x03e]q\x04(\x88\x89e\x86q\x05.",
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[object], Path]:
    def write(content: object, protocol: int = 4) -> Path:
        path = tmp_path / "cfp_fp.bin"
        is_ready = isinstance(content, bytes)
        path.write_bytes(content if is_ready else pickle.dumps(content, protocol))
        return path

    return write


def check(path: Path) -> None:
    found = read_bin(path)
    assert (found.dataset, found.aligned, found.labels) == ("cfp_fp", True, None)
    first, second, third = (f"cfp_fp.bin/0000{i}" for i in (0, 1, 3))
    assert found.pairs == [Pair(first, second, True), Pair(first, third, False)]
    assert [found.read(name) for name in found.names] == [A, B, C]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("shape", [(-1,), (-1, 1), None], ids=["array", "column", "bytes"])
def test_pickle_of_python_3_is_read(
    protocol: int, shape: tuple[int, ...] | None, write: Any
) -> None:
    """Pictures are bytes, or arrays of one dimension or two, as OpenCV's versions return them."""
    pictures: list[Any] = [A, B, A, C]
    if shape is not None:
        pictures = [np.frombuffer(p, np.uint8).copy().reshape(shape) for p in pictures]
    check(write((pictures, [True, False]), protocol))


@pytest.mark.parametrize("protocol", PYTHON_2)
def test_pickle_of_python_2_is_read(protocol: int, write: Any) -> None:
    path = write(PYTHON_2[protocol])
    assert pickle.loads(path.read_bytes(), encoding="bytes") == ([A, B, A, C], [True, False])
    check(path)


def test_pickle_of_older_numpy_is_read(write: Any) -> None:
    content = pickle.dumps(([np.frombuffer(p, np.uint8) for p in (A, B, A, C)], [1, 0]), 2)
    check(write(content.replace(b"numpy._core.", b"numpy.core.")))


class Hostile:
    def __init__(self, function: Any, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "function", [os.system, eval, getattr, pickle.loads, open], ids=lambda f: f.__name__
)
def test_pickle_that_calls_functions_is_refused_without_a_call(
    function: Any, protocol: int, write: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(([Hostile(function, "echo called"), B], [True]), protocol)
    with pytest.raises(ValueError, match=r"cfp_fp\.bin: it refers to .*, which is not allowed"):
        read_bin(path)
    assert capfd.readouterr().out == ""


def test_pickle_that_runs_a_command_is_refused_without_running_it(
    write: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    path = write(f"cposix\nsystem\n(S'touch {mark}'\ntR.".encode())
    with pytest.raises(ValueError, match=r"refers to posix\.system"):
        read_bin(path)
    assert not mark.exists()


REBUILD = b"cnumpy.core.multiarray\n_reconstruct\n"


@pytest.mark.parametrize(
    "content",
    [
        REBUILD + b"}U\x01aK\x01sb.",  # sets attributes of the stand-in
        REBUILD + b"N}U\x01aK\x01s\x86b.",  # sets its slots
        b"cnumpy\nndarray\n)\x81.",
        b"cnumpy\nndarray\n(tR.",
        REBUILD + b"(tR}U\x01aK\x01sb.",
        b"c_codecs\nencode\n(V\xff\nU\x04utf7tR.",
        b"cnumpy\ndtype\n(U\x01OtR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x82\x01.",
        b"Pposix\n.",
        b"r\xff\xff\xff\xff.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x0fN.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.",
    ],
)
def test_pickle_with_other_instructions_is_refused(content: bytes, write: Any) -> None:
    with pytest.raises(ValueError, match=r"cfp_fp\.bin") as refused:
        read_bin(write(content))
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a pickle"),
        (b"\xff\xd8\xff\xe0 a picture", "not a pickle"),
        (pickle.dumps(([A, B], [True]))[:-9], "cut off or damaged"),
        (([A, B, C], [True]), "3 pictures for 1 pairs"),
        (([A, B], [True, False]), "2 pictures for 2 pairs"),
        (([A, B], [True]), "needs pairs of one person and pairs of two people"),
        (([], []), "needs pairs of one person"),
        (([A, 5], [True]), "a int instead of a picture"),
        (([A, None], [True]), "a NoneType instead of a picture"),
        (([A, B], [2]), "2 instead of True or False"),
        (([A, B], [[]]), r"\[\] instead of True or False"),
        (([A, B], [True], 1), "does not hold a list"),
        ({"bins": [A]}, "does not hold a list"),
        (([np.zeros(3), B], [True]), "is of 'f8', not of uint8"),
        (([np.array(["a"]), B], [True]), "not of uint8"),
        (([np.array([open]), B], [True]), "not of uint8|asks for"),
        (([A, B], [np.bool_(True)]), "refers to numpy"),
        (([A, Path("x")], [True]), "refers to pathlib"),
    ],
)
def test_damaged_file_is_refused(content: object, message: str, write: Any) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        read_bin(write(content))
    assert "cfp_fp.bin" in str(refused.value)


def test_file_cut_at_any_byte_is_refused(write: Any) -> None:
    whole = pickle.dumps(([A, B, A, C], [True, False]), 2)
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"cfp_fp\.bin"):
            read_bin(write(whole[:length]))


def test_missing_file_raises_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bin(tmp_path / "none.bin")


def test_pickle_that_imports_a_module_is_refused_without_the_import(write: Any) -> None:
    path = write(b"cthis\ns\n.")
    with pytest.raises(ValueError, match=r"refers to this\.s"):
        read_bin(path)
    assert "this" not in sys.modules
