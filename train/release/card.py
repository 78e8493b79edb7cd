"""Render the model card: `model_card.md` filled from a release folder's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from facehub.model.calibration import BEYOND_MEASURED, Calibration
from facehub.model.spec import FPIR, ModelSpec
from facehub.model.store import read_spec
from train.release.history import DATASETS, Dataset, describe_commands, describe_training

TEMPLATE = Path(__file__).parents[2] / "model_card.md"
GALLERIES = (1_000, 10_000, 100_000, 1_000_000)  # templates
ONNX_FILE, INT8_FILE = "model.onnx", "model_int8.onnx"


def render_card(folder: Path, repo: str) -> str:
    """Render the card.

    Args:
        folder: holds `config.json`, `evaluation.json` and `training.json` of the same weights.
        repo: `owner/name` on the Hub.

    Returns:
        The content of the repository's `README.md`.

    Raises:
        ValueError: the weights are not calibrated.
    """
    spec = read_spec(folder)
    evaluation = json.loads((folder / "evaluation.json").read_text())
    training = json.loads((folder / "training.json").read_text())
    dataset = DATASETS[training["dataset"]]
    t, c = spec.template, spec.calibration
    if c is None or spec.threshold is None:
        raise ValueError(f"{folder} is not calibrated")
    return str(
        ModelCard.from_template(
            _metadata(repo, evaluation, dataset),
            template_path=str(TEMPLATE),
            repo=repo,
            version=training["facehub"],
            width=t.width,
            height=t.height,
            left_eye=t.left_eye,
            right_eye=t.right_eye,
            embedding_size=spec.embedding_size,
            int8_file=INT8_FILE if spec.activation_ranges else "",
            threshold=f"{spec.threshold:.3f}",
            uncertain_from=f"{spec.threshold - spec.uncertain_margin:.3f}",
            calibration={
                "dataset": c.dataset,
                "was": "kept, and measured" if c.target_fmr is None else "chosen",
                "fmr": f"{100 * c.fmr:.3g} %",
                "fnmr": f"{100 * c.fnmr:.1f} %",
                "impostor_pairs": f"{c.impostor_pairs:,}",
                "genuine_pairs": f"{c.genuine_pairs:,}",
                "left_out": c.left_out,
            },
            tail=_tail(spec, c),
            fpir=f"{100 * FPIR:g} %",
            evaluated_on=_evaluated_on(evaluation),
            n_pictures=f"{evaluation['n_pictures']:,}",
            aligned_crops=evaluation.get("alignment") == "crop",
            no_face=evaluation["no_face"],
            flip=evaluation["flip"],
            precision=evaluation.get("precision", "float32"),
            results=_results(evaluation),
            groups=_groups(evaluation),
            training=describe_training(training, spec, dataset),
            limits=dataset.limits,
            licence=dataset.licence,
            teachers=training.get("teachers", []),
            commands=describe_commands(training, spec),
        )
    )


def _evaluated_on(evaluation: dict[str, Any]) -> str:
    return str(evaluation.get("dataset", "LFW"))


def _metadata(repo: str, evaluation: dict[str, Any], dataset: Dataset) -> ModelCardData:
    name_of_set = _evaluated_on(evaluation)
    long_name = "Labeled Faces in the Wild" if name_of_set == "LFW" else name_of_set

    def result(metric: str, name: str, value: float) -> EvalResult:
        return EvalResult(
            task_type="image-feature-extraction",
            task_name="Face verification",
            dataset_type=name_of_set.lower(),
            dataset_name=long_name,
            metric_type=metric,
            metric_name=name,
            metric_value=round(value, 4),
        )

    return ModelCardData(
        model_name=repo.split("/")[-1],
        language="en",
        license="other",
        license_name=f"{dataset.name.lower()}-non-commercial-research",
        license_link=dataset.link,
        library_name="facehub",
        pipeline_tag="image-feature-extraction",
        tags=["face-recognition", "face-verification", "arcface", "onnx"],
        datasets=[dataset.name],
        eval_results=[
            result("accuracy", "10-fold accuracy (%)", evaluation["accuracy"]["mean"]),
            result("fmr", "FMR at the threshold (%)", 100 * evaluation["fmr"]["value"]),
            result("fnmr", "FNMR at the threshold (%)", 100 * evaluation["fnmr"]["value"]),
            *(
                result("fnmr", f"FNMR at FMR {p['fmr']:g} (%)", 100 * p["fnmr"]["value"])
                for p in evaluation["points"]
            ),
        ],
    )


def _tail(spec: ModelSpec, calibration: Calibration) -> dict[str, Any] | None:
    """Thresholds for large galleries, from the fitted tail."""
    tail = calibration.tail
    if tail is None:
        return None
    rows = []
    for templates in GALLERIES:
        threshold = spec.threshold_for(templates)
        fmr = None if threshold is None else calibration.fmr_at(threshold)
        if threshold is None or fmr is None or fmr < calibration.reach * 1.01:
            continue
        low, high = tail.interval_at(fmr) or (threshold, threshold)
        measured = "" if calibration.was_measured(fmr) else BEYOND_MEASURED
        fnmr = f"{100 * (calibration.fnmr_at(threshold) or 0):.0f} %"
        interval = f"{threshold:.3f} [{low:.3f}, {high:.3f}]"
        rows.append((f"{templates:,}", f"{fmr:.1e}", interval, fnmr, measured))
    found: dict[str, Any] = {"start": f"{tail.start:.3f}", "pairs": f"{tail.pairs:,}", "rows": rows}
    if tail.check:
        rate, predicted, deviation, measured_at = tail.check
        found["check"] = {
            "fmr": f"{rate:.0e}",
            "predicted": f"{predicted:.3f} ± {deviation:.3f}",
            "measured": f"{measured_at:.3f}",
        }
    return found


def _interval(found: dict[str, float]) -> str:
    value, low, high = (100 * found[key] for key in ("value", "low", "high"))
    return f"{value:.2f} % [{low:.2f}, {high:.2f}]"


def _groups(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Tables of error rates by group, of the evaluation and of the held-out identities."""
    parts = [(_evaluated_on(evaluation), evaluation)]
    if heldout := evaluation.get("heldout"):
        parts.append((f"held-out identities of {heldout['dataset']}", heldout))
    return [_group_table(name, part["groups"]) for name, part in parts if part.get("groups")]


