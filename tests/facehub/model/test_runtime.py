"""The choice of device and number of threads, and the errors for invalid ones."""

from __future__ import annotations

import os

import onnxruntime
import pytest

from facehub import DeviceError
from facehub.cli.main import main
from facehub.model import runtime
from facehub.model.runtime import THREADS_VARIABLE, choose_device, default_threads


def test_default_device_is_the_cpu_even_with_core_ml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CoreMLExecutionProvider", "CPUExecutionProvider"],
    )
    assert choose_device() == "cpu"  # Core ML is used on request only
    assert choose_device("coreml") == "coreml"


@pytest.mark.parametrize(
    ("provider", "device"),
    [("CUDAExecutionProvider", "cuda"), ("OpenVINOExecutionProvider", "openvino")],
)
def test_installed_provider_is_used_if_it_works(
    provider: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    providers = [provider, "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(runtime, "works", lambda name: True)
    assert choose_device() == device
    assert choose_device("cpu") == "cpu"
    monkeypatch.setattr(runtime, "works", lambda name: False)  # no GPU, or no driver
    assert choose_device() == "cpu"
    assert choose_device(device) == device


def test_missing_provider_and_unknown_device_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="pip install onnxruntime-gpu"):
        choose_device("cuda")
    with pytest.raises(DeviceError, match=r"There is no device 'gpu'; use one of auto, cpu, cuda"):
        choose_device("gpu")


def test_command_with_missing_provider_prints_the_fix(capsys: pytest.CaptureFixture[str]) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("ONNX Runtime has CUDA here")
    assert main(["info", "--device", "cuda"]) == 5
    assert "pip install onnxruntime-gpu" in capsys.readouterr().err


def test_number_of_threads_comes_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, "3")
    assert default_threads() == 3
    for wrong in ("0", "-1", "many", "1.5", "99999999999999"):
        monkeypatch.setenv(THREADS_VARIABLE, wrong)
        with pytest.raises(DeviceError, match="FACEHUB_THREADS must be a whole number"):
            default_threads()
    monkeypatch.delenv(THREADS_VARIABLE)
    assert 1 <= default_threads() <= (os.cpu_count() or 1)


def test_works_reports_usable_devices() -> None:
    assert runtime.works("cpu")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        assert not runtime.works("cuda")
