"""The demo: `python app.py`, or a hosted Space."""

import signal
import sys

from facehub.demo.page import build, launch_options
from facehub.errors import FaceHubError
from facehub.recognizer import default_recognizer

try:
    demo = build(default_recognizer())
except FaceHubError as error:
    sys.exit(f"error: {error}")

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that uploads are removed on the way
    demo.launch(**launch_options())
