"""Put the service together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from facehub._version import __version__
from facehub.gallery.base import Gallery
from facehub.hosted.recognizer import Host, HostedRecognizer
from facehub.identification import check_gallery
from facehub.io.images import MAX_BYTES, MAX_PIXELS
from facehub.pipeline import FaceRecognizer
from facehub.service.access import Service
from facehub.service.documents import document
from facehub.service.keys import KeyRing
from facehub.service.limits import Gate, RateLimits
from facehub.service.metrics import Metrics
from facehub.service.observer import Observer
from facehub.service.problems import add_handlers
from facehub.service.routes import EMBED, router
from facehub.service.settings import Settings

DESCRIPTION = (
    "Face verification (1:1) and identification (1:N). A picture is sent itself, not its address: "
    "at most {megabytes} MB and {megapixels:.0f} megapixels. Nothing is kept of pictures but the "
    "templates of people who are enrolled. Errors are problem details (RFC 9457); their `error` "
    "names the error's class."
)


def create_app(
    recognizer: FaceRecognizer, settings: Settings, galleries: Mapping[str, Gallery]
) -> FastAPI:
    """The service as an ASGI application.

    Args:
        recognizer: weights in use. It is not changed: the service has its own with the settings'
            threshold.
        settings: of the host.
        galleries: open ones, by the name that requests use; the caller closes them.

    Raises:
        SettingsError: the file of keys cannot be used, or a setting does not fit the weights.
        GalleryMismatchError: a gallery was made with other weights.
    """
    recognizer = recognizer.with_spec(settings.apply(recognizer.spec))
    for gallery in galleries.values():
        check_gallery(gallery, recognizer)
    host = Host(settings.workers, settings.deadline)
    gate = Gate(settings.workers, settings.queue_size, settings.deadline, threads=host.threads)
    metrics = Metrics(gate)
    keys = KeyRing(settings.keys)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        gate.close()
        host.close()

    app = FastAPI(
        title="facehub",
        version=__version__,
        description=DESCRIPTION.format(
            megabytes=min(settings.max_upload_mb, MAX_BYTES // 2**20), megapixels=MAX_PIXELS / 1e6
        ),
        lifespan=lifespan,
        docs_url=None,  # it would load scripts from another site
        redoc_url=None,
    )
    hosted = HostedRecognizer.of(recognizer, host)
    app.state.service = Service(hosted, settings, galleries, keys, RateLimits(), gate, metrics)
    add_handlers(app)
    app.include_router(router)
    app.add_middleware(Observer, metrics=metrics)
    closed = () if settings.allow_embed else (EMBED,)
    app.openapi = lambda: document(app, closed)  # type: ignore[method-assign]
    return app
