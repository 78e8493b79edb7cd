"""facehub: open face verification (1:1) and identification (1:N).

Names are imported when first used, so that `facehub --help` need not wait for PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facehub.align import Face, align_faces
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
    from facehub.gallery.memory import Candidate, Gallery
    from facehub.gallery.review import Doubt, Finding, review_gallery
    from facehub.identification import IdentifiedFace, enrol, identify
    from facehub.io.images import load_image
    from facehub.model.spec import Calibration, EncoderConfig
    from facehub.pipeline import EmbeddedFace, FaceRecognizer, default_recognizer
    from facehub.quality import QualityIssue
    from facehub.template import AlignmentTemplate
    from facehub.verification import Decision, VerificationResult, verify

__version__ = "0.1.0"

__all__ = [
    "AlignmentTemplate",
    "AssetError",
    "Calibration",
    "Candidate",
    "Decision",
    "Doubt",
    "EmbeddedFace",
    "EncoderConfig",
    "Face",
    "FaceEncoder",
    "FaceError",
    "FaceHubError",
    "FaceRecognizer",
    "Finding",
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
    "review_gallery",
    "verify",
]

_MODULES = {
    "align": ("Face", "align_faces"),
    "model.spec": ("Calibration", "EncoderConfig"),
    "encoder": ("FaceEncoder",),
    "errors": (
        "AssetError",
        "FaceError",
        "FaceHubError",
        "GalleryError",
        "GalleryMismatchError",
        "ImageDecodeError",
        "ImageError",
        "ImageFormatError",
        "ImageTooLargeError",
        "LowQualityError",
        "MultipleFacesError",
        "NoFaceError",
        "WeightsError",
    ),
    "gallery.memory": ("Candidate", "Gallery"),
    "gallery.review": ("Doubt", "Finding", "review_gallery"),
    "identification": ("IdentifiedFace", "enrol", "identify"),
    "io.images": ("load_image",),
    "quality": ("QualityIssue",),
    "pipeline": ("EmbeddedFace", "FaceRecognizer", "default_recognizer"),
    "template": ("AlignmentTemplate",),
    "verification": ("Decision", "VerificationResult", "verify"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
