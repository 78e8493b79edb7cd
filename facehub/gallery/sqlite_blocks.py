"""Store templates in SQLite in blocks, so that a million of them load in seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np

BLOCK = 1024  # templates in a block


def write_templates(db: sqlite3.Connection, slots: Sequence[int], rows: np.ndarray) -> None:
    """Write templates to their blocks; runs of adjacent slots in one write.

    Args:
        db: within a transaction.
        slots: (N,); a template's slot is its position in the blocks.
        rows: float32 (N, size).
    """
    numbers, bytes_each = np.array(slots), 4 * rows.shape[1]
    breaks = np.flatnonzero((np.diff(numbers) != 1) | (np.diff(numbers // BLOCK) != 0)) + 1
    for part in np.split(np.arange(len(slots)), breaks):
        number, first = divmod(int(numbers[part[0]]), BLOCK)
        db.execute(
            "INSERT OR IGNORE INTO block VALUES (?, zeroblob(?))", (number, BLOCK * bytes_each)
        )
        with db.blobopen("block", "templates", number) as blob:
            blob.seek(first * bytes_each)
            blob.write(np.ascontiguousarray(rows[part], np.float32).tobytes())


def read_templates(db: sqlite3.Connection, slots: Sequence[int], size: int) -> np.ndarray:
    """Read the templates in some slots.

    Args:
        db: within a transaction.
        slots: (N,).
        size: length of a template.

    Returns:
        float32 (N, size), in the order of `slots`.
    """
    rows = np.empty((len(slots), size), np.float32)
    wanted = np.array(slots, np.int64)
    for number in np.unique(wanted // BLOCK):
        here = np.flatnonzero(wanted // BLOCK == number)
        with db.blobopen("block", "templates", int(number), readonly=True) as blob:
            if len(here) > BLOCK // 8:
                block = np.frombuffer(blob.read(), np.float32).reshape(-1, size)
                if len(here) == BLOCK == len(slots) and (np.diff(wanted) == 1).all():
                    return block  # a whole block: the fast path for loading a gallery
                rows[here] = block[wanted[here] % BLOCK]
                continue
            for i in here:
                blob.seek(int(wanted[i] % BLOCK) * 4 * size)
                rows[i] = np.frombuffer(blob.read(4 * size), np.float32)
    return rows
