"""A picture that is slow to decode, independent of any real codec."""

from __future__ import annotations

import pytest

from facehub.hosted import decoders

BURN = """
import time, numpy
from facehub.hosted import decoding

real = decoding.read_pixels

def read_pixels(source):
    if not (isinstance(source, bytes) and source.startswith(b"slow ")):
        return real(source)
    end = time.process_time() + float(source.split()[1])
    while time.process_time() < end:
        pass
    return numpy.zeros((6, 7, 3), numpy.uint8)

decoding.read_pixels = read_pixels
from facehub.hosted.decoding import main
"""


@pytest.fixture(autouse=True)
def slow_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `b"slow 1.5"` a picture that takes 1.5 seconds of CPU time to decode."""
    line = "from facehub.hosted.decoding import main\n"
    assert line in decoders._MAIN
    monkeypatch.setattr(decoders, "_MAIN", decoders._MAIN.replace(line, BURN))
