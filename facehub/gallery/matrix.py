"""Exact search over the templates of many people in one matrix.

A first pass over all templates is fast but coarse: in int8 if the gallery is large, else in
float32. Its best candidates are re-ranked in float64. A bound on the first pass's error proves that
no other template can be among the results; while it does not, twice as many are re-ranked.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from facehub.errors import GalleryError

try:
    import numkong
except ImportError:  # no wheel for this platform: every pass uses float32
    numkong = None  # type: ignore[assignment]

NOBODY = -1
CODED_FROM = 20_000  # number of templates from which the int8 pass is faster
ROUNDING = 3e-5  # of a float32 product of unit vectors: 512 times the unit roundoff
_ROOM = 8  # a growing matrix reserves an eighth more than it needs
_CHUNK = 2**24  # similarities in memory at once
_CODED_ROWS = 2**13  # int8 rows per multiplication
_ROWS = 2**11  # rows quantised or re-ranked at once: they fit the cache


@dataclass(frozen=True)
class Hit:
    """A person's best template for a probe.

    Attributes:
        person: number of the person.
        similarity: cosine, -1 to 1.
        slot: slot of the template.
    """

    person: int
    similarity: float
    slot: int


class TemplateMatrix:
    """Templates in numbered slots, with each one's person and its position among that person's.

    Not thread-safe: the owner must lock it.

    Args:
        size: length of a template.

    Attributes:
        n: number of slots in use; slots without a person are skipped.
    """

    def __init__(self, size: int) -> None:
        self.n = 0
        self._rows = np.empty((0, size), np.float32)
        self._people = np.empty(0, np.int64)
        self._places = np.empty(0, np.int64)
        self._codes: _Codes | None = None

    def reserve(self, n: int) -> None:
        """Allocate slots 0 to n - 1."""
        capacity = len(self._rows)
        if n <= capacity:
            return
        capacity = max(1024, n + n // _ROOM)
        self._rows = _enlarge(self._rows[: self.n], capacity)
        self._people = _enlarge(self._people[: self.n], capacity)
        self._places = _enlarge(self._places[: self.n], capacity)
        if self._codes is not None:
            self._codes.rows = _enlarge(self._codes.rows[: self.n], capacity)

    def put(
        self, slots: np.ndarray, rows: np.ndarray, people: np.ndarray, places: np.ndarray
    ) -> None:
        """Write slots; existing contents are overwritten.

        Args:
            slots: int64 (N,), 0 or more, without duplicates.
            rows: float32 (N, size), L2-normalised.
            people: int64 (N,), number of each template's person, or `NOBODY`. Ties between people
                go to the lowest number.
            places: int64 (N,), position among the person's templates. Ties between them go to the
                lowest position.
        """
        if len(slots):
            self.put_many(int(slots.max()) + 1, [(slots, rows, people, places)])

    def put_many(
        self,
        n: int,
        parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    ) -> None:
        """Write many slots, on all cores while the caller produces the next part.

        Args:
            n: number of slots in use afterwards; ignored if it is less than now.
            parts: arguments of `put`, no slot twice. The arrays must not change afterwards.
        """
        self.reserve(n)
        if n > self.n:
            self._people[self.n : n] = NOBODY
            if self._codes is not None:
                self._codes.rows[self.n : n] = 0
        fitting = True
        with _Workers() as workers:
            for slots, rows, people, places in parts:
                # Assigning to a slice is many times as fast.
                at: Any = slots
                if (np.diff(slots) == 1).all():
                    at = slice(int(slots[0]), int(slots[-1]) + 1)
                self._people[at], self._places[at] = people, places
                workers.start(partial(self._rows.__setitem__, at, rows))
                if self._codes is not None:
                    fitting &= self._codes.put(slots, rows)
        skipped = np.flatnonzero(self._people[self.n : n] == NOBODY)
        self._rows[self.n + skipped] = 0
        self.n = max(n, self.n)
        if not fitting:
            self._codes = None

    def forget(self, slots: np.ndarray) -> None:
        """Clear slots; they may be written again."""
        self._rows[slots], self._people[slots] = 0, NOBODY
        if self._codes is not None:
            self._codes.rows[slots] = 0

    def search(self, probes: np.ndarray, k: int) -> list[list[Hit]]:
        """Find the k most similar people of each probe, best first.

        Args:
            probes: float32 (M, size), L2-normalised rows.
            k: at least 1.

        Raises:
            GalleryError: a template is not finite.
        """
        if not self.n:
            return [[] for _ in probes]
        step = max(1, _CHUNK // self.n)
        return [
            self._rank(probe, scores, scale, bound, k)
            for begin in range(0, len(probes), step)
            for probe, scores, scale, bound in self._first_pass(probes[begin : begin + step])
        ]

    def _first_pass(
        self, probes: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, float, float]]:
        """Yield the arguments of `_rank` for each probe."""
        if numkong is None or self.n < CODED_FROM:
            for probe, scores in zip(probes, probes @ self._rows[: self.n].T, strict=True):
                yield probe, scores, 1.0, ROUNDING
            return
        if self._codes is None:
            self._codes = _Codes(self._rows, self.n)
        coarse, bounds = self._codes.scores(probes, self.n)
        for probe, scores, (scale, bound) in zip(probes, coarse, bounds, strict=True):
            yield probe, scores, scale, bound

    def _rank(
        self, probe: np.ndarray, coarse: np.ndarray, scale: float, bound: float, k: int
    ) -> list[Hit]:
        """Rank the people for one probe.

        Args:
            probe: float32 (size,).
            coarse: (n,), scores of the first pass.
            scale: factor that turns them into similarities.
            bound: largest error of these similarities.
            k: number of people.
        """
        count = max(4 * k, 64)
        while True:
            if count < self.n:
                slots = np.argpartition(coarse, self.n - count)[self.n - count :]
                limit = float(coarse[slots[0]]) * scale + bound  # upper bound of all others
            else:
                slots, limit = np.arange(self.n), -np.inf
            hits = self._rerank(probe, slots[self._people[slots] != NOBODY], k)
            if limit == -np.inf or (len(hits) == k and hits[-1].similarity > limit):
                return hits
            count *= 2 if len(hits) == k else 8

    def _rerank(self, probe: np.ndarray, slots: np.ndarray, k: int) -> list[Hit]:
        """Find each person's best template among some slots, in float64."""
        exact = np.concatenate(
            [
                self._rows[slots[begin : begin + _ROWS]].astype(np.float64) @ probe
                for begin in range(0, max(len(slots), 1), _ROWS)
            ]
        )
        if not np.isfinite(exact).all():  # NaN must never be ranked
            raise GalleryError("The gallery is damaged: it holds a template that is not finite.")
        scores = exact.astype(np.float32)  # copies of one template are equally similar
        people = self._people[slots]
        order = np.lexsort((self._places[slots], people, -scores))
        _, first = np.unique(people[order], return_index=True)
        best = order[np.sort(first)[:k]]
        return [Hit(int(people[i]), float(np.clip(scores[i], -1, 1)), int(slots[i])) for i in best]


