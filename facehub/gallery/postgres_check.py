"""Check the integrity of a gallery's rows in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from facehub.gallery.check import template_fault
from facehub.gallery.postgres_connection import Connection

_FETCHED = 500  # templates at once

_EMPTY = """
SELECT name FROM facehub.person p WHERE gallery = %(gallery)s AND NOT EXISTS (
    SELECT FROM facehub.template t WHERE t.gallery = %(gallery)s AND t.person = p.number
) ORDER BY number
"""
_COUNTS = """
SELECT people, templates,
    (SELECT count(*) FROM facehub.person WHERE gallery = %(gallery)s),
    (SELECT count(*) FROM facehub.template WHERE gallery = %(gallery)s)
FROM facehub.gallery WHERE id = %(gallery)s
"""
_TEMPLATES = """
SELECT p.name, t.exact, t.code, t.digest FROM facehub.template t
JOIN facehub.person p ON p.gallery = %(gallery)s AND p.number = t.person
WHERE t.gallery = %(gallery)s
"""


def find_faults(connection: Connection, gallery: int, size: int) -> Iterator[str]:
    """Describe each fault of templates, their codes, people and counts in a sentence.

    Args:
        connection: in a `READ` transaction (one snapshot).
        gallery: its id.
        size: length of a template.
    """
    values = {"gallery": gallery}
    for (name,) in connection.execute(_EMPTY, values).fetchall():
        yield f"{name} has no template."
    for people, templates, n_people, n_templates in connection.execute(_COUNTS, values).fetchall():
        if (people, templates) != (n_people, n_templates):
            yield (
                f"There are {n_people} people and {n_templates} templates, but the stored counts "
                f"are {people} and {templates}."
            )
    with connection.cursor("faults", binary=True) as cursor:
        cursor.itersize = _FETCHED
        for name, exact, code, digest in cursor.execute(_TEMPLATES, values):
            fault = template_fault(name, exact, digest, size)
            if fault is not None:
                yield fault
            elif not np.array_equal(
                np.frombuffer(exact, "<f4").astype(np.float16), code.to_numpy()
            ):
                yield f"The float16 code of a template of {name} does not match the template."
