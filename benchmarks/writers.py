"""Test several processes that enrol people in one gallery at once: no person lost, no search wrong.

    python benchmarks/writers.py people.db --processes 8 --people 1000
    python benchmarks/writers.py "postgresql://user@host/database?gallery=new" --processes 8
    python benchmarks/writers.py people.db --there 20000 --processes 2 --people 5 --rounds 200

The gallery must be new. In each round, every process opens it, enrols its people one by one, as
`facehub enrol` does, and closes it. Meanwhile another process searches: a person reported before a
search must be its best result, and a stranger must match nobody. At the end, all people must be
enrolled, bit for bit, and the best five of 200 probes must equal NumPy's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np

from facehub import EmbeddedFace, Entry, Face, Gallery, open_gallery
from facehub.enrolment import Enrolment, Portrait, add_enrolments
from facehub.model.store import default_weights, fingerprint_of, weights_folder

SIZE = 512
BATCH = 1000  # of those who are there before
STRANGERS = 2**40  # numbers from which nobody is enrolled


@dataclass
class Outcome:
    """What happened.

    Attributes:
        enrolled: people whom the processes reported.
        seconds: that the rounds took.
        searches: made meanwhile.
        faults: what went wrong; empty, one hopes.
    """

    enrolled: int = 0
    seconds: float = 0.0
    searches: int = 0
    faults: list[str] = field(default_factory=list)


def main() -> int:
    """Print the outcome; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("address", help="of a new gallery: a file.db, or postgresql://...")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--people", type=int, default=1000, help="of each process and round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--there", type=int, default=0, help="people enrolled beforehand")
    args = parser.parse_args()
    outcome = run(args.address, args.processes, args.people, args.rounds, args.there)
    print(
        f"{args.rounds} rounds of {args.processes} processes at once, {args.people} people each, "
        f"into {args.there:,}: {outcome.enrolled:,} enrolled in {outcome.seconds:.1f} s "
        f"({outcome.enrolled / outcome.seconds:.0f} a second), {outcome.searches:,} searches "
        f"meanwhile, {len(outcome.faults)} faults"
    )
    for fault in outcome.faults[:20]:
        print(fault)
    return 1 if outcome.faults else 0


def run(address: str, processes: int, people: int, rounds: int = 1, there: int = 0) -> Outcome:
    """All rounds, with searches meanwhile.

    Raises:
        FaceHubError: the gallery cannot be used.
    """
    outcome = Outcome()
    context = multiprocessing.get_context("spawn")
    with _opened(address) as gallery:
        if len(gallery):
            raise SystemExit("The gallery is not new.")
        for begin in range(0, there, BATCH):
            numbers = range(begin, min(begin + BATCH, there))
            gallery.add_many(Entry(_name(n), template(n), f"{n}.jpg") for n in numbers)
        barrier = context.Barrier(processes + 1)
        done = context.RawArray("q", processes)  # people that each process has reported
        started = [
            context.Process(
                target=_enrol, args=(address, n, processes, people, rounds, there, barrier, done)
            )
            for n in range(processes)
        ]
        for process in started:
            process.start()
        for number in range(rounds):
            barrier.wait()
            began = time.perf_counter()
            first = there + number * processes * people
            while sum(done) < (number + 1) * processes * people:
                if all(process.exitcode is not None for process in started):
                    break
                _search(gallery, first, list(done), number * people, people, outcome)
            outcome.seconds += time.perf_counter() - began
            barrier.wait()
            missing = sum(_name(n) not in gallery for n in range(first, there + sum(done)))
            if missing:
                outcome.faults.append(f"round {number}: {missing} people are lost")
        for process in started:
            process.join()
            if process.exitcode:
                outcome.faults.append(f"a process ended with {process.exitcode}")
        outcome.enrolled = sum(done)
        _compare(gallery, there + processes * people * rounds, outcome)
    return outcome


