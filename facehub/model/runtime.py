"""Open ONNX Runtime sessions: device, precision, threads."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facehub.errors import DeviceError
from facehub.model import wire

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

THREADS_VARIABLE = "FACEHUB_THREADS"
MAX_THREADS = 1024

# Execution provider and package by device name.
_PROVIDERS = {
    "cpu": ("CPUExecutionProvider", "onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "migraphx": ("MIGraphXExecutionProvider", "onnxruntime-migraphx"),
    "directml": ("DmlExecutionProvider", "onnxruntime-directml"),
    "openvino": ("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "coreml": ("CoreMLExecutionProvider", "onnxruntime"),
}
# "auto" takes the first of these that works. Core ML comes with every macOS wheel but computes in
# float16, so it must be requested.
_AUTO = ("cuda", "migraphx", "directml", "openvino", "cpu")


def choose_device(device: str = "auto") -> str:
    """Choose the device to run on.

    Args:
        device: "cpu", "cuda", "migraphx", "directml", "openvino" or "coreml"; "auto" takes a GPU
            if its execution provider is installed and works.

    Returns:
        The name of a device whose execution provider is installed.

    Raises:
        DeviceError: the name is unknown, or its provider is not installed; the message says what
            to install.
    """
    available = _runtime().get_available_providers()
    if device == "auto":
        installed = (name for name in _AUTO if _PROVIDERS[name][0] in available)
        return next(name for name in installed if name == "cpu" or works(name))
    if device not in _PROVIDERS:
        names = ", ".join(("auto", *_PROVIDERS))
        raise DeviceError(f"There is no device {device!r}; use one of {names}.")
    provider, package = _PROVIDERS[device]
    if provider not in available:
        if package == "onnxruntime":
            raise DeviceError(f"ONNX Runtime has no {device} on this system.")
        raise DeviceError(
            f"ONNX Runtime cannot use {device} here: `pip uninstall onnxruntime`, then "
            f"`pip install {package}`."
        )
    return device


@functools.cache
def works(device: str) -> bool:
    """Whether a device runs a one-node network; a GPU package alone does not mean a GPU."""
    graph = wire.model(
        nodes=[wire.node("Add", ["x", "x"], ["y"], {})],
        weights=[],
        inputs=[wire.value_info("x", wire.FLOAT, [1])],
        outputs=[wire.value_info("y", wire.FLOAT, [1])],
        metadata={},
        opset=17,
        ir_version=8,
    )
    try:
        found = open_session(graph, device=device, threads=1).run(None, {"x": np.ones(1, "f4")})
    except Exception:  # ONNX Runtime's errors have no common base
        return False
    return float(np.asarray(found[0])[0]) == 2


def open_session(
    model: bytes | Path, *, device: str = "cpu", threads: int | None = None
) -> InferenceSession:
    """Open an ONNX network.

    Args:
        model: content or path of the ONNX file.
        device: a name from `choose_device`.
        threads: CPU threads per forward pass; None: `FACEHUB_THREADS`, else one per core that this
            process may use.

    Raises:
        DeviceError: the device does not work.
        Exception: ONNX Runtime's own error if it cannot read the network.
    """
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = _checked(threads, "threads") if threads else default_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # no busy waiting
    options.log_severity_level = 3
    provider = _PROVIDERS[device][0]
    session: InferenceSession = runtime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=[provider]
    )
    if provider not in session.get_providers():  # ONNX Runtime falls back to the CPU silently
        raise DeviceError(f"{device} does not work here: ONNX Runtime could not start it.")
    return session


def default_threads() -> int:
    """`FACEHUB_THREADS`, else the number of cores that this process may use.

    Raises:
        DeviceError: the variable is not a whole number from 1 to `MAX_THREADS`.
    """
    text = os.environ.get(THREADS_VARIABLE, "").strip()
    if not text:
        has_affinity = hasattr(os, "sched_getaffinity")
        return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return _checked(int(text) if text.isdecimal() else text, THREADS_VARIABLE)


def _checked(threads: int | str, name: str) -> int:
    if not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise DeviceError(
            f"{name} must be a whole number from 1 to {MAX_THREADS}, not {threads!r}."
        )
    return threads


def runtime_version() -> str:
    """Version of ONNX Runtime."""
    return str(_runtime().__version__)


@functools.cache
def has_int8_instructions() -> bool:
    """Whether this CPU has fast 8-bit dot products: VNNI (x86), DotProd (Arm).

    Without them int8 can be slower than float32.
    """
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return True
    found = set(np.show_config(mode="dicts")["SIMD Extensions"].get("found", ()))
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:  # not Linux
        words = set()
    return bool(words & {"avx512_vnni", "avx_vnni", "asimddp"} or found & {"AVX512_ICL", "ASIMDDP"})


def _runtime() -> Any:
    """The `onnxruntime` module."""
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            f"ONNX Runtime cannot be imported ({error}): `pip install onnxruntime`."
        ) from error
    return onnxruntime
