"""The demo: `python app.py`, or a hosted Space; `facehub demo` serves the same page."""

import sys

from facehub.demo.launch import create_page, main
from facehub.errors import FaceHubError

if __name__ == "__main__":
    sys.exit(main())
try:
    demo = create_page()  # for `gradio app.py`, which reloads it
except FaceHubError as error:
    sys.exit(f"error: {error}")
