"""The SQLite gallery beyond the rules of all galleries: other processes, the file, damage."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import numpy as np
import pytest

from facehub.errors import GalleryError, GalleryMismatchError, GalleryUnavailableError
from facehub.gallery import sqlite_blocks, sqlite_connection
from facehub.gallery.base import Entry
from facehub.gallery.sqlite import SqliteGallery

FINGERPRINT = "sha256:" + 64 * "a"
SIZE = 8
E = np.eye(SIZE, dtype=np.float32)


def template(number: int) -> np.ndarray:
    vector = np.random.default_rng(number).normal(size=SIZE)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def people(tmp_path: Path) -> SqliteGallery:
    return SqliteGallery(tmp_path / "people.db", FINGERPRINT, SIZE)


def test_reopened_gallery_holds_every_template(people: SqliteGallery) -> None:
    people.add_many(Entry(f"p{i % 50}", template(i), f"{i}.jpg") for i in range(200))
    with SqliteGallery(people.path, FINGERPRINT, SIZE) as again:
        assert again.people() == people.people()
        probes = np.stack([template(i) for i in range(200)]).astype(np.float32)
        assert [c[0].source for c in again.search(probes, 1)] == [f"{i}.jpg" for i in range(200)]


def test_next_search_sees_changes_of_another_connection(people: SqliteGallery) -> None:
    other = SqliteGallery(people.path, FINGERPRINT, SIZE)

    def names() -> list[str]:
        return [c.name for c in other.search(E[:1])[0]]

    people.add("Ann", E[0])
    assert names() == ["Ann"]
    people.add("Bob", E[1])
    people.rename("Ann", "Eve")
    assert names() == ["Eve", "Bob"]
    people.remove("Eve")
    people.add("Cid", E[0] + E[2])  # takes the free slot
    assert names() == ["Cid", "Bob"]
    people.merge("Cid", "Bob")
    assert [(c.name, c.example) for c in other.search(E[:1])[0]] == [("Bob", 1)]


def test_other_weights_are_refused_on_opening_and_in_every_change(people: SqliteGallery) -> None:
    people.add("Ann", E[0])
    other = "sha256:" + 64 * "b"
    with pytest.raises(GalleryMismatchError, match="other weights"):
        SqliteGallery(people.path, other, SIZE)
    with sqlite3.connect(people.path) as db:
        db.execute("UPDATE gallery SET fingerprint = ?", (other,))
    for change in (
        lambda: people.add("Bob", E[1]),
        lambda: people.remove("Ann"),
        lambda: people.rename("Ann", "Eve"),
        lambda: people.merge("Ann", "Eve"),
    ):
        with pytest.raises(GalleryMismatchError, match="other weights"):
            change()
    assert list(people) == ["Ann"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_are_private(people: SqliteGallery) -> None:
    people.add("Ann", E[0])
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in people.path.parent.iterdir()}
    assert modes == {"people.db": 0o600, "people.db-wal": 0o600, "people.db-shm": 0o600}
    people.close()
    assert [path.name for path in people.path.parent.iterdir()] == ["people.db"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_gallery_that_a_group_shares_stays_shared(people: SqliteGallery) -> None:
    people.close()
    people.path.chmod(0o660)
    with SqliteGallery(people.path, FINGERPRINT, SIZE) as again:
        again.add("Ann", E[0])
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in people.path.parent.iterdir()}
        assert modes == {"people.db": 0o660, "people.db-wal": 0o660, "people.db-shm": 0o660}
        again.purge()
    assert stat.S_IMODE(people.path.stat().st_mode) == 0o660


def test_purge_leaves_no_trace(people: SqliteGallery) -> None:
    people.add_many([Entry("Ann Secret", template(1), "secret.jpg"), Entry("Bob", template(2))])
    digest = bytes.fromhex(people.examples("Ann Secret")[0].digest)
    wanted = (b"Ann Secret", b"secret.jpg", digest, template(1).astype(np.float32).tobytes())

    def found() -> list[bool]:
        files = b"".join(p.read_bytes() for p in people.path.parent.iterdir())
        return [each in files for each in wanted]

    assert all(found())
    people.remove("Ann Secret")
    people.purge()
    assert not any(found())
    assert list(people) == ["Bob"]


def test_purge_within_a_transaction_is_refused(people: SqliteGallery) -> None:
    with people.transaction(), pytest.raises(GalleryError, match="within a transaction"):
        people.purge()


def test_slot_of_a_removed_template_is_reused(people: SqliteGallery) -> None:
    people.add_many(Entry(f"p{i}", template(i)) for i in range(20))
    people.purge()  # writes all of it into the file
    size = people.path.stat().st_size
    for i in range(20):
        people.remove(f"p{i}")
        people.add(f"q{i}", template(100 + i))
    assert people._value("SELECT count(*) FROM template") == 20
    people.purge()
    assert people.path.stat().st_size <= size


def test_templates_in_several_blocks_are_exported_and_found(
    people: SqliteGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some templates are removed; export reads one by one, search reads all at once."""
    monkeypatch.setattr(sqlite_blocks, "BLOCK", 16)
    people.add_many(Entry(f"p{i}", template(i)) for i in range(100))
    for i in range(0, 100, 3):
        people.remove(f"p{i}")
    people.add_many(Entry(f"q{i}", template(i)) for i in range(200, 260))
    for entry in people.export():
        np.testing.assert_allclose(entry.template, template(int(entry.name[1:])), atol=1e-6)
    probes = np.stack([template(i) for i in (1, 50, 98, 200, 259)]).astype(np.float32)
    names = [c[0].name for c in people.search(probes, 1)]
    assert names == ["p1", "p50", "p98", "q200", "q259"]


