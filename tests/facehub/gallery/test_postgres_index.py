"""Approximate search in PostgreSQL, on a real server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from pgvector import HalfVector

from facehub import Candidate, Entry, GalleryError, MemoryGallery
from facehub.errors import GalleryUnavailableError
from facehub.gallery import postgres_index, postgres_search
from facehub.gallery.check import check_integrity
from facehub.gallery.postgres import PostgresGallery
from facehub.gallery.postgres_connection import EF_SEARCH, parse_address
from facehub.gallery.postgres_index import has_index
from facehub.gallery.recall import measure_recall
from tests.facehub.gallery.conftest import FINGERPRINT
from tests.postgres_server import PostgresServer

SIZE = 32
NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    return f"indexed-{next(NUMBERS)}"


@pytest.fixture
def exact(postgres: PostgresServer, name: str) -> Iterator[PostgresGallery]:
    """An empty gallery, searched exactly."""
    with PostgresGallery(postgres.address(name), FINGERPRINT, SIZE) as gallery:
        yield gallery


@pytest.fixture
def approximate(
    postgres: PostgresServer, exact: PostgresGallery, name: str
) -> Iterator[PostgresGallery]:
    """The same gallery with an index, searched approximately."""
    exact.create_index()
    with PostgresGallery(postgres.address(name, search="hnsw"), FINGERPRINT, SIZE) as gallery:
        yield gallery


def people(n: int) -> list[Entry]:
    rng = np.random.default_rng(0)
    return [Entry(f"p{i // 2}", row, str(i)) for i, row in enumerate(rng.normal(size=(n, SIZE)))]


def probes(n: int) -> np.ndarray:
    rows = np.random.default_rng(1).normal(size=(n, SIZE))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def plan(gallery: PostgresGallery, query: str, *settings: str) -> str:
    """The server's query plan for a connection with these settings."""
    with gallery.transaction():
        connection = gallery._held
        for setting in settings:
            connection.execute(f"SET LOCAL {setting}")
        values = (HalfVector(probes(1)[0]), gallery._id, 64)
        rows = connection.execute(f"EXPLAIN {query}", values).fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize(
    ("parameters", "ef_search"),
    [
        ({}, None),
        ({"search": "exact"}, None),
        ({"search": "hnsw"}, EF_SEARCH),
        ({"search": "hnsw", "ef_search": "1"}, 1),
        ({"search": "hnsw", "ef_search": "1000"}, 1000),
    ],
)
def test_search_parameters_of_an_address_are_parsed(
    parameters: dict[str, str], ef_search: int | None
) -> None:
    more = "".join(f"&{key}={value}" for key, value in parameters.items())
    address = parse_address(f"postgresql://host/db?gallery=x{more}")
    assert address.ef_search == ef_search
    assert not {"search", "ef_search"} & set(address.parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        "search=ivf",
        "search=",
        "ef_search=100",
        "search=exact&ef_search=100",
        "search=hnsw&ef_search=0",
        "search=hnsw&ef_search=1001",
        "search=hnsw&ef_search=-1",
        "search=hnsw&ef_search=",
        "search=hnsw&ef_search=1e2",
        "search=hnsw&ef_search=\u0661",
    ],
)
def test_bad_search_parameters_of_an_address_are_refused(parameters: str) -> None:
    with pytest.raises(GalleryError, match=r"search=hnsw|search must be exact or hnsw"):
        parse_address(f"postgresql://host/db?gallery=x&{parameters}")


def test_only_an_approximate_search_uses_the_index(
    exact: PostgresGallery, approximate: PostgresGallery
) -> None:
    """Settings that make the planner prefer or avoid other plans do not change this."""
    exact.add_many(people(300))
    scan = postgres_search._SCAN
    for settings in ([], ["enable_seqscan = off", "enable_sort = off", "enable_bitmapscan = off"]):
        assert "_hnsw" not in plan(exact, scan, *settings)
    code = postgres_index._CODE.format(size=SIZE)
    scan = postgres_index._SCAN.format(code=code)
    index = f"Index Scan using template_{exact._id}_hnsw"
    for settings in (["enable_sort = off"], ["enable_sort = off", "random_page_cost = 1000"]):
        assert index in plan(approximate, scan, *settings)
    assert "Sort" in plan(approximate, scan, "enable_indexscan = off")


