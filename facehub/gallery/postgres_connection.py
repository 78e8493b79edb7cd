"""Connect to a PostgreSQL server for one gallery, and translate its errors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from facehub.errors import GalleryError, GalleryUnavailableError
from facehub.gallery.base import clean_name

Connection = psycopg.Connection[Any]

WAIT = 60  # seconds for another process's change to end
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"  # one snapshot
WRITE = "BEGIN"
EF_SEARCH = 400  # default of approximate search; docs/scale.md has its recall
MOST_EF_SEARCH = 1000  # pgvector's limit
_MOST_IDLE = 4  # connections kept for the next call
_DEFAULTS = {  # libpq parameters
    "application_name": "facehub",
    "client_encoding": "utf8",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "options": f"-c lock_timeout={WAIT}s",
}
_LOST = ("08", "57P")  # SQLSTATE classes of a lost connection


@dataclass(frozen=True)
class Address:
    """The parsed address of a gallery.

    Attributes:
        text: the address, for messages; it holds no password.
        gallery: the gallery's name in its database.
        ef_search: templates that an approximate search examines, 1 to 1000; None: exact search.
        parameters: libpq connection parameters.
    """

    text: str
    gallery: str
    ef_search: int | None
    parameters: dict[str, str] = field(repr=False)


def parse_address(address: str) -> Address:
    """Parse an address like `postgresql://user@host/database?gallery=people`.

    `&search=hnsw` requests approximate search, `&ef_search=1000` a more thorough one. All libpq
    parameters are allowed (`&sslmode=verify-full`) and optional: environment variables (`PGHOST`,
    `PGPASSFILE`), service files and the password file work as usual.

    Raises:
        GalleryError: the address is invalid, names no gallery, holds a password, or requests an
            unknown search.
    """
    try:
        parts = urlsplit(address)
        options = dict(parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True))
        if parts.password is not None or {"password", "sslpassword"} & set(options):
            raise GalleryError(
                "Leave the password out of a gallery's address, which other users may see; "
                "put it into ~/.pgpass, or name such a file in PGPASSFILE."
            )
        name = options.pop("gallery", "")
        if not name:
            raise GalleryError(f"{address} names no gallery: add ?gallery=NAME.")
        ef_search = _ef_search(options.pop("search", "exact"), options.pop("ef_search", None))
        query = urlencode(options, quote_via=quote)
        known = conninfo_to_dict(f"{address.partition('?')[0]}{'?' if query else ''}{query}")
    except (ValueError, psycopg.Error) as error:
        raise GalleryError(f"{address} is not a PostgreSQL address: {_first(error)}.") from error
    parameters = {key: str(value) for key, value in known.items() if value is not None}
    if "options" in parameters:  # if an option is repeated, the last one counts
        parameters["options"] = f"{_DEFAULTS['options']} {parameters['options']}"
    return Address(address, clean_name(name), ef_search, {**_DEFAULTS, **parameters})


def connect(address: Address) -> Connection:
    """Open a connection in autocommit mode."""
    conninfo = make_conninfo(**address.parameters)
    return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)


class Connections:
    """A pool of connections, each used by one thread at a time.

    Args:
        connect: opens a connection.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._closed = False

    @contextmanager
    def transaction(self, begin: str) -> Iterator[Connection]:
        """Borrow a connection with an open transaction: committed at the end, undone on an error.

        Args:
            begin: `READ` or `WRITE`.

        Raises:
            psycopg.Error: the server cannot be reached, or the connection was lost.
        """
        connection = self._begin(begin)
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close idle connections now, and each other one when its transaction ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _begin(self, begin: str) -> Connection:
        while True:
            connection = self._pop_idle()
            if connection is None:
                connection = self._connect()
                connection.execute(begin)
                return connection
            try:
                connection.execute(begin)
                return connection
            except psycopg.OperationalError:  # the server was restarted, say: try the next one
                connection.close()

    def _pop_idle(self) -> Connection | None:
        with self._lock:
            if self._closed:
                raise psycopg.InterfaceError("the gallery has been closed")
            if self._process != os.getpid():  # after a fork, these belong to the parent process
                self._idle, self._process = [], os.getpid()
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: Connection) -> None:
        usable = connection.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            if usable and not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()


@contextmanager
def translated_errors(where: str) -> Iterator[None]:
    """Translate psycopg's errors to GalleryError, without their details, which may quote names."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise GalleryUnavailableError(
            f"{where} is in use: another process is changing it. Try again later."
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        lost = error.sqlstate is None or error.sqlstate.startswith(_LOST)
        what = "reached" if lost else "used"
        raise GalleryUnavailableError(f"{where} cannot be {what}: {_first(error)}.") from error
    except psycopg.Error as error:
        raise GalleryError(f"{where} cannot be used: {_first(error)}.") from error


def _ef_search(search: str, ef_search: str | None) -> int | None:
    if search not in ("exact", "hnsw"):
        raise GalleryError(f"search must be exact or hnsw in a gallery's address, not {search}.")
    if search == "exact" and ef_search is None:
        return None
    text = str(EF_SEARCH) if ef_search is None else ef_search
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if search == "exact" or not 1 <= value <= MOST_EF_SEARCH:
        raise GalleryError(f"ef_search needs search=hnsw and a value of 1 to {MOST_EF_SEARCH}.")
    return value


def _first(error: Exception) -> str:
    """The first line of an error's message."""
    text = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    lines = [line.strip() for line in (text or str(error)).splitlines()]
    return next(filter(None, lines), type(error).__name__).rstrip(".")
