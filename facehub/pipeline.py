"""The whole pipeline in one object: a picture in, aligned faces with embeddings out."""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from facehub.detect.base import MAX_FACES, FaceDetector, Search
from facehub.detect.mediapipe import default_detector
from facehub.errors import FaceHubError, WeightsError
from facehub.gallery.address import open_gallery
from facehub.gallery.base import Gallery
from facehub.gallery.memory import MemoryGallery
from facehub.io.images import ImageSource, read_pixels
from facehub.model.embedder import Embedder
from facehub.model.onnx import OnnxEmbedder
from facehub.model.spec import ModelSpec
from facehub.model.store import default_weights
from facehub.quality import assess, reject
from facehub.results import EmbeddedFace, Face, QualityIssue
from facehub.rotated import align_faces
from facehub.select import FacePolicy, select_face

BATCH_SIZE = 32  # pictures whose faces are embedded together


@dataclass(frozen=True, eq=False)
class FaceRecognizer:
    """Finds, aligns and embeds faces with one face network. Immutable; see `with_threshold`.

    Thread-safe, but not usable in a forked child: start processes with "spawn". The fingerprint is
    computed once: create another recogniser after further training.

    Args:
        embedder: the network: an `OnnxEmbedder`, or a `FaceEncoder` to run PyTorch.
        detector: finds the faces; default: the process's shared detector.
        spec: how the network is used; default: the embedder's own spec.
    """

    embedder: Embedder
    detector: FaceDetector = field(default_factory=default_detector)
    spec: ModelSpec = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        spec = replace(self.spec or self.embedder.spec, fingerprint=self.embedder.fingerprint())
        object.__setattr__(self, "spec", spec)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        detector: FaceDetector | None = None,
    ) -> Self:
        """Load weights.

        Args:
            name: folder, `owner/name` or `owner/name@revision`; None for the default weights
                (`FACEHUB_MODEL`, else those that come with facehub).
            revision: branch, tag or commit on the Hub.
            device: "auto", "cpu", "cuda", ..., see `facehub.model.runtime.choose_device`.
            precision: "auto", "float32" or "int8", see `OnnxEmbedder`.
            detector: finds the faces; None: the process's shared detector.

        Raises:
            WeightsError: the weights are missing, damaged or unusable.
            DeviceError: the device is not available; the message says what to install.
        """
        embedder = OnnxEmbedder.from_pretrained(
            name, revision=revision, device=device, precision=precision
        )
        return cls(embedder, detector or default_detector())

    @property
    def fingerprint(self) -> str:
        """Identifies the embedding space; templates of different spaces cannot be compared."""
        assert self.spec.fingerprint is not None
        return self.spec.fingerprint

    def with_threshold(self, threshold: float) -> Self:
        """Return a recogniser with another threshold that shares the network.

        Args:
            threshold: cosine similarity, -1 to 1, from which two faces count as one person. It is
                applied unchanged, even in large galleries, see `ModelSpec.with_threshold`.

        Raises:
            ValueError: the threshold is out of range.
        """
        return self.with_spec(self.spec.with_threshold(threshold))

    def with_spec(self, spec: ModelSpec) -> Self:
        """Return a recogniser with another threshold or calibration that shares the network.

        Args:
            spec: of the same network; only threshold and calibration may differ.
        """
        return replace(self, spec=spec)

    def empty_gallery(self) -> MemoryGallery:
        """Create a gallery in memory for templates of these weights."""
        return MemoryGallery(self.fingerprint, self.spec.embedding_size)

    def open_gallery(self, address: str | os.PathLike[str], *, new: bool = True) -> Gallery:
        """Open a gallery of these weights by its address, see `facehub.gallery.address`.

        Args:
            address: `people.db`, say.
            new: whether to create a missing gallery.

        Raises:
            GalleryError: the gallery is missing or unusable.
            GalleryMismatchError: the gallery belongs to other weights.
        """
        return open_gallery(
            address,
            self.fingerprint,
            self.spec.embedding_size,
            new=new,
            compatible=self.embedder.has_fingerprint_v1,
        )

    def load_gallery(self, path: str | os.PathLike[str]) -> MemoryGallery:
        """Load a safetensors gallery of these weights, including one of facehub 0.1.

        Args:
            path: the `.safetensors` file.

        Raises:
            GalleryError: the file is missing, damaged or not a gallery.
            GalleryMismatchError: the gallery belongs to other weights.
        """
        return MemoryGallery.load(
            path, fingerprint=self.fingerprint, compatible=self.embedder.has_fingerprint_v1
        )

    def read(self, image: ImageSource) -> np.ndarray:
        """Decode a picture for all methods here: uint8 (H, W, 3), RGB; see `read_pixels`.

        Raises:
            ImageError: the picture cannot be used.
        """
        return read_pixels(image)

    def faces(self, image: ImageSource, *, search: Search = "auto") -> list[EmbeddedFace]:
        """Find and embed every face of a picture.

        Args:
            image: anything `load_image` takes.
            search: "thorough" also finds small faces in group photos, see `FaceDetector.find`.

        Returns:
            Faces from left to right; an empty list if there is none. If there are more than
            `MAX_FACES`, the largest, with the issue `TOO_MANY_FACES`.

        Raises:
            ImageError: the picture cannot be used.
        """
        return self._embed([self._find(image, search)])[0]

    def face(
        self,
        image: ImageSource,
        *,
        policy: FacePolicy = "exactly_one",
        reject_issues: Collection[QualityIssue] = (),
    ) -> EmbeddedFace:
        """Find and embed one face of a picture.

        Args:
            image: anything `load_image` takes.
            policy: what to do if there are several faces, see `select_face`.
            reject_issues: quality issues that count as errors.

        Raises:
            ImageError: the picture cannot be used.
            NoFaceError: the picture shows no face.
            MultipleFacesError: the picture shows several, and the policy is "exactly_one".
            LowQualityError: the face has an issue in `reject_issues`.
        """
        return self._embed([self._find(image, "auto", policy, reject_issues)])[0][0]

    def faces_many(
        self,
        images: Iterable[ImageSource | Callable[[], ImageSource]],
        *,
        search: Search = "auto",
        policy: FacePolicy | None = None,
        workers: int | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> Iterator[list[EmbeddedFace] | FaceHubError]:
        """Like `faces`, for many pictures: searched in parallel, embedded in batches.

        Args:
            images: consumed lazily, `batch_size` at a time; each anything `load_image` takes, or a
                function that returns it, which is called in a worker.
            search: see `faces`.
            policy: embed only one face per picture, see `select_face`; None: embed all.
            workers: number of threads that decode and search; None: one per core.
            batch_size: number of pictures whose faces are embedded together.

        Yields:
            For each picture, in order, its faces, or the error that `faces` or `face` would raise.

        Raises:
            ValueError: `workers` or `batch_size` is less than 1.
        """
        if batch_size < 1 or (workers is not None and workers < 1):
            raise ValueError("batch_size and workers must be 1 or more")

        def find(image: ImageSource | Callable[[], ImageSource]) -> _Found | FaceHubError:
            try:
                return self._find(image() if callable(image) else image, search, policy)
            except FaceHubError as error:
                return error

        source = iter(images)
        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            while batch := list(itertools.islice(source, batch_size)):
                results = list(pool.map(find, batch))
                found = self._embed([r for r in results if not isinstance(r, FaceHubError)])
                embedded = iter(found)
                for result in results:
                    yield result if isinstance(result, FaceHubError) else next(embedded)

    def _find(
        self,
        image: ImageSource,
        search: Search,
        policy: FacePolicy | None = None,
        reject_issues: Collection[QualityIssue] = (),
    ) -> _Found:
        return self._search(self.read(image), search, policy, reject_issues)

    def _search(
        self,
        pixels: np.ndarray,
        search: Search,
        policy: FacePolicy | None,
        reject_issues: Collection[QualityIssue],
    ) -> _Found:
        faces = align_faces(pixels, self.detector, template=self.spec.template, search=search)
        found = len(faces)
        if policy is not None:
            faces = [faces[select_face(faces, pixels.shape, policy)]]
        elif found > MAX_FACES:
            smallest = sorted(face.area for face in faces)[-MAX_FACES]
            faces = [face for face in faces if face.area >= smallest][:MAX_FACES]
        issues = [assess(face, pixels.shape, found) for face in faces]
        if policy is not None:
            reject(issues[0], reject_issues)
        return list(zip(faces, issues, strict=True))

    def _embed(self, pictures: list[_Found]) -> list[list[EmbeddedFace]]:
        crops = [face.crop for found in pictures for face, _ in found]
        embeddings = self.embedder.embed(np.stack(crops)) if crops else np.empty((0, 0))
        if not np.isfinite(embeddings).all():  # NaN would compare as "different"
            raise WeightsError("The network returned an embedding that is not finite.")
        rows = iter(embeddings)
        return [
            [EmbeddedFace(face, next(rows), issues) for face, issues in found] for found in pictures
        ]


_Found = list[tuple[Face, tuple[QualityIssue, ...]]]  # the faces of one picture, not yet embedded

_loading = threading.Lock()


@functools.cache
def _shared(name: str) -> FaceRecognizer:
    return FaceRecognizer.from_pretrained(name)


def default_recognizer() -> FaceRecognizer:
    """The shared recogniser with the default weights, loaded by the first call.

    Raises:
        WeightsError: the weights are missing, damaged or unusable.
        DeviceError: ONNX Runtime is not available.
    """
    with _loading:  # `functools.cache` alone would let two threads load at once
        return _shared(default_weights())
