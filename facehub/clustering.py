"""Group the faces of one person: average linkage with cosine similarity, in bounded memory.

Average linkage repeatedly merges the two groups with the highest mean similarity, as scikit-learn's
`AgglomerativeClustering(linkage="average")` does. But scikit-learn needs a matrix of all pairs
(40 GB for 100,000 faces), and cannot keep two faces of one picture apart. This module keeps only
neighbour lists: with unit vectors, the mean similarity of all pairs between two groups is the dot
product of their sums divided by the product of their sizes.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facehub.errors import AlbumError
from facehub.model.spec import ModelSpec

NEIGHBOURS = 64  # neighbours kept per face
STRANGER_RATE = 0.1  # see `GroupingRule.for_faces`
_CHUNK = 2**24  # similarities in memory at once
_UNIT = 1e-3  # largest deviation of an embedding's L2 norm from 1


@dataclass(frozen=True)
class GroupingRule:
    """The mean similarity from which two groups count as one person.

    Two single faces give one comparison, and among many faces some strangers look alike. The mean
    of many comparisons varies less, so larger groups have a lower limit.

    Attributes:
        pair: cosine similarity, -1 to 1, from which two single faces are merged.
        group: the limit for large groups, at most `pair`.

    Raises:
        ValueError: a similarity is out of range.
    """

    pair: float
    group: float

    def __post_init__(self) -> None:
        if not -1 <= self.group <= self.pair <= 1:
            raise ValueError("similarities lie between -1 and 1, and group is at most pair")

    @classmethod
    def for_faces(
        cls, spec: ModelSpec, count: int, *, threshold: float | None = None
    ) -> GroupingRule:
        """Choose the rule for a number of faces from the calibration of the weights.

        `group` is the weights' threshold. `pair` has the FMR at which a share `STRANGER_RATE` of
        the faces would match a stranger among all others, see `ModelSpec.threshold_for`.

        Args:
            spec: of the weights.
            count: number of faces.
            threshold: value for both limits; None: from the calibration.

        Raises:
            AlbumError: the weights have no threshold, and none is given.
        """
        if threshold is not None:
            return cls(threshold, threshold)
        group = spec.threshold
        pair = spec.threshold_for(max(count - 1, 1), STRANGER_RATE)
        if group is None or pair is None:
            raise AlbumError(
                "These weights are not calibrated, so they have no threshold for grouping faces. "
                "Give a threshold."
            )
        return cls(pair, group)

    def limit(self, first: np.ndarray | int, second: np.ndarray | int) -> np.ndarray:
        """Compute the lowest mean similarity at which two groups are merged.

        Args:
            first, second: number of faces of the groups.

        Returns:
            float64, -1 to 1, of the broadcast shape.
        """
        larger = np.maximum(first, second).astype(np.float64)
        return np.asarray(self.group + (self.pair - self.group) / larger)


def cluster(
    embeddings: np.ndarray,
    rule: GroupingRule,
    pictures: Sequence[int] | np.ndarray | None = None,
    *,
    neighbours: int = NEIGHBOURS,
) -> np.ndarray:
    """Group faces by person.

    The most similar groups are merged first, as long as the rule allows. Two faces of one picture
    are never in one group, however similar. The result is deterministic.

    Args:
        embeddings: float32 (N, D), L2-normalised rows.
        rule: similarities from which two groups are merged.
        pictures: integers (N,), the picture of each face; None if all differ.
        neighbours: number of most similar faces kept per face. Memory grows with
            N * (D + neighbours); with `neighbours` of N or more, the linkage is exact.

    Returns:
        int64 (N,), the group of each face, numbered from 0 in the order of their first faces. A
        face without similar faces forms its own group.

    Raises:
        ValueError: shapes differ, or rows are not L2-normalised.
    """
    rows = np.ascontiguousarray(embeddings, np.float32)
    if rows.ndim != 2 or neighbours < 1:
        raise ValueError("embeddings must have shape (N, D), and neighbours be 1 or more")
    if not np.allclose(np.linalg.norm(rows, axis=1), 1, atol=_UNIT):  # also False for NaN
        raise ValueError("embeddings must be L2-normalised")
    photo = (
        np.arange(len(rows)) if pictures is None else np.unique(pictures, return_inverse=True)[1]
    )
    if photo.shape != (len(rows),):
        raise ValueError("every face needs the number of its picture")
    if not len(rows):
        return np.empty(0, np.int64)
    linkage = _Linkage(rows, photo, rule)
    linkage.merge(*_similar(rows, rows, np.arange(len(rows)), photo, rule.group, neighbours))
    # The neighbour lists of a large group may contain only its own faces.
    while len(large := np.flatnonzero(linkage.alive & (linkage.size > neighbours))):
        if not linkage.merge(*linkage.similar_groups(large, neighbours)):
            break
    _, first, labels = np.unique(
        linkage.root(np.arange(len(rows))), return_index=True, return_inverse=True
    )
    return np.argsort(np.argsort(first))[labels].astype(np.int64)


class _Linkage:
    """Growing groups, each identified by the index of its first face.

    Attributes:
        sums: float32 (N, D), the sum of each group's embeddings.
        size: (N,), number of faces per group.
        alive: bool (N,), whether the index still identifies a group.
    """

    def __init__(self, rows: np.ndarray, photo: np.ndarray, rule: GroupingRule) -> None:
        count = len(rows)
        self.rule = rule
        self.sums = rows.copy()
        self.size = np.ones(count, np.int64)
        self.alive = np.ones(count, bool)
        self._parent = np.arange(count)
        self._version = [0] * count
        self._photos = [{number} for number in photo.tolist()]
        self._near: list[np.ndarray] = [np.empty(0, np.int32)] * count

    def root(self, faces: np.ndarray) -> np.ndarray:
        """The groups that these faces, or former groups, belong to now."""
        found: np.ndarray = self._parent[faces]
        while not np.array_equal(above := self._parent[found], found):
            found = above
        self._parent[faces] = found
        return found

    def merge(self, first: np.ndarray, second: np.ndarray, similarity: np.ndarray) -> int:
        """Merge pairs of groups, and the pairs that result, as long as the rule allows.

        Returns:
            Number of merges.
        """
        self._add_pairs(first, second)
        margin = similarity - self.rule.limit(self.size[first], self.size[second])
        good = margin >= 0
        version = self._version
        heap = [
            (-m, a, b, version[a], version[b])
            for m, a, b in zip(
                margin[good].tolist(), first[good].tolist(), second[good].tolist(), strict=True
            )
        ]
        heapq.heapify(heap)
        merged = 0
        while heap:
            _, a, b, version_a, version_b = heapq.heappop(heap)
            if version[a] != version_a or version[b] != version_b:
                continue  # one of them has grown or been merged
            if not self._photos[a].isdisjoint(self._photos[b]):
                continue
            merged += 1
            kept = min(a, b)
            for found, near in self._join(kept, max(a, b)):
                low, high = min(near, kept), max(near, kept)
                heapq.heappush(heap, (-found, low, high, version[low], version[high]))
        return merged

    def similar_groups(
        self, groups: np.ndarray, neighbours: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find groups similar to some groups: (first, second, similarity) of the pairs."""
        everyone = np.flatnonzero(self.alive)
        means = self.sums[everyone] / self.size[everyone, None].astype(np.float32)
        mine = np.searchsorted(everyone, groups)
        first, second, similarity = _similar(
            means[mine], means, mine, np.arange(len(everyone)), self.rule.group, neighbours
        )
        return everyone[first], everyone[second], similarity

    def _add_pairs(self, first: np.ndarray, second: np.ndarray) -> None:
        one, other = np.concatenate([first, second]), np.concatenate([second, first])
        order = np.argsort(one, kind="stable")
        starts = np.flatnonzero(np.diff(one[order], prepend=-1))
        parts = np.split(other[order].astype(np.int32), starts[1:]) if len(starts) else []
        for group, near in zip(one[order][starts].tolist(), parts, strict=True):
            self._near[group] = np.concatenate([self._near[group], near])

    def _join(self, kept: int, gone: int) -> list[tuple[float, int]]:
        """Merge two groups; return (margin, neighbour) of all pairs that the rule still allows."""
        self.sums[kept] += self.sums[gone]
        self.size[kept] += self.size[gone]
        self.alive[gone] = False
        self._parent[gone] = kept
        self._version[kept] += 1
        self._version[gone] += 1
        less, more = sorted((self._photos[kept], self._photos[gone]), key=len)
        more |= less
        self._photos[kept], self._photos[gone] = more, set()
        near = np.unique(self.root(np.concatenate([self._near[kept], self._near[gone]])))
        near = near[near != kept]
        self._near[kept], self._near[gone] = near.astype(np.int32), np.empty(0, np.int32)
        mean = self.sums[near] @ self.sums[kept] / (self.size[near] * self.size[kept])
        margin = mean - self.rule.limit(self.size[near], int(self.size[kept]))
        good = margin >= 0
        return list(zip(margin[good].tolist(), near[good].tolist(), strict=True))


