"""The Gradio page that `app.py` serves. Needs the `demo` extra."""
