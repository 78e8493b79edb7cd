"""The About tab: what the weights reach, what is not claimed, and what becomes of pictures."""

from __future__ import annotations

import base64
import json
import math
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from facehub.demo import texts
from facehub.demo.host.uploads import in_memory
from facehub.demo.settings import Settings
from facehub.errors import FaceHubError
from facehub.model.calibration import Calibration
from facehub.model.spec import ModelSpec
from facehub.model.store import made_by
from facehub.pipeline import FaceRecognizer

FMRS = (1e-2, 1e-3, 1e-4, 1e-6, 1e-8)
_WIDTH, _HEIGHT, _PAD = 640, 300, 46


def build(recognizer: FaceRecognizer, settings: Settings) -> None:
    """Lay out the tab inside the current `gr.Blocks`."""
    spec = recognizer.spec
    parts = [
        texts.ABOUT.format(
            points=texts.ABOUT_POINTS[len(spec.template.points)],
            size=spec.embedding_size,
            network=_network(spec),
            fingerprint=recognizer.fingerprint[:23],
            engine=recognizer.embedder.description,
        )
    ]
    if spec.threshold is None:
        parts.append(texts.ABOUT_UNCALIBRATED)
    elif spec.calibration is None:
        parts.append(texts.NOT_CALIBRATED)
    folder, report = _evaluation(recognizer)
    if report is not None:
        parts.append(texts.ABOUT_LFW.format(accuracy=report["accuracy"]["mean"]))
        if None not in (report["threshold"], report["fmr"], report["fnmr"]):
            parts[-1] += texts.ABOUT_LFW_THRESHOLD.format(
                threshold=report["threshold"],
                fmr=100 * report["fmr"]["value"],
                fnmr=100 * report["fnmr"]["value"],
            )
        parts[-1] += texts.ABOUT_LFW_TEACHERS
    gr.Markdown("\n\n".join(parts))
    if spec.calibration is not None and spec.calibration.curve:
        gr.Markdown(_thresholds(spec.calibration), elem_id="thresholds")
        gr.HTML(f'<div class="fh-about">{_curve(spec.calibration, spec.threshold)}</div>')
    if folder is not None and report is not None:
        gr.HTML(
            '<div class="fh-about">'
            + "".join(_picture(folder / name, alt) for name, alt in texts.ABOUT_PICTURES.items())
            + "</div>"
        )
    where = texts.ABOUT_IN_MEMORY if in_memory() else texts.ABOUT_ON_DISK
    limits = texts.ABOUT_LIMITS.format(minutes=settings.session_minutes, where=where)
    gr.Markdown(limits + (texts.ABOUT_SHARED if settings.gallery else ""))


def _network(spec: ModelSpec) -> str:
    return texts.ABOUT_RESNET if spec.file is None else texts.ABOUT_ONNX.format(file=spec.file)


def _evaluation(recognizer: FaceRecognizer) -> tuple[Path | None, dict[str, Any] | None]:
    """The folder that the weights were read from, and LFW's evaluation in it if it is theirs."""
    folder: Path | None = getattr(recognizer.embedder, "source", None)
    if folder is None:
        return None, None
    try:
        report = json.loads((folder / "evaluation.json").read_text())
        made_with = report["fingerprint"]
        is_ours = made_with == recognizer.fingerprint or made_by(made_with, folder)
        if is_ours and report.get("dataset", "LFW") == "LFW":
            return folder, report
    except (OSError, ValueError, KeyError, TypeError, AttributeError, FaceHubError):
        pass  # there is none, or not one of ours
    return folder, None


def _thresholds(calibration: Calibration) -> str:
    lines = [
        texts.ABOUT_THRESHOLDS.format(
            dataset=calibration.dataset, impostor=calibration.impostor_pairs
        ),
        "",
        f"| {' | '.join(texts.ABOUT_COLUMNS)} |",
        "| --- | --- | --- |",
    ]
    for fmr in FMRS:
        if fmr < calibration.reach:
            continue
        threshold = calibration.similarity_at(fmr) or 0.0
        fnmr = calibration.fnmr_at(threshold) or 0.0
        shown = f"{threshold:.3f}"
        if calibration.tail is not None and not calibration.was_measured(fmr):
            low, high = calibration.tail.interval_at(fmr) or (threshold, threshold)
            shown += texts.ABOUT_BEYOND.format(low=low, high=high)
        lines.append(f"| 1 in {1 / fmr:,.0f} | {shown} | {100 * fnmr:.1f} % |")
    return "\n".join(lines)


def _curve(calibration: Calibration, threshold: float | None) -> str:
    """Both error rates against the threshold, as SVG, the rates on a logarithmic axis."""
    limits = [point[0] for point in calibration.curve]
    low = math.log10(calibration.lowest_fmr)

    def x(similarity: float) -> float:
        return _PAD + (similarity - limits[0]) / (limits[-1] - limits[0]) * (_WIDTH - 2 * _PAD)

    def y(rate: float) -> float:
        height = max(math.log10(rate), low) / low if rate > 0 else 1.0
        return _PAD / 2 + height * (_HEIGHT - 1.5 * _PAD)

    lines = []
    for column, css, dash, label in (
        (1, "fh-fmr", "", texts.ABOUT_CURVE_LABELS[0]),
        (2, "fh-fnmr", "6 3", texts.ABOUT_CURVE_LABELS[1]),
    ):
        points = " ".join(f"{x(p[0]):.1f},{y(p[column]):.1f}" for p in calibration.curve)
        lines.append(
            f'<polyline class="{css}" points="{points}" fill="none" stroke="currentColor" '
            f'stroke-width="2.5" stroke-dasharray="{dash}"/>'
            f'<text class="{css}" x="{_PAD + 8}" y="{_HEIGHT - _PAD - 26 + 16 * (column - 1)}" '
            f'font-size="12" fill="currentColor">{escape(label)}</text>'
        )
    for exponent in range(0, int(low) - 1, -1):
        height = y(10.0**exponent)
        lines.append(
            f'<line x1="{_PAD}" x2="{_WIDTH - _PAD}" y1="{height:.1f}" y2="{height:.1f}" '
            f'stroke="currentColor" opacity="0.15"/><text x="4" y="{height + 4:.1f}" '
            f'font-size="11" fill="currentColor">{10.0**exponent:g}</text>'
        )
    for similarity in np.arange(np.ceil(limits[0] * 5) / 5, limits[-1] + 0.01, 0.2):
        lines.append(
            f'<text x="{x(similarity) - 8:.1f}" y="{_HEIGHT - _PAD + 18}" font-size="11" '
            f'fill="currentColor">{similarity + 0:.1f}</text>'
        )
    if threshold is not None:
        mark = x(threshold)
        lines.append(
            f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="{_PAD / 2}" y2="{_HEIGHT - _PAD}" '
            'stroke="currentColor" stroke-dasharray="3 3"/>'
            f'<text x="{mark + 4:.1f}" y="{_HEIGHT - _PAD - 6}" font-size="11" '
            f'fill="currentColor">{escape(texts.ABOUT_CURVE_MARK.format(threshold=threshold))}'
            "</text>"
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{escape(texts.ABOUT_CURVE)}">{"".join(lines)}'
        f'<text x="{_WIDTH / 2 - 40}" y="{_HEIGHT - 8}" font-size="12" fill="currentColor">'
        f"{escape(texts.ABOUT_CURVE_X)}</text></svg>"
    )


def _picture(path: Path, alt: str) -> str:
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
