"""Approximate search in PostgreSQL: an HNSW index over the float16 codes of one gallery.

It is made and used on request only. The index is on an expression that an exact search does not
hold, so that none can use it by mistake. Whom an approximate search finds, it compares anew, so
that similarities are the exact ones; but it may miss somebody, and nothing in its answer shows it.
"""

from __future__ import annotations

import numpy as np
from pgvector import HalfVector

from facehub.errors import GalleryError
from facehub.gallery.postgres_connection import Connection
from facehub.gallery.postgres_search import FIRST, Found, compared

MAX_SIZE = 4000  # numbers of a halfvec that pgvector indexes
OLDEST = (0, 8)  # version of pgvector: of iterative scans

_CODE = "code::halfvec({size})"
# No samples for the planner: `code` has none either, see the migrations.
_CREATE = """
CREATE INDEX IF NOT EXISTS template_{gallery}_hnsw ON facehub.template_{gallery}
USING hnsw (({code}) halfvec_ip_ops);
ALTER INDEX facehub.template_{gallery}_hnsw ALTER 1 SET STATISTICS 0;
"""
_SCAN = """
SELECT person, place, exact, {code} <#> %s AS distance FROM facehub.template
WHERE gallery = %s ORDER BY distance LIMIT %s
"""
# Whatever is not read from the index in order would have to be sorted. An iterative scan goes on
# where the first candidates were removed, or are too few; we sort anew what comes out of order.
_SETTINGS = """
SELECT set_config('enable_sort', 'off', true), set_config('hnsw.ef_search', %s, true),
    set_config('hnsw.iterative_scan', 'relaxed_order', true)
"""


def has_index(connection: Connection, gallery: int) -> bool:
    """Whether there is an index of this gallery."""
    query = "SELECT to_regclass('facehub.template_' || %s || '_hnsw') IS NOT NULL"
    return bool(connection.execute(query, (gallery,)).fetchall()[0][0])


def create_index(connection: Connection, gallery: int, size: int) -> None:
    """Make the index unless it is there; who changes the gallery waits until it is made.

    Args:
        connection: that knows pgvector's types, see `prepare`.
        gallery: its id.
        size: length of its templates.

    Raises:
        GalleryError: the templates are too long, or pgvector is too old.
        psycopg.Error: the role does not own the tables, or another one is changing the gallery.
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
    """Remove the index if there is one."""
    connection.execute(f"DROP INDEX IF EXISTS facehub.template_{gallery}_hnsw".encode())


def search_index(
    connection: Connection, gallery: int, probes: np.ndarray, k: int, ef_search: int
) -> list[list[Found]]:
    """As `search_gallery` for each probe, but some people may be missing.

    Args:
        connection: in a transaction that sees one moment.
        gallery: its id.
        probes: float32 (M, size), of length 1.
        k: at least 1.
        ef_search: templates that the index looks at before it answers, 1 to 1000.
    """
    with connection.transaction(force_rollback=True):  # the settings are gone afterwards
        connection.execute(_SETTINGS, (str(ef_search),))
        return [_search(connection, gallery, probe, k) for probe in probes]


def _search(connection: Connection, gallery: int, probe: np.ndarray, k: int) -> list[Found]:
    query = _SCAN.format(code=_CODE.format(size=len(probe))).encode()
    code, count = HalfVector(probe), max(4 * k, FIRST)
    while True:
        with connection.cursor(binary=True) as cursor:
            rows = cursor.execute(query, (code, gallery, count)).fetchall()
        found = compared(rows, probe, k)
        if len(found) == k or len(rows) < count:
            return found
        count *= 8
