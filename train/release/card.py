"""The model card: `model_card.md` filled from a release folder's own files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from facehub.model.spec import USUAL_HEAD, ModelSpec
from facehub.model.store import read_spec

TEMPLATE = Path(__file__).parents[2] / "model_card.md"
ONNX_FILE, INT8_FILE = "model.onnx", "model_int8.onnx"


@dataclass(frozen=True)
class Dataset:
    """What a card must say of the training faces.

    Attributes:
        name: as its authors write it.
        link: its page.
        licence: what the weights inherit.
        limits: whom it shows.
    """

    name: str
    link: str
    licence: str
    limits: str


_RESEARCH = (
    "{name} is released by its authors for non-commercial research only: treat the weights so. "
    "facehub's code is Apache-2.0."
)
DATASETS = {
    "celeba": Dataset(
        "CelebA",
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        _RESEARCH.format(name="CelebA"),
        "CelebA shows some ten thousand celebrities in press pictures, here about five of each.",
    ),
    "casia-webface": Dataset(
        "CASIA-WebFace",
        "https://arxiv.org/abs/1411.7923",
        _RESEARCH.format(name="CASIA-WebFace"),
        "CASIA-WebFace shows about 10,500 film celebrities, collected from the web with some wrong "
        "labels.",
    ),
}


def render_card(folder: Path, repo: str) -> str:
    """Fill the card.

    Args:
        folder: with `config.json`, `evaluation.json` and `training.json` of the same weights.
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
            },
            n_pictures=f"{evaluation['n_pictures']:,}",
            no_face=evaluation["no_face"],
            flip=evaluation["flip"],
            precision=evaluation.get("precision", "float32"),
            results=_results(evaluation),
            training=describe_training(training, spec, dataset),
            limits=dataset.limits,
            licence=dataset.licence,
            commands=_commands(training),
        )
    )


def _metadata(repo: str, evaluation: dict[str, Any], dataset: Dataset) -> ModelCardData:
    def lfw(metric: str, name: str, value: float) -> EvalResult:
        return EvalResult(
            task_type="image-feature-extraction",
            task_name="Face verification",
            dataset_type="lfw",
            dataset_name="Labeled Faces in the Wild",
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
            lfw("accuracy", "10-fold accuracy (%)", evaluation["accuracy"]["mean"]),
            lfw("fmr", "FMR at the threshold (%)", 100 * evaluation["fmr"]["value"]),
            lfw("fnmr", "FNMR at the threshold (%)", 100 * evaluation["fnmr"]["value"]),
            *(
                lfw("fnmr", f"FNMR at FMR {p['fmr']:g} (%)", 100 * p["fnmr"]["value"])
                for p in evaluation["points"]
            ),
        ],
    )


def _results(evaluation: dict[str, Any]) -> list[tuple[str, str]]:
    def interval(found: dict[str, float]) -> str:
        value, low, high = (100 * found[key] for key in ("value", "low", "high"))
        return f"{value:.2f} % [{low:.2f}, {high:.2f}]"

    def deviation(found: dict[str, float], name: str) -> str:
        return f" ± {100 * found[name]:.1f}" if name in found else ""

    accuracy, everything = evaluation["accuracy"], evaluation["all_pairs"]
    folds = f"std over folds {accuracy['std']:.2f}"
    if "correct" in accuracy:
        folds += f"; {accuracy['correct']['total']:,} pairs: {interval(accuracy['correct'])}"
    pairs = f"{everything['impostor']:,} impostor pairs"
    return [
        ("10-fold accuracy", f"{accuracy['mean']:.2f} % ({folds})"),
        ("FMR at the threshold", interval(evaluation["fmr"])),
        ("FNMR at the threshold", interval(evaluation["fnmr"])),
        *((f"FNMR at FMR {p['fmr']:g}", interval(p["fnmr"])) for p in evaluation["points"]),
        *(
            (
                f"FNMR at FMR {p['fmr']:g}, all against all ({pairs})",
                f"{100 * p['fnmr']['value']:.2f} %",
            )
            for p in everything["points"]
        ),
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


def describe_training(training: dict[str, Any], spec: ModelSpec, dataset: Dataset) -> str:
    """The network and the runs that trained it, in sentences.

    Args:
        training: content of `training.json`.
        spec: of the weights.
        dataset: of the training faces.
    """
    faces = f"{training['faces']:,} aligned faces of {training['identities']:,} identities"
    network = f"ResNet18 with the {spec.stem} stem"
    if spec.stem == "iresnet":
        network = "IResNet18 as in InsightFace"
    if spec.head != USUAL_HEAD[spec.stem]:
        network += f", {spec.head} head"
    parts = [f"[{dataset.name}]({dataset.link}), {faces}; {network}."]
    for number, settings in enumerate(training["configs"], 1):
        sizes = ", ".join(f"{h} x {w} from epoch {e + 1}" for e, h, w in settings["sizes"])
        text = (
            f"{settings['epochs']} epochs of ArcFace (s {settings['scale']:g}, margin rising from "
            f"{settings['margin_min']:g} to {settings['margin_max']:g} over "
            f"{settings['margin_epochs']:g} epochs), {settings['optimizer']}, "
            f"batch {settings['batch_size']}, {sizes}, precision {settings['amp']}"
        )
        if settings.get("head"):
            text += f", {settings['head']} head"
        if settings.get("dilated"):
            text += ", last stage dilated"
        if number == 1 and settings.get("init"):
            text += f"; it starts from the weights of {settings['init']}"
        if settings["teacher"]:
            text += "; distilled from another network's embeddings of the same faces"
        parts.append(f"Run {number} of {len(training['configs'])}: {text}.")
    if any(settings["teacher"] for settings in training["configs"]):
        parts.append("The teachers' own training data may show people of the evaluation.")
    parts.append("The checkpoint was chosen on identities held out of training; LFW chose nothing.")
    return " ".join(parts)


def _commands(training: dict[str, Any]) -> str:
    lines = [f"python -m train pack FACES {training['configs'][0]['data']}"]
    for number in range(1, len(training["configs"]) + 1):
        init = f" init=RUN_{number - 1}" if number > 1 else ""
        lines.append(f"python -m train fit RUN_{number} --config CONFIG_{number}.toml{init}")
    lines += [
        f"python -m train export RUN_{len(training['configs'])} weights "
        f"--dataset {training['dataset']}",
        "python -m train calibrate weights FACES --dataset NAME --fmr 1e-3 --uncertain-fmr 1e-2",
        "python -m train evaluate LFW.zip --weights weights --output weights",
    ]
    return "\n".join(lines)
