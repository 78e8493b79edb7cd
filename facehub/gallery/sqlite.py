"""A gallery in one SQLite file, shared by several processes and threads.

Every change is one transaction: once the call returns, it survives `kill -9` and a power cut.
Templates are stored in blocks, so a million of them load in seconds. Each process also keeps them
in a matrix, which the next search updates with the changes of other processes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

import numpy as np

from facehub.errors import GalleryError
from facehub.gallery.base import (
    Entry,
    Example,
    check_entries,
    check_page,
    check_probes,
    clean_name,
    make_example,
    merge_with_self,
    name_taken,
    normalize_name,
    unknown_example,
    unknown_person,
    wrong_weights,
)
from facehub.gallery.check import MOST_FAULTS
from facehub.gallery.matrix import NOBODY, TemplateMatrix
from facehub.gallery.sqlite_blocks import BLOCK, read_templates, write_templates
from facehub.gallery.sqlite_check import find_faults
from facehub.gallery.sqlite_connection import connect, damaged, translated_errors
from facehub.gallery.sqlite_schema import FORMAT, create_tables, is_empty
from facehub.results import Candidate

_NAMES = "SELECT name FROM person ORDER BY id"
_ALL = """
SELECT slot, coalesce(person, ?), place FROM template WHERE version > ? ORDER BY slot
"""
# The plus keeps SQLite from scanning all templates in order of the primary key.
_CHANGED = """
SELECT slot, coalesce(person, ?), place FROM template WHERE version > ? ORDER BY +slot
"""


class SqliteGallery:
    """A `Gallery` in one file, created if missing, readable by its owner only.

    Removed templates and names are overwritten with zeros (`secure_delete`); copies in the
    write-ahead log disappear with `purge`, or when SQLite overwrites them. The file must be on a
    local disk: SQLite's locks do not work over networks. Do not use an object after a fork.

    Args:
        path: the file.
        fingerprint: of the weights in use.
        size: length of a template.

    Raises:
        GalleryUnavailableError: the file cannot be read or written.
        GalleryError: the file is damaged or not a gallery.
        GalleryMismatchError: the gallery belongs to other weights.
    """

    exact = True

    def __init__(self, path: str | os.PathLike[str], fingerprint: str, size: int = 512) -> None:
        self.path = Path(path)
        self.fingerprint = fingerprint
        self._lock = threading.RLock()
        self._depth = 0
        self._matrix: TemplateMatrix | None = None  # built by the first search
        self._seen = 0  # version of the gallery that the matrix holds
        with translated_errors(self.path):
            self._db = connect(self.path)
            try:
                if is_empty(self._db):
                    with self._writing(check=False):
                        if is_empty(self._db):  # another process may have been quicker
                            create_tables(self._db, fingerprint, size)
                row = self._db.execute("SELECT format, fingerprint, size FROM gallery").fetchone()
                if row is None or row[0] != FORMAT:
                    raise damaged(self.path)
                self.size = int(row[2])
                if row[1] != fingerprint:
                    raise wrong_weights(self.path, str(row[1]), fingerprint)
            except BaseException:
                self._db.close()
                raise

    def __len__(self) -> int:
        return int(self._value("SELECT count(*) FROM person"))

    def __iter__(self) -> Iterator[str]:
        with self._reading():
            return iter([name for (name,) in self._db.execute(_NAMES)])

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return (
            self._value("SELECT 1 FROM person WHERE name = ?", _text(normalize_name(name)))
            is not None
        )

    @property
    def n_templates(self) -> int:
        return int(self._value("SELECT templates FROM gallery"))

    def people(self, offset: int = 0, limit: int | None = None) -> dict[str, int]:
        check_page(offset, limit)
        with self._reading():
            return dict(
                self._db.execute(
                    "SELECT name, (SELECT count(*) FROM template WHERE person = page.id) FROM "
                    "(SELECT id, name FROM person ORDER BY id LIMIT ? OFFSET ?) AS page "
                    "ORDER BY id",
                    (-1 if limit is None else limit, offset),
                )
            )

    def examples(self, name: str) -> tuple[Example, ...]:
        with self._reading():
            person = self._known(name)
            rows = self._db.execute(
                "SELECT slot, source FROM template WHERE person = ? ORDER BY place", (person,)
            ).fetchall()
            return tuple(
                make_example(template, source, self.size)
                for template, (_, source) in zip(
                    read_templates(self._db, [slot for slot, _ in rows], self.size),
                    rows,
                    strict=True,
                )
            )

    def add(self, name: str, template: np.ndarray, source: str = "") -> bool:
        (added,) = self.add_many([Entry(name, template, source)])
        return added

    def add_many(self, entries: Iterable[Entry]) -> list[bool]:
        checked = check_entries(entries, self.size)
        new: list[tuple[int, int, bytes, Example]] = []  # person, place, digest
        added = []
        with self._writing():
            people: dict[str, tuple[int, set[bytes]]] = {}
            place = int(self._value("SELECT place FROM gallery"))
            for name, example in checked:
                if name not in people:
                    people[name] = self._person_and_digests(name)
                person, digests = people[name]
                digest = bytes.fromhex(example.digest)
                is_new = digest not in digests
                if is_new:
                    place += 1
                    digests.add(digest)
                    new.append((person, place, digest, example))
                added.append(is_new)
            if new:
                self._insert(new, place)
        return added

    def remove(self, name: str, digest: str | None = None) -> None:
        with self._writing():
            person = self._known(name)
            slots = self._column("SELECT slot FROM template WHERE person = ?", person)
            gone = slots
            if digest is not None:
                wanted = bytes.fromhex(digest) if _is_hex(digest) else b""
                gone = self._column(
                    "SELECT slot FROM template WHERE person = ? AND digest = ?", person, wanted
                )
                if not gone:
                    raise unknown_example(normalize_name(name))
            self._forget(gone)
            if len(gone) == len(slots):
                self._db.execute("DELETE FROM person WHERE id = ?", (person,))

    def rename(self, name: str, new_name: str) -> None:
        with self._writing():
            person, new_name = self._known(name), clean_name(new_name)
            if new_name == normalize_name(name):
                return
            if new_name in self:
                raise name_taken(new_name)
            self._db.execute("UPDATE person SET name = ? WHERE id = ?", (new_name, person))

    def merge(self, name: str, into: str) -> None:
        with self._writing():
            person, other = self._known(name), self._known(into)
            if person == other:
                raise merge_with_self(normalize_name(name))
            double = self._column(
                "SELECT slot FROM template WHERE person = ? AND digest IN "
                "(SELECT digest FROM template WHERE person = ?)",
                person,
                other,
            )
            self._forget(double)
            moved = self._column(
                "SELECT slot FROM template WHERE person = ? ORDER BY place", person
            )
            place, version = int(self._value("SELECT place FROM gallery")), self._new_version()
            self._db.executemany(
                "UPDATE template SET person = ?, place = ?, version = ? WHERE slot = ?",
                [(other, place + i, version, slot) for i, slot in enumerate(moved, 1)],
            )
            self._db.execute("UPDATE gallery SET place = ?", (place + len(moved),))
            self._db.execute("DELETE FROM person WHERE id = ?", (person,))

    def search(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        probes = check_probes(probes, self.size)
        if top_k < 1:
            return [[] for _ in probes]
        with self._reading():
            found = self._synced_matrix().search(probes, top_k)
            return [
                [self._candidate(hit.person, hit.similarity, hit.slot) for hit in hits]
                for hits in found
            ]

    def export(self) -> Iterator[Entry]:
        with translated_errors(self.path), closing(connect(self.path)) as db:
            db.execute("BEGIN")  # one snapshot
            rows = db.execute(
                "SELECT name, slot, source FROM template JOIN person ON person = id "
                "ORDER BY id, place"
            ).fetchall()
            for begin in range(0, len(rows), BLOCK):
                part = rows[begin : begin + BLOCK]
                templates = read_templates(db, [slot for _, slot, _ in part], self.size)
                for template, (name, _, source) in zip(templates, part, strict=True):
                    yield Entry(name, template, source)

    def faults(self) -> list[str]:
        with translated_errors(self.path), closing(connect(self.path)) as db:
            db.execute("BEGIN")
            return list(islice(find_faults(db, self.size), MOST_FAULTS))

    def purge(self) -> None:
        with self._lock, translated_errors(self.path):
            if self._depth:
                raise GalleryError("A gallery cannot be purged within a transaction.")
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._writing():
            yield

    def close(self) -> None:
        with self._lock:
            self._db.close()
            self._matrix = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- transactions -----------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, translated_errors(self.path):
            if self._depth:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    @contextmanager
    def _writing(self, *, check: bool = True) -> Iterator[None]:
        with self._lock, translated_errors(self.path):
            outermost = self._depth == 0
            self._db.execute("BEGIN IMMEDIATE" if outermost else "SAVEPOINT inner")
            self._depth += 1
            try:
                if check and outermost:
                    made_by = str(self._value("SELECT fingerprint FROM gallery"))
                    if made_by != self.fingerprint:
                        raise wrong_weights(self.path, made_by, self.fingerprint)
                yield
                self._db.execute("COMMIT" if outermost else "RELEASE inner")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK" if outermost else "ROLLBACK TO inner")
                    if not outermost:
                        self._db.execute("RELEASE inner")
                self._matrix = None  # it may hold changes that are now undone
                raise
            finally:
                self._depth -= 1

    def _new_version(self) -> int:
        self._db.execute("UPDATE gallery SET version = version + 1")
        return int(self._value("SELECT version FROM gallery"))

    # --- rows -------------------------------------------------------------------------------------

    def _value(self, query: str, *values: Any) -> Any:
        with self._lock, translated_errors(self.path):
            row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]

    def _column(self, query: str, *values: Any) -> list[int]:
        return [row[0] for row in self._db.execute(query, values)]

    def _known(self, name: str) -> int:
        name = _text(normalize_name(name))
        person = self._value("SELECT id FROM person WHERE name = ?", name)
        if person is None:
            raise unknown_person(name)
        return int(person)

    def _person_and_digests(self, name: str) -> tuple[int, set[bytes]]:
        """Return a person's id and the digests of their templates; add the person if new."""
        row = self._db.execute("SELECT id FROM person WHERE name = ?", (name,)).fetchone()
        if row is None:
            number = self._db.execute("INSERT INTO person (name) VALUES (?)", (name,)).lastrowid
            assert number is not None
            return number, set()
        found = self._db.execute("SELECT digest FROM template WHERE person = ?", row)
        return row[0], {digest for (digest,) in found}

    def _candidate(self, person: int, similarity: float, slot: int) -> Candidate:
        name, source, number = self._db.execute(
            "SELECT name, source, (SELECT count(*) FROM template AS other "
            "WHERE other.person = template.person AND other.place < template.place) "
            "FROM template JOIN person ON person = id WHERE slot = ? AND person = ?",
            (slot, person),
        ).fetchone()
        return Candidate(name, similarity, number, source)

    def _insert(self, new: list[tuple[int, int, bytes, Example]], place: int) -> None:
        free = self._column("SELECT slot FROM template WHERE person IS NULL LIMIT ?", len(new))
        used = int(self._value("SELECT coalesce(max(slot) + 1, 0) FROM template"))
        slots = [*free, *range(used, used + len(new) - len(free))]
        version = self._new_version()
        self._db.executemany(
            "INSERT OR REPLACE INTO template VALUES (?, ?, ?, ?, ?, ?)",
            [
                (slot, person, place, digest, example.source, version)
                for slot, (person, place, digest, example) in zip(slots, new, strict=True)
            ],
        )
        rows = np.stack([example.template for *_, example in new])
        write_templates(self._db, slots, rows)
        self._db.execute(
            "UPDATE gallery SET place = ?, templates = templates + ?", (place, len(new))
        )

    def _forget(self, slots: list[int]) -> None:
        if slots:
            version = self._new_version()
            self._db.executemany(
                "UPDATE template SET person = NULL, digest = NULL, source = '', version = ? "
                "WHERE slot = ?",
                [(version, slot) for slot in slots],
            )
            self._db.execute("UPDATE gallery SET templates = templates - ?", (len(slots),))
            write_templates(self._db, slots, np.zeros((len(slots), self.size), np.float32))

    def _synced_matrix(self) -> TemplateMatrix:
        """Update the matrix with all changes so far, including those of an open transaction."""
        version = int(self._value("SELECT version FROM gallery"))
        if self._matrix is None:
            self._matrix, self._seen = TemplateMatrix(self.size), -1
        if version != self._seen:
            rows = self._db.execute(_ALL if self._seen < 0 else _CHANGED, (NOBODY, self._seen))
            changed = np.fromiter(chain.from_iterable(rows), np.int64).reshape(-1, 3)
            if len(changed):
                parts = (changed[i : i + BLOCK].T for i in range(0, len(changed), BLOCK))
                self._matrix.put_many(
                    int(changed[-1, 0]) + 1,
                    (
                        (slots, read_templates(self._db, slots.tolist(), self.size), people, places)
                        for slots, people, places in parts
                    ),
                )
            self._seen = version
        return self._matrix


def _text(name: str) -> str:
    """Replace lone surrogates, which SQLite cannot store."""
    return name.encode("utf-8", "replace").decode()


def _is_hex(digest: str) -> bool:
    return len(digest) == 64 and all(c in "0123456789abcdef" for c in digest)
