"""Time from the bytes of one 512 x 512 JPEG with one face to its embedding.

python benchmarks/latency.py [--runs 100]
"""

import argparse
import io
import os
import statistics
import time

import torch
from PIL import Image
from skimage import data

from facehub.align import align_faces
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
    crops = align_faces(image)[0].crop[None]

    print(
        f"{os.cpu_count()} CPUs, {torch.get_num_threads()} PyTorch threads, "
        f"{recognizer.embedder.description}, median of {runs} runs"
    )
    for name, step in {
        "decode": lambda: load_image(picture),
        "detect and align": lambda: align_faces(image),
        "encode": lambda: recognizer.engine.embed(crops),
        "picture to embedding": lambda: recognizer.face(picture),
    }.items():
        times = []
        for run in range(runs + 5):
            start = time.perf_counter()
            step()
            if run >= 5:  # the first ones warm up
                times.append(1000 * (time.perf_counter() - start))
        worst = statistics.quantiles(times, n=20)[-1]
        print(f"{name:<22}{statistics.median(times):6.1f} ms   95 %: {worst:6.1f} ms")


if __name__ == "__main__":
    main()
