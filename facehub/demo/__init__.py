"""The Gradio page that `app.py` serves. Needs the `demo` extra."""

from facehub.hosting import bypass_proxy

bypass_proxy()  # before Gradio is imported, whose clients read the environment
