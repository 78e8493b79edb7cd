"""Check the integrity of a gallery's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from facehub.gallery.check import template_fault
from facehub.gallery.sqlite_blocks import BLOCK, read_templates

_TEMPLATES = """
SELECT slot, name, digest, template.person IS NULL FROM template
LEFT JOIN person ON person = person.id ORDER BY slot
"""
_COUNTED = "SELECT templates FROM gallery"
_COUNT = "SELECT count(*) FROM template WHERE person IS NOT NULL"
_EMPTY = "SELECT name FROM person WHERE id NOT IN (SELECT person FROM template WHERE person > 0)"
_BAD_BLOCKS = """
SELECT DISTINCT slot / :block FROM template
LEFT JOIN block ON number = slot / :block WHERE length(templates) IS NOT :bytes
"""


def find_faults(db: sqlite3.Connection, size: int) -> Iterator[str]:
    """Describe each fault of the file, templates, people and counts in a sentence.

    Args:
        db: within a transaction.
        size: length of a template.
    """
    damage = [text for (text,) in db.execute("PRAGMA integrity_check") if text != "ok"]
    yield from (f"SQLite reports: {text}." for text in damage)
    if damage:  # further checks of a damaged file mean nothing
        return
    if db.execute("PRAGMA foreign_key_check").fetchone() is not None:
        yield "Some templates belong to people who do not exist."
    for (name,) in db.execute(_EMPTY):
        yield f"{name} has no template."
    counted, count = (db.execute(query).fetchone()[0] for query in (_COUNTED, _COUNT))
    if counted != count:
        yield f"There are {count} templates, but the stored count is {counted}."
    blocks = {"block": BLOCK, "bytes": BLOCK * 4 * size}
    missing = {number for (number,) in db.execute(_BAD_BLOCKS, blocks)}
    if missing:
        yield f"{len(missing)} blocks of templates are missing, or too short."
    rows = [row for row in db.execute(_TEMPLATES) if row[0] // BLOCK not in missing]
    for begin in range(0, len(rows), BLOCK):
        part = rows[begin : begin + BLOCK]
        templates = read_templates(db, [slot for slot, *_ in part], size)
        for template, (_, name, digest, removed) in zip(templates, part, strict=True):
            if removed:
                if template.any():
                    yield "A removed template has not been overwritten."
            elif name is not None:
                fault = template_fault(name, template.astype("<f4").tobytes(), digest, size)
                if fault is not None:
                    yield fault
