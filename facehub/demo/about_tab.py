"""The About tab: what the weights reach, what is not claimed, and what happens to pictures."""

from __future__ import annotations

import base64
import functools
import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from facehub.demo import plot, texts
from facehub.demo.host.uploads import in_memory
from facehub.demo.settings import COMPUTED, Settings
from facehub.errors import FaceHubError
from facehub.model.calibration import Calibration
from facehub.model.spec import ModelSpec
from facehub.model.store import has_fingerprint_v1
from facehub.pipeline import FaceRecognizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FMRS = (1e-2, 1e-3, 1e-4, 1e-6, 1e-8)


def build(tab: gr.Tab, recognizer: FaceRecognizer, settings: Settings) -> None:
    """Lay out the tab inside the current `gr.Blocks`.

    Args:
        tab: the tab itself. The plot is drawn when it is first opened: to import Matplotlib takes
            longer than to import the rest of the page.
        recognizer: weights in use.
        settings: of the host.
    """
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
        curve = gr.HTML(elem_id="curve")
        drawn = functools.cache(functools.partial(_curve, spec.calibration, spec.threshold))
        tab.select(
            drawn,
            outputs=curve,
            show_progress="hidden",
            api_visibility="private",
            concurrency_id=COMPUTED,
        )
    if folder is not None and report is not None:
        gr.HTML(
            "".join(_picture(folder / name, alt) for name, alt in texts.ABOUT_PICTURES.items()),
            elem_id="evaluation",
        )
    where = texts.ABOUT_IN_MEMORY if in_memory() else texts.ABOUT_ON_DISK
    limits = texts.ABOUT_LIMITS.format(minutes=settings.session_minutes, where=where)
    gr.Markdown(limits + (texts.ABOUT_SHARED if settings.gallery else ""))


def _network(spec: ModelSpec) -> str:
    return texts.ABOUT_RESNET if spec.file is None else texts.ABOUT_ONNX.format(file=spec.file)


def _evaluation(recognizer: FaceRecognizer) -> tuple[Path | None, dict[str, Any] | None]:
    """The folder of the weights, and the evaluation on LFW in it if it belongs to them."""
    folder: Path | None = getattr(recognizer.embedder, "source", None)
    if folder is None:
        return None, None
    try:
        report = json.loads((folder / "evaluation.json").read_text())
        made_with = report["fingerprint"]
        is_ours = made_with == recognizer.fingerprint or has_fingerprint_v1(made_with, folder)
        if is_ours and report.get("dataset", "LFW") == "LFW":
            return folder, report
    except (OSError, ValueError, KeyError, TypeError, AttributeError, FaceHubError):
        pass  # there is none, or it belongs to other weights
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
        cell = f"{threshold:.3f}"
        if calibration.tail is not None and not calibration.was_measured(fmr):
            low, high = calibration.tail.interval_at(fmr) or (threshold, threshold)
            cell += texts.ABOUT_BEYOND.format(low=low, high=high)
        lines.append(f"| 1 in {1 / fmr:,.0f} | {cell} | {100 * fnmr:.1f} % |")
    return "\n".join(lines)


def _curve(calibration: Calibration, threshold: float | None) -> str:
    """A plot of both error rates against the threshold, the rates on a logarithmic axis."""
    similarities, fmr, fnmr = zip(*calibration.curve, strict=True)
    lowest = calibration.lowest_fmr

    def draw(axes: Axes) -> None:
        styles = ((fmr, plot.FIRST, "-"), (fnmr, plot.SECOND, "--"))
        for (rate, colour, line), label in zip(styles, texts.ABOUT_CURVE_LABELS, strict=True):
            axes.semilogy(similarities, np.maximum(rate, lowest), line, color=colour, label=label)
        if threshold is not None:
            mark = texts.ABOUT_CURVE_MARK.format(threshold=threshold)
            axes.axvline(threshold, color=plot.INK, linestyle=":", label=mark)
        axes.set(xlabel=texts.ABOUT_CURVE_X, ylim=(lowest, 1))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y", color=plot.INK, alpha=0.15)
        axes.figure.legend(loc="outside upper left")

    alt = texts.ABOUT_CURVE
    if threshold is not None:
        rates = {"fmr": calibration.fmr_at(threshold), "fnmr": calibration.fnmr_at(threshold)}
        alt += texts.ABOUT_CURVE_AT.format(threshold=threshold, **rates)
    return plot.svg(draw, alt)


def _picture(path: Path, alt: str) -> str:
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<div class="fh-scroll" role="region" tabindex="0" aria-label="{escape(alt)}">'
        f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}"></div>'
    )
