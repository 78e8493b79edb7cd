"""Exact search in PostgreSQL: a first pass over float16 codes there, the best compared anew here.

A bound on the first pass's error proves that no other template can belong among the answers; where
it does not yet, twice as many are fetched. The last step is `TemplateMatrix`'s, as in the other
galleries, so that similarities and order are the same bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pgvector import HalfVector

from facehub.gallery.matrix import TemplateMatrix
from facehub.gallery.postgres_connection import Connection

FIRST = 64  # templates fetched at first
_HALF = 2.0**-11  # unit roundoff of float16
_SUBNORMAL = 2.0**-25  # the largest error of a number below its normal range
_SINGLE = 2.0**-24  # unit roundoff of float32
_LENGTH = 1.0001  # at least a template's or its code's length

_SCAN = """
SELECT person, place, exact, code <#> %s AS distance FROM facehub.template
WHERE gallery = %s ORDER BY distance LIMIT %s
"""


@dataclass(frozen=True)
class Found:
    """A person's best template for a probe: numbers of both, and their cosine, -1 to 1."""

    person: int
    place: int
    similarity: float


def search_gallery(connection: Connection, gallery: int, probe: np.ndarray, k: int) -> list[Found]:
    """The k most similar people, best first; ties keep the order of enrolment.

    Args:
        connection: in a transaction that sees one moment.
        gallery: its id.
        probe: float32 (size,), of length 1.
        k: at least 1.
    """
    code = HalfVector(probe)
    bound = error_bound(probe)
    count = max(4 * k, FIRST)
    while True:
        with connection.cursor(binary=True) as cursor:
            rows = cursor.execute(_SCAN, (code, gallery, count)).fetchall()
        # No other template is more similar than this.
        limit = -np.inf if len(rows) < count else bound - rows[-1][3]
        found = compared(rows, probe, k)
        if limit == -np.inf or (len(found) == k and found[-1].similarity > limit):
            return found
        count *= 2 if len(found) == k else 8


def error_bound(probe: np.ndarray) -> float:
    """How far the first pass's similarities may lie from the true ones.

    |p.x - p'.x'| <= |p - p'| |x| + |p'| |x - x'|, where p' and x' are what float16 makes of the
    probe p and a template x of length 1; and the sum of their products is rounded, in float32.
    """
    exact = probe.astype(np.float64)
    near = probe.astype(np.float16).astype(np.float64)
    length = float(np.linalg.norm(near))
    of_templates = _HALF * _LENGTH + _SUBNORMAL * np.sqrt(len(probe))
    of_sums = len(probe) * _SINGLE * _LENGTH
    return float(np.linalg.norm(exact - near)) * _LENGTH + length * float(of_templates + of_sums)


def compared(rows: list[tuple[int, int, bytes, float]], probe: np.ndarray, k: int) -> list[Found]:
    """Each person's best template among fetched rows, best first; k people at most."""
    if not rows:
        return []
    people, places, exact, _ = zip(*rows, strict=True)
    matrix = TemplateMatrix(len(probe))
    templates = np.frombuffer(b"".join(exact), "<f4").reshape(len(rows), len(probe))
    matrix.put(np.arange(len(rows)), templates, np.array(people), np.array(places))
    (hits,) = matrix.search(probe[None], k)
    return [Found(hit.person, places[hit.slot], hit.similarity) for hit in hits]
