"""The integrity check of a gallery, with each fault made on purpose."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import psycopg
import pytest

from facehub import Candidate, Entry, MemoryGallery, SqliteGallery
from facehub.gallery.check import (
    SIMILARITY,
    _is_correct,
    _product,
    check_integrity,
    sample_probes,
    template_fault,
)
from facehub.gallery.postgres import PostgresGallery
from tests.facehub.gallery.conftest import FINGERPRINT
from tests.postgres_server import PostgresServer

SIZE = 8
X, Y, Z = np.eye(SIZE, dtype=np.float32)[:3]
ENTRIES = [Entry("Ann", X), Entry("Bob", Y), Entry("Bob", Z)]


def test_probes_are_templates_with_noise() -> None:
    gallery = MemoryGallery(FINGERPRINT, SIZE)
    gallery.add_many(ENTRIES)
    probes = sample_probes(gallery, 40)
    assert probes.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(probes, axis=1), 1, atol=1e-6)
    near = np.abs(probes @ np.stack([X, Y, Z]).T - SIMILARITY) < 1e-6
    assert near.any(axis=1).all()
    assert near.any(axis=0).all()  # every template is drawn
    np.testing.assert_array_equal(probes, sample_probes(gallery, 40))
    assert sample_probes(MemoryGallery(FINGERPRINT, SIZE), 40).shape == (0, SIZE)


def test_product_matches_hand_worked_similarities() -> None:
    entries = [Entry("Ann", X), Entry("Ann", Y), Entry("Bob", 0.5 * X), Entry("Cid", Z)]
    assert _product(iter(entries), np.stack([X, Y]), 2) == [
        [(1.0, "Ann"), (0.5, "Bob")],
        [(1.0, "Ann"), (0.0, "Bob")],
    ]


@pytest.mark.parametrize(
    ("found", "agrees"),
    [
        ([("Ann", 0.9), ("Bob", 0.5), ("Cid", 0.5)], True),
        ([("Ann", 0.9), ("Cid", 0.5), ("Bob", 0.5)], True),  # they are equally similar
        ([("Bob", 0.9), ("Ann", 0.5), ("Cid", 0.5)], False),
        ([("Ann", 0.9), ("Bob", 0.5)], False),
        ([("Ann", 0.9), ("Bob", 0.5), ("Cid", 0.4)], False),
    ],
)
def test_result_is_correct_in_any_order_of_equal_similarities(
    found: list[tuple[str, float]], agrees: bool
) -> None:
    candidates = [Candidate(name, similarity, 0, "") for name, similarity in found]
    assert _is_correct(candidates, [(0.9, "Ann"), (0.5, "Bob"), (0.5, "Cid")]) == agrees


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (X, None),
        (2 * X, "L2-normalised"),
        (X * np.nan, "L2-normalised"),
        (X[:4], "8 finite, L2-normalised"),
    ],
)
def test_template_fault_names_bad_values_and_digests(row: np.ndarray, words: str | None) -> None:
    digest = bytes.fromhex(Entry("", row).digest)
    fault = template_fault("Ann", row.tobytes(), digest, SIZE)
    assert fault is None if words is None else words in str(fault)
    assert "digest" in str(template_fault("Ann", row.tobytes(), bytes(32), SIZE))
    assert "digest" in str(template_fault("Ann", row.tobytes(), None, SIZE))


def test_template_changed_in_memory_is_a_fault() -> None:
    gallery = MemoryGallery(FINGERPRINT, SIZE)
    gallery.add_many(ENTRIES)
    template = gallery.examples("Bob")[1].template
    template.setflags(write=True)
    template[0] = 0.5
    assert check_integrity(gallery).faults == (
        "A template of Bob is not the one that was enrolled: its digest differs.",
    )


def spoil(query: str, *values: object) -> Callable[[sqlite3.Connection], object]:
    return lambda db: db.execute(query, values)


def overwrite(slot: int) -> Callable[[sqlite3.Connection], object]:
    def change(db: sqlite3.Connection) -> None:
        with db.blobopen("block", "templates", 0) as blob:
            blob.seek(slot * 4 * SIZE)
            blob.write(b"\1")

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (overwrite(1), "A template of Bob is not the one that was enrolled: its digest differs."),
        (overwrite(3), "A removed template has not been overwritten."),
        (spoil("UPDATE template SET digest = NULL WHERE slot = 0"), "digest differs"),
        (spoil("UPDATE gallery SET templates = 7"), "3 templates, but the stored count is 7"),
        (spoil("INSERT INTO person (name) VALUES ('Eve')"), "Eve has no template."),
        (spoil("DELETE FROM person WHERE name = 'Ann'"), "people who do not exist"),
        (spoil("DELETE FROM block"), "1 blocks of templates are missing"),
        (spoil("UPDATE block SET templates = x'00'"), "1 blocks of templates are missing"),
    ],
)
def test_check_finds_faults_in_sqlite(
    tmp_path: Path, change: Callable[[sqlite3.Connection], object], fault: str
) -> None:
    path = tmp_path / "people.db"
    with SqliteGallery(path, FINGERPRINT, SIZE) as gallery:
        gallery.add_many([*ENTRIES, Entry("Dan", X)])
        gallery.remove("Dan")
        assert check_integrity(gallery).faults == ()
        with closing(sqlite3.connect(path)) as db:
            change(db)
            db.commit()
        faults = check_integrity(gallery).faults
    assert any(fault in each for each in faults)


def test_damaged_sqlite_index_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "people.db"
    with SqliteGallery(path, FINGERPRINT, SIZE) as gallery:
        gallery.add_many(ENTRIES)
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'template_version'"
        ((page,),) = db.execute(query).fetchall()
        ((size,),) = db.execute("PRAGMA page_size").fetchall()
    data = bytearray(path.read_bytes())
    data[page * size - 1] ^= 1  # the first entry names another row
    path.write_bytes(data)
    with SqliteGallery(path, FINGERPRINT, SIZE) as gallery:
        assert any(fault.startswith("SQLite reports: ") for fault in gallery.faults())


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (
            "UPDATE facehub.template SET exact = set_byte(exact, 0, 1) WHERE person = 1",
            "A template of Ann is not the one that was enrolled: its digest differs.",
        ),
        (
            "UPDATE facehub.template t SET code = o.code FROM facehub.template o "
            "WHERE o.gallery = t.gallery AND t.person = 1 AND o.person <> 1",
            "The float16 code of a template of Ann does not match the template.",
        ),
        (
            "UPDATE facehub.gallery SET people = 7",
            "2 people and 3 templates, but the stored counts are 7 and 3",
        ),
        (
            "UPDATE facehub.gallery SET templates = 7",
            "2 people and 3 templates, but the stored counts are 2 and 7",
        ),
        ("INSERT INTO facehub.person SELECT id, 99, 'Eve' FROM facehub.gallery", "Eve has no"),
    ],
)
def test_check_finds_faults_in_postgresql(postgres: PostgresServer, query: str, fault: str) -> None:
    with postgres.connect() as admin:
        admin.execute("DROP DATABASE IF EXISTS checked")
        admin.execute("CREATE DATABASE checked")
    address = postgres.address("people").replace("/postgres?", "/checked?")
    with PostgresGallery(address, FINGERPRINT, SIZE) as gallery:
        gallery.add_many(ENTRIES)
        assert check_integrity(gallery).faults == ()
        with psycopg.connect(
            host=str(postgres.folder), user="facehub", dbname="checked", autocommit=True
        ) as admin:
            admin.execute(query.encode())
        faults = check_integrity(gallery).faults
    assert any(fault in each for each in faults)
