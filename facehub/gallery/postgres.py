"""A gallery in PostgreSQL with pgvector, which several machines may share."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Self

import numpy as np
from pgvector import HalfVector

from facehub.errors import GalleryError
from facehub.gallery.base import (
    Entry,
    Example,
    check_entries,
    check_probes,
    clean_name,
    make_example,
    mismatch,
    no_example,
    taken,
    themselves,
    tidy,
    unknown,
)
from facehub.gallery.postgres_connection import (
    READ,
    WRITE,
    Connection,
    Connections,
    connect,
    parse_address,
    words,
)
from facehub.gallery.postgres_schema import (
    create_gallery,
    find_gallery,
    migrate,
    prepare,
    vacuum,
)
from facehub.gallery.postgres_search import Found, search_gallery
from facehub.results import Candidate

_FETCHED = 500  # templates at once

_ENTRIES = """
SELECT p.name, t.exact, t.source
FROM facehub.template t JOIN facehub.person p ON p.gallery = t.gallery AND p.number = t.person
WHERE t.gallery = %s ORDER BY t.person, t.place
"""
_KNOWN = """
SELECT t.person, t.digest FROM unnest(%s::bigint[], %s::bytea[]) AS new (person, digest)
JOIN facehub.template t ON t.gallery = %s AND t.person = new.person AND t.digest = new.digest
"""
_INSERT = """
COPY facehub.template (gallery, person, place, digest, source, code, exact)
FROM STDIN (FORMAT BINARY)
"""
_TYPES = ("int8", "int8", "int8", "bytea", "text", "halfvec", "bytea")
_DOUBLE = """
DELETE FROM facehub.template t USING facehub.template o
WHERE t.gallery = %(gallery)s AND t.person = %(person)s
AND o.gallery = %(gallery)s AND o.person = %(other)s AND o.digest = t.digest
"""
_MOVE = """
UPDATE facehub.template t SET person = %(other)s, place = g.last + ranked.number
FROM facehub.gallery g, (
    SELECT place, row_number() OVER (ORDER BY place) AS number FROM facehub.template
    WHERE gallery = %(gallery)s AND person = %(person)s
) AS ranked
WHERE g.id = %(gallery)s AND t.gallery = %(gallery)s AND t.person = %(person)s
AND t.place = ranked.place
"""
_COUNT = """
UPDATE facehub.gallery
SET people = people + %s, templates = templates + %s, last = last + %s WHERE id = %s
"""
_CANDIDATES = """
SELECT p.name, t.source, (
    SELECT count(*) FROM facehub.template o
    WHERE o.gallery = t.gallery AND o.person = t.person AND o.place < t.place
)
FROM unnest(%(people)s::bigint[], %(places)s::bigint[]) WITH ORDINALITY hit (person, place, number)
JOIN facehub.template t
ON t.gallery = %(gallery)s AND t.person = hit.person AND t.place = hit.place
JOIN facehub.person p ON p.gallery = %(gallery)s AND p.number = hit.person
ORDER BY hit.number
"""


class PostgresGallery:
    """A `Gallery` in a PostgreSQL database, where many may lie side by side.

    Processes on several machines may read it, and change it in turns: a change, or a transaction of
    several, waits for the one before it. Each search sees one moment. Threads may share the object;
    each of them has transactions of its own. After a lost connection, the call that it broke raises
    GalleryError, and the next one connects anew. What was being changed then is there wholly or not
    at all, and may be enrolled again without harm.

    Args:
        address: `postgresql://user@host/database?gallery=people`; see `parse_address`.
        fingerprint: of the weights in use.
        size: length of their templates.
        new: whether a gallery that is missing is made.

    Raises:
        GalleryError: it is missing or cannot be reached or used, or the address is not usable.
        GalleryMismatchError: it belongs to other weights.
    """

    def __init__(
        self, address: str, fingerprint: str, size: int = 512, *, new: bool = True
    ) -> None:
        self.fingerprint = fingerprint
        self._address = parse_address(address)
        self._where = self._address.text
        self._own = threading.local()  # this thread's transaction
        with words(self._where), closing(connect(self._address)) as connection:
            migrate(connection, new=new)
            found = find_gallery(connection, self._address.gallery)
            if found is None and new:
                create_gallery(connection, self._address.gallery, fingerprint, size)
                found = find_gallery(connection, self._address.gallery)
        if found is None:
            raise GalleryError(f"There is no gallery {self._where}.")
        self._id, made_by, self.size = found
        if made_by != fingerprint:
            raise mismatch(self._where, made_by, fingerprint)
        self._connections = Connections(self._connect)

    @property
    def n_templates(self) -> int:
        return self._count("templates")

    def __len__(self) -> int:
        return self._count("people")

    def __iter__(self) -> Iterator[str]:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT name FROM facehub.person WHERE gallery = %s ORDER BY number", (self._id,)
            ).fetchall()
        return iter([name for (name,) in rows])

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        with self._reading() as connection:
            return self._person(connection, tidy(name)) is not None

    def people(self) -> dict[str, int]:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT name, n FROM facehub.person JOIN (SELECT person, count(*) AS n "
                "FROM facehub.template WHERE gallery = %s GROUP BY person) AS t ON person = number "
                "WHERE gallery = %s ORDER BY number",
                (self._id, self._id),
            ).fetchall()
        return dict(rows)

    def examples(self, name: str) -> tuple[Example, ...]:
        with self._reading() as connection:
            person = self._known(connection, name)
            with connection.cursor(binary=True) as cursor:
                rows = cursor.execute(
                    "SELECT exact, source FROM facehub.template "
                    "WHERE gallery = %s AND person = %s ORDER BY place",
                    (self._id, person),
                ).fetchall()
        return tuple(
            make_example(np.frombuffer(exact, "<f4"), source, self.size) for exact, source in rows
        )

    def add(self, name: str, template: np.ndarray, source: str = "") -> bool:
        (added,) = self.add_many([Entry(name, template, source)])
        return added

    def add_many(self, entries: Iterable[Entry]) -> list[bool]:
        checked = check_entries(entries, self.size)
        if not checked:
            return []
        with self._writing() as connection:
            numbers, last, n_new = self._enrolled(connection, [name for name, _ in checked])
            pairs = [(numbers[name], bytes.fromhex(example.digest)) for name, example in checked]
            people, digests = map(list, zip(*pairs, strict=True))
            known = set(connection.execute(_KNOWN, (people, digests, self._id)).fetchall())
            added = []
            with connection.cursor() as cursor, cursor.copy(_INSERT) as copy:
                copy.set_types(_TYPES)
                for pair, (_, example) in zip(pairs, checked, strict=True):
                    added.append(pair not in known)
                    if pair in known:
                        continue
                    known.add(pair)
                    last += 1
                    code, exact = HalfVector(example.template), example.template.astype("<f4")
                    row = (self._id, pair[0], last, pair[1], example.source, code, exact.tobytes())
                    copy.write_row(row)
            self._counted(connection, n_new, sum(added), n_new + sum(added))
        return added

    def remove(self, name: str, digest: str | None = None) -> None:
        with self._writing() as connection:
            person = self._known(connection, name)
            own = "FROM facehub.template WHERE gallery = %s AND person = %s"
            if digest is None:
                n = connection.execute(f"DELETE {own}", (self._id, person)).rowcount
            else:
                n = connection.execute(
                    f"DELETE {own} AND encode(digest, 'hex') = %s", (self._id, person, digest)
                ).rowcount
                if not n:
                    raise no_example(tidy(name))
            empty = connection.execute(f"SELECT {own} LIMIT 1", (self._id, person)).rowcount == 0
            if empty:
                self._forget(connection, person)
            self._counted(connection, -int(empty), -n)

    def rename(self, name: str, new_name: str) -> None:
        with self._writing() as connection:
            person, new_name = self._known(connection, name), clean_name(new_name)
            if new_name == tidy(name):
                return
            if self._person(connection, new_name) is not None:
                raise taken(new_name)
            connection.execute(
                "UPDATE facehub.person SET name = %s WHERE gallery = %s AND number = %s",
                (new_name, self._id, person),
            )

    def merge(self, name: str, into: str) -> None:
        with self._writing() as connection:
            person, other = self._known(connection, name), self._known(connection, into)
            if person == other:
                raise themselves(tidy(name))
            values = {"gallery": self._id, "person": person, "other": other}
            double = connection.execute(_DOUBLE, values).rowcount
            moved = connection.execute(_MOVE, values).rowcount
            self._forget(connection, person)
            self._counted(connection, -1, -double, moved)

    def search(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        probes = check_probes(probes, self.size)
        if top_k < 1:
            return [[] for _ in probes]
        with self._reading() as connection:
            return [
                self._candidates(connection, search_gallery(connection, self._id, probe, top_k))
                for probe in probes
            ]

    def export(self) -> Iterator[Entry]:
        with self._reading() as connection:
            if self._held is not None:  # whose end the caller may not wait for
                entries = connection.execute(_ENTRIES, (self._id,), binary=True).fetchall()
            else:
                with connection.cursor("export", binary=True) as cursor:
                    cursor.itersize = _FETCHED
                    for row in cursor.execute(_ENTRIES, (self._id,)):
                        yield _entry(*row)
                return
        for row in entries:
            yield _entry(*row)

    def purge(self) -> None:
        """Rewrite the tables without what was removed; nobody can use them meanwhile.

        The write-ahead log, replicas and backups keep copies until they are written over.

        Raises:
            GalleryError: within a transaction; or another one does not end; or the role does not
                own the tables.
        """
        if self._held is not None:
            raise GalleryError("A gallery cannot be purged within a transaction.")
        with words(self._where), closing(connect(self._address)) as connection:
            vacuum(connection, self._id)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._writing():
            yield

    def close(self) -> None:
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- transactions -----------------------------------------------------------------------------

    @property
    def _held(self) -> Connection | None:
        return getattr(self._own, "connection", None)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        held = self._held
        with words(self._where):
            if held is not None:
                with held.transaction():  # a savepoint: what fails leaves the rest as it is
                    yield held
            else:
                with self._connections.transaction(READ) as connection:
                    yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._held is not None:
            with self._reading() as connection:
                yield connection
            return
        with words(self._where), self._connections.transaction(WRITE) as connection:
            row = connection.execute(
                "SELECT fingerprint FROM facehub.gallery WHERE id = %s FOR NO KEY UPDATE",
                (self._id,),
            ).fetchone()
            if row is None:
                raise GalleryError(f"There is no gallery {self._where} any more.")
            if row[0] != self.fingerprint:
                raise mismatch(self._where, row[0], self.fingerprint)
            self._own.connection = connection
            try:
                yield connection
            finally:
                self._own.connection = None

    def _connect(self) -> Connection:
        connection = connect(self._address)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    # --- rows -------------------------------------------------------------------------------------

    def _count(self, what: str) -> int:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT people, templates FROM facehub.gallery WHERE id = %s", (self._id,)
            ).fetchone()
        if row is None:
            raise GalleryError(f"There is no gallery {self._where} any more.")
        return int(row[what == "templates"])

    def _person(self, connection: Connection, name: str) -> int | None:
        row = connection.execute(
            "SELECT number FROM facehub.person WHERE gallery = %s AND name = %s", (self._id, name)
        ).fetchone()
        return None if row is None else int(row[0])

    def _known(self, connection: Connection, name: str) -> int:
        person = self._person(connection, tidy(name))
        if person is None:
            raise unknown(tidy(name))
        return person

    def _enrolled(
        self, connection: Connection, names: list[str]
    ) -> tuple[dict[str, int], int, int]:
        """People by name, added where they are new; the last number then, and how many are new."""
        rows = connection.execute(
            "SELECT name, number FROM facehub.person WHERE gallery = %s AND name = ANY(%s)",
            (self._id, list(set(names))),
        ).fetchall()
        row = connection.execute(
            "SELECT last FROM facehub.gallery WHERE id = %s", (self._id,)
        ).fetchone()
        numbers, last = dict(rows), int(row[0]) if row else 0
        new = [name for name in dict.fromkeys(names) if name not in numbers]
        fresh = {name: last + i for i, name in enumerate(new, 1)}
        if fresh:
            connection.execute(
                "INSERT INTO facehub.person SELECT %s, * FROM unnest(%s::bigint[], %s::text[])",
                (self._id, list(fresh.values()), list(fresh)),
            )
        return numbers | fresh, last + len(fresh), len(fresh)

    def _forget(self, connection: Connection, person: int) -> None:
        connection.execute(
            "DELETE FROM facehub.person WHERE gallery = %s AND number = %s", (self._id, person)
        )

    def _counted(self, connection: Connection, people: int, templates: int, last: int = 0) -> None:
        connection.execute(_COUNT, (people, templates, last, self._id))

    def _candidates(self, connection: Connection, found: list[Found]) -> list[Candidate]:
        rows: list[Any] = connection.execute(
            _CANDIDATES,
            {
                "gallery": self._id,
                "people": [each.person for each in found],
                "places": [each.place for each in found],
            },
        ).fetchall()
        return [
            Candidate(name, each.similarity, example, source)
            for each, (name, source, example) in zip(found, rows, strict=True)
        ]


def _entry(name: str, exact: bytes, source: str) -> Entry:
    return Entry(name, np.frombuffer(exact, "<f4"), source)
