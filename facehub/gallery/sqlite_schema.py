"""The tables of a gallery in SQLite."""

from __future__ import annotations

import sqlite3

FORMAT = "facehub-gallery-sqlite-1"

# A template's slot is its position in the blocks. A row without a person is free: its template was
# removed. `version` counts changes, so other processes can tell which templates are new to them.
_SCHEMA = """
CREATE TABLE gallery (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    format TEXT NOT NULL, fingerprint TEXT NOT NULL, size INTEGER NOT NULL,
    version INTEGER NOT NULL, place INTEGER NOT NULL, templates INTEGER NOT NULL);
CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE template (
    slot INTEGER PRIMARY KEY, person INTEGER REFERENCES person, place INTEGER NOT NULL,
    digest BLOB, source TEXT NOT NULL, version INTEGER NOT NULL);
CREATE UNIQUE INDEX template_of_person ON template (person, digest);
CREATE INDEX template_free ON template (slot) WHERE person IS NULL;
CREATE INDEX template_version ON template (version);
CREATE TABLE block (number INTEGER PRIMARY KEY, templates BLOB NOT NULL);
"""


def is_empty(db: sqlite3.Connection) -> bool:
    """Whether the database has no tables yet."""
    return bool(db.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def create_tables(db: sqlite3.Connection, fingerprint: str, size: int) -> None:
    """Create the tables of an empty gallery, within a transaction.

    Args:
        db: a database without tables.
        fingerprint: of the weights that make the templates.
        size: length of a template.
    """
    for statement in _SCHEMA.split(";\n"):
        db.execute(statement)
    db.execute("INSERT INTO gallery VALUES (1, ?, ?, ?, 0, 0, 0)", (FORMAT, fingerprint, size))
