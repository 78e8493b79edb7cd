"""Galleries in PostgreSQL beyond the rules of all galleries, on a real server."""

from __future__ import annotations

import hashlib
import itertools
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facehub import Entry, GalleryError, GalleryMismatchError, MemoryGallery
from facehub.errors import GalleryUnavailableError
from facehub.gallery import postgres_schema
from facehub.gallery.address import check_changeable, open_gallery
from facehub.gallery.postgres import PostgresGallery
from facehub.gallery.postgres_connection import parse_address
from facehub.gallery.postgres_search import error_bound, search_gallery
from tests.facehub.gallery.conftest import FINGERPRINT
from tests.postgres_server import PostgresServer

SIZE = 64
NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    """The name of a gallery that does not exist yet."""
    return f"gallery-{next(NUMBERS)}"


@pytest.fixture
def gallery(postgres: PostgresServer, name: str) -> Iterator[PostgresGallery]:
    with PostgresGallery(postgres.address(name), FINGERPRINT, SIZE) as gallery:
        yield gallery


def templates(n: int, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Float32 (n, size), unit rows."""
    rows = np.random.default_rng(seed).normal(size=(n, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def script(body: str, *arguments: str) -> subprocess.Popen[str]:
    """Start another process, which opens `gallery` and runs `body`."""
    head = f"""
    import sys
    import numpy as np
    from facehub.gallery.base import Entry
    from facehub.gallery.postgres import PostgresGallery
    gallery = PostgresGallery(sys.argv[1], {FINGERPRINT!r}, {SIZE})
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(body), *arguments],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


# --- addresses ------------------------------------------------------------------------------------


def test_address_is_parsed_as_by_libpq() -> None:
    address = parse_address("postgresql://ann@h1,h2:6000/faces?gallery=A+B%20C&sslmode=require")
    assert address.gallery == "A+B C"
    expected = {"user": "ann", "host": "h1,h2", "dbname": "faces", "sslmode": "require"}
    assert expected.items() <= address.parameters.items()
    assert "gallery" not in address.parameters
    assert "host" not in parse_address("postgresql://?gallery=x").parameters  # as PGHOST says
    options = "-c%20maintenance_work_mem%3D2GB"
    address = parse_address(f"postgresql://?gallery=x&options={options}")
    expected = "-c lock_timeout=60s -c maintenance_work_mem=2GB"
    assert address.parameters["options"] == expected


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://host/db", "names no gallery"),
        ("postgresql://host/db?gallery=", "names no gallery"),
        ("postgresql://host/db?gallery=x&nonsense=1", "nonsense"),
        ("postgresql://host:port/db?gallery=x", "port"),
        ("postgresql://[host/db?gallery=x", "not a PostgreSQL address"),
        ("postgresql://ann:s3cret@host/db?gallery=x", "password out"),
        ("postgresql://host/db?gallery=x&password=s3cret", "password out"),
    ],
)
def test_bad_address_is_refused_without_showing_its_password(address: str, message: str) -> None:
    with pytest.raises(GalleryError, match=message) as caught:
        PostgresGallery(address, FINGERPRINT, SIZE)
    assert "s3cret" not in str(caught.value)


def test_server_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GalleryUnavailableError, match="cannot be reached"):
        PostgresGallery(f"postgresql:///db?host={tmp_path}&gallery=x", FINGERPRINT, SIZE)


