"""Approximate search: what a gallery that offers it can do besides, and how much it finds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from facehub.errors import GalleryError
from facehub.gallery.base import Gallery
from facehub.gallery.check import TOP, sample_probes
from facehub.results import Candidate

APPROXIMATE = "approximate search: somebody in the gallery may have been missed"
_Z = 1.959964  # of 95 %
_TIE = 1e-9

Search = Callable[[np.ndarray, int], list[list[Candidate]]]


@runtime_checkable
class Indexed(Protocol):
    """What a gallery has that can be searched approximately, where its address asks for that."""

    def search_exactly(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        """As `Gallery.search`, exact whatever the address says."""

    def create_index(self) -> None:
        """Make the index that approximate search needs, unless it is there."""

    def drop_index(self) -> None:
        """Remove it, if it is there."""


class IndexedGallery(Gallery, Indexed, Protocol):
    """A gallery that can be searched approximately."""


@dataclass(frozen=True)
class Share:
    """A measured share, with its 95 % interval; all 0 to 1."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Recall:
    """How much of the exact answers approximate search finds.

    Attributes:
        probes: number of searches, see `sample_probes`.
        at_1: how often the best of the gallery is found.
        at_5: share of the five best that is found.
        exact: seconds of an exact search, the median.
        approximate: seconds of an approximate one.
    """

    probes: int
    at_1: Share
    at_5: Share
    exact: float
    approximate: float

    @property
    def time_ratio(self) -> float:
        """Time of an approximate search, as a share of an exact one's."""
        return self.approximate / self.exact

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "probes": self.probes,
            "recall_at_1": self.at_1.to_dict(),
            "recall_at_5": self.at_5.to_dict(),
            "exact_seconds": self.exact,
            "approximate_seconds": self.approximate,
            "time_ratio": self.time_ratio,
        }


def measure_recall(gallery: IndexedGallery, n_probes: int = 100) -> Recall:
    """Search a gallery both ways in turn, one probe at a time.

    Args:
        gallery: whose address asks for approximate search.
        n_probes: number of searches, see `sample_probes`.

    Raises:
        GalleryError: it is empty, or has no index.
    """
    probes = sample_probes(gallery, n_probes)
    if not len(probes):
        raise GalleryError("The gallery is empty: there is nothing to search for.")
    gallery.search(probes[:1], TOP)  # opens a connection
    first, five, exact_times, times = [], [], [], []
    for probe in probes:
        exact, seconds = _timed(gallery.search_exactly, probe)
        exact_times.append(seconds)
        found, seconds = _timed(gallery.search, probe)
        times.append(seconds)
        first.append(_found(found, exact[:1]))
        five.append(_found(found, exact))
    return Recall(
        len(probes),
        _share(first),
        _share(five),
        float(np.median(exact_times)),
        float(np.median(times)),
    )


def _timed(search: Search, probe: np.ndarray) -> tuple[list[Candidate], float]:
    began = time.perf_counter()
    (found,) = search(probe[None], TOP)
    return found, time.perf_counter() - began


def _found(found: list[Candidate], exact: list[Candidate]) -> float:
    """Share of an exact answer that is found; who is as similar as its last one does as well."""
    if not exact:  # everybody has been removed meanwhile
        return 1.0
    least = exact[-1].similarity - _TIE
    return min(sum(c.similarity >= least for c in found), len(exact)) / len(exact)


def _share(values: list[float]) -> Share:
    """Their mean, with Wilson's interval (1927); too wide rather than too narrow for shares."""
    n, mean = len(values), float(np.mean(values))
    middle = (mean + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return Share(mean, max(0.0, middle - half), min(1.0, middle + half))
