"""kill -9 at random moments while a gallery is changed: what was reported is there, nothing half?

    python benchmarks/kills.py people.db --kills 200
    python benchmarks/kills.py "postgresql://user@host/database?gallery=new" --kills 200

A process opens the gallery, enrols, removes, renames and merges people, some of it in transactions
of several changes, and reports what it begins and what it has done, until it is killed. Then the
gallery must hold, bit for bit and in order, what a gallery in memory holds after the same changes:
all that were reported, and the last one that was begun wholly or not at all. No other file may lie
beside it when it has been opened and closed. Every 20th time a new gallery is begun, so that its
making is interrupted, too. Not for Windows.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from facehub import Entry, Gallery, MemoryGallery, open_gallery
from facehub.gallery.address import POSTGRES

SIZE = 128
FINGERPRINT = "sha256:" + 64 * "0"
EACH = 20  # kills that a gallery lives through
MOST = 40  # people; then some are removed
Change = tuple[str, ...]  # "enrol", name, number; "remove", name; "rename" or "merge", name, name
Step = tuple[Change, ...]  # changes that are made together


@dataclass
class Outcome:
    """What happened.

    Attributes:
        kills: how many.
        reported: changes that were reported as made.
        caught: at what processes were: "open", or the kind of change.
        kept: how many of the changes that were caught were made after all.
        seconds: that it took.
        faults: what went wrong; empty, one hopes.
    """

    kills: int = 0
    reported: int = 0
    caught: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def main() -> int:
    """Print the outcome; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("address", help="of new galleries: a file.db, or postgresql://...")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    outcome = run(args.address, args.kills, args.seed)
    caught = ", ".join(f"{count} at {what}" for what, count in sorted(outcome.caught.items()))
    print(
        f"{outcome.kills} kills in {outcome.seconds:.0f} s ({caught}); {outcome.reported:,} "
        f"changes were reported; of those caught, {outcome.kept} were made wholly, the others not "
        f"at all; {len(outcome.faults)} faults"
    )
    for fault in outcome.faults[:20]:
        print(fault)
    return 1 if outcome.faults else 0


def run(address: str, kills: int, seed: int = 0) -> Outcome:
    """Kill so many processes, and look at the gallery after each.

    Raises:
        FaceHubError: the gallery cannot be used.
    """
    outcome = Outcome()
    randomness = random.Random(seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "facehub.gallery.postgres"])
    began = time.perf_counter()
    here, model = address, MemoryGallery(FINGERPRINT, SIZE)
    for number in range(kills):
        if number % EACH == 0:
            here, model = _numbered(address, number // EACH), MemoryGallery(FINGERPRINT, SIZE)
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=change, args=(here, f"{seed}-{number}", sending))
        process.start()
        sending.close()
        if receiving.poll(30):  # the process runs
            receiving.recv()
        time.sleep(randomness.choice((0.02, 0.2)) * randomness.random())
        process.kill()
        begun = _replay(receiving, model, outcome)
        process.join()
        outcome.kills += 1
        outcome.caught[begun[0][0] if begun else "open"] += 1
        _check(here, model, begun, number, outcome)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _replay(receiving: Connection, model: MemoryGallery, outcome: Outcome) -> Step:
    """Make the reported changes in memory; returns what was begun and not reported."""
    begun: Step = ()
    while True:
        try:
            step = receiving.recv()
        except EOFError:
            return begun
        if step is None:
            outcome.reported += len(begun)
            apply(model, begun)
            begun = ()
        else:
            begun = step


def _check(here: str, model: MemoryGallery, begun: Step, number: int, outcome: Outcome) -> None:
    """Compare the gallery with the one in memory, which takes over what was made after all."""
    with open_gallery(here, FINGERPRINT, SIZE) as gallery:
        with gallery.transaction():  # waits for what the server still does for the dead
            found = _content(gallery)
        if begun and found != _content(model):
            apply(model, begun)
            outcome.kept += 1
        if found != _content(model):
            outcome.faults.append(f"kill {number}, at {begun}: the gallery holds something else")
        if (len(gallery), gallery.n_templates) != (len(model), model.n_templates):
            outcome.faults.append(f"kill {number}: the counts are wrong")
        probes = np.stack([template(n) for n in range(3)])
        if gallery.search(probes) != model.search(probes):
            outcome.faults.append(f"kill {number}: a search is wrong")
    if not here.startswith(POSTGRES):
        path = Path(here)
        left = [p.name for p in path.parent.iterdir() if p.name.startswith(f"{path.name}-")]
        if left:
            outcome.faults.append(f"kill {number}: {', '.join(left)} lie beside {path.name}")


def _content(gallery: Gallery) -> list[tuple[str, str, str]]:
    return [(entry.name, entry.digest, entry.source) for entry in gallery.export()]


# --- in the process that is killed ----------------------------------------------------------------


def change(address: str, seed: str, reports: Connection) -> None:
    """Change a gallery for ever. Sends each step before it begins, and None when it is made."""
    reports.send(None)
    randomness = random.Random(seed)
    with open_gallery(address, FINGERPRINT, SIZE) as gallery:
        for number in itertools.count():
            step = _next_step(list(gallery), f"{seed}-{number}", randomness)
            reports.send(step)
            apply(gallery, step)
            reports.send(None)


def _next_step(names: Sequence[str], new: str, randomness: random.Random) -> Step:
    enrol = ("enrol", randomness.choice([new, *names[:3]]), str(randomness.randrange(2**30)))
    if len(names) < 3:
        return (enrol,)
    one, two = randomness.sample(list(names), 2)
    others: list[Change] = [("remove", one), ("rename", one, f"r{new}"), ("merge", one, two)]
    if len(names) > MOST:
        return (("remove", one), ("remove", two))
    kind = randomness.random()
    if kind < 0.2:
        return (enrol, randomness.choice(others), ("enrol", f"t{new}", enrol[2]))
    return (enrol,) if kind < 0.5 else (randomness.choice(others),)


def apply(gallery: Gallery, step: Step) -> None:
    """Make a step: one call, or a transaction."""
    if len(step) == 1:
        _apply(gallery, step[0])
        return
    with gallery.transaction():
        for each in step:
            _apply(gallery, each)


def _apply(gallery: Gallery, change: Change) -> None:
    kind, name, *more = change
    if kind == "enrol":
        first = int(more[0])
        gallery.add_many(Entry(name, template(first + i), f"{first + i}.jpg") for i in range(3))
    elif kind == "remove":
        gallery.remove(name)
    elif kind == "rename":
        gallery.rename(name, more[0])
    else:
        gallery.merge(name, more[0])


def template(number: int) -> np.ndarray:
    """Float32 (128,), a unit vector that belongs to a number."""
    row = np.random.default_rng(number).standard_normal(SIZE)
    unit: np.ndarray = (row / np.linalg.norm(row)).astype(np.float32)
    return unit


def _numbered(address: str, number: int) -> str:
    if address.startswith(POSTGRES):
        return re.sub(r"([?&]gallery=[^&]*)", rf"\1-{number}", address)
    root, suffix = os.path.splitext(address)
    return f"{root}-{number}{suffix}"


if __name__ == "__main__":
    sys.exit(main())
