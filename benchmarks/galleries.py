"""Compare galleries in one run: NumPy, faiss if installed, SQLite, PostgreSQL.

    python benchmarks/galleries.py --count 1000000 [--embeddings FILE.npz] [--postgres ADDRESS]

With `--hnsw`, the gallery in PostgreSQL is also searched approximately.

Templates are drawn around the identities of a file from `facehub embed`, or around random ones,
four per person. Every result of a gallery is compared with NumPy's exact one. Times are the best of
several; ratios are relative to NumPy in the same run, because machines differ.
"""

from __future__ import annotations

import argparse
import gc
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facehub.gallery.address import open_gallery
from facehub.gallery.base import Entry
from facehub.gallery.recall import Indexed, measure_recall

SIZE = 512
EACH = 4  # templates a person
FINGERPRINT = "sha256:" + 64 * "0"
BATCH = 20_000
TOP = 5
EF_SEARCHES = 40, 100, 200, 400, 1000


def main() -> None:
    """Print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="templates")
    parser.add_argument("--embeddings", type=Path, help=".npz of `facehub embed`")
    parser.add_argument("--probes", type=int, default=1000, help="whose answers are compared")
    parser.add_argument("--postgres", help="postgresql:// address of a new gallery")
    parser.add_argument("--checked", type=int, default=20, help="probes compared there")
    parser.add_argument(
        "--hnsw", action="store_true", help="index that gallery then, and measure recall"
    )
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.db"
        rows = np.concatenate(list(_rows(args.count, _centres(args.embeddings, rng), rng)))
        _fill("SQLite", str(path), rows)
        print(f"{'SQLite: file':<44}{path.stat().st_size / 2**20:10.0f} MiB")
        print(f"{'  of which the templates are':<44}{rows.nbytes / 2**20:10.0f} MiB")
        if args.postgres:
            _fill("PostgreSQL", args.postgres, rows)
        alone = _alone(rows, _near(rows[rng.integers(args.count, size=args.probes)], 0.5, rng))
        del rows
        gc.collect()
        _measure("SQLite", str(path), alone, rng)
        if args.postgres:
            few = replace(alone, probes=alone.probes[: args.checked])
            _measure("PostgreSQL", args.postgres, few, rng)
            if args.hnsw:
                _approximate(args.postgres, alone.probes, rng)


@dataclass(frozen=True, eq=False)
class Alone:
    """NumPy's results and times for the same templates.

    Attributes:
        probes: float32 (M, 512).
        answers: names for each probe, best first.
        one: seconds of the product for one probe, and the choice of the best.
        many: the same for 32.
        matrix: bytes of the templates.
    """

    probes: np.ndarray
    answers: list[list[str]]
    one: float
    many: float
    matrix: int


def _fill(what: str, address: str, rows: np.ndarray) -> None:
    started = time.perf_counter()
    with open_gallery(address, FINGERPRINT, SIZE) as gallery:
        if len(gallery):
            raise SystemExit(f"{address} is not new.")
        for begin in range(0, len(rows), BATCH):
            gallery.add_many(
                Entry(f"p{(begin + i) // EACH}", row)
                for i, row in enumerate(rows[begin : begin + BATCH])
            )
    _line(f"{what}: enrol all", time.perf_counter() - started)


def _alone(rows: np.ndarray, probes: np.ndarray) -> Alone:
    """Measure NumPy and faiss."""
    print(f"{len(rows):,} templates of {len(rows) // EACH:,} people")
    one = _best(lambda: _numpy(rows, probes[:1]))
    many = _best(lambda: _numpy(rows, probes[:32]), 3)
    _line("NumPy: product, 1 probe", one)
    _line("NumPy: product, 32 probes", many)
    _faiss(rows, probes, one, many)
    return Alone(probes, [_people(rows, probe) for probe in probes], one, many, rows.nbytes)


def _measure(what: str, address: str, alone: Alone, rng: np.random.Generator) -> None:
    before = _memory()
    probes = alone.probes
    started = time.perf_counter()
    gallery = open_gallery(address, FINGERPRINT, SIZE)
    gallery.search(probes[:1])
    _line(f"{what}: open and first search", time.perf_counter() - started)
    held = (_memory() - before) / alone.matrix
    print(f"{what + ': memory of this process, of the matrix':<44}{held:10.2f} times")
    one = _best(lambda: gallery.search(probes[:1], TOP))
    many = _best(lambda: gallery.search(np.resize(probes, (32, SIZE)), TOP), 3)
    _line(f"{what}: 1 probe", one, alone.one)
    _line(f"{what}: 32 probes", many, alone.many)

    new = iter(_near(np.resize(probes, (16, SIZE)), 0.1, rng))

    def enrol() -> None:
        gallery.add("new", next(new))
        gallery.search(probes[:1], TOP)

    _line(f"{what}: enrol one, then search", _best(enrol), one)

    def remove() -> None:
        gallery.remove("new", gallery.examples("new")[0].digest)
        gallery.search(probes[:1], TOP)

    _line(f"{what}: remove one, then search", _best(remove), one)
    if "new" in gallery:
        gallery.remove("new")
    wrong = 0
    for probe, names in zip(probes, alone.answers, strict=False):
        (found,) = gallery.search(probe[None], TOP)
        wrong += [candidate.name for candidate in found] != names
    print(f"{what + ': answers unlike NumPy':<44}{wrong:10} of {len(probes)}")
    gallery.close()


def _approximate(address: str, probes: np.ndarray, rng: np.random.Generator) -> None:
    new = [_near(np.resize(probes, (BATCH // 20, SIZE)), 1, rng) for _ in range(2)]

    def enrol(what: str, rows: np.ndarray) -> None:
        started = time.perf_counter()
        gallery.add_many(Entry(what, row) for row in rows)
        _line(f"{what}: enrol {len(rows)}", time.perf_counter() - started)
        gallery.remove(what)

    with open_gallery(address, FINGERPRINT, SIZE) as gallery:
        assert isinstance(gallery, Indexed)
        enrol("PostgreSQL", new[0])
        started = time.perf_counter()
        gallery.create_index()
        _line("HNSW: make the index", time.perf_counter() - started)
        enrol("HNSW", new[1])
    for ef_search in EF_SEARCHES:
        with open_gallery(
            f"{address}&search=hnsw&ef_search={ef_search}", FINGERPRINT, SIZE
        ) as gallery:
            assert isinstance(gallery, Indexed)
            found = measure_recall(gallery, len(probes))
        shares = "; ".join(
            f"recall@{k} {share.value:.2%} ({share.low:.2%} to {share.high:.2%})"
            for k, share in ((1, found.at_1), (5, found.at_5))
        )
        _line(f"HNSW: 1 probe, ef_search {ef_search}", found.approximate)
        print(f"  {shares}; {found.time_ratio:.3f} of an exact search")


def _faiss(rows: np.ndarray, probes: np.ndarray, product: float, product32: float) -> None:
    try:
        import faiss
    except ImportError:
        print("faiss is not installed")
        return
    index = faiss.IndexScalarQuantizer(
        SIZE, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.train(rows[:100_000])
    index.add(rows)

    def search(some: np.ndarray) -> None:
        for probe, slots in zip(some, index.search(some, 200)[1], strict=True):
            rows[slots] @ probe

    _line("faiss SQ8 and rerank: 1 probe", _best(lambda: search(probes[:1])), product)
    _line("faiss SQ8 and rerank: 32 probes", _best(lambda: search(probes[:32]), 3), product32)


def _numpy(rows: np.ndarray, probes: np.ndarray) -> None:
    np.argpartition(probes @ rows.T, -4 * TOP, axis=1)


def _people(rows: np.ndarray, probe: np.ndarray) -> list[str]:
    best = (rows @ probe).reshape(-1, EACH).max(axis=1)
    order = np.argpartition(best, -TOP)[-TOP:]
    return [f"p{number}" for number in order[np.argsort(-best[order], kind="stable")]]


def _centres(file: Path | None, rng: np.random.Generator) -> np.ndarray:
    if file is None:
        return _near(np.zeros((1, SIZE), np.float32), 1, rng, n=50_000)
    with np.load(file) as found:
        embeddings: np.ndarray = found["embeddings"]
    return embeddings


def _rows(count: int, centres: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw `EACH` templates around each new person, and the people around the centres."""
    for begin in range(0, count, BATCH):
        n = min(BATCH, count - begin) // EACH
        people = _near(centres[rng.integers(len(centres), size=n)], 0.8, rng)
        yield _near(np.repeat(people, EACH, axis=0), 0.5, rng)


def _near(
    rows: np.ndarray, distance: float, rng: np.random.Generator, n: int | None = None
) -> np.ndarray:
    """Draw unit vectors at a given distance from others, float32."""
    noise = rng.standard_normal((n or len(rows), SIZE), np.float32) / np.float32(SIZE**0.5)
    moved = rows + np.float32(distance) * noise
    near: np.ndarray = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return near


def _best(call: Callable[[], object], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def _line(what: str, seconds: float, of: float | None = None) -> None:
    ratio = "" if of is None else f"{seconds / of:8.2f} times"
    print(f"{what:<44}{1e3 * seconds:10.1f} ms{ratio}")


def _memory() -> int:
    """Resident memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
