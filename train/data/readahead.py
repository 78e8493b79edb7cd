"""Let the kernel read parts of a memory-mapped file ahead of time."""

from __future__ import annotations

import contextlib
import os

import numpy as np


def read_ahead(array: np.ndarray, rows: np.ndarray) -> None:
    """Start to read rows of a memory-mapped array into the page cache; returns at once.

    A process that touches uncached rows waits for them one after the other. When it requests all of
    them in advance, the kernel reads many in parallel. This is only a hint: outside Linux, or
    without a file behind the array, nothing happens.

    Args:
        array: (N, ...), memory-mapped from its file's first row on.
        rows: int (M,), in ascending order.
    """
    if not (isinstance(array, np.memmap) and array.filename and hasattr(os, "posix_fadvise")):
        return
    size = array.strides[0]
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    with contextlib.suppress(OSError):
        file = os.open(array.filename, os.O_RDONLY)
        try:
            for run in runs:
                if len(run):
                    start = array.offset + int(run[0]) * size
                    os.posix_fadvise(file, start, len(run) * size, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)
