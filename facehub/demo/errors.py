"""Turn errors into what the page, or a client of its endpoints, shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from facehub.demo import texts
from facehub.errors import FaceHubError, GalleryUnavailableError


class PageError(FaceHubError):
    """Something is missing or no longer there; the message says what to do on the page."""


def user_error(text: str) -> gr.Error:
    """An error to raise: shown to the user, and not logged."""
    return gr.Error(text, print_exception=False)


@contextmanager
def as_user_error() -> Iterator[None]:
    """Show a `FaceHubError` of the body as a `user_error`."""
    try:
        yield
    except FaceHubError as error:
        raise user_error(str(error)) from None


@contextmanager
def private_errors() -> Iterator[None]:
    """Tell the host alone where a gallery is kept that cannot be used."""
    try:
        yield
    except GalleryUnavailableError as error:
        print(error, file=sys.stderr)
        raise GalleryUnavailableError(texts.UNAVAILABLE) from None