class _Codes:
    """Templates quantised to int8: rounded to multiples of one step.

    Args:
        rows: float32 (capacity, size).
        n: number of rows in use.

    Attributes:
        rows: int8 (capacity, size).
    """

    def __init__(self, rows: np.ndarray, n: int) -> None:
        self.rows = np.empty(rows.shape, np.int8)
        parts = [slice(begin, min(begin + _ROWS, n)) for begin in range(0, n, _ROWS)]
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            largest = max(threads.map(lambda part: float(np.abs(rows[part]).max()), parts))
            self._step = largest / 127 or 1.0
            errors = threads.map(lambda part: self._code(rows[part], self.rows[part]), parts)
            self._error = max(errors)
        self._usual = self._error

    def put(self, slots: np.ndarray, rows: np.ndarray) -> bool:
        """Quantise some rows; False: they do not fit the step, so all must be quantised again."""
        coded = np.empty(rows.shape, np.int8)
        self._error = max(self._error, self._code(rows, out=coded))
        self.rows[slots] = coded
        return self._error <= 1.5 * self._usual

    def scores(self, probes: np.ndarray, n: int) -> tuple[np.ndarray, list[tuple[float, float]]]:
        """Run the first pass.

        Returns:
            Scores, int32 (M, n); for each probe the factor that turns them into similarities, and
            their largest error: |p.x - p'.x'| <= |p - p'| |x| + |p'| |x - x'|.
        """
        steps = np.maximum(np.abs(probes).max(axis=1) / 127, 1e-30)
        coded = np.rint(probes / steps[:, None]).astype(np.int8)
        near = coded * steps[:, None]
        errors = np.linalg.norm(probes - near, axis=1) + np.linalg.norm(near, axis=1) * self._error
        packed = numkong.dots_pack(coded)
        found = np.empty((len(probes), n), np.int32)

        def multiply(begin: int) -> None:
            rows = self.rows[begin : min(begin + _CODED_ROWS, n)]
            found[:, begin : begin + len(rows)] = np.asarray(numkong.dots_packed(rows, packed)).T

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(multiply, range(0, n, _CODED_ROWS)))
        bounds = [
            (float(step) * self._step, float(error) + ROUNDING)
            for step, error in zip(steps, errors, strict=True)
        ]
        return found, bounds

    def _code(self, rows: np.ndarray, out: np.ndarray) -> float:
        """Quantise rows into `out`; return the largest L2 distance between a row and its code."""
        steps = np.rint(rows * np.float32(1 / self._step))
        np.clip(steps, -127, 127, out=steps)
        out[:] = steps
        steps *= np.float32(-self._step)
        steps += rows
        return float(np.sqrt(np.einsum("ij,ij->i", steps, steps).max()))


class _Workers:
    """A thread pool with a bounded queue."""

    def __init__(self) -> None:
        cores = os.cpu_count() or 1
        self._limit = 2 * cores
        self._threads = ThreadPoolExecutor(cores)
        self._pending: deque[Future[object]] = deque()

    def __enter__(self) -> Self:
        return self

    def start(self, work: Callable[[], object]) -> None:
        """Submit work; wait for the oldest if the queue is full."""
        self._pending.append(self._threads.submit(work))
        if len(self._pending) > self._limit:
            self._pending.popleft().result()

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        while self._pending:
            self._pending.popleft().result()


def _enlarge(values: np.ndarray, capacity: int) -> np.ndarray:
    larger = np.empty((capacity, *values.shape[1:]), values.dtype)
    larger[: len(values)] = values
    return larger
