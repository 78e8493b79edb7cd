"""The demo: `python app.py`, or a hosted Space."""

import sys

from facehub.demo.page import build, launch_options
from facehub.errors import FaceHubError
from facehub.recognizer import default_recognizer

try:
    demo = build(default_recognizer())
except FaceHubError as error:
    sys.exit(f"error: {error}")

if __name__ == "__main__":
    demo.launch(**launch_options())
