"""Describe how weights were trained: data sets and runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facehub.model.spec import USUAL_HEAD, ModelSpec


@dataclass(frozen=True)
class Dataset:
    """A training data set, as described on the model card.

    Attributes:
        name: the authors' spelling.
        link: web page.
        licence: terms that the weights inherit.
        limits: limits of its content.
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

MARGINS = {"arcface": "ArcFace", "cosface": "CosFace", "adaface": "AdaFace"}


def describe_training(training: dict[str, Any], spec: ModelSpec, dataset: Dataset) -> str:
    """Describe the network and its training runs in sentences.

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
        margin = MARGINS[settings.get("margin_type", "arcface")]
        sizes = ", ".join(f"{h} x {w} from epoch {e + 1}" for e, h, w in settings["sizes"])
        text = (
            f"{settings['epochs']} epochs of {margin} (s {settings['scale']:g}, margin rising from "
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
        if teachers := _teachers(settings):
            several = "another network's" if len(teachers) == 1 else f"{len(teachers)} networks'"
            text += f"; distilled from {several} embeddings of the same faces"
        parts.append(f"Run {number} of {len(training['configs'])}: {text}.")
    if average := training.get("average"):
        parts.append(f"The weights are the mean of the last run's and of {' and '.join(average)}.")
    if shrink := training.get("shrink"):
        parts.append(
            "Then each principal component of the embeddings was multiplied by "
            f"v / (v + {shrink:g} * mean of all v), v being its second moment in training faces."
        )
    if any(_teachers(settings) for settings in training["configs"]):
        parts.append("The teachers' own training data may show people of the evaluation.")
    if training["configs"] and not training["configs"][-1].get("heldout", True):
        parts.append("No identity was held out: these are the weights of the last epoch.")
    else:
        parts.append("The checkpoint was chosen on identities held out of training.")
    parts.append("Nothing was chosen on LFW.")
    return " ".join(parts)


def _teachers(settings: dict[str, Any]) -> list[str]:
    """List the teachers' files; before facehub 0.2, a run had at most one."""
    one: str = settings.get("teacher", "")
    return [*settings.get("teachers", []), *([one] if one else [])]


def describe_commands(training: dict[str, Any], spec: ModelSpec) -> str:
    """List the commands that repeat the runs."""
    lines = [f"python -m train pack FACES {training['configs'][0]['data']}"]
    for number in range(1, len(training["configs"]) + 1):
        init = f" init=RUN_{number - 1}" if number > 1 else ""
        lines.append(f"python -m train fit RUN_{number} --config CONFIG_{number}.toml{init}")
    options = "".join(f" --average {source}" for source in training.get("average", []))
    options += " --flip" if spec.flip else ""
    if shrink := training.get("shrink"):
        options += f" --shrink {shrink:g}"
    lines += [
        f"python -m train export RUN_{len(training['configs'])} weights "
        f"--dataset {training['dataset']}{options}",
        "python -m train calibrate weights FACES --dataset NAME --fmr 1e-3 --uncertain-fmr 1e-2",
        "python -m train evaluate LFW.zip --weights weights --output weights",
    ]
    return "\n".join(lines)
