"""Approximate search in PostgreSQL: an HNSW index over the float16 codes of one gallery.

The index is created and used on request only. It indexes an expression that exact search does not
contain, so exact search cannot use it by mistake. Approximate search re-ranks its candidates, so
similarities are exact; but it may miss people, and its results do not show that.
"""

from __future__ import annotations

import numpy as np
from pgvector import HalfVector

from facehub.errors import GalleryError
from facehub.gallery.postgres_connection import Connection
from facehub.gallery.postgres_search import FIRST, Found, rerank

MAX_SIZE = 4000  # longest halfvec that pgvector indexes
OLDEST = (0, 8)  # first version of pgvector with iterative scans

_CODE = "code::halfvec({size})"
# No statistics for the planner: `code` has none either, see the migrations.
_CREATE = """
CREATE INDEX IF NOT EXISTS template_{gallery}_hnsw ON facehub.template_{gallery}
USING hnsw (({code}) halfvec_ip_ops);
ALTER INDEX facehub.template_{gallery}_hnsw ALTER 1 SET STATISTICS 0;
"""
_SCAN = """
SELECT person, place, exact, {code} <#> %s AS distance FROM facehub.template
WHERE gallery = %s ORDER BY distance LIMIT %s
"""
# Without sorting, the planner must read the index in order. An iterative scan goes on if the first
# candidates were removed or are too few; `rerank` sorts rows that come out of order.
_SETTINGS = """
SELECT set_config('enable_sort', 'off', true), set_config('hnsw.ef_search', %s, true),
    set_config('hnsw.iterative_scan', 'relaxed_order', true)
"""


def has_index(connection: Connection, gallery: int) -> bool:
    """Whether this gallery has an index."""
    query = "SELECT to_regclass('facehub.template_' || %s || '_hnsw') IS NOT NULL"
    return bool(connection.execute(query, (gallery,)).fetchall()[0][0])


def create_index(connection: Connection, gallery: int, size: int) -> None:
    """Create the index if it does not exist; changes to the gallery wait until it is done.

    Args:
        connection: with pgvector's types registered, see `prepare`.
        gallery: its id.
        size: length of its templates.

    Raises:
        GalleryError: the templates are too long, or pgvector is too old.
        psycopg.Error: the role does not own the tables, or another process holds their lock.
    """
    if size > MAX_SIZE:
        raise GalleryError(
            f"Templates of {size} numbers cannot be indexed, only of up to {MAX_SIZE}."
        )
    query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    version = str(connection.execute(query).fetchall()[0][0])
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise GalleryError(f"Approximate search needs pgvector 0.8 or newer, not {version}.")
    statements = _CREATE.format(gallery=gallery, code=_CODE.format(size=size))
    with connection.transaction():
        connection.execute(statements.encode())


def drop_index(connection: Connection, gallery: int) -> None:
    """Remove the index if it exists."""
    connection.execute(f"DROP INDEX IF EXISTS facehub.template_{gallery}_hnsw".encode())


def search_index(
    connection: Connection, gallery: int, probes: np.ndarray, k: int, ef_search: int
) -> list[list[Found]]:
    """Run `search_gallery` approximately for each probe: people may be missing.

    Args:
        connection: in a `READ` transaction (one snapshot).
        gallery: its id.
        probes: float32 (M, size), L2-normalised.
        k: at least 1.
        ef_search: number of templates that the index examines, 1 to 1000.
    """
    with connection.transaction(force_rollback=True):  # discards the settings afterwards
        connection.execute(_SETTINGS, (str(ef_search),))
        return [_search(connection, gallery, probe, k) for probe in probes]


def _search(connection: Connection, gallery: int, probe: np.ndarray, k: int) -> list[Found]:
    query = _SCAN.format(code=_CODE.format(size=len(probe))).encode()
    code, count = HalfVector(probe), max(4 * k, FIRST)
    while True:
        with connection.cursor(binary=True) as cursor:
            rows = cursor.execute(query, (code, gallery, count)).fetchall()
        found = rerank(rows, probe, k)
        if len(found) == k or len(rows) < count:
            return found
        count *= 8
