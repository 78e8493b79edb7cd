"""Exact search in PostgreSQL: the server scans float16 codes, the client re-ranks the best.

A bound on the first pass's error proves that no other template can be among the results; while it
does not, twice as many are fetched. `TemplateMatrix` does the re-ranking, as in the other
galleries, so similarities and order are identical bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pgvector import HalfVector

from facehub.gallery.matrix import TemplateMatrix
from facehub.gallery.postgres_connection import Connection

FIRST = 64  # templates fetched at first
_HALF = 2.0**-11  # unit roundoff of float16
_SUBNORMAL = 2.0**-25  # largest rounding error of a subnormal float16
_SINGLE = 2.0**-24  # unit roundoff of float32
_LENGTH = 1.0001  # upper bound of the L2 norm of a template or its code

_SCAN = """
SELECT person, place, exact, code <#> %s AS distance FROM facehub.template
WHERE gallery = %s ORDER BY distance LIMIT %s
"""


@dataclass(frozen=True)
class Found:
    """A person's best template for a probe: person, place, and cosine similarity (-1 to 1)."""

    person: int
    place: int
    similarity: float


def search_gallery(connection: Connection, gallery: int, probe: np.ndarray, k: int) -> list[Found]:
    """Find the k most similar people, best first; ties keep the order of enrolment.

    Args:
        connection: in a `READ` transaction (one snapshot).
        gallery: its id.
        probe: float32 (size,), L2-normalised.
        k: at least 1.
    """
    code = HalfVector(probe)
    bound = error_bound(probe)
    count = max(4 * k, FIRST)
    while True:
        with connection.cursor(binary=True) as cursor:
            rows = cursor.execute(_SCAN, (code, gallery, count)).fetchall()
        # Upper bound of the similarity of all other templates.
        limit = -np.inf if len(rows) < count else bound - rows[-1][3]
        found = rerank(rows, probe, k)
        if limit == -np.inf or (len(found) == k and found[-1].similarity > limit):
            return found
        count *= 2 if len(found) == k else 8


def error_bound(probe: np.ndarray) -> float:
    """Bound the error of the first pass's similarities.

    |p.x - p'.x'| <= |p - p'| |x| + |p'| |x - x'|, where p' and x' are the probe p and a unit
    template x rounded to float16; the float32 sum of their products adds its own rounding.
    """
    exact = probe.astype(np.float64)
    near = probe.astype(np.float16).astype(np.float64)
    length = float(np.linalg.norm(near))
    of_templates = _HALF * _LENGTH + _SUBNORMAL * np.sqrt(len(probe))
    of_sums = len(probe) * _SINGLE * _LENGTH
    return float(np.linalg.norm(exact - near)) * _LENGTH + length * float(of_templates + of_sums)


def rerank(rows: list[tuple[int, int, bytes, float]], probe: np.ndarray, k: int) -> list[Found]:
    """Rank the people of fetched rows by their best template; at most k, best first."""
    if not rows:
        return []
    people, places, exact, _ = zip(*rows, strict=True)
    matrix = TemplateMatrix(len(probe))
    templates = np.frombuffer(b"".join(exact), "<f4").reshape(len(rows), len(probe))
    matrix.put(np.arange(len(rows)), templates, np.array(people), np.array(places))
    (hits,) = matrix.search(probe[None], k)
    return [Found(hit.person, places[hit.slot], hit.similarity) for hit in hits]
