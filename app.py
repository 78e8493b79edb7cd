"""The demo: `python app.py`, or a hosted Space."""

import signal
import sys

from facehub.demo.page import build, launch_options
from facehub.demo.settings import Settings
from facehub.errors import FaceHubError
from facehub.pipeline import default_recognizer

try:
    settings = Settings.from_environment()
    demo = build(default_recognizer(), settings)
except FaceHubError as error:
    sys.exit(f"error: {error}")

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that uploads are removed on the way
    demo.launch(**launch_options(settings))
