"""The demo: `python app.py`, or a hosted Space; `facehub demo` serves the same page."""

import sys

from facehub.demo.launch import create_page, main

if __name__ == "__main__":
    sys.exit(main())
demo = create_page()  # for `gradio app.py`, which reloads it
