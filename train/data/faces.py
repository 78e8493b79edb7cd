"""What training asks of a data set, wherever its faces lie."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class FaceSet(Protocol):
    """Aligned faces that are read by position. Names and labels are known before any is read."""

    @property
    def names(self) -> np.ndarray:
        """(N,) "IDENTITY/IMAGE"."""

    @property
    def labels(self) -> np.ndarray:
        """int64 (N,), number of the identity, in the order of names."""

    @property
    def heldout(self) -> np.ndarray:
        """bool (N,), whether the identity is kept out of training."""

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Read some faces.

        Args:
            rows: int (M,), positions; quickest in rising order.
            out: uint8 (M, 112, 96, 3) to read them into.

        Returns:
            uint8 (M, 112, 96, 3), RGB; `out` if it was given.
        """

    def will_read(self, rows: np.ndarray) -> None:
        """Say what will be read soon, so that it is fetched meanwhile; returns at once.

        Args:
            rows: int (M,), positions in rising order.
        """
