"""What Gradio does otherwise than a page for faces needs, changed."""

from __future__ import annotations

import os
import secrets
from types import SimpleNamespace
from typing import Any

from gradio import processing_utils, queueing, route_utils, routes, state_holder
from starlette.formparsers import MultiPartException

from facehub.demo import texts
from facehub.demo.errors import print_frames, problem
from facehub.demo.host.uploads import upload_folder


def take_over() -> None:
    """Change Gradio; call before the page is built.

    - It names an upload's folder by the hash of its content. Two visitors with the same picture
      would share one file, which the first to be served removes; and who has a picture could find
      out whether somebody else has uploaded it.
    - It collects what is no file in an upload in memory, without bound.
    - Where a client sends an address in place of an upload, it fetches it.
    - It logs the text of an exception, in which it quotes what a visitor has sent.
    - It keeps the last value of each input and output of a session for links, which are closed.
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
    raise problem(texts.NO_ADDRESS)


def _keep_nothing(self: state_holder.SessionState, key: int, value: Any) -> None:
    pass
