"""The decoder process and its protocol.

First it sends `READY`. A request is a kind, a length, and a path or the picture itself. An answer
is a kind and two numbers: height and width, then the pixels; or the lengths of an error's class and
text, then both. Nothing is pickled: a picture that exploits a codec must not reach the parent.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import BinaryIO, NoReturn

import numpy as np

from facehub.errors import ImageDecodeError, ImageError
from facehub.io.images import read_pixels

REQUEST = struct.Struct("!BQ")
ANSWER = struct.Struct("!BII")
PATH, CONTENT = 0, 1
PIXELS, ERROR = 0, 1
READY = b"!"


def serve(requests: BinaryIO, answers: BinaryIO, seconds: int) -> None:
    """Answer requests until their stream ends.

    Args:
        requests: stream of requests.
        answers: stream of answers.
        seconds: CPU seconds per picture after which the system kills this process; the parent, if
            alive, kills it sooner.
    """
    answers.write(READY)
    answers.flush()
    while head := requests.read(REQUEST.size):
        kind, length = REQUEST.unpack(head)
        content = requests.read(length)
        _limit_time(seconds)
        try:
            pixels = read_pixels(content if kind == CONTENT else os.fsdecode(content))
        except Exception as error:
            _answer_error(answers, error)
        else:
            answers.write(ANSWER.pack(PIXELS, *pixels.shape[:2]))
            answers.write(np.ascontiguousarray(pixels).data)
            del pixels
        answers.flush()


def main(seconds: int) -> NoReturn:
    """Serve on standard input and output; nothing else can write to them."""
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as answers:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(null, stream)
        serve(requests, answers, seconds)
    sys.exit(0)


def _answer_error(answers: BinaryIO, error: Exception) -> None:
    if not isinstance(error, ImageError):
        error = ImageDecodeError("The picture is damaged or incomplete.")
    name, text = type(error).__name__.encode(), str(error).encode(errors="replace")
    answers.write(ANSWER.pack(ERROR, len(name), len(text)) + name + text)


def _limit_time(seconds: int) -> None:
    """Let the system kill this process after more CPU time, on Unix."""
    try:
        import resource
    except ImportError:  # not Unix
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
