"""A stage that does what its photos say, in a module that worker processes can import.

A photo's content is a word and its argument. For every photo that it starts, the stage adds a line
with the id of the process and the content to the file that `LOG` names.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facehub.bulk.stage import Outcome, Reader, Stage
from facehub.errors import FaceHubError, ImageDecodeError, WeightsError
from facehub.io.sources import Picture
from facehub.results import EmbeddedFace, Face, QualityIssue

LOG = "FACEHUB_TEST_LOG"


@dataclass(frozen=True)
class Words:
    """A source in memory, which is sent to other processes with its content."""

    words: dict[str, bytes]
    ignored: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return sorted(self.words)

    def read(self, name: str) -> bytes:
        return self.words[name]


def photos(*words: str) -> list[Picture]:
    source = Words({f"{i:03d}.jpg": word.encode() for i, word in enumerate(words)})
    return [Picture(source, name, f"photos/{name}") for name in source.names]


@dataclass(frozen=True)
class FakeConfig:
    key: str = "key"

    def load(self) -> Stage:
        return stage


class BrokenConfig(FakeConfig):
    def load(self) -> Stage:
        raise WeightsError("no weights")


class DyingConfig(FakeConfig):
    def load(self) -> Stage:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass
class RecordedProgress:
    """Progress that records its calls."""

    calls: list[tuple[str, int, int]] = field(default_factory=list)

    def begin(self, total: int, there: int) -> None:
        self.calls.append(("begin", total, there))

    def report(self, done: int) -> None:
        self.calls.append(("report", done, 0))

    def end(self) -> None:
        self.calls.append(("end", 0, 0))


def stage(readers: Iterable[Reader]) -> Iterator[Outcome]:
    for reader in readers:
        content = reader().decode()
        with open(os.environ[LOG], "a") as log:
            log.write(f"{os.getpid()} {content}\n")
        yield outcome(content)


def outcome(content: str) -> Outcome:
    word, _, rest = content.partition(" ")
    if word == "bad":
        return ImageDecodeError("The picture is damaged.")
    if word == "raise":
        raise ZeroDivisionError
    if word == "end":
        raise FaceHubError("no use to go on")
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "die-once" and not Path(rest).exists():
        Path(rest).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "sleep":
        time.sleep(float(rest))
    return [face(content, number) for number in range(len(rest) if word == "faces" else 1)]


def face(content: str, number: int) -> EmbeddedFace:
    rng = np.random.default_rng(abs(hash_of(content)) + number)
    row = rng.standard_normal(8).astype(np.float32)
    geometry = Face(
        crop=np.zeros((112, 96, 3), np.uint8),
        box=(-0.5, 1.25, float(np.float32(0.1)), 4.0),
        pupils=rng.random((2, 2), np.float32),
        inter_eye=float(rng.random()),
        yaw=1.5,
        pitch=-2.5,
        roll=0.25,
        matrix=rng.random((2, 3), np.float32),
        landmarks=np.zeros((478, 2), np.float32),
    )
    issues = (QualityIssue.BLURRED, QualityIssue.CUT_OFF)[:number]
    return EmbeddedFace(geometry, row / np.linalg.norm(row), issues)


def hash_of(text: str) -> int:
    """The same in every process, unlike `hash`."""
    return int.from_bytes(text.encode()[:8].ljust(8, b"."), "big")
