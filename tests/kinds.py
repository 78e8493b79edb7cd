"""Give each test one of five kinds, and keep unit tests quick.

The marker of a test decides its kind. Without a marker, its fixtures decide; without those, its
file. All other tests are unit tests.
"""

from __future__ import annotations

import functools
import multiprocessing.process
import sys
from fnmatch import fnmatch
from typing import Any

import pytest

KINDS = ("unit", "models", "browser", "hub", "postgres")  # pyproject.toml says what they are
FIXTURES = {  # the first of these fixtures that a test uses decides its kind
    "browser": "browser",
    "playwright": "browser",
    "postgres": "postgres",
    "hub": "hub",
    "recognizer": "models",
    "encoder": "models",
    "other_weights": "models",
    "run": "models",  # runs the command
    "sface": "models",
    "start": "models",  # starts the service, which decodes pictures in processes
}
FILES = {  # whole files, so that `-m unit` does not import what they import
    "models": [
        "demo/*",
        "examples/*",
        "facehub/bulk/*",
        "facehub/cli/test_docs.py",
        "facehub/detect/test_mediapipe*.py",
        "facehub/detect/test_no_sockets.py",
        "facehub/gallery/test_file.py",
        "facehub/gallery/test_processes.py",
        "facehub/hosted/*",
        "facehub/io/test_locks.py",
        "facehub/model/test_add.py",
        "facehub/model/test_onnx.py",
        "facehub/model/test_runtime.py",
        "facehub/model/test_store*.py",
        "facehub/model/test_wire.py",
        "facehub/service/test_app.py",
        "facehub/service/test_benchmark.py",
        "facehub/service/test_docs.py",
        "facehub/test_backbone.py",
        "facehub/test_encoder.py",
        "facehub/test_hosting.py",
        "facehub/test_init.py",
        "facehub/test_pipeline.py",
        "facehub/test_quality.py",
        "facehub/test_sface.py",
        "facehub/test_telemetry.py",
        "facehub/test_rotated.py",
        "facehub/test_without_torch.py",
        "hostile/*",
        "test_deploy.py",
        "test_docs.py",
        "test_no_reports.py",
        "test_proxies.py",
        "train/occlusion/test_fit.py",
        "train/data/test_align.py",
        "train/data/test_augment.py",
        "train/data/test_batches.py",
        "train/data/test_faces.py",
        "train/data/test_openvino.py",
        "train/data/test_teach*.py",
        "train/evaluation/test_calibrate.py",
        "train/evaluation/test_embedd*.py",
        "train/evaluation/test_evaluate.py",
        "train/evaluation/test_groups.py",
        "train/evaluation/test_heldout.py",
        "train/evaluation/test_people.py",
        "train/evaluation/test_sface.py",
        "train/evaluation/test_tail.py",
        "train/evaluation/test_templates.py",
        "train/model/*",
        "train/release/*",
        "train/test_arguments.py",
        "train/test_distributed.py",
        "train/test_fit.py",
        "train/test_main.py",
        "train/test_monitor.py",
        "train/test_optimizer.py",
        "train/test_initialize.py",
        "train/test_step.py",
        "train/test_upright.py",
    ],
}
HEAVY = {"torch", "torchvision", "gradio", "mediapipe", "onnxruntime"}  # seconds to import
STARTS = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"}


def kind_of_file(path: str) -> str | None:
    """Return the kind of all tests in a file, or None; `path` is relative to `tests`."""
    for kind, patterns in FILES.items():
        if any(fnmatch(path, pattern) for pattern in patterns):
            return kind
    return None


def kind(item: pytest.Item, path: str) -> str:
    """Return the kind of a test, one of `KINDS`."""
    own = {mark.name for mark in item.iter_markers()} & set(KINDS)
    if own:
        return own.pop()
    used = set(getattr(item, "fixturenames", ()))
    callspec = getattr(item, "callspec", None)
    if callspec is not None:
        used |= {value for value in callspec.params.values() if isinstance(value, str)}
    for fixture, kind in FIXTURES.items():
        if fixture in used:
            return kind
    return kind_of_file(path) or "unit"


class Guard:
    """Refuse processes in unit tests and, in a run of unit tests alone, imports of `HEAVY`.

    Attributes:
        on: whether a unit test is running.
        alone: whether only unit tests run; other tests import everything.
        refused: what the test tried, even where the code under test caught the error.
    """

    def __init__(self) -> None:
        self.on = self.alone = False
        self.refused: list[str] = []
        sys.addaudithook(self._audit)
        start = multiprocessing.process.BaseProcess.start

        @functools.wraps(start)
        def guarded(process: multiprocessing.process.BaseProcess) -> None:
            if self.on:
                self._refuse("starts a process")
            start(process)

        multiprocessing.process.BaseProcess.start = guarded  # type: ignore[method-assign]

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in STARTS:
            self._refuse("starts a process")
        elif self.alone and event == "import" and args[0] in HEAVY:
            self._refuse(f"imports {args[0]}")

    def _refuse(self, what: str) -> None:
        self.refused.append(what)
        raise RuntimeError(f"a unit test {what}")


GUARD = Guard()
