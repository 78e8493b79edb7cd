"""Serve until the process is interrupted or terminated."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import uvicorn

from facehub.gallery.address import check_changeable, open_gallery
from facehub.gallery.base import Gallery
from facehub.pipeline import FaceRecognizer
from facehub.service.app import create_app
from facehub.service.keys import read_keys
from facehub.service.observer import LOG
from facehub.service.settings import Settings


def serve(recognizer: FaceRecognizer, settings: Settings, *, host: str, port: int) -> None:
    """Open the galleries and serve them.

    Args:
        recognizer: weights in use.
        settings: of the host.
        host: address to listen on.
        port: to listen on.

    Raises:
        SettingsError: the file of keys cannot be used, or a setting does not fit the weights.
        GalleryError: a gallery cannot be used.
    """
    read_keys(settings.keys)  # before a gallery is made
    _log()
    with opened(settings.galleries, recognizer) as galleries:
        app = create_app(recognizer, settings, galleries)
        app.state.service.recognizer.host.start()
        uvicorn.run(
            app,
            host=host,
            port=port,
            access_log=False,  # it would name addresses; `Observer` logs requests
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=settings.deadline,
        )


def _log() -> None:
    """Log requests; not what `python_multipart` says of them, which quotes their content."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


@contextmanager
def opened(
    addresses: Mapping[str, str], recognizer: FaceRecognizer
) -> Iterator[dict[str, Gallery]]:
    """The galleries of some addresses, closed at the end.

    Raises:
        GalleryError: one cannot be used.
    """
    with ExitStack() as stack:
        galleries: dict[str, Gallery] = {}
        for name, address in addresses.items():
            check_changeable(address)
            gallery = open_gallery(
                address,
                recognizer.fingerprint,
                recognizer.spec.embedding_size,
                also=recognizer.embedder.made_by,
            )
            galleries[name] = stack.enter_context(gallery)
        yield galleries
