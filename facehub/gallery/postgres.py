"""A gallery in PostgreSQL with pgvector, shared by several machines."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Self

import numpy as np

from facehub.errors import GalleryError
from facehub.gallery.base import (
    Entry,
    Example,
    check_entries,
    check_page,
    check_probes,
    clean_name,
    merge_with_self,
    name_taken,
    normalize_name,
    unknown_example,
    unknown_person,
    wrong_weights,
)
from facehub.gallery.check import MOST_FAULTS
from facehub.gallery.postgres_check import find_faults
from facehub.gallery.postgres_connection import (
    READ,
    WRITE,
    Connection,
    Connections,
    connect,
    parse_address,
    translated_errors,
)
from facehub.gallery.postgres_index import create_index, drop_index, has_index, search_index
from facehub.gallery.postgres_rows import Rows
from facehub.gallery.postgres_schema import create_gallery, find_gallery, migrate, prepare, vacuum
from facehub.gallery.postgres_search import search_gallery
from facehub.results import Candidate


class PostgresGallery:
    """A `Gallery` in a PostgreSQL database; one database holds many.

    Processes on several machines may read and change it. Changes, and transactions of several, are
    serialised. Each search sees one snapshot. Threads may share the object; each thread has its own
    transactions. When a connection is lost, the current call raises GalleryUnavailableError and the
    next one reconnects. The interrupted change was applied entirely or not at all; enrolling again
    is harmless.

    Args:
        address: `postgresql://user@host/database?gallery=people`; see `parse_address`. With
            `&search=hnsw`, `search` uses the index that `create_index` makes, and is not `exact`.
        fingerprint: of the weights in use.
        size: length of their templates.
        new: whether to create a missing gallery.

    Raises:
        GalleryUnavailableError: the server cannot be reached.
        GalleryError: the gallery is missing or unusable, or the address is invalid.
        GalleryMismatchError: the gallery belongs to other weights.
    """

    def __init__(
        self, address: str, fingerprint: str, size: int = 512, *, new: bool = True
    ) -> None:
        self.fingerprint = fingerprint
        self._address = parse_address(address)
        self._where = self._address.text
        self._own = threading.local()  # this thread's transaction
        with translated_errors(self._where), closing(connect(self._address)) as connection:
            migrate(connection, new=new)
            found = find_gallery(connection, self._address.gallery)
            if found is None and new:
                create_gallery(connection, self._address.gallery, fingerprint, size)
                found = find_gallery(connection, self._address.gallery)
        if found is None:
            raise GalleryError(f"There is no gallery {self._where}.")
        self._id, made_by, self.size = found
        if made_by != fingerprint:
            raise wrong_weights(self._where, made_by, fingerprint)
        self._rows = Rows(self._id, self.size)
        self._connections = Connections(self._connect)

    @property
    def exact(self) -> bool:
        return self._address.ef_search is None

    @property
    def n_templates(self) -> int:
        return self._counts()[1]

    def __len__(self) -> int:
        return self._counts()[0]

    def __iter__(self) -> Iterator[str]:
        with self._reading() as connection:
            return iter(self._rows.names(connection))

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        with self._reading() as connection:
            return self._rows.person(connection, normalize_name(name)) is not None

    def people(self, offset: int = 0, limit: int | None = None) -> dict[str, int]:
        check_page(offset, limit)
        with self._reading() as connection:
            return self._rows.people(connection, offset, limit)

    def examples(self, name: str) -> tuple[Example, ...]:
        with self._reading() as connection:
            return tuple(self._rows.examples(connection, self._known(connection, name)))

    def add(self, name: str, template: np.ndarray, source: str = "") -> bool:
        (added,) = self.add_many([Entry(name, template, source)])
        return added

    def add_many(self, entries: Iterable[Entry]) -> list[bool]:
        checked = check_entries(entries, self.size)
        with self._writing() as connection:
            return self._rows.enrol(connection, checked) if checked else []

    def remove(self, name: str, digest: str | None = None) -> None:
        with self._writing() as connection:
            if not self._rows.remove(connection, self._known(connection, name), digest):
                raise unknown_example(normalize_name(name))

    def rename(self, name: str, new_name: str) -> None:
        with self._writing() as connection:
            person, new_name = self._known(connection, name), clean_name(new_name)
            if self._rows.person(connection, new_name) not in (None, person):
                raise name_taken(new_name)
            self._rows.rename(connection, person, new_name)

    def merge(self, name: str, into: str) -> None:
        with self._writing() as connection:
            person, other = self._known(connection, name), self._known(connection, into)
            if person == other:
                raise merge_with_self(normalize_name(name))
            self._rows.merge(connection, person, other)

    def search(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        return self._search(probes, top_k, self._address.ef_search)

    def search_exactly(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        """Like `search`, but always exact, whatever the address says."""
        return self._search(probes, top_k, None)

    def create_index(self) -> None:
        """Create the index for approximate search; changes to the gallery wait until it is done.

        Raises:
            GalleryError: it cannot be created, or a transaction is open.
        """
        with self._outside("indexed") as connection:
            create_index(connection, self._id, self.size)

    def drop_index(self) -> None:
        """Remove the index if it exists.

        Raises:
            GalleryError: it cannot be removed, or a transaction is open.
        """
        with self._outside("indexed") as connection:
            drop_index(connection, self._id)

    def export(self) -> Iterator[Entry]:
        with self._reading() as connection:
            if self._held is None:
                yield from self._rows.entries(connection)
                return
            entries = list(self._rows.entries(connection))  # the caller may end the transaction
        yield from entries

    def faults(self) -> list[str]:
        with self._reading() as connection:
            return list(islice(find_faults(connection, self._id, self.size), MOST_FAULTS))

    def purge(self) -> None:
        """Rewrite the tables without the removed rows; the gallery is locked meanwhile.

        The write-ahead log, replicas and backups keep copies until they are overwritten.

        Raises:
            GalleryError: a transaction is open, an older one does not end, or the role does not
                own the tables.
        """
        with self._outside("purged") as connection:
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
        with translated_errors(self._where):
            if held is None:
                with self._connections.transaction(READ) as connection:
                    yield connection
            else:
                with held.transaction():  # a savepoint: a failure leaves the outer transaction
                    yield held

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._held is not None:
            with self._reading() as connection:
                yield connection
            return
        with translated_errors(self._where), self._connections.transaction(WRITE) as connection:
            row = connection.execute(
                "SELECT fingerprint FROM facehub.gallery WHERE id = %s FOR NO KEY UPDATE",
                (self._id,),
            ).fetchone()
            if row is None:
                raise self._gone()
            if row[0] != self.fingerprint:
                raise wrong_weights(self._where, row[0], self.fingerprint)
            self._own.connection = connection
            try:
                yield connection
            finally:
                self._own.connection = None

    @contextmanager
    def _outside(self, what: str) -> Iterator[Connection]:
        """Open a separate connection, outside a transaction."""
        if self._held is not None:
            raise GalleryError(f"A gallery cannot be {what} within a transaction.")
        with translated_errors(self._where), closing(self._connect()) as connection:
            yield connection

    def _connect(self) -> Connection:
        connection = connect(self._address)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _search(
        self, probes: np.ndarray, top_k: int, ef_search: int | None
    ) -> list[list[Candidate]]:
        probes = check_probes(probes, self.size)
        if top_k < 1 or not len(probes):
            return [[] for _ in probes]
        with self._reading() as connection:
            if ef_search is None:
                found = [search_gallery(connection, self._id, probe, top_k) for probe in probes]
            elif has_index(connection, self._id):
                found = search_index(connection, self._id, probes, top_k, ef_search)
            else:
                raise GalleryError(
                    f"{self._where} has no index for approximate search: create it first "
                    "(facehub gallery index), or leave out search=hnsw."
                )
            return self._rows.candidates(connection, found)

    # --- rows -------------------------------------------------------------------------------------

    def _counts(self) -> tuple[int, int]:
        """(number of people, number of templates)."""
        query = "SELECT people, templates FROM facehub.gallery WHERE id = %s"
        with self._reading() as connection:
            row = connection.execute(query, (self._id,)).fetchone()
        if row is None:
            raise self._gone()
        return int(row[0]), int(row[1])

    def _known(self, connection: Connection, name: str) -> int:
        """Look up a person's number."""
        person = self._rows.person(connection, normalize_name(name))
        if person is None:
            raise unknown_person(normalize_name(name))
        return person

    def _gone(self) -> GalleryError:
        return GalleryError(f"The gallery {self._where} no longer exists.")
