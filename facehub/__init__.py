"""facehub: open face verification (1:1) and identification (1:N)."""

from facehub.alignment import Face, align_faces
from facehub.config import Calibration, EncoderConfig
from facehub.encoder import FaceEncoder
from facehub.errors import (
    AssetError,
    FaceError,
    FaceHubError,
    GalleryError,
    GalleryMismatchError,
    ImageDecodeError,
    ImageError,
    ImageFormatError,
    ImageTooLargeError,
    LowQualityError,
    MultipleFacesError,
    NoFaceError,
    WeightsError,
)
from facehub.gallery import Candidate, Gallery
from facehub.identification import IdentifiedFace, enrol, identify
from facehub.images import load_image
from facehub.quality import QualityIssue
from facehub.recognizer import EmbeddedFace, FaceRecognizer, default_recognizer
from facehub.template import AlignmentTemplate
from facehub.verification import Decision, VerificationResult, verify

__version__ = "0.1.0"

__all__ = [
    "AlignmentTemplate",
    "AssetError",
    "Calibration",
    "Candidate",
    "Decision",
    "EmbeddedFace",
    "EncoderConfig",
    "Face",
    "FaceEncoder",
    "FaceError",
    "FaceHubError",
    "FaceRecognizer",
    "Gallery",
    "GalleryError",
    "GalleryMismatchError",
    "IdentifiedFace",
    "ImageDecodeError",
    "ImageError",
    "ImageFormatError",
    "ImageTooLargeError",
    "LowQualityError",
    "MultipleFacesError",
    "NoFaceError",
    "QualityIssue",
    "VerificationResult",
    "WeightsError",
    "align_faces",
    "default_recognizer",
    "enrol",
    "identify",
    "load_image",
    "verify",
]
