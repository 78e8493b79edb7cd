"""Patches to Gradio internals that would leak faces."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, SimpleNamespace
from typing import Any

import gradio
from gradio import blocks, processing_utils, queueing, route_utils, routes, state_holder
from gradio_client import utils
from hf_gradio import cli
from starlette.formparsers import MultiPartException

from facehub.demo import texts
from facehub.demo.errors import user_error
from facehub.demo.host.components import FILE
from facehub.demo.host.sessions import update_fairly
from facehub.demo.host.uploads import upload_folder
from facehub.errors import FaceHubError
from facehub.hosting import print_frames

VERSION = "6.31."


class PatchError(FaceHubError):
    """This Gradio is not the version that facehub patches: faces might leak."""


@dataclass(frozen=True)
class Patch:
    """A replacement for a part of Gradio.

    Attributes:
        place: module or class.
        name: of its attribute.
        value: the replacement.
        users: functions that look the attribute up by name when they run.
    """

    place: Any
    name: str
    value: Any
    users: tuple[Callable[..., Any], ...]

    def apply(self) -> None:
        """Replace it.

        Raises:
            PatchError: the attribute is missing, or nothing looks it up any more.
        """
        if not hasattr(self.place, self.name):
            raise PatchError(f"Gradio has no {self.name} any more.")
        setattr(self.place, self.name, self.value)
        self.verify()

    def verify(self) -> None:
        """Check that the replacement is in place and used.

        Raises:
            PatchError: it is not in place, or not used.
        """
        held = vars(self.place).get(self.name) is self.value
        if not held or not all(self.name in _names(user.__code__) for user in self.users):
            raise PatchError(f"Gradio does not use {self.name} as facehub knows it.")


def patch_gradio() -> None:
    """Patch Gradio; call before the page is built.

    Without the patches:

    - Gradio names an upload's folder by the hash of its content. Two visitors with the same picture
      would share one file, which the first to be served removes; and a visitor who has a picture
      could find out whether somebody else has uploaded it.
    - It collects the parts of an upload that are not files in memory, without bound.
    - It fetches an address that a client sends in place of an upload.
    - It logs the text of an exception, which may quote what a visitor has sent.
    - It keeps the last value of each input and output of a session for deep links, which the guard
      closes.
    - Its OpenAPI document asks for the address of a picture, which this server does not fetch.
    - It makes a component anew in a session when a handler changes or skips it, so that
      `facehub.demo.host.components` would no longer read and show its pictures.
    - It lets pages of every other site read its answers, with the visitor's login.
    - It evicts the session that was unused for longest, whoever has crowded it out.

    Raises:
        PatchError: another version of Gradio, or a change that does not take hold.
    """
    if not gradio.__version__.startswith(VERSION):
        raise PatchError(f"The page needs Gradio {VERSION}x, not {gradio.__version__}.")
    os.environ["GRADIO_TEMP_DIR"] = upload_folder()
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it quotes what is sent
    for patch in PATCHES:
        patch.apply()


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


def _without_addresses(info: dict[str, Any], url_only: bool = False) -> Any:
    return utils.traverse(
        cli._condense_info(info, url_only),
        lambda schema: {**schema, "description": f'{FILE} Send {{"path": PATH, "meta": {_META}}}.'},
        lambda value: isinstance(value, dict) and value.get("type") == "filepath",
    )


def _keep_nothing(self: state_holder.SessionState, key: int, value: Any) -> None:
    pass


_set_item = state_holder.SessionState.__setitem__


def _keep_hooks(self: state_holder.SessionState, key: int, value: Any) -> None:
    before = self.blocks_config.blocks.get(key)
    for hook in ("preprocess", "postprocess"):
        if before is not None and isinstance(value, blocks.Block) and hook in vars(before):
            setattr(value, hook, vars(before)[hook])
    _set_item(self, key, value)


def _no_origin(self: route_utils.CustomCORSMiddleware, request_headers: Any) -> bool:
    return False


def _print_exception(*_: Any, **__: Any) -> None:
    print_frames()


_META = '{"_type": "gradio.FileData"}'
_quiet = SimpleNamespace(print_exc=_print_exception)
_cors = route_utils.CustomCORSMiddleware
PATCHES = (
    Patch(
        route_utils,
        "GradioUploadFile",
        _SecretUpload,
        (route_utils.GradioMultiPartParser.on_headers_finished,),
    ),
    Patch(route_utils, "GradioMultiPartParser", _FilesOnly, (route_utils.upload_fn,)),
    Patch(
        processing_utils,
        "async_ssrf_protected_download",
        _no_download,
        (blocks.Block.async_move_resource_to_block_cache,),
    ),
    Patch(routes, "_condense_info", _without_addresses, (routes.App.create_app,)),
    Patch(queueing, "traceback", _quiet, (queueing.Queue.process_events,)),
    Patch(routes, "traceback", _quiet, (routes.App.create_app,)),
    Patch(route_utils, "traceback", _quiet, (route_utils._cancel_background_task,)),
    Patch(state_holder.SessionState, "_update_value_in_config", _keep_nothing, ()),
    Patch(state_holder.SessionState, "__setitem__", _keep_hooks, ()),
    Patch(_cors, "is_valid_origin", _no_origin, (_cors._send, _cors.preflight_response)),
    Patch(
        state_holder.StateHolder,
        "update",
        update_fairly,
        (state_holder.StateHolder.__getitem__,),
    ),
)


def _names(code: CodeType) -> Iterator[str]:
    """Names that a function and its inner functions look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