def test_password_comes_from_a_file_and_is_never_shown(
    postgres: PostgresServer, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.connect() as admin:
        admin.execute("CREATE ROLE locked LOGIN SUPERUSER PASSWORD 's3cret'")
    address = postgres.address(name, user="locked")
    with pytest.raises(GalleryError, match="password"):
        PostgresGallery(address, FINGERPRINT, SIZE)
    file = tmp_path / "pgpass"
    file.write_text("*:*:*:locked:s3cret\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    with PostgresGallery(address, FINGERPRINT, SIZE) as gallery:
        assert len(gallery) == 0
        assert "s3cret" not in f"{vars(gallery)}"
    file.write_text("*:*:*:locked:wr0ng\n")
    with pytest.raises(GalleryError, match="password") as caught:
        PostgresGallery(address, FINGERPRINT, SIZE)
    assert "wr0ng" not in f"{caught.value}{caught.value.__cause__}"


def test_open_gallery_opens_an_address_of_postgresql(
    postgres: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.address(name)
    check_changeable(address)
    with open_gallery(address, FINGERPRINT, SIZE) as gallery:
        assert isinstance(gallery, PostgresGallery)
    with pytest.raises(GalleryError, match="no gallery"):
        open_gallery(address + "2", FINGERPRINT, SIZE, new=False)
    monkeypatch.setitem(sys.modules, "facehub.gallery.postgres", None)
    with pytest.raises(GalleryError, match=r"facehub\[postgres\]"):
        open_gallery(address, FINGERPRINT, SIZE)


# --- opening --------------------------------------------------------------------------------------


def test_gallery_persists_and_is_separate_from_others_in_the_database(
    postgres: PostgresServer, gallery: PostgresGallery, name: str
) -> None:
    (x, y) = templates(2)
    gallery.add("Ann", x)
    with PostgresGallery(postgres.address(name + "-b"), "sha256:b", SIZE) as other:
        other.add("Ann", y)
        other.remove("Ann")
        other.purge()
        assert other.people() == {}
    with PostgresGallery(postgres.address(name), FINGERPRINT, new=False) as again:
        assert again.people() == {"Ann": 1}
        assert again.size == SIZE
        np.testing.assert_array_equal(again.examples("Ann")[0].template, x)


def test_missing_gallery_is_refused(postgres: PostgresServer, name: str) -> None:
    with pytest.raises(GalleryError, match=f"no gallery .*{name}"):
        PostgresGallery(postgres.address(name), FINGERPRINT, SIZE, new=False)


def test_other_weights_are_refused_on_opening_and_in_every_change(
    postgres: PostgresServer, gallery: PostgresGallery, name: str
) -> None:
    with pytest.raises(GalleryMismatchError, match="other weights"):
        PostgresGallery(postgres.address(name), "sha256:b", SIZE)
    with postgres.connect() as admin:
        admin.execute("UPDATE facehub.gallery SET fingerprint = 'b' WHERE name = %s", (name,))
    for change in (
        lambda: gallery.add("Ann", templates(1)[0]),
        lambda: gallery.remove("Ann"),
        lambda: gallery.transaction().__enter__(),
    ):
        with pytest.raises(GalleryMismatchError, match="other weights"):
            change()
    assert len(gallery) == 0


def test_concurrent_first_openings_create_the_tables_once(
    postgres: PostgresServer, name: str
) -> None:
    with postgres.connect() as admin:
        admin.execute("CREATE DATABASE fresh")
    address = postgres.address(name).replace("/postgres?", "/fresh?")
    with pytest.raises(GalleryError, match="no gallery"):
        PostgresGallery(address, FINGERPRINT, SIZE, new=False)
    failures = []

    def work() -> None:
        try:
            PostgresGallery(address, FINGERPRINT, SIZE).close()
        except GalleryError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with PostgresGallery(address, FINGERPRINT, SIZE) as gallery:
        with gallery.transaction():  # gives access to the connection
            rows = gallery._held.execute("SELECT number FROM facehub.migration").fetchall()
        assert [number for (number,) in rows] == [1]
        gallery.add("Ann", templates(1)[0])
        with gallery.transaction():
            gallery._held.execute("INSERT INTO facehub.migration VALUES (9999, 'later', now())")
    with pytest.raises(GalleryError, match="later version"):
        PostgresGallery(address, FINGERPRINT, SIZE)


# --- search ---------------------------------------------------------------------------------------


def test_search_equals_that_of_a_gallery_in_memory(gallery: PostgresGallery) -> None:
    """Results agree bit for bit over 2,000 templates, many of equal similarity."""
    rows = templates(2000)
    rows[500:900] = rows[0]  # one template of 400 people
    near = rows[1000] + 1e-4 * templates(200, seed=1)  # closer than float16 can tell
    rows[1000:1200] = near / np.linalg.norm(near, axis=1, keepdims=True)
    entries = [Entry(f"p{i % 1500}", row, str(i)) for i, row in enumerate(rows)]
    memory = MemoryGallery(FINGERPRINT, SIZE)
    assert gallery.add_many(entries) == memory.add_many(entries)
    probes = np.concatenate([rows[[0, 1000, 1100, 1999]], -rows[[0]], templates(5, seed=2)])
    for top_k in (1, 5, 150):
        assert gallery.search(probes, top_k) == memory.search(probes, top_k)
    assert gallery.search(probes[:1], 2000) == memory.search(probes[:1], 2000)


def test_search_fetches_more_rows_until_the_result_is_certain(gallery: PostgresGallery) -> None:
    counts = []

    class Counting:
        def __init__(self, connection: object) -> None:
            self.connection = connection

        def cursor(self, binary: bool) -> Counting:
            return self

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *_: object) -> None: ...

        def execute(self, query: str, values: tuple[object, ...]) -> object:
            counts.append(values[2])
            return self.connection.execute(query, values, binary=True)

    rows = templates(1000)
    rows[:200] = rows[0] + 1e-4 * templates(200, seed=1)
    rows[:200] /= np.linalg.norm(rows[:200], axis=1, keepdims=True)
    gallery.add_many(Entry(f"p{i}", row) for i, row in enumerate(rows))
    with gallery.transaction():
        connection = Counting(gallery._held)
        search_gallery(connection, gallery._id, rows[500], 5)
        assert counts == [64]
        search_gallery(connection, gallery._id, rows[0], 5)
        assert counts == [64, 64, 128, 256]


@pytest.mark.parametrize("size", [4, 512])
def test_float16_errors_stay_below_the_error_bound(size: int) -> None:
    """The rows include some that float16 rounds badly."""
    rng = np.random.default_rng(0)
    rows = templates(2000, size)
    rows[1000:] *= rng.uniform(size=(1000, size)) < 0.1  # few numbers differ from zero
    rows[1000:, 0] += 1e-7  # and some are subnormal
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    codes = rows.astype(np.float16).astype(np.float32)
    for probe in (rows[0], rows[1500], templates(1, size, seed=1)[0]):
        errors = np.abs(
            codes @ probe.astype(np.float16).astype(np.float32)
            - rows.astype(np.float64) @ probe.astype(np.float64)
        )
        assert errors.max() < error_bound(probe) < 1.1e-3


def test_failed_search_leaves_the_transaction_usable(gallery: PostgresGallery) -> None:
    (x, y) = templates(2)
    with gallery.transaction():
        gallery.add("Ann", x)
        with pytest.raises(GalleryError, match="Probes must be finite"):
            gallery.search(np.full((1, SIZE), np.nan, np.float32))
        gallery.add("Bob", y)
    assert list(gallery) == ["Ann", "Bob"]


# --- several processes ----------------------------------------------------------------------------


def test_eight_processes_enrol_into_one_gallery(gallery: PostgresGallery) -> None:
    """They are forks of a process that used the gallery, and must not share its connections."""
    body = """
    import os
    assert gallery.n_templates == 0
    children = []
    for number in range(8):
        children.append(os.fork())
        if not children[-1]:
            for i, row in enumerate(np.random.default_rng(number).normal(size=(25, gallery.size))):
                entries = [Entry(f"{number}-{i % 20}", row), Entry("everybody", row)]
                assert gallery.add_many(entries) == [True, True]
            os._exit(0)
    assert [os.waitpid(child, 0)[1] for child in children] == 8 * [0]
    """
    process = script(body, gallery._where)
    assert process.wait(60) == 0
    people = gallery.people()
    assert people.pop("everybody") == 8 * 25
    assert people == {f"{n}-{i}": 1 + (i < 5) for n in range(8) for i in range(20)}
    assert (len(gallery), gallery.n_templates) == (8 * 20 + 1, 8 * 50)


def test_killed_client_leaves_no_change(gallery: PostgresGallery) -> None:
    body = """
    with gallery.transaction():
        gallery.add_many(Entry(f"p{i}", np.eye(gallery.size)[i]) for i in range(5))
        print("enrolled", flush=True)
        sys.stdin.read()
    """
    process = script(body, gallery._where)
    assert process.stdout is not None
    assert process.stdout.readline() == "enrolled\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    gallery.add("Ann", templates(1)[0])  # waits until the server notices the kill
    assert gallery.people() == {"Ann": 1}


def test_writer_that_waits_too_long_gets_an_error(
    postgres: PostgresServer, gallery: PostgresGallery, name: str
) -> None:
    options = "-c%20lock_timeout%3D100ms"
    with (
        PostgresGallery(postgres.address(name, options=options), FINGERPRINT) as impatient,
        gallery.transaction(),
    ):
        gallery.add("Ann", templates(1)[0])
        assert len(impatient) == 0  # readers do not wait
        with pytest.raises(GalleryUnavailableError, match="in use"):
            impatient.add("Bob", templates(1)[0])


def test_replica_can_be_searched_but_not_changed(
    postgres: PostgresServer, gallery: PostgresGallery, name: str
) -> None:
    """A read-only connection stands in for a replica."""
    (x, y) = templates(2)
    gallery.add("Ann", x)
    options = "-c%20default_transaction_read_only%3Don"
    with PostgresGallery(postgres.address(name, options=options), FINGERPRINT) as replica:
        assert replica.search(x[None])[0][0].name == "Ann"
        assert [entry.name for entry in replica.export()] == ["Ann"]
        with pytest.raises(GalleryError, match="read-only"):
            replica.add("Bob", y)


def test_gallery_works_again_after_a_restart_of_the_server(
    postgres: PostgresServer, gallery: PostgresGallery
) -> None:
    (x, y) = templates(2)
    gallery.add("Ann", x)
    postgres.stop()
    with pytest.raises(GalleryUnavailableError, match="cannot be reached"):
        gallery.add("Bob", y)
    postgres.start()
    assert gallery.people() == {"Ann": 1}
    postgres.stop()
    postgres.start()
    assert gallery.add("Bob", y)  # reconnects without an error


def test_lost_connection_rolls_back_the_transaction(
    postgres: PostgresServer, gallery: PostgresGallery
) -> None:
    (x, y) = templates(2)
    gallery.add("Ann", x)

    def work() -> None:
        with gallery.transaction():
            gallery.add("Bob", y)
            with postgres.connect() as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", (gallery._held.info.backend_pid,))
            gallery.add("Cid", y)

    with pytest.raises(GalleryUnavailableError, match="cannot be reached"):
        work()
    assert gallery.people() == {"Ann": 1}
    assert gallery.add("Bob", y)


def test_closed_gallery_is_an_error(gallery: PostgresGallery) -> None:
    gallery.close()
    with pytest.raises(GalleryUnavailableError, match="closed"):
        len(gallery)


# --- purge ----------------------------------------------------------------------------------------


def test_purge_erases_removed_people_from_the_files_of_the_server(
    postgres: PostgresServer, gallery: PostgresGallery
) -> None:
    rows = templates(8, seed=77)
    gallery.add_many(Entry(f"Person {i:03}", row, f"photo-{i}-") for i, row in enumerate(rows))

    def traces(numbers: range) -> list[bool]:
        """Whether the database's files still hold any data of each of these people."""
        files = postgres.data.glob(f"base/{oid}/*")
        data = b"".join(file.read_bytes() for file in files if file.is_file())
        return [
            any(
                trace in data
                for trace in (
                    rows[i].tobytes()[:100],
                    rows[i].astype(np.float16).tobytes()[:50],
                    hashlib.sha256(rows[i].tobytes()).digest(),
                    f"Person {i:03}".encode(),
                    f"photo-{i}-".encode(),
                )
            )
            for i in numbers
        ]

    with postgres.connect() as admin:
        admin.execute("ANALYZE")  # takes samples
        admin.execute("CHECKPOINT")
        ((oid,),) = admin.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchall()
    assert traces(range(8)) == 8 * [True]
    for i in range(4):
        gallery.remove(f"Person {i:03}")
    gallery.purge()
    assert traces(range(4)) == 4 * [False]
    assert traces(range(4, 8)) == 4 * [True]
    assert len(gallery) == 4


def test_purge_waits_for_transactions_that_still_see_removed_people(
    postgres: PostgresServer, gallery: PostgresGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.add_many(Entry(f"p{i}", row) for i, row in enumerate(templates(3)))
    with postgres.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        gallery.remove("p1")
        with (
            gallery._connect() as connection,
            pytest.raises(GalleryUnavailableError, match="has been open"),
        ):
            postgres_schema.vacuum(connection, gallery._id, wait=0.2)
        purging = threading.Thread(target=gallery.purge)
        purging.start()
        time.sleep(0.3)
        assert purging.is_alive()
        reader.execute("COMMIT")
        purging.join()
    assert list(gallery) == ["p0", "p2"]


def test_only_the_owner_can_purge(postgres: PostgresServer, gallery: PostgresGallery) -> None:
    with postgres.connect() as admin:
        admin.execute("CREATE ROLE clerk LOGIN")
        admin.execute("GRANT USAGE ON SCHEMA facehub TO clerk")
        rights = "SELECT, INSERT, UPDATE, DELETE"
        admin.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA facehub TO clerk")
    name = parse_address(gallery._where).gallery
    with PostgresGallery(postgres.address(name, user="clerk"), FINGERPRINT) as clerk:
        clerk.add("Ann", templates(1)[0])
        clerk.remove("Ann")
        with pytest.raises(GalleryError, match="owns"):
            clerk.purge()
