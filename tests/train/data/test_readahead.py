"""The read-ahead hint to the kernel: it names the bytes of the rows, and never fails."""

import os
from pathlib import Path

import numpy as np
import pytest

from train.data.pack import open_pack
from train.data.readahead import read_ahead


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Collects the bytes that the kernel is asked to read."""
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("this system has no posix_fadvise")
    found: list[bytes] = []

    def advise(file: int, start: int, length: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_WILLNEED
        found.append(os.pread(file, length, start))

    monkeypatch.setattr(os, "posix_fadvise", advise)
    return found


@pytest.mark.parametrize(
    ("rows", "runs"),
    [([], []), ([4], [[4]]), ([0, 1, 2, 9, 11, 12], [[0, 1, 2], [9], [11, 12]])],
)
def test_read_ahead_asks_for_the_bytes_of_the_rows(
    tiny_pack: str, hinted: list[bytes], rows: list[int], runs: list[list[int]]
) -> None:
    crops = open_pack(Path(tiny_pack)).crops
    read_ahead(crops, np.array(rows, int))
    assert hinted == [crops[run].tobytes() for run in runs]


def test_read_ahead_of_an_array_in_memory_does_nothing(hinted: list[bytes]) -> None:
    read_ahead(np.zeros((4, 3), np.uint8), np.arange(4))
    assert hinted == []


def test_read_ahead_without_file_or_kernel_support_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "a.npy", np.arange(12).reshape(4, 3))
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    (tmp_path / "a.npy").unlink()
    read_ahead(array, np.arange(4))
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    read_ahead(array, np.arange(4))
    assert array[3].tolist() == [9, 10, 11]
