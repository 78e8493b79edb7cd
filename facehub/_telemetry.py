"""Disable the telemetry of dependencies. `facehub` imports this module first.

Dependencies read these variables on import, so later changes have no effect. Existing values are
overwritten: faces are biometric data, and facehub promises that nothing phones home. MediaPipe has
no such switch; see `facehub.detect.no_sockets`.
"""

from __future__ import annotations

import os
import sys
import warnings

ONNX_RUNTIME = "ORT_DISABLE_TELEMETRY"
SWITCHES = {
    ONNX_RUNTIME: "1",  # else it writes a device id below ~/.cache and sends events
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_ON = ("1", "true", "yes", "on")  # the values that ONNX Runtime accepts as true


def switch_off() -> None:
    """Set the variables; warn if ONNX Runtime was imported without them."""
    set_before = os.environ.get(ONNX_RUNTIME, "").lower() in _ON
    if "onnxruntime" in sys.modules and not set_before:
        warnings.warn(
            "onnxruntime was imported before facehub, so its telemetry may be on. Import facehub "
            f"first, or set {ONNX_RUNTIME}=1 before Python starts.",
            stacklevel=4,  # the importer of facehub
        )
    os.environ.update(SWITCHES)


switch_off()
