"""Measure `facehub embed` in photos per second: on one core, and with a process per core on all.

python benchmarks/bulk.py PHOTOS [--photos 1000] [--rounds 3]

PHOTOS is anything that the command takes, LFW.zip say. The two run in turn, under the same
conditions; times are of whole commands, including start and output. On a busy machine, only the CPU
time per photo is meaningful: it should be equal for both.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from facehub.io.sources import find_pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+", metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=1000, help="how many of them")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    rates: dict[int, list[float]] = {1: [], len(cores): []}
    with tempfile.TemporaryDirectory(prefix="facehub-bulk-") as name:
        folder = Path(name)
        photos = folder / "photos"
        photos.mkdir()
        pictures = find_pictures(args.pictures)[: args.photos]
        for number, picture in enumerate(pictures):
            suffix = Path(picture.name).suffix
            (photos / f"{number:06d}{suffix}").write_bytes(picture.read())
        print(f"{len(pictures)} photos, {len(cores)} cores, load {os.getloadavg()[0]:.1f} before")
        for turn in range(args.rounds):
            for workers, found in rates.items():
                seconds, cpu = _embed(photos, folder / "faces.parquet", cores[:workers])
                found.append(len(pictures) / seconds)
                print(
                    f"round {turn + 1}: {workers} workers {found[-1]:.2f} photos/s, "
                    f"{1000 * cpu / len(pictures):.1f} ms of CPU a photo",
                    flush=True,
                )
    one, all_ = (statistics.median(found) for found in rates.values())
    ratio = statistics.median(b / a for a, b in zip(*rates.values(), strict=True))
    print(f"1 core {one:.2f}, {len(cores)} cores {all_:.2f} photos/s, ratio {ratio:.2f}")


def _embed(photos: Path, output: Path, cores: list[int]) -> tuple[float, float]:
    """Run the command with one worker per core; return seconds and CPU seconds."""
    command = [sys.executable, "-m", "facehub", "embed", str(photos), "-o", str(output)]
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [*command, "--workers", str(len(cores))],
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if process.wait() not in (0, 6):  # 6: some photos cannot be used
        raise SystemExit(f"facehub embed failed with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # the workers' too
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.monotonic() - start, cpu


if __name__ == "__main__":
    main()
