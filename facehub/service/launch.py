"""Serve until the process is interrupted or terminated."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

import uvicorn

from facehub.errors import FaceHubError
from facehub.gallery.address import check_changeable, open_gallery
from facehub.gallery.base import Gallery
from facehub.pipeline import FaceRecognizer
from facehub.service.app import create_app
from facehub.service.keys import read_keys
from facehub.service.observer import LOG
from facehub.service.settings import Settings


def serve(
    recognizer: FaceRecognizer,
    settings: Settings,
    *,
    host: str,
    port: int,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Open the galleries and serve them until the process is interrupted or terminated.

    Args:
        recognizer: weights in use.
        settings: of the host.
        host: address to listen on.
        port: to listen on; 0 for any that is free.
        on_start: told the service's address when it listens.

    Raises:
        FaceHubError: host and port cannot be listened on.
        SettingsError: the file of keys cannot be used, or a setting does not fit the weights.
        GalleryError: a gallery cannot be used.
    """
    read_keys(settings.keys)  # fails before a gallery is created
    _log()
    with opened(settings.galleries, recognizer) as galleries, _listen(host, port) as listener:
        app = create_app(recognizer, settings, galleries)
        app.state.service.recognizer.host.start()
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,  # it would log client addresses; `Observer` logs requests
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=settings.deadline,
        )
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        LOG.info("listening on %s", url)
        if on_start is not None:
            on_start(url)
        with suppress(KeyboardInterrupt):  # raised again after everything has ended
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise FaceHubError(
            f"The service cannot listen on {host}, port {port}: {error.strerror or error}."
        ) from error


def _log() -> None:
    """Log requests, but silence `python_multipart`, which quotes their content."""
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
    """Open galleries by their addresses; close them at the end.

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
                compatible=recognizer.embedder.has_fingerprint_v1,
            )
            galleries[name] = stack.enter_context(gallery)
        yield galleries
