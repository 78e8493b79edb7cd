"""Measure a gallery in PostgreSQL (size, rates, times) beside NumPy's product in the same run.

    python benchmarks/postgres.py postgresql://user@host/database?gallery=benchmark

The gallery must be new; it is dropped at the end. Templates are a mixture: random people with five
templates each, at a cosine similarity of about 0.6 to one another, like those of real photos.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from facehub import Entry
from facehub.gallery.postgres import PostgresGallery
from facehub.gallery.postgres_connection import Connection, connect, parse_address
from facehub.gallery.postgres_schema import prepare
from facehub.gallery.postgres_search import search_gallery

SIZE = 512
EACH = 5  # templates a person
SPREAD = 0.8  # of a person's templates, as a share of their mean's length
BATCH = 1000
TABLES = "SELECT id FROM facehub.gallery WHERE name = %s"
BYTES = """
SELECT pg_relation_size(t), pg_indexes_size(t), pg_total_relation_size(reltoastrelid)
FROM (SELECT to_regclass('facehub.template_' || %s) AS t) AS found JOIN pg_class ON oid = t
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address", help="of a new gallery")
    parser.add_argument("-n", type=int, default=100_000, help="templates (default: %(default)s)")
    parser.add_argument("--probes", type=int, default=10, help="searched one by one")
    args = parser.parse_args()
    with PostgresGallery(args.address, "benchmark", SIZE) as gallery:
        if len(gallery):
            raise SystemExit("The gallery is not new.")
        measure(gallery, args.address, args.n, args.probes)


def measure(gallery: PostgresGallery, address: str, n: int, n_probes: int) -> None:
    rng = np.random.default_rng(0)
    rows = mixture(rng, n)
    entries = (Entry(f"person {i // EACH}", row) for i, row in enumerate(rows))
    began = time.perf_counter()
    for batch in batches(entries):
        gallery.add_many(batch)
    took = time.perf_counter() - began
    print(f"{n:,} templates enrolled, {BATCH} a transaction: {n / took:,.0f} a second")

    own = rows[rng.integers(n, size=n_probes)] + 0.03 * rng.normal(size=(n_probes, SIZE))
    probes = (own / np.linalg.norm(own, axis=1, keepdims=True)).astype(np.float32)
    with closing(connect(parse_address(address))) as connection:
        connection.execute("VACUUM (ANALYZE) facehub.template")
        (gallery_id,) = connection.execute(TABLES, (parse_address(address).gallery,)).fetchall()[0]
        heap, indexes, toast = connection.execute(BYTES, (gallery_id,)).fetchall()[0]
        print(
            f"bytes a template: codes {heap / n:.0f}, exact {toast / n:.0f}, "
            f"indexes {indexes / n:.0f}, all {(heap + indexes + toast) / n:.0f}"
        )
        if Path(f"/proc/{connection.info.backend_pid}").exists():  # the server is here
            prepare(connection)
            processor_time(connection, gallery_id, rows, probes)

    for parallel in (0, 2):
        with PostgresGallery(with_workers(address, parallel), "benchmark", SIZE) as searched:
            compare(searched, rows, probes, f"{parallel} parallel workers")
    print(
        f"32 probes at once: {timed(lambda: gallery.search(np.resize(probes, (32, SIZE)))):.0f} ms"
    )
    one = mixture(rng, EACH)
    enrolled = [timed(partial(gallery.add, "new", row)) for row in one]
    print(f"one enrolment: {np.median(enrolled):.1f} ms")
    print(f"count: {np.median([timed(lambda: gallery.n_templates) for _ in range(5)]):.2f} ms")
    print(f"remove: {timed(lambda: gallery.remove('new')):.1f} ms")
    print(f"purge: {timed(gallery.purge) / 1000:.1f} s")
    with closing(connect(parse_address(address))) as connection:
        connection.execute(f"DROP TABLE facehub.template_{gallery_id}, facehub.person_{gallery_id}")
        connection.execute("DELETE FROM facehub.gallery WHERE id = %s", (gallery_id,))


def compare(gallery: PostgresGallery, rows: np.ndarray, probes: np.ndarray, what: str) -> None:
    """Search probe after probe, in turn with NumPy, and check the answers."""
    times: list[tuple[float, float]] = []
    for probe in probes:
        found = gallery.search(probe[None])[0][0].similarity
        best = rows[np.argmax(rows @ probe)].astype(np.float64) @ probe
        if abs(found - best) > 1e-6:
            raise SystemExit(f"A wrong answer: {found}, not {best}.")
        product = timed(partial(exact, rows, probe))
        times.append((product, timed(partial(gallery.search, probe[None]))))
    numpy, postgres = np.median(np.array(times), axis=0)
    print(
        f"one probe, {what}: {postgres:.0f} ms; NumPy {numpy:.1f} ms: {postgres / numpy:.1f} times"
    )


def exact(rows: np.ndarray, probe: np.ndarray) -> np.ndarray:
    """Find the five best by NumPy's product."""
    return np.argpartition(rows @ probe, -5)[-5:]


def processor_time(
    connection: Connection, gallery_id: int, rows: np.ndarray, probes: np.ndarray
) -> None:
    """Of a search in one process and of NumPy's product: other load hardly changes these."""
    connection.execute("SET max_parallel_workers_per_gather = 0")
    stat = Path(f"/proc/{connection.info.backend_pid}/stat")

    def used() -> float:
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    search_gallery(connection, gallery_id, probes[0], 5)  # reads what is not in memory yet
    here, there = time.process_time(), used()
    for probe in probes:
        search_gallery(connection, gallery_id, probe, 5)
    there, here = used() - there, time.process_time() - here
    began = time.process_time()
    for probe in probes:
        exact(rows, probe)
    product = time.process_time() - began
    each = [1000 * seconds / len(probes) for seconds in (there, here, product)]
    print(
        "processor time of a probe: server {:.0f} ms, client {:.1f} ms; NumPy {:.1f} ms".format(
            *each
        )
    )
    print(
        f"a core of the server compares {len(rows) * len(probes) / there:,.0f} templates a second"
    )


def mixture(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw templates, float32 (n, SIZE), L2-normalised rows, `EACH` per person in a row."""
    means = rng.normal(size=(-(-n // EACH), SIZE)).astype(np.float32)
    rows = np.repeat(means, EACH, axis=0)[:n]
    rows += SPREAD * rng.normal(size=rows.shape).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while batch := list(itertools.islice(entries, BATCH)):
        yield batch


def with_workers(address: str, n: int) -> str:
    """Add the number of parallel workers per query to the address."""
    return f"{address}&options=-c%20max_parallel_workers_per_gather%3D{n}"


def timed(action: Callable[[], object]) -> float:
    """Time a call, in milliseconds."""
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
