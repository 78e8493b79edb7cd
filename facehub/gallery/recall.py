"""Approximate search: the interface of galleries that offer it, and a measurement of recall."""

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

APPROXIMATE = "approximate search: people in the gallery may have been missed"
_Z = 1.959964  # for 95 % confidence
_TIE = 1e-9

Search = Callable[[np.ndarray, int], list[list[Candidate]]]


@runtime_checkable
class Indexed(Protocol):
    """The extra methods of a gallery that supports approximate search."""

    def search_exactly(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        """Like `Gallery.search`, but always exact, whatever the address says."""

    def create_index(self) -> None:
        """Create the index for approximate search if it does not exist."""

    def drop_index(self) -> None:
        """Remove the index if it exists."""


class IndexedGallery(Gallery, Indexed, Protocol):
    """A gallery that supports approximate search."""


@dataclass(frozen=True)
class Share:
    """A measured proportion with its 95 % confidence interval; all 0 to 1."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Convert to a dict for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Recall:
    """Recall and speed of approximate search.

    Attributes:
        probes: number of searches, see `sample_probes`.
        at_1: share of searches that find the best person.
        at_5: share of the five best people that is found.
        exact: median time of an exact search, seconds.
        approximate: median time of an approximate search, seconds.
    """

    probes: int
    at_1: Share
    at_5: Share
    exact: float
    approximate: float

    @property
    def time_ratio(self) -> float:
        """Time of an approximate search divided by that of an exact one."""
        return self.approximate / self.exact

    def to_dict(self) -> dict[str, Any]:
        """Convert to a dict for JSON."""
        return {
            "probes": self.probes,
            "recall_at_1": self.at_1.to_dict(),
            "recall_at_5": self.at_5.to_dict(),
            "exact_seconds": self.exact,
            "approximate_seconds": self.approximate,
            "time_ratio": self.time_ratio,
        }


def measure_recall(gallery: IndexedGallery, n_probes: int = 100) -> Recall:
    """Search a gallery exactly and approximately in turn, one probe at a time.

    Args:
        gallery: opened with an address that requests approximate search.
        n_probes: number of searches, see `sample_probes`.

    Raises:
        GalleryError: the gallery is empty, or has no index.
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
    """Share of an exact result that is found; anyone as similar as its last person counts."""
    if not exact:  # all people were removed meanwhile
        return 1.0
    least = exact[-1].similarity - _TIE
    return min(sum(c.similarity >= least for c in found), len(exact)) / len(exact)


def _share(values: list[float]) -> Share:
    """Mean with Wilson's score interval (1927), which is conservative for fractional values."""
    n, mean = len(values), float(np.mean(values))
    middle = (mean + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return Share(mean, max(0.0, middle - half), min(1.0, middle + half))
