"""facehub: open face verification (1:1) and identification (1:N)."""

from typing import TYPE_CHECKING, Any

from facehub import _telemetry as _telemetry  # first: dependencies read its variables on import
from facehub._version import __version__
from facehub.album import Album, AlbumFace, AlbumGroup, make_album
from facehub.clustering import GroupingRule, cluster
from facehub.detect.base import FaceDetector
from facehub.detect.mediapipe import MediaPipeDetector
from facehub.enrolment import enrol
from facehub.errors import (
    AlbumError,
    ArchiveError,
    AssetError,
    DeviceError,
    FaceError,
    FaceHubError,
    GalleryError,
    GalleryMismatchError,
    GalleryNameError,
    GalleryUnavailableError,
    ImageDecodeError,
    ImageError,
    ImageFormatError,
    ImageTooLargeError,
    LowQualityError,
    MultipleFacesError,
    NameTakenError,
    NoFaceError,
    NotInGalleryError,
    WeightsError,
)
from facehub.gallery.address import open_gallery
from facehub.gallery.base import Entry, Example, Gallery
from facehub.gallery.memory import MemoryGallery
from facehub.gallery.review import ReviewFinding, ReviewReason, review_gallery
from facehub.gallery.sqlite import SqliteGallery
from facehub.identification import identify
from facehub.io.images import load_image
from facehub.model.calibration import Calibration
from facehub.model.onnx import OnnxEmbedder
from facehub.model.spec import ModelSpec
from facehub.model.tail import Tail
from facehub.pipeline import FaceRecognizer, default_recognizer
from facehub.results import (
    Candidate,
    Decision,
    EmbeddedFace,
    Face,
    IdentifiedFace,
    QualityIssue,
    VerificationResult,
)
from facehub.rotated import align_faces
from facehub.template import AlignmentTemplate
from facehub.verification import verify

if TYPE_CHECKING:
    from facehub.encoder import FaceEncoder as FaceEncoder

# Without `FaceEncoder`, so `from facehub import *` works without PyTorch.
__all__ = [
    "Album",
    "AlbumError",
    "AlbumFace",
    "AlbumGroup",
    "AlignmentTemplate",
    "ArchiveError",
    "AssetError",
    "Calibration",
    "Candidate",
    "Decision",
    "DeviceError",
    "EmbeddedFace",
    "Entry",
    "Example",
    "Face",
    "FaceDetector",
    "FaceError",
    "FaceHubError",
    "FaceRecognizer",
    "Gallery",
    "GalleryError",
    "GalleryMismatchError",
    "GalleryNameError",
    "GalleryUnavailableError",
    "GroupingRule",
    "IdentifiedFace",
    "ImageDecodeError",
    "ImageError",
    "ImageFormatError",
    "ImageTooLargeError",
    "LowQualityError",
    "MediaPipeDetector",
    "MemoryGallery",
    "ModelSpec",
    "MultipleFacesError",
    "NameTakenError",
    "NoFaceError",
    "NotInGalleryError",
    "OnnxEmbedder",
    "QualityIssue",
    "ReviewFinding",
    "ReviewReason",
    "SqliteGallery",
    "Tail",
    "VerificationResult",
    "WeightsError",
    "__version__",
    "align_faces",
    "cluster",
    "default_recognizer",
    "enrol",
    "identify",
    "load_image",
    "make_album",
    "open_gallery",
    "review_gallery",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import `FaceEncoder` on first use, because it needs PyTorch."""
    if name != "FaceEncoder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from facehub.encoder import FaceEncoder
    except ImportError as error:
        raise ImportError("FaceEncoder needs PyTorch: pip install 'facehub[torch]'") from error
    return FaceEncoder


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
