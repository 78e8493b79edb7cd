"""The stage that every process runs on its photos: find, align and embed faces."""

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
    """A photo and its outcome.

    Attributes:
        path: for display, see `Picture.path`.
        faces: from left to right; empty after an error.
        error: why the photo could not be used, or None.
    """

    path: str
    faces: Sequence[EmbeddedFace] = ()
    error: FaceHubError | None = None

    @classmethod
    def of(cls, path: str, outcome: Outcome) -> EmbeddedPhoto:
        """Create from an outcome of the stage."""
        if isinstance(outcome, FaceHubError):
            return cls(path, error=outcome)
        return cls(path, outcome)


@dataclass(frozen=True)
class StageConfig:
    """Everything that another process needs to create the same stage.

    Attributes:
        fingerprint: of the weights.
        weights: folder or Hub name, see `FaceRecognizer.from_pretrained`.
        device: see `OnnxEmbedder`.
        precision: see `OnnxEmbedder`.
        search: see `FaceDetector.find`.
        policy: embed only one face per photo, see `select_face`; None: embed all.
    """

    fingerprint: str
    weights: str | None = None
    device: str = "auto"
    precision: str = "auto"
    search: Search = "thorough"
    policy: FacePolicy | None = None

    @property
    def key(self) -> str:
        """Equal for configurations with comparable results."""
        return f"{self.fingerprint} {self.search} {self.policy}"

    def load(self) -> Stage:
        """Load the weights and the detector.

        Raises:
            WeightsError, DeviceError, AssetError: they cannot be loaded.
        """
        recognizer = FaceRecognizer.from_pretrained(
            self.weights, device=self.device, precision=self.precision
        )
        return self.stage(recognizer, workers=1)

    def stage(self, recognizer: FaceRecognizer, *, workers: int | None = None) -> Stage:
        """Create the stage with a loaded recogniser.

        Args:
            recognizer: finds and embeds faces.
            workers: number of threads; None for the default.
        """

        def embed(readers: Iterable[Reader]) -> Iterator[Outcome]:
            return recognizer.faces_many(
                readers, search=self.search, policy=self.policy, workers=workers
            )

        return embed


def outcomes_of(stage: Stage, readers: Sequence[Reader]) -> Iterator[Outcome]:
    """Run the stage; a photo that makes it fail unexpectedly gets an error as its outcome."""
    done = 0
    try:
        for outcome in stage(readers):
            yield outcome
            done += 1
    except FaceHubError:  # not caused by a photo
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
