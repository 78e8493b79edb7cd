"""Test durability: `kill -9` at random moments while a gallery is changed.

    python benchmarks/kills.py people.db --kills 200
    python benchmarks/kills.py "postgresql://user@host/database?gallery=new" --kills 200
    python benchmarks/kills.py people.safetensors --kills 200

A process opens the gallery, enrols, removes, renames and merges people, partly in transactions of
several changes, and reports each change at its start and end, until it is killed. Then the gallery
must hold, bit for bit and in order, what a gallery in memory holds after the same changes: all
finished ones, and the last started one entirely or not at all. No other file may be beside it after
it is opened and closed. Every 20th time a new gallery is started, so its creation is interrupted
too.

A gallery file (.safetensors) is instead written again and again. It must be the last finished one,
or the one started then; and the half-written file must be gone after the next write in that folder.
Not for Windows.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import multiprocessing
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from facehub import Entry, Gallery, MemoryGallery, open_gallery
from facehub.gallery.address import FILE, POSTGRES
from facehub.gallery.file import write_gallery

SIZE = 128
FINGERPRINT = "sha256:" + 64 * "0"
EACH = 20  # kills that a gallery lives through
MOST = 40  # people; then some are removed
TEMPLATES, WIDTH = 1000, 2048  # of a gallery file: 8 MB, which take some time to write
Change = tuple[str, ...]  # "enrol", name, number; "remove", name; "rename" or "merge", name, name
Step = tuple[Change, ...]  # changes that are made together


@dataclass
class Outcome:
    """The outcome of a run.

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
    parser.add_argument(
        "address", help="of new galleries: a file.db or .safetensors, or postgresql://..."
    )
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
    """Kill processes, and check the gallery after each.

    Raises:
        FaceHubError: the gallery cannot be used.
    """
    outcome = Outcome()
    randomness = random.Random(seed)
    here, model, version = address, MemoryGallery(FINGERPRINT, SIZE), 0
    began = time.perf_counter()
    for number in range(kills):
        if Path(address).suffix == FILE:
            reports = _killed(save, (address, version), randomness)
            version = _check_file(Path(address), version, reports, number, outcome)
            continue
        if number % EACH == 0:
            here, model = _numbered(address, number // EACH), MemoryGallery(FINGERPRINT, SIZE)
        reports = _killed(change, (here, f"{seed}-{number}"), randomness)
        begun: Step = ()
        for step in reports:
            if step is None:
                outcome.reported += len(begun)
                apply(model, begun)
            begun = step or ()
        outcome.caught[begun[0][0] if begun else "open"] += 1
        _check(here, model, begun, number, outcome)
    outcome.kills = kills
    outcome.seconds = time.perf_counter() - began
    return outcome


def _killed(
    work: Callable[..., None], arguments: tuple[Any, ...], randomness: random.Random
) -> list[Any]:
    """Run a process until it is killed; return its reports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "facehub.gallery.postgres"])
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(*arguments, sending))
    process.start()
    sending.close()
    reports = [receiving.recv()]  # the process runs
    for _ in range(randomness.choice((0, 1, 1, 3))):  # has opened the gallery; has changed it
        reports.append(receiving.recv())
    time.sleep(randomness.choice((0.05, 0.4)) * randomness.random())
    process.kill()
    with suppress(EOFError):
        while True:
            reports.append(receiving.recv())
    process.join()
    return reports


def _check(here: str, model: MemoryGallery, begun: Step, number: int, outcome: Outcome) -> None:
    """Compare the gallery with the one in memory; apply the last change there if it was made."""
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


def _check_file(path: Path, version: int, reports: list[int], number: int, outcome: Outcome) -> int:
    """Check that one complete version exists, and nothing beside it after the next write.

    Args:
        path: of the gallery file.
        version: that was there before.
        reports: the version that was there when the process began, and each one that it began and
            then reported.
        number: of the kill.
        outcome: takes the result.

    Returns:
        The version that is there.
    """
    reported = version + (len(reports) - 1) // 2
    begun = version + len(reports) // 2
    found = version
    if path.exists() or reported:
        with open_gallery(path, FINGERPRINT) as gallery:
            found = int(next(gallery.export()).name)
            if _content(gallery) != [(e.name, e.digest, e.source) for e in _version(found)]:
                outcome.faults.append(f"kill {number}: {path} is half of one")
    if found not in (reported, begun):
        outcome.faults.append(f"kill {number}: version {found} is there, not {reported}")
    outcome.reported += reported - version
    outcome.kept += found > reported
    left = set(path.parent.glob(".*"))
    outcome.caught["write, with a file half written" if left else "write"] += 1
    beside = path.with_suffix(f".next{path.suffix}")
    write_gallery(beside, FINGERPRINT, WIDTH, ())
    beside.unlink()
    if left & set(path.parent.iterdir()):
        outcome.faults.append(f"kill {number}: {', '.join(p.name for p in left)} stay")
    return found


def _content(gallery: Gallery) -> list[tuple[str, str, str]]:
    return [(entry.name, entry.digest, entry.source) for entry in gallery.export()]


def _version(number: int) -> list[Entry]:
    """Make the content of a gallery file from its number."""
    rows = np.roll(_rows(), number, 0)
    return [Entry(str(number + i), row) for i, row in enumerate(rows)]


@functools.cache
def _rows() -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((TEMPLATES, WIDTH), np.float32)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


# --- in the process that is killed ----------------------------------------------------------------


def save(address: str, version: int, reports: Connection) -> None:
    """Write new versions of a gallery file for ever."""
    reports.send(version)
    for number in itertools.count(version + 1):
        reports.send(number)
        write_gallery(address, FINGERPRINT, WIDTH, _version(number))
        reports.send(number)


def change(address: str, seed: str, reports: Connection) -> None:
    """Change a gallery for ever; send each step before it starts, and None when it is done."""
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
    """Make a unit vector, float32 (128,), from a number."""
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
