"""Turn facehub's errors into what the page, or a client of its endpoints, shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from facehub.errors import FaceHubError


def problem(text: str) -> gr.Error:
    """An error to raise: shown to the user, and not logged."""
    return gr.Error(text, print_exception=False)


@contextmanager
def shown() -> Iterator[None]:
    """Show a `FaceHubError` of the body as a `problem`."""
    try:
        yield
    except FaceHubError as error:
        raise problem(str(error)) from None
