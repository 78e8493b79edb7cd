"""What is done with every photo, in whatever process: find, align and embed its faces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from facehub.detect.base import Search
from facehub.errors import FaceHubError, ImageError
from facehub.pipeline import FaceRecognizer
from facehub.results import EmbeddedFace
from facehub.select import FacePolicy

Outcome = Sequence[EmbeddedFace] | FaceHubError  # of one photo
Reader = Callable[[], bytes]  # of a photo's encoded bytes; raises ImageError
Stage = Callable[[Iterable[Reader]], Iterator[Outcome]]  # an outcome for each photo, in order


@dataclass(frozen=True)
class EmbeddedPhoto:
    """A photo and what became of it.

    Attributes:
        path: for people to read, see `Picture.path`.
        faces: from left to right; none where there is an error.
        error: why it could not be used, or None.
    """

    path: str
    faces: Sequence[EmbeddedFace] = ()
    error: FaceHubError | None = None

    @classmethod
    def of(cls, path: str, outcome: Outcome) -> EmbeddedPhoto:
        """From what the stage gave for it."""
        if isinstance(outcome, FaceHubError):
            return cls(path, error=outcome)
        return cls(path, outcome)


@dataclass(frozen=True)
class StageConfig:
    """All that another process needs to do the same.

    Attributes:
        fingerprint: of the weights.
        weights: folder or Hub name, see `FaceRecognizer.from_pretrained`.
        device: where the network runs.
        precision: of the network.
        search: see `FaceDetector.find`.
        policy: embed only the face that each photo is about, see `select_face`; None for all.
    """

    fingerprint: str
    weights: str | None = None
    device: str = "auto"
    precision: str = "auto"
    search: Search = "thorough"
    policy: FacePolicy | None = None

    @property
    def key(self) -> str:
        """Equal for configurations that give comparable results."""
        return f"{self.fingerprint} {self.search} {self.policy}"

    def load(self) -> Stage:
        """Load weights and landmarker.

        Raises:
            WeightsError, DeviceError, AssetError: they cannot be loaded.
        """
        recognizer = FaceRecognizer.from_pretrained(
            self.weights, device=self.device, precision=self.precision
        )
        return self.stage(recognizer, workers=1)

    def stage(self, recognizer: FaceRecognizer, *, workers: int | None = None) -> Stage:
        """The stage with a recogniser that is loaded already, in so many threads."""

        def embed(readers: Iterable[Reader]) -> Iterator[Outcome]:
            return recognizer.faces_many(
                readers, search=self.search, policy=self.policy, workers=workers
            )

        return embed


def outcomes_of(stage: Stage, readers: Sequence[Reader]) -> Iterator[Outcome]:
    """As the stage, but a photo over which it fails unexpectedly gets an error of its own."""
    done = 0
    try:
        for outcome in stage(readers):
            yield outcome
            done += 1
    except FaceHubError:  # no photo's fault
        raise
    except Exception:
        for reader in readers[done:]:
            yield _outcome_of(stage, reader)


def _outcome_of(stage: Stage, reader: Reader) -> Outcome:
    try:
        (outcome,) = stage([reader])
    except FaceHubError:
        raise
    except Exception as error:
        return ImageError(f"This picture cannot be searched: {type(error).__name__}.")
    return outcome
