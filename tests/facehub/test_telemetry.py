"""The telemetry switches of dependencies; `tests/test_no_reports.py` shows that they work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from facehub._telemetry import ONNX_RUNTIME, SWITCHES


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in SWITCHES} | variables
    environment["CI"] = "1"  # keeps ONNX Runtime silent, whatever its switch
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize("before", [{}, {ONNX_RUNTIME: "0", "GRADIO_ANALYTICS_ENABLED": "True"}])
@pytest.mark.parametrize("module", ["facehub", "facehub.model.runtime"])
def test_importing_facehub_switches_telemetry_off(module: str, before: dict[str, str]) -> None:
    code = f"import sys, {module}, os; print({{k: os.environ[k] for k in {list(SWITCHES)}}})"
    done = run(f"{code}\nassert 'onnxruntime' not in sys.modules", **before)
    assert done.stdout.strip() == str(SWITCHES)
    assert done.stderr == ""


def test_importing_onnx_runtime_before_facehub_gives_a_warning() -> None:
    """Its telemetry has started by then, and facehub cannot stop it."""
    for value in ("", "0", "2"):
        warned = run("import onnxruntime\nimport facehub", **{ONNX_RUNTIME: value}).stderr
        assert "<string>:2: UserWarning: onnxruntime was imported before facehub" in warned
        assert "set ORT_DISABLE_TELEMETRY=1" in warned
    for value in ("1", "true"):
        assert run("import onnxruntime\nimport facehub", **{ONNX_RUNTIME: value}).stderr == ""
    assert run("import facehub, onnxruntime").stderr == ""
