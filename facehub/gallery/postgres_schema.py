"""Create, migrate and vacuum the tables of galleries in PostgreSQL."""

from __future__ import annotations

import time
from contextlib import suppress
from importlib import resources
from typing import Any

import psycopg
from pgvector.psycopg import register_vector

from facehub.errors import GalleryError, GalleryUnavailableError
from facehub.gallery.postgres_connection import WAIT, Connection

_LOCK = 0x66616365687562  # "facehub": advisory lock for creating tables
_POLL = 0.1  # seconds

# The partitions are attached after creation: CREATE TABLE ... PARTITION OF would block, and wait
# for, users of all other galleries. Partitions do not inherit the migrations' statistics settings.
_PARTITIONS = """
CREATE TABLE facehub.person_{id} (LIKE facehub.person INCLUDING ALL);
CREATE TABLE facehub.template_{id} (
    LIKE facehub.template INCLUDING ALL,
    CHECK (octet_length(exact) = {bytes} AND octet_length(digest) = 32),
    FOREIGN KEY (gallery, person) REFERENCES facehub.person_{id} (gallery, number)
);
ALTER TABLE facehub.person_{id} ALTER name SET STATISTICS 0;
ALTER TABLE facehub.template_{id} ALTER digest SET STATISTICS 0, ALTER source SET STATISTICS 0,
    ALTER code SET STATISTICS 0, ALTER exact SET STATISTICS 0;
ALTER TABLE facehub.person ATTACH PARTITION facehub.person_{id} FOR VALUES IN ({id});
ALTER TABLE facehub.template ATTACH PARTITION facehub.template_{id} FOR VALUES IN ({id});
"""

# Transactions of this database, and everything else that keeps old rows alive.
_OLDER = """
SELECT EXISTS (
    SELECT FROM (
        SELECT unnest(ARRAY[backend_xid, backend_xmin]) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND coalesce(datname = current_database(), true)
        UNION ALL SELECT xmin FROM pg_replication_slots
        UNION ALL SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()
    ) AS open (since)
    WHERE age(since) >= age(%s::xid)
)
"""


def migrate(connection: Connection, *, new: bool) -> None:
    """Migrate the tables to this version; safe if several processes do so at once.

    Args:
        connection: to the database.
        new: whether to create missing tables.

    Raises:
        GalleryError: a later version of facehub made the tables.
    """
    files = sorted(
        (file.name, file.read_text())
        for file in resources.files(__package__).joinpath("migrations").iterdir()
        if file.name.endswith(".sql")
    )
    there = _version(connection)
    if there == len(files) or (there == 0 and not new):
        return
    if there > len(files):
        raise GalleryError(
            "The database's galleries were made by a later version of facehub: update this one."
        )
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE SCHEMA IF NOT EXISTS facehub")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS facehub.migration "
            "(number integer PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL)"
        )
        for number, (name, statements) in enumerate(files, 1):
            if number > _version(connection):
                connection.execute(statements.encode())
                connection.execute(
                    "INSERT INTO facehub.migration VALUES (%s, %s, now())", (number, name)
                )


def find_gallery(connection: Connection, name: str) -> tuple[int, str, int] | None:
    """Look up (id, fingerprint, size) of a gallery; None if there is none of this name."""
    if not _version(connection):
        return None
    row = connection.execute(
        "SELECT id, fingerprint, size FROM facehub.gallery WHERE name = %s", (name,)
    ).fetchone()
    return None if row is None else (row[0], row[1], row[2])


def create_gallery(connection: Connection, name: str, fingerprint: str, size: int) -> None:
    """Create a gallery; no effect if another process just did."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        row = connection.execute(
            "INSERT INTO facehub.gallery (name, fingerprint, size) VALUES (%s, %s, %s) "
            "ON CONFLICT (name) DO NOTHING RETURNING id",
            (name, fingerprint, size),
        ).fetchone()
        if row is not None:
            connection.execute(_PARTITIONS.format(id=row[0], bytes=4 * size).encode())


def prepare(connection: Connection) -> None:
    """Register pgvector's types on a connection, whichever schema they are in."""
    connection.execute(
        "SELECT set_config('search_path', 'facehub, ' || quote_ident(nspname), false) "
        "FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace "
        "WHERE extname = 'vector'"
    )
    register_vector(connection)


def vacuum(connection: Connection, gallery: int, wait: float = WAIT) -> None:
    """Rewrite a gallery's tables without removed rows; the gallery is locked meanwhile.

    Args:
        connection: outside a transaction.
        gallery: its id.
        wait: seconds to wait for older transactions, which keep removed rows alive. Only members of
            `pg_read_all_stats` see those of other roles.

    Raises:
        GalleryUnavailableError: an older transaction does not end. Nothing is rewritten.
        GalleryError: the role does not own the tables.
    """
    (now,) = _row(connection, "SELECT pg_current_xact_id()::xid::text")
    until = time.monotonic() + wait
    while _row(connection, _OLDER, now)[0]:
        if time.monotonic() > until:
            raise GalleryUnavailableError(
                "The gallery cannot be purged now: another transaction of its database has been "
                f"open for more than {wait:.0f} seconds. Try again when it has ended."
            )
        time.sleep(_POLL)
    for table in (f"facehub.template_{gallery}", f"facehub.person_{gallery}"):
        before = _row(connection, "SELECT pg_relation_filenode(%s::regclass)", table)
        connection.execute(f"VACUUM (FULL) {table}".encode())
        if _row(connection, "SELECT pg_relation_filenode(%s::regclass)", table) == before:
            raise GalleryError("Only the role that owns a gallery's tables can purge it.")
    with suppress(psycopg.errors.InsufficientPrivilege):  # the server does it within minutes
        connection.execute("CHECKPOINT")


def _version(connection: Connection) -> int:
    if _row(connection, "SELECT to_regclass('facehub.migration')")[0] is None:
        return 0
    return int(_row(connection, "SELECT coalesce(max(number), 0) FROM facehub.migration")[0])


def _row(connection: Connection, query: str, *values: object) -> tuple[Any, ...]:
    row = connection.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return tuple(row)
