"""Import the parts of MediaPipe that find faces, without the rest.

The `__init__` modules of MediaPipe import all of its tasks, and with them matplotlib.pyplot and
sounddevice: about twenty times the work of importing the face tasks. This module registers the
packages above the face tasks without running their `__init__`, which runs when a missing attribute
is requested, so other code can use MediaPipe as usual.

If a release moves the modules named here, all of MediaPipe is imported through its public names:
slower, but otherwise the same.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any

PACKAGES = (
    "mediapipe",
    "mediapipe.tasks",
    "mediapipe.tasks.python",
    "mediapipe.tasks.python.vision",
)
_lock = threading.RLock()


@dataclass(frozen=True)
class MediaPipe:
    """The classes of MediaPipe that facehub uses.

    Each attribute is MediaPipe's class of that name.
    """

    BaseOptions: Any
    FaceDetector: Any
    FaceDetectorOptions: Any
    FaceLandmarker: Any
    FaceLandmarkerOptions: Any
    Image: Any
    ImageFormat: Any


def import_mediapipe() -> MediaPipe:
    """Import MediaPipe's face tasks.

    Raises:
        ImportError: MediaPipe is not installed, or a library that it links to is missing.
    """
    with _lock:
        try:
            return _face_tasks()
        except (ImportError, AttributeError):
            return _everything()


def _face_tasks() -> MediaPipe:
    if PACKAGES[0] not in sys.modules:
        for name in PACKAGES:
            _register(name)
    vision = PACKAGES[-1]
    detector = importlib.import_module(f"{vision}.face_detector")
    landmarker = importlib.import_module(f"{vision}.face_landmarker")
    image = importlib.import_module(f"{vision}.core.image")
    options = importlib.import_module("mediapipe.tasks.python.core.base_options")
    return MediaPipe(
        options.BaseOptions,
        detector.FaceDetector,
        detector.FaceDetectorOptions,
        landmarker.FaceLandmarker,
        landmarker.FaceLandmarkerOptions,
        image.Image,
        image.ImageFormat,
    )


def _everything() -> MediaPipe:
    mediapipe: Any = importlib.import_module("mediapipe")
    tasks = mediapipe.tasks
    return MediaPipe(
        tasks.BaseOptions,
        tasks.vision.FaceDetector,
        tasks.vision.FaceDetectorOptions,
        tasks.vision.FaceLandmarker,
        tasks.vision.FaceLandmarkerOptions,
        mediapipe.Image,
        mediapipe.ImageFormat,
    )


class _LazyPackage(ModuleType):
    """A package whose `__init__` runs when an attribute is missing.

    `importlib.util.LazyLoader` runs it when a submodule is imported, which is what we avoid.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__all__", "__version__"):  # a probe
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with _lock:
            _run_inits()
        return getattr(self, name)


def _run_inits() -> None:
    """Run the `__init__` of all lazy packages, the innermost first.

    Each expects its inner packages as attributes; `mediapipe` finally replaces its attribute
    `tasks` by `mediapipe.tasks.python`.
    """
    lazy = [name for name in PACKAGES if type(sys.modules.get(name)) is _LazyPackage]
    for name in lazy:
        sys.modules[name].__class__ = ModuleType
    for name in lazy[1:]:
        outer, _, inner = name.rpartition(".")
        setattr(sys.modules[outer], inner, sys.modules[name])
    for name in reversed(lazy):
        spec = sys.modules[name].__spec__
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(sys.modules[name])


def _register(name: str) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError(f"No module named {name!r}", name=name)
    package = importlib.util.module_from_spec(spec)
    package.__class__ = _LazyPackage
    sys.modules[name] = package
