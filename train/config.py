"""The configuration of a training run: TOML file, then overrides from the command line."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from facehub.io.files import write_atomically
from facehub.model.resnet18 import map_size, places
from facehub.model.spec import USUAL_HEAD, ModelSpec, Stem
from train.data.changes import Augmentation

MarginType = Literal["arcface", "cosface", "adaface"]
Relation = Literal["distance", "cosine"]
CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "amp": ("fp16", "bf16", "off"),
    "schedule": ("plateau", "steps"),
    "margin_type": get_args(MarginType),
    "relation": get_args(Relation),
}


@dataclass(frozen=True)
class TrainConfig:
    """All settings that determine a run's result; the defaults are ArcFace's.

    `train/configs/*.toml` hold ready-made configurations.

    Attributes:
        data: packed data set, see `python -m train pack`.
        init: initial weights: a run folder (its last checkpoint), a weight folder, or "owner/name"
            on the Hub; "": random.
        teachers: `.npz` files of names and embeddings for distillation, possibly none; see
            `python -m train embed-teacher`.
        stem: of the encoder, "face", "imagenet" or "iresnet".
        head: of the encoder, "average", "depthwise" or "flatten"; "": the stem's usual head.
        dilated: of the encoder, whether its last stage uses dilation instead of stride.
        frozen: number of the encoder's first stages (the stem, then `layer1` to `layer4`) that keep
            the weights and batch statistics of `init`: a step is quicker.
        heldout: whether to hold out one identity in 20 to choose the best epoch. If not, as in a
            final run, all identities are used for training, and `best/` holds the last epoch's
            weights.
        epochs: passes over the training identities.
        steps: optimiser steps per epoch, for short comparisons; 0: one pass over the faces.
        batch_size: pictures per optimiser step, over all processes.
        accumulate: number of gradient accumulation steps per process, to save memory.
        sizes: (first epoch, height, width) of the input; smaller first epochs save time.
        augmentation: "none", "flip" or "full".
        augmentation_probability: probability of each change of "full" except the flip; 0: each
            change's default, see `Augmentation`.
        optimizer: "sgd" (Nesterov, momentum 0.9) or "adamw".
        learning_rate: after the warm-up.
        warmup_epochs: length of the linear warm-up from zero.
        schedule: "plateau" (reduce when the loss stops falling, once the margin is constant) or
            "steps" (reduce at `milestones`).
        milestones: epochs at whose start "steps" reduces the learning rate.
        milestone_factor: factor of each of these reductions.
        cooldown_epochs: number of last epochs in which the learning rate falls linearly from its
            current value to `cooldown_to`.
        cooldown_to: final share of `learning_rate`, reached one step after the last: the last
            step's rate is above it by one part in `cooldown_epochs` times the steps per epoch.
        weight_decay: of weights; biases and batch norms have none.
        scale: s, the factor of the cosines in the logits.
        margin_type: "arcface", "cosface" or "adaface", see `model/margin.py`.
        margin_min: initial margin m, in radians; for CosFace in units of the cosine.
        margin_max: final margin m.
        margin_epochs: length of its linear rise.
        plateau_factor: factor of the learning rate when the loss stops falling.
        plateau_patience: epochs without a fall that are tolerated.
        plateau_threshold: smallest relative fall that counts.
        plateau_floor: share of `learning_rate` below which plateaus do not reduce it.
        partial_fc: share of the centres used per step (Partial FC), at least those of the batch;
            the centres are sharded over the processes. 1: all centres, sharded; 0: every process
            holds all centres.
        arcface_weight: weight of the margin softmax, of any type.
        projection_weight: weight of the feature regression loss (FitNets).
        relation_weight: weight of the relational distillation loss (RKD).
        relation: the teachers' similarities: "distance" or "cosine", see `model/distill.py`.
        ema: decay of the exponential moving average of the weights; 0: none.
        clip: largest gradient norm.
        clip_centres: whether gradient clipping includes the class centres.
        amp: "fp16", "bf16" or "off".
        seed: random seed.
        checkpoint_minutes: minutes between checkpoints.

    Raises:
        ValueError: a setting is invalid, or settings contradict each other.
    """

    data: str
    init: str = ""
    teachers: tuple[str, ...] = ()
    stem: Stem = "face"
    head: str = ""
    dilated: bool = False
    frozen: int = 0
    heldout: bool = True
    epochs: int = 26
    steps: int = 0
    batch_size: int = 256
    accumulate: int = 1
    sizes: tuple[tuple[int, int, int], ...] = ((0, 112, 96),)
    augmentation: str = "full"
    augmentation_probability: float = 0.0
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    warmup_epochs: float = 1.0
    schedule: str = "plateau"
    milestones: tuple[int, ...] = (12, 20, 24)
    milestone_factor: float = 0.1
    cooldown_epochs: float = 0.0
    cooldown_to: float = 0.0
    weight_decay: float = 5e-4
    scale: float = 64.0
    margin_type: MarginType = "arcface"
    margin_min: float = 0.0
    margin_max: float = 0.35
    margin_epochs: float = 5.0
    plateau_factor: float = 0.1
    plateau_patience: int = 1
    plateau_threshold: float = 0.01
    plateau_floor: float = 1e-3
    partial_fc: float = 0.0
    arcface_weight: float = 1.0
    projection_weight: float = 0.0
    relation_weight: float = 0.0
    relation: Relation = "distance"
    ema: float = 0.0
    clip: float = 5.0
    clip_centres: bool = True
    amp: str = "fp16"
    seed: int = 0
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            if isinstance(value := getattr(self, f.name), float) and not math.isfinite(value):
                raise ValueError(f"{f.name} must be a number, not {value}")
        object.__setattr__(self, "sizes", tuple(tuple(size) for size in self.sizes))
        for name in ("milestones", "teachers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                choices = ", ".join(allowed[:-1]) + f" or {allowed[-1]}"
                raise ValueError(f"{name} must be {choices}, not {getattr(self, name)!r}")
        Augmentation.of(self.augmentation, self.augmentation_probability)
        if not self.sizes or self.sizes[0][0] != 0:
            raise ValueError("sizes must start at epoch 0")
        if not 0 <= self.margin_min <= self.margin_max < 1.6:
            raise ValueError("margins must rise from 0 or more to less than 1.6 radians")
        self._check_rates()
        self._check_encoder()
        if not 0 <= self.frozen <= 5 or (self.frozen and not self.init):
            raise ValueError("frozen must be from 0 to 5; above 0 it needs init")
        if not 0 <= self.partial_fc <= 1:
            raise ValueError("partial_fc must be from 0 to 1")
        if self.partial_fc and self.clip_centres:
            raise ValueError("partial_fc shards the centres: it needs clip_centres = false")
        if bool(self.teachers) != (self.projection_weight > 0 or self.relation_weight > 0):
            raise ValueError(
                "teachers need projection_weight or relation_weight above 0, and vice versa"
            )
        for name in ("epochs", "batch_size", "accumulate", "learning_rate", "scale", "clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        if self.steps < 0:
            raise ValueError("steps must not be negative")

    def _check_rates(self) -> None:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("milestones must be ascending")
        lowest = self.plateau_floor
        if self.schedule == "steps":
            lowest = self.milestone_factor ** len(self.milestones)
        if not 0 <= self.cooldown_to <= max(lowest, 0):
            raise ValueError(f"cooldown_to must not exceed the schedule's last share, {lowest:g}")

    @property
    def encoder_spec(self) -> ModelSpec:
        """The encoder's architecture."""
        head: Any = self.head or USUAL_HEAD.get(self.stem, "average")
        return ModelSpec(stem=self.stem, head=head, dilated=self.dilated)

    def _check_encoder(self) -> None:
        spec = self.encoder_spec
        for _, height, width in self.sizes:
            if spec.head != "average" and map_size(spec, height, width) != places(spec):
                t = spec.template
                raise ValueError(
                    f"sizes: the {spec.head} head of the {spec.stem} stem needs {t.height} x "
                    f"{t.width}, not {height} x {width}"
                )

    def size_at(self, epoch: int) -> tuple[int, int, int]:
        """The input size in an epoch: (first epoch at this size, height, width)."""
        return next(size for size in reversed(self.sizes) if size[0] <= epoch)


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a TOML file and apply overrides.

    Args:
        path: the file, or None for the defaults.
        overrides: "name=value", the value in TOML; a bare word is a string.

    Raises:
        ValueError: a name is unknown, or a value is invalid.
    """
    values: dict[str, Any] = tomllib.loads(path.read_text()) if path else {}
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise ValueError(f"{override!r} is not name=value")
        try:
            values[name] = tomllib.loads(f"v = {text}")["v"]
        except tomllib.TOMLDecodeError:
            values[name] = text
    fields = {f.name: f for f in dataclasses.fields(TrainConfig)}
    for name, value in values.items():
        if name not in fields:
            raise ValueError(f"there is no setting {name}")
        default = fields[name].default
        if isinstance(default, float) and isinstance(value, int):
            value = values[name] = float(value)
        expected = str if default is dataclasses.MISSING else type(default)
        if expected is tuple:
            expected = list
        if type(value) is not expected:
            raise ValueError(f"{name} must be of type {expected.__name__}, not {value!r}")
    try:
        return TrainConfig(**values)
    except TypeError as error:
        raise ValueError("the configuration needs at least data") from error


def remember_config(config: TrainConfig, run: Path, *, started: bool) -> None:
    """Write a new run's `config.json`, or compare the configuration with the existing one.

    Settings missing in the file had their defaults when the run began.

    Args:
        config: of the run.
        run: its folder; created if missing.
        started: whether the run has a checkpoint; before the first one, settings may change.

    Raises:
        ValueError: the run has another configuration.
    """
    run.mkdir(parents=True, exist_ok=True)
    path = run / "config.json"
    if not (started and path.exists()):
        text = json.dumps(dataclasses.asdict(config), indent=2) + "\n"
        write_atomically(path, text.encode())
        return
    stored = json.loads(path.read_text())
    known = {f.name for f in dataclasses.fields(TrainConfig)} & stored.keys()
    if TrainConfig(**{name: stored[name] for name in known}) != config:
        raise ValueError(f"{run} holds a run with another configuration; use a new folder")