def test_server_counts_index_scans_only_for_approximate_searches(
    exact: PostgresGallery, approximate: PostgresGallery
) -> None:
    def scans() -> int:
        with exact.transaction():
            exact._held.execute("SELECT pg_stat_force_next_flush()")
        with exact.transaction():
            query = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s"
            return exact._held.execute(query, (f"template_{exact._id}_hnsw",)).fetchall()[0][0]

    exact.add_many(people(300))
    exact.search(probes(3))
    assert scans() == 0
    for each in (exact, approximate):  # the same connections: no setting is left behind
        with each.transaction():
            approximate.search(probes(3))
            each.search(probes(3))
            each._held.execute("SELECT pg_stat_force_next_flush()")
    assert scans() == 9
    with approximate.transaction():
        approximate.search(probes(1))
        query = "SELECT current_setting('enable_sort'), current_setting('hnsw.ef_search')"
        assert approximate._held.execute(query).fetchall() == [("on", "40")]


def test_settings_apply_to_the_first_search_of_a_new_connection(
    approximate: PostgresGallery,
) -> None:
    """A connection knows these settings only from its first use of pgvector."""
    approximate.add_many(people(300))
    query = "SELECT current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')"
    with approximate._connect() as connection, connection.transaction():
        connection.execute(postgres_index._SETTINGS, ("7",))
        postgres_index._search(connection, approximate._id, probes(1)[0], 5)
        assert connection.execute(query).fetchall() == [("7", "relaxed_order")]


def test_approximate_candidates_have_exact_similarities(
    exact: PostgresGallery, approximate: PostgresGallery
) -> None:
    """Similarities are exact bit for bit; in so small a gallery hardly anybody is missed."""
    memory = MemoryGallery(FINGERPRINT, SIZE)
    for gallery in (approximate, memory):
        gallery.add_many(people(400))
    assert (exact.exact, approximate.exact) == (True, False)
    expected = memory.search(probes(20), 200)
    found = approximate.search(probes(20), 5)
    for some, everybody in zip(found, expected, strict=True):
        assert len(some) == 5
        assert set(some) <= set(everybody)
        assert some == sorted(some, key=lambda c: -c.similarity)
    pairs = zip(found, expected, strict=True)
    assert sum(c in everybody[:5] for some, everybody in pairs for c in some) > 97  # of 100
    assert approximate.search_exactly(probes(20), 200) == expected
    assert approximate.search(probes(0)) == []
    assert approximate.search(probes(1), 0) == [[]]


def test_search_returns_enough_people_where_one_has_many_templates(
    postgres: PostgresServer, exact: PostgresGallery, name: str
) -> None:
    """The index scan continues until it finds as many people as requested."""
    exact.create_index()
    (x, y) = np.eye(SIZE)[:2]
    noise = np.random.default_rng(0).normal(size=(300, SIZE))
    exact.add_many(Entry("Ann", x + 0.02 * each) for each in noise)
    exact.add_many(Entry(f"p{i}", y + 0.02 * each) for i, each in enumerate(noise[:4]))
    address = postgres.address(name, search="hnsw", ef_search="2")
    with PostgresGallery(address, FINGERPRINT, SIZE) as approximate:
        (found,) = approximate.search(x[None].astype(np.float32), 3)
        assert (found[0].name, len(found)) == ("Ann", 3)


def test_approximate_search_sees_every_change(approximate: PostgresGallery) -> None:
    def best(row: np.ndarray) -> str:
        return approximate.search(row[None].astype(np.float32), 1)[0][0].name

    (x, y) = np.eye(SIZE)[:2]
    approximate.add_many([Entry("Ann", x), Entry("Bob", y)])
    assert best(x) == "Ann"
    approximate.rename("Ann", "Eve")
    assert best(x) == "Eve"
    with approximate.transaction():
        approximate.add("Cid", x + 0.01 * y)
        approximate.remove("Eve")
        assert best(x) == "Cid"
    approximate.remove("Cid")
    assert best(x) == "Bob"
    approximate.purge()
    assert best(y) == "Bob"
    assert approximate.search(x[None].astype(np.float32)) == approximate.search_exactly(
        x[None].astype(np.float32)
    )


