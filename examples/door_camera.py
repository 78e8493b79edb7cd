"""Identify people at the door: match a webcam or a video against a gallery.

    facehub enrol people.db people/
    python examples/door_camera.py people.db            # the first webcam
    python examples/door_camera.py people.db door.mp4

A person is reported when named in three of the last five frames, and again only after an absence of
ten seconds. Nothing is recorded.
"""

from __future__ import annotations

import argparse
import collections
import time
from collections.abc import Iterator

import cv2
import numpy as np

from facehub import FaceRecognizer, identify

EVERY = 0.2  # seconds between processed frames
FRAMES = 5
NEEDED = 3
AWAY = 10.0  # seconds


def main() -> None:
    """Print a line for each person who arrives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("gallery", help="people.db, or postgresql://...")
    parser.add_argument("source", nargs="?", default="0", help="number of a webcam, or a video")
    args = parser.parse_args()
    recognizer = FaceRecognizer.from_pretrained()
    recent: collections.deque[set[str]] = collections.deque(maxlen=FRAMES)
    last_seen: dict[str, float] = {}
    with recognizer.open_gallery(args.gallery, new=False) as gallery:
        for seconds, frame in frames(args.source):
            faces = identify(frame, gallery, search="auto", recognizer=recognizer)
            recent.append({face.name for face in faces if face.name})
            for name, count in collections.Counter(n for names in recent for n in names).items():
                if count < NEEDED or name not in recent[-1]:
                    continue
                if seconds - last_seen.get(name, -AWAY) >= AWAY:
                    print(f"{seconds:7.1f} s  {name}", flush=True)
                last_seen[name] = seconds


def frames(source: str) -> Iterator[tuple[float, np.ndarray]]:
    """Seconds since the start, and RGB frames, uint8 (H, W, 3), one every `EVERY` seconds."""
    camera = source.isdigit()
    capture = cv2.VideoCapture(int(source) if camera else source)
    if not capture.isOpened():
        raise SystemExit(f"{source} cannot be opened.")
    started, next_at = time.monotonic(), 0.0
    try:
        while capture.grab():
            now = time.monotonic() - started
            seconds = now if camera else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if seconds < next_at:
                continue
            next_at = seconds + EVERY
            ok, frame = capture.retrieve()
            if ok:
                yield seconds, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


if __name__ == "__main__":
    main()
