"""Read and change the rows of one gallery in PostgreSQL.

People are identified by number, and templates by person and place. Both grow with each enrolment,
so they also give the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pgvector import HalfVector

from facehub.gallery.base import Entry, Example, make_example
from facehub.gallery.postgres_connection import Connection
from facehub.gallery.postgres_search import Found
from facehub.results import Candidate

_FETCHED = 500  # templates at once

_PEOPLE = """
SELECT name, count(*) FROM (
    SELECT number, name FROM facehub.person WHERE gallery = %(gallery)s
    ORDER BY number LIMIT %(limit)s OFFSET %(offset)s
) AS page
JOIN facehub.template ON gallery = %(gallery)s AND person = number
GROUP BY number, name ORDER BY number
"""
_EXAMPLES = """
SELECT exact, source FROM facehub.template WHERE gallery = %s AND person = %s ORDER BY place
"""
_ENTRIES = """
SELECT p.name, t.exact, t.source
FROM facehub.template t JOIN facehub.person p ON p.gallery = t.gallery AND p.number = t.person
WHERE t.gallery = %s ORDER BY t.person, t.place
"""
_CANDIDATES = """
SELECT p.name, t.source, (
    SELECT count(*) FROM facehub.template o
    WHERE o.gallery = t.gallery AND o.person = t.person AND o.place < t.place
)
FROM unnest(%(people)s::bigint[], %(places)s::bigint[]) WITH ORDINALITY hit (person, place, number)
JOIN facehub.template t ON t.gallery = %(gallery)s AND t.person = hit.person AND t.place = hit.place
JOIN facehub.person p ON p.gallery = %(gallery)s AND p.number = hit.person
ORDER BY hit.number
"""
_KNOWN = """
SELECT t.person, t.digest FROM unnest(%s::bigint[], %s::bytea[]) AS new (person, digest)
JOIN facehub.template t ON t.gallery = %s AND t.person = new.person AND t.digest = new.digest
"""
_COPY = """
COPY facehub.template (gallery, person, place, digest, source, code, exact)
FROM STDIN (FORMAT BINARY)
"""
_TYPES = ("int8", "int8", "int8", "bytea", "text", "halfvec", "bytea")
_REMOVE = """
DELETE FROM facehub.template WHERE gallery = %(gallery)s AND person = %(person)s
AND (%(digest)s::text IS NULL OR encode(digest, 'hex') = %(digest)s)
"""
_EXAMPLES_LEFT = """
SELECT FROM facehub.template WHERE gallery = %(gallery)s AND person = %(person)s LIMIT 1
"""
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


class Rows:
    """The rows of one gallery. Changes need the gallery's row locked, see `PostgresGallery`.

    Args:
        gallery: its id.
        size: length of a template.
    """

    def __init__(self, gallery: int, size: int) -> None:
        self.gallery = gallery
        self.size = size

    # --- reading ----------------------------------------------------------------------------------

    def names(self, connection: Connection) -> list[str]:
        query = "SELECT name FROM facehub.person WHERE gallery = %s ORDER BY number"
        return [name for (name,) in connection.execute(query, (self.gallery,))]

    def people(self, connection: Connection, offset: int, limit: int | None) -> dict[str, int]:
        values = {"gallery": self.gallery, "offset": offset, "limit": limit}
        return dict(connection.execute(_PEOPLE, values).fetchall())

    def person(self, connection: Connection, name: str) -> int | None:
        query = "SELECT number FROM facehub.person WHERE gallery = %s AND name = %s"
        row = connection.execute(query, (self.gallery, name)).fetchone()
        return None if row is None else int(row[0])

    def examples(self, connection: Connection, person: int) -> list[Example]:
        rows = connection.execute(_EXAMPLES, (self.gallery, person), binary=True)
        return [make_example(np.frombuffer(t, "<f4"), source, self.size) for t, source in rows]

    def entries(self, connection: Connection) -> Iterator[Entry]:
        """Iterate over all templates in batches; the transaction must stay open meanwhile."""
        with connection.cursor("entries", binary=True) as cursor:
            cursor.itersize = _FETCHED
            for name, template, source in cursor.execute(_ENTRIES, (self.gallery,)):
                yield Entry(name, np.frombuffer(template, "<f4"), source)

    def candidates(
        self, connection: Connection, found: Sequence[Sequence[Found]]
    ) -> list[list[Candidate]]:
        """Look up the names and sources of search results."""
        flat = [each for of_probe in found for each in of_probe]
        people, places = [each.person for each in flat], [each.place for each in flat]
        values = {"gallery": self.gallery, "people": people, "places": places}
        rows = iter(connection.execute(_CANDIDATES, values).fetchall() if flat else [])
        result: list[list[Candidate]] = []
        for of_probe in found:
            result.append([])
            for each in of_probe:
                name, source, example = next(rows)
                result[-1].append(Candidate(name, each.similarity, example, source))
        return result

    # --- changing ---------------------------------------------------------------------------------

    def enrol(self, connection: Connection, entries: list[tuple[str, Example]]) -> list[bool]:
        """Add templates and new people; return which templates were added."""
        (last,) = connection.execute(
            "SELECT last FROM facehub.gallery WHERE id = %s", (self.gallery,)
        ).fetchall()[0]
        numbers, n_new = self._numbers(connection, [name for name, _ in entries], last)
        keys = [(numbers[name], bytes.fromhex(example.digest)) for name, example in entries]
        people, digests = (list(column) for column in zip(*keys, strict=True))
        known = set(connection.execute(_KNOWN, (people, digests, self.gallery)).fetchall())
        added = []
        place = last + n_new
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for key, (_, example) in zip(keys, entries, strict=True):
                added.append(key not in known)
                if added[-1]:
                    known.add(key)
                    place += 1
                    code, exact = HalfVector(example.template), example.template.astype("<f4")
                    person, digest = key
                    source = example.source
                    copy.write_row(
                        (self.gallery, person, place, digest, source, code, exact.tobytes())
                    )
        self._count(connection, n_new, sum(added), place - last)
        return added

    def remove(self, connection: Connection, person: int, digest: str | None) -> bool:
        """Remove a person, or one example; return whether it existed."""
        values = {"gallery": self.gallery, "person": person, "digest": digest}
        gone = connection.execute(_REMOVE, values).rowcount
        empty = not connection.execute(_EXAMPLES_LEFT, values).rowcount
        if empty:
            self._forget(connection, person)
        self._count(connection, -int(empty), -gone)
        return gone > 0

    def rename(self, connection: Connection, person: int, name: str) -> None:
        query = "UPDATE facehub.person SET name = %s WHERE gallery = %s AND number = %s"
        connection.execute(query, (name, self.gallery, person))

    def merge(self, connection: Connection, person: int, other: int) -> None:
        """Move a person's templates to another person, after that one's own; drop duplicates."""
        values = {"gallery": self.gallery, "person": person, "other": other}
        double = connection.execute(_DOUBLE, values).rowcount
        moved = connection.execute(_MOVE, values).rowcount
        self._forget(connection, person)
        self._count(connection, -1, -double, moved)

    def _numbers(
        self, connection: Connection, names: list[str], last: int
    ) -> tuple[dict[str, int], int]:
        """Add new people, numbered after `last`; return ({name: number}, count of new people)."""
        query = "SELECT name, number FROM facehub.person WHERE gallery = %s AND name = ANY(%s)"
        known = dict(connection.execute(query, (self.gallery, list(set(names)))).fetchall())
        new = [name for name in dict.fromkeys(names) if name not in known]
        fresh = {name: last + i for i, name in enumerate(new, 1)}
        if fresh:
            connection.execute(
                "INSERT INTO facehub.person SELECT %s, * FROM unnest(%s::bigint[], %s::text[])",
                (self.gallery, list(fresh.values()), list(fresh)),
            )
        return known | fresh, len(fresh)

    def _forget(self, connection: Connection, person: int) -> None:
        query = "DELETE FROM facehub.person WHERE gallery = %s AND number = %s"
        connection.execute(query, (self.gallery, person))

    def _count(self, connection: Connection, people: int, templates: int, last: int = 0) -> None:
        connection.execute(_COUNT, (people, templates, last, self.gallery))