def _similar(
    some: np.ndarray,
    rows: np.ndarray,
    own: np.ndarray,
    photo: np.ndarray,
    least: float,
    neighbours: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find similar pairs from different pictures, one block of rows at a time.

    Args:
        some: float32 (M, D).
        rows: float32 (N, D).
        own: (M,), index in `rows` of each of `some`.
        photo: (N,), picture of each of `rows`.
        least: lowest similarity.
        neighbours: largest number of pairs per row of `some`.

    Returns:
        (lower index, higher index, similarity) of the pairs, each pair once.
    """
    pairs, similarities = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    step = max(1, _CHUNK // len(rows))
    for begin in range(0, len(some), step):
        scores = some[begin : begin + step] @ rows.T
        row, column = np.nonzero(scores >= least)
        mine = own[begin + row]
        apart = photo[mine] != photo[column]
        row, column, mine = row[apart], column[apart], mine[apart]
        similarity = scores[row, column]
        order = np.lexsort((column, -similarity, row))  # each row's best first
        starts = np.searchsorted(row[order], row[order])  # start of each row
        kept = order[np.arange(len(order)) - starts < neighbours]
        low, high = np.minimum(mine, column)[kept], np.maximum(mine, column)[kept]
        pairs.append(low * len(rows) + high)
        similarities.append(similarity[kept])
    number, first = np.unique(np.concatenate(pairs), return_index=True)
    return number // len(rows), number % len(rows), np.concatenate(similarities)[first]