def test_search_after_a_change_reads_only_what_has_changed(people: SqliteGallery) -> None:
    people.add_many(Entry(f"p{i}", template(i)) for i in range(3000))
    people.search(E[:1])
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 10

    people._db.set_progress_handler(count, 10)
    people.add("one", template(3000))
    (found,) = people.search(template(3000)[None])
    assert found[0].name == "one"
    assert (
        0 < steps < 3000
    )  # of SQLite's virtual machine; each template of a full scan takes several


@pytest.mark.parametrize("first", [0, 5, 16])
def test_read_templates_reads_as_many_as_a_block_holds(
    people: SqliteGallery, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """The templates lie in one block or in two."""
    monkeypatch.setattr(sqlite_blocks, "BLOCK", 16)
    people.add_many(Entry(f"p{i}", template(i)) for i in range(40))
    slots = list(range(first, first + 16))
    found = sqlite_blocks.read_templates(people._db, slots, SIZE)
    np.testing.assert_allclose(found, np.stack([template(i) for i in slots]), atol=1e-6)


def test_writer_that_waits_too_long_gets_an_error(
    people: SqliteGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "WAIT", 0.05)
    other = SqliteGallery(people.path, FINGERPRINT, SIZE)
    with people.transaction(), pytest.raises(GalleryUnavailableError, match="is in use"):
        other.add("Ann", E[0])
    assert other.add("Ann", E[0])


def test_export_does_not_see_later_changes(people: SqliteGallery) -> None:
    people.add_many([Entry("Ann", E[0]), Entry("Bob", E[1])])
    entries = people.export()
    first = next(entries)
    people.remove("Bob")
    people.add("Cid", E[2])
    assert [first.name, *(entry.name for entry in entries)] == ["Ann", "Bob"]


def test_closed_gallery_refuses_changes_and_searches(people: SqliteGallery) -> None:
    people.close()
    with pytest.raises(GalleryUnavailableError, match="has been closed"):
        people.add("Ann", E[0])
    with pytest.raises(GalleryUnavailableError, match="has been closed"):
        people.search(E[:1])


@pytest.mark.parametrize("content", [b"no gallery", b"SQLite format 3\0" + bytes(100)])
def test_file_that_is_no_gallery_is_refused_and_left_unchanged(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "people.db"
    path.write_bytes(content)
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        SqliteGallery(path, FINGERPRINT, SIZE)
    assert path.read_bytes() == content


def test_database_that_is_no_gallery_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE gallery (x)")
    with pytest.raises(GalleryError):
        SqliteGallery(tmp_path / "other.db", FINGERPRINT, SIZE)


def test_gallery_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryUnavailableError, match="No such file or directory"):
        SqliteGallery(tmp_path / "nothing" / "people.db", FINGERPRINT, SIZE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_search_of_a_template_that_is_not_finite_is_an_error(
    people: SqliteGallery, bad: float
) -> None:
    """A similarity that is not finite must not end as "unknown"."""
    people.add_many([Entry("Ann", E[0]), Entry("Bob", E[1])])
    path = people.path
    people.close()
    with sqlite3.connect(path) as db, db.blobopen("block", "templates", 0) as blob:
        blob.seek(4 * SIZE)
        blob.write(np.full(1, bad, np.float32).tobytes())
    with (
        SqliteGallery(path, FINGERPRINT, SIZE) as again,
        pytest.raises(GalleryError, match="a template that is not finite"),
    ):
        again.search(E[:1])
