"""The interface of a training data set."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class FaceSet(Protocol):
    """Aligned faces, read by row. Names and labels are known in advance."""

    @property
    def names(self) -> np.ndarray:
        """(N,) "IDENTITY/IMAGE"."""

    @property
    def labels(self) -> np.ndarray:
        """int64 (N,), number of the identity, in the order of names."""

    @property
    def heldout(self) -> np.ndarray:
        """bool (N,), whether the identity is held out of training."""

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Read some faces.

        Args:
            rows: int (M,); fastest in ascending order.
            out: uint8 (M, 112, 96, 3), output array, or None.

        Returns:
            uint8 (M, 112, 96, 3), RGB; `out` if given.
        """

    def prefetch(self, rows: np.ndarray) -> None:
        """Start to read faces in the background; returns at once.

        Args:
            rows: int (M,), in ascending order.
        """