def _group_table(dataset: str, found: dict[str, Any]) -> dict[str, Any]:
    def share(group: dict[str, Any], kind: str, pairs: str) -> str:
        stated = _interval(group[kind]) if group[kind] else "too few pairs"
        return f"{stated} ({group[pairs]:,} pairs)"

    rows = []
    for group in found["groups"]:
        name = f"{group['column']}: {group['value']}" if group["column"] else "all of these"
        people = "unknown" if group["people"] is None else f"{group['people']:,}"
        rates = (share(group, "fmr", "impostor"), share(group, "fnmr", "genuine"))
        cells = (name, f"{group['pictures']:,}", people, *rates)
        rows.append([cell.replace("|", "/") for cell in cells])
    return {
        "dataset": dataset,
        "attributes": found["attributes"],
        "threshold": f"{found['threshold']:.3f}",
        "pairs": "all pairs within a group" if found["all_against_all"] else "the protocol's pairs",
        "unnamed": f"{found['unnamed']:,}",
        "intervals": "Wilson's, widened to a bootstrap over people"
        if found["all_against_all"]
        else "Wilson's, assuming independent pairs",
        "rows": rows,
    }


def _results(evaluation: dict[str, Any]) -> list[tuple[str, str]]:
    def deviation(found: dict[str, float], name: str) -> str:
        return f" ± {100 * found[name]:.1f}" if name in found else ""

    accuracy, everything = evaluation["accuracy"], evaluation["all_pairs"]
    folds = f"std over folds {accuracy['std']:.2f}"
    if "correct" in accuracy:
        folds += f"; {accuracy['correct']['total']:,} pairs: {_interval(accuracy['correct'])}"
    pairs = f"{everything['impostor']:,} impostor pairs" if everything else ""
    return [
        ("10-fold accuracy", f"{accuracy['mean']:.2f} % ({folds})"),
        ("FMR at the threshold", _interval(evaluation["fmr"])),
        ("FNMR at the threshold", _interval(evaluation["fnmr"])),
        *((f"FNMR at FMR {p['fmr']:g}", _interval(p["fnmr"])) for p in evaluation["points"]),
        *(
            (
                f"FNMR at FMR {p['fmr']:g}, all against all ({pairs})",
                f"{100 * p['fnmr']['value']:.2f} %",
            )
            for p in (everything["points"] if everything else ())
        ),
        *_heldout_results(evaluation.get("heldout")),
        *(
            (
                f"gallery of {found['gallery_size']:,} people, one picture each",
                f"rank-1 {100 * found['rank1']:.1f}{deviation(found, 'rank1_std')} %, "
                f"FNIR {100 * found['fnir']:.1f}{deviation(found, 'fnir_std')} % "
                f"at FPIR {100 * found['fpir']:g} %",
            )
            for found in evaluation["identification"]
        ),
    ]


def _heldout_results(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Results on held-out identities, all against all."""
    if not found or not found["fmr"] or not found["fnmr"]:
        return []
    which = (
        f"{found['people']:,} held-out identities of {found['dataset']}, all against all "
        f"({found['all_pairs']['impostor']:,} impostor pairs)"
    )
    return [
        (f"FMR at the threshold, {which}", _interval(found["fmr"])),
        (f"FNMR at the threshold, {which}", _interval(found["fnmr"])),
        *(
            (f"FNMR at FMR {p['fmr']:g}, {which}", f"{100 * p['fnmr']['value']:.2f} %")
            for p in found["all_pairs"]["points"]
        ),
    ]