def _enrol(
    address: str,
    place: int,
    processes: int,
    people: int,
    rounds: int,
    there: int,
    barrier: Barrier,
    done: Any,
) -> None:
    """What each process does."""
    try:
        for number in range(rounds):
            first = there + (number * processes + place) * people
            found = [_enrolment(n) for n in range(first, first + people)]
            barrier.wait()
            with _opened(address) as gallery:
                for enrolment in add_enrolments(gallery, found):
                    if enrolment.error is not None:
                        raise enrolment.error
                    done[place] += 1
            barrier.wait()
    except BaseException:
        barrier.abort()
        raise


def _search(
    gallery: Gallery, first: int, done: list[int], before: int, people: int, outcome: Outcome
) -> None:
    """Look for the person whom each process reported last, for an earlier one, and for a stranger.

    Args:
        gallery: what is searched.
        first: number of the round's first person.
        done: people whom each process has reported so far.
        before: how many of them in earlier rounds.
        people: of each process in this round.
        outcome: takes the result.
    """
    rng = np.random.default_rng(outcome.searches)
    numbers = []
    for place, count in enumerate(done):
        if count > before:
            begin = first + place * people
            numbers += [begin + count - before - 1, begin + int(rng.integers(count - before))]
    probes = [_near(n, rng) for n in numbers] + [template(STRANGERS + outcome.searches)]
    *answers, nobody = gallery.search(np.stack(probes), 1)
    for number, answer in zip(numbers, answers, strict=True):
        if not answer or answer[0].name != _name(number) or answer[0].similarity < 0.7:
            outcome.faults.append(f"{_name(number)} was reported, and not found")
    if nobody and nobody[0].similarity > 0.4:
        outcome.faults.append(f"a stranger was taken for {nobody[0].name}")
    if gallery.n_templates < sum(done):
        outcome.faults.append("there were fewer templates than reported")
    outcome.searches += len(probes)


def _compare(gallery: Gallery, count: int, outcome: Outcome) -> None:
    """The gallery in the end with what it should hold, and its answers with NumPy's."""
    kept = {entry.name: entry for entry in gallery.export()}
    if len(kept) != count or len(gallery) != count or gallery.n_templates != count:
        outcome.faults.append(f"{len(kept)} of {count} people are there")
    rows = np.stack([template(n) for n in range(count)])
    for number, row in enumerate(rows):
        entry = kept.get(_name(number))
        if entry is None or entry.template.tobytes() != row.tobytes():
            outcome.faults.append(f"{_name(number)} is lost or changed")
    rng = np.random.default_rng(0)
    probes = np.stack([_near(int(n), rng) for n in rng.integers(count, size=200)])
    best = np.argsort(-(probes @ rows.T), axis=1)[:, :5]
    for expected, answer in zip(best, gallery.search(probes, 5), strict=True):
        if [c.name for c in answer] != [_name(int(n)) for n in expected]:
            outcome.faults.append(f"the best for {_name(int(expected[0]))} are others in NumPy")


def _opened(address: str) -> Gallery:
    return open_gallery(address, fingerprint_of(weights_folder(default_weights())), SIZE)


def _name(number: int) -> str:
    return f"p{number}"


def template(number: int) -> np.ndarray:
    """Float32 (512,), a unit vector that belongs to a number."""
    return _unit(np.random.default_rng(number).standard_normal(SIZE))


def _near(number: int, rng: np.random.Generator) -> np.ndarray:
    """Another photo of a person: of cosine 0.9 or so."""
    return _unit(template(number) + 0.5 * _unit(rng.standard_normal(SIZE)))


def _unit(row: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (row / np.linalg.norm(row)).astype(np.float32)
    return unit


def _enrolment(number: int) -> Enrolment:
    """As if the face had been found in a photo."""
    nothing = np.empty((0, 2), np.float32)
    face = Face(
        crop=np.empty((0, 0, 3), np.uint8),
        box=(0, 0, 1, 1),
        pupils=nothing,
        inter_eye=1,
        yaw=0,
        pitch=0,
        roll=0,
        matrix=nothing,
        landmarks=nothing,
    )
    portrait = Portrait(_name(number), b"", f"{number}.jpg")
    return Enrolment(portrait, EmbeddedFace(face, template(number), ()))


if __name__ == "__main__":
    sys.exit(main())