def test_approximate_search_without_an_index_is_refused(
    exact: PostgresGallery, approximate: PostgresGallery
) -> None:
    approximate.create_index()  # it exists already
    approximate.drop_index()
    approximate.drop_index()
    with pytest.raises(GalleryError, match=r"no index .*facehub gallery index"):
        approximate.search(probes(1))
    with approximate.transaction():
        assert not has_index(approximate._held, approximate._id)
        for change in (approximate.create_index, approximate.drop_index):
            with pytest.raises(GalleryError, match="within a transaction"):
                change()
    assert exact.search(probes(1)) == [[]]


def test_long_templates_and_old_pgvector_cannot_have_an_index(
    postgres: PostgresServer, exact: PostgresGallery, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        PostgresGallery(postgres.address(name + "-long"), FINGERPRINT, 4001) as long,
        pytest.raises(GalleryError, match="up to 4000"),
    ):
        long.create_index()
    monkeypatch.setattr(postgres_index, "OLDEST", (99, 0))
    with pytest.raises(GalleryError, match="needs pgvector"):
        exact.create_index()


def test_index_creation_waits_for_a_change_of_the_gallery(
    postgres: PostgresServer, exact: PostgresGallery, name: str
) -> None:
    options = "-c%20lock_timeout%3D100ms"
    with (
        PostgresGallery(postgres.address(name, options=options), FINGERPRINT, SIZE) as impatient,
        exact.transaction(),
    ):
        exact.add_many(people(2))
        with pytest.raises(GalleryUnavailableError, match="in use"):
            impatient.create_index()
    with exact.transaction():
        assert not has_index(exact._held, exact._id)


def test_the_planner_takes_no_samples_of_the_index(
    postgres: PostgresServer, exact: PostgresGallery, approximate: PostgresGallery
) -> None:
    exact.add_many(people(300))
    with postgres.connect() as admin:
        admin.execute(f"ANALYZE facehub.template_{exact._id}")
        query = "SELECT tablename, attname FROM pg_stats WHERE tablename LIKE %s"
        seen = admin.execute(query, (f"template_{exact._id}%",)).fetchall()
    assert (f"template_{exact._id}", "person") in seen
    assert f"template_{exact._id}_hnsw" not in {table for table, _ in seen}


def test_purge_erases_removed_people_from_the_index(
    postgres: PostgresServer, approximate: PostgresGallery
) -> None:
    entries = people(8)
    approximate.add_many(entries)

    def traces() -> list[bool]:
        with postgres.connect() as admin:
            admin.execute("CHECKPOINT")
            query = "SELECT pg_relation_filepath(%s::regclass)"
            index = f"facehub.template_{approximate._id}_hnsw"
            ((path,),) = admin.execute(query, (index,)).fetchall()
        data = (postgres.data / path).read_bytes()
        rows = [(e.template / np.linalg.norm(e.template)).astype(np.float32) for e in entries]
        return [row.astype(np.float16).tobytes() in data for row in rows]

    assert traces() == 8 * [True]
    approximate.remove("p0")
    approximate.purge()
    assert traces() == [False, False] + 6 * [True]


def test_measured_recall_of_an_index_is_high(
    exact: PostgresGallery, approximate: PostgresGallery
) -> None:
    exact.add_many(people(400))
    found = measure_recall(approximate, 30)
    assert found.probes == 30
    assert found.at_1.value > 0.9
    assert found.at_5.low < found.at_5.value <= 1
    assert check_integrity(exact, 10).faults == ()


def test_approximate_candidate_is_the_best_example_of_its_person(
    approximate: PostgresGallery,
) -> None:
    (x, y) = np.eye(SIZE, dtype=np.float32)[:2]
    approximate.add_many([Entry("Ann", y, "0.jpg"), Entry("Ann", x, "1.jpg")])
    assert approximate.search(x[None], 1) == [[Candidate("Ann", 1.0, 1, "1.jpg")]]
