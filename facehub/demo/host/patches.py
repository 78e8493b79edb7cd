"""Patches to Gradio internals that would leak faces."""

from __future__ import annotations

import os
import secrets
from types import SimpleNamespace
from typing import Any

from gradio import processing_utils, queueing, route_utils, routes, state_holder
from starlette.formparsers import MultiPartException

from facehub.demo import texts
from facehub.demo.errors import user_error
from facehub.demo.host.uploads import upload_folder
from facehub.hosting import print_frames


def patch_gradio() -> None:
    """Change what Gradio does; call before the page is built.

    - Gradio names an upload's folder by the hash of its content. Two visitors with the same picture
      would share one file, which the first to be served removes; and a visitor who has a picture
      could find out whether somebody else has uploaded it.
    - It collects the parts of an upload that are not files in memory, without bound.
    - It fetches an address that a client sends in place of an upload.
    - It logs the text of an exception, which may quote what a visitor has sent.
    - It keeps the last value of each input and output of a session for deep links, which the guard
      blocks.
    """
    os.environ["GRADIO_TEMP_DIR"] = upload_folder()
    route_utils.GradioUploadFile = _SecretUpload  # type: ignore[misc]
    route_utils.GradioMultiPartParser = _FilesOnly  # type: ignore[misc]
    processing_utils.async_ssrf_protected_download = _no_download
    for module in (queueing, routes):
        setattr(module, "traceback", SimpleNamespace(print_exc=print_frames))  # noqa: B010
    state_holder.SessionState._update_value_in_config = _keep_nothing  # type: ignore[method-assign]


class _SecretUpload(route_utils.GradioUploadFile):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sha.update(secrets.token_bytes(16))


class _FilesOnly(route_utils.GradioMultiPartParser):
    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is None:
            raise MultiPartException(texts.NO_FILE)


async def _no_download(url: str, cache_dir: str) -> str:
    raise user_error(texts.NO_ADDRESS)


def _keep_nothing(self: state_holder.SessionState, key: int, value: Any) -> None:
    pass
