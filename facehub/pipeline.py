"""The whole chain in one object: picture in, aligned faces with embeddings out."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

import numpy as np
import torch

from facehub.align import Face, align_faces
from facehub.encoder import FaceEncoder
from facehub.errors import MultipleFacesError, NoFaceError
from facehub.gallery.memory import Gallery
from facehub.io.images import ImageSource, load_image
from facehub.landmarker import Search
from facehub.model.engine import EngineName, make_engine
from facehub.model.store import default_weights
from facehub.quality import QualityIssue, assess, reject

FacePolicy = Literal["exactly_one", "largest"]


@dataclass(frozen=True, eq=False)
class EmbeddedFace:
    """A face with its embedding.

    Attributes:
        face: geometry and aligned crop.
        embedding: float32 (512,), length 1. Biometric data: guard it like the photo.
        issues: quality warnings, see `facehub.quality`.
    """

    face: Face
    embedding: np.ndarray = field(repr=False)
    issues: tuple[QualityIssue, ...] = ()


class FaceRecognizer:
    """Finds, aligns and embeds faces with one set of weights.

    Safe to share between threads, but not with a forked child: start processes with "spawn".

    Args:
        encoder: the weights in use.
        engine: what computes the embeddings, see `make_engine`.
    """

    def __init__(self, encoder: FaceEncoder, *, engine: EngineName = "auto") -> None:
        self.encoder = encoder
        self.engine = make_engine(encoder, engine)
        self.config = encoder.config
        self.fingerprint = encoder.fingerprint()

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        device: str | torch.device | None = None,
        engine: EngineName = "auto",
    ) -> Self:
        """Load weights.

        Args:
            name: folder, `owner/name` or `owner/name@revision`; None for the default weights
                (`FACEHUB_MODEL`, else those that come with facehub).
            revision: branch, tag or commit on the Hub.
            device: where the encoder runs; None for CUDA where there is one, else the CPU.
            engine: what computes the embeddings, see `make_engine`.

        Raises:
            WeightsError: they are missing, damaged or of another architecture.
        """
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        encoder = FaceEncoder.from_pretrained(
            default_weights() if name is None else name, revision=revision, map_location=device
        )
        return cls(encoder, engine=engine)

    def empty_gallery(self) -> Gallery:
        """A gallery for the templates of these weights."""
        return Gallery(self.fingerprint, self.config.embedding_size)

    def faces(self, image: ImageSource, *, search: Search = "auto") -> list[EmbeddedFace]:
        """Find and embed every face of a picture.

        Args:
            image: anything `load_image` takes.
            search: "thorough" also looks for small faces in group photos.

        Returns:
            Faces from left to right; an empty list where there is none.

        Raises:
            ImageError: the picture cannot be used.
        """
        pixels = load_image(image)
        faces = align_faces(pixels, template=self.config.template, search=search)
        if not faces:
            return []
        embeddings = self.engine.embed(np.stack([face.crop for face in faces]))
        return [
            EmbeddedFace(face, embedding, assess(face, pixels.shape, len(faces)))
            for face, embedding in zip(faces, embeddings, strict=True)
        ]

    def face(
        self,
        image: ImageSource,
        *,
        policy: FacePolicy = "exactly_one",
        reject_issues: Collection[QualityIssue] = (),
    ) -> EmbeddedFace:
        """Find and embed the one face that a picture is about.

        Args:
            image: anything `load_image` takes.
            policy: what to do where there are several faces, see `select_face`.
            reject_issues: quality issues that count as errors.

        Raises:
            ImageError: the picture cannot be used.
            NoFaceError: it shows no face.
            MultipleFacesError: it shows several, and the policy is "exactly_one".
            LowQualityError: the face has an issue in `reject_issues`.
        """
        chosen = select_face(self.faces(image), policy)
        reject(chosen.issues, reject_issues)
        return chosen


def select_face(faces: Sequence[EmbeddedFace], policy: FacePolicy) -> EmbeddedFace:
    """Choose the face that a picture is about.

    Args:
        faces: all faces of the picture.
        policy: "exactly_one" refuses several; "largest" takes the largest box.

    Raises:
        NoFaceError: there is none.
        MultipleFacesError: there are several, and the policy is "exactly_one".
        ValueError: another policy.
    """
    if policy not in get_args(FacePolicy):
        raise ValueError(f"policy must be one of {get_args(FacePolicy)}, not {policy!r}")
    if not faces:
        raise NoFaceError("No face was found. Use a picture that shows the face clearly.")
    if len(faces) > 1 and policy == "exactly_one":
        raise MultipleFacesError(
            f"{len(faces)} faces were found where exactly one was expected. "
            "Crop the picture or choose the policy “largest”."
        )
    return max(faces, key=lambda f: f.face.area)


_loading = threading.Lock()


@functools.cache
def _shared(name: str) -> FaceRecognizer:
    return FaceRecognizer.from_pretrained(name)


def default_recognizer() -> FaceRecognizer:
    """The recogniser with the default weights, loaded at the first call and then shared."""
    with _loading:  # `functools.cache` would let two threads load at once
        return _shared(default_weights())
