"""From the bytes of one 512 x 512 JPEG with one face to its embedding, and what the time goes to.

python benchmarks/latency.py [--runs 100]
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time

from PIL import Image
from skimage import data

from facehub.align import align
from facehub.io.images import load_image
from facehub.pipeline import default_recognizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    runs = parser.parse_args().runs

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "JPEG", quality=90)
    picture = buffer.getvalue()
    recognizer = default_recognizer()
    image = load_image(picture)
    found = recognizer.detector.find(image)[0]
    template = recognizer.spec.template
    crops = align(image, found, template).crop[None]

    print(f"{os.cpu_count()} CPUs, {recognizer.embedder.description}, median of {runs} runs")
    steps = {
        "decode": lambda: load_image(picture),
        "detection": lambda: recognizer.detector.find(image),
        "alignment": lambda: align(image, found, template),
        "network": lambda: recognizer.embedder.embed(crops),
        "picture to embedding": lambda: recognizer.face(picture),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for run in range(runs + 5):
        for name, step in steps.items():  # in turn, so that all see the same machine
            start = time.perf_counter()
            step()
            if run >= 5:  # the first ones warm up
                times[name].append(1000 * (time.perf_counter() - start))
    whole = statistics.median(times["picture to embedding"])
    for name, values in times.items():
        middle, worst = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(f"{name:<22}{middle:6.1f} ms  {100 * middle / whole:4.0f} %   95 %: {worst:6.1f} ms")


if __name__ == "__main__":
    main()
