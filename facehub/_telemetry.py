"""Switches off what dependencies would report to their makers. `facehub` imports it first.

They read these variables when they are imported, so a later change does nothing. What a host has
set is overruled: faces are biometric data, and facehub promises that nothing phones home. MediaPipe
has no such switch; see `facehub.detect.no_sockets`.
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
_ON = ("1", "true", "yes", "on")  # what ONNX Runtime takes for yes; "2" is none


def switch_off() -> None:
    """Set the variables; warn where ONNX Runtime was imported without them."""
    set_before = os.environ.get(ONNX_RUNTIME, "").lower() in _ON
    if "onnxruntime" in sys.modules and not set_before:
        warnings.warn(
            "onnxruntime was imported before facehub, so its telemetry may be on. Import facehub "
            f"first, or set {ONNX_RUNTIME}=1 before Python starts.",
            stacklevel=4,  # whoever imports facehub
        )
    os.environ.update(SWITCHES)


switch_off()
