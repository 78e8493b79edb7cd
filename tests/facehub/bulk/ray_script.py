"""Embed photos in a Ray cluster on this machine; the test starts this in its own network."""

from __future__ import annotations

import array
import fcntl
import functools
import socket
import struct
import sys
from pathlib import Path

from facehub.bulk.on_ray import run_shards_on_ray
from facehub.bulk.run import embed_photos
from tests.facehub.bulk.stages import FakeConfig, RecordedProgress, photos

SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 1, 0x40


def raise_loopback() -> None:
    """Start the loopback interface, which is down in a new network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, array.array("b", request))


def main(folder: Path, words: list[str]) -> None:
    raise_loopback()
    engine = functools.partial(run_shards_on_ray, address="local", workers=1)
    with embed_photos(
        photos(*words), FakeConfig(), folder, engine, RecordedProgress(), shard_size=2
    ) as embedded:
        for photo in embedded:
            print(photo.path, len(photo.faces), type(photo.error).__name__)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
