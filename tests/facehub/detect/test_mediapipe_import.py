"""facehub imports only parts of MediaPipe; other code still sees all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOAD = "from facehub.detect.mediapipe_import import import_mediapipe; mp = import_mediapipe()\n"


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_the_face_tasks_are_imported() -> None:
    """Matplotlib and audio are three quarters of the work of `import mediapipe`."""
    code = (
        LOAD
        + """
import sys
names = ("matplotlib", "sounddevice", "mediapipe.tasks.python.audio", "mediapipe.tasks.python.text")
print([name for name in names if name in sys.modules])
"""
    )
    assert run_python("import sys\n" + code) == "[]\n"


@pytest.mark.parametrize(
    "use",
    [
        "import mediapipe; found = mediapipe.tasks.vision.FaceDetector",
        "import mediapipe; mediapipe.Image; found = mediapipe.tasks.vision.FaceDetector",
        "from mediapipe.tasks.python import vision; found = vision.FaceDetector",
        "from mediapipe.tasks.python.vision import FaceDetector as found",
        "from mediapipe.tasks.python.vision.face_detector import FaceDetector as found",
    ],
)
@pytest.mark.parametrize("first", ["", "import mediapipe\n"])
def test_other_code_sees_all_of_mediapipe(first: str, use: str) -> None:
    code = f"{first}{LOAD}{use}\nprint(found is mp.FaceDetector)\n"
    code += "import mediapipe; print(mediapipe.__version__, mediapipe.tasks.audio.AudioClassifier)"
    same, rest = run_python(code).splitlines()
    assert same == "True"
    assert "AudioClassifier" in rest


def test_mediapipe_has_no_unknown_attribute() -> None:
    code = (
        LOAD
        + "import mediapipe; print(hasattr(mediapipe, 'nothing'), hasattr(mediapipe, '__no__'))"
    )
    assert run_python(code) == "False False\n"


def test_moved_modules_are_found_by_their_public_names() -> None:
    code = """
import sys
sys.modules["mediapipe.tasks.python.vision.core.image"] = None  # importing it fails, as if it moved
from facehub.detect import mediapipe_import
try:
    mediapipe_import._face_tasks()
except ImportError:
    print("moved")
del sys.modules["mediapipe.tasks.python.vision.core.image"]
mp = mediapipe_import._everything()
print(mp.FaceDetector.__name__, mp.Image.__name__)
"""
    assert run_python(code) == "moved\nFaceDetector Image\n"
