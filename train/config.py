"""The configuration of a training run: TOML file, then overrides from the command line."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facehub.io.files import write_atomically
from facehub.model.resnet18 import map_size, places
from facehub.model.spec import USUAL_HEAD, ModelSpec, Stem


@dataclass(frozen=True)
class TrainConfig:
    """All that decides a run's result. `train/configs/*.toml` set it; the defaults are ArcFace's.

    Attributes:
        data: packed data set, see `python -m train pack`.
        init: what to start from, or "": a run folder (its last checkpoint), a folder of weights, or
            "owner/name" on the Hub.
        teacher: `.npz` of names and embeddings to distil from, or "".
        stem: of the encoder, "face", "imagenet" or "iresnet".
        head: of the encoder, "average", "depthwise" or "flatten"; "" for its stem's usual one.
        dilated: of the encoder, whether its last stage keeps the map's size.
        epochs: passes over the training identities.
        batch_size: pictures in an optimiser step, over all processes.
        accumulate: parts that each process takes its share of a batch in, to save memory.
        sizes: (first epoch, height, width) of the input, smaller at first to save time.
        optimizer: "sgd" (Nesterov, momentum 0.9) or "adamw".
        learning_rate: after the warm-up.
        warmup_epochs: in which the learning rate rises from zero.
        cooldown_epochs: the last ones, in which it falls to zero: for a run whose time is short.
        weight_decay: of weights; biases and batch norms have none.
        scale: ArcFace's s.
        margin_min: ArcFace's angular margin m in radians at the start.
        margin_max: the same once stable.
        margin_epochs: in which it rises linearly.
        plateau_factor: the learning rate is multiplied by this when the loss stops falling.
        plateau_patience: epochs without a fall that are tolerated.
        plateau_threshold: relative fall that counts as one.
        arcface_weight: weight of the ArcFace loss.
        projection_weight: weight of the distance to the teacher's vectors.
        relation_weight: weight of the difference between the similarities within a batch.
        ema: decay of the averaged weights, or 0.
        clip: largest gradient norm.
        amp: "fp16", "bf16" or "off".
        seed: of everything random.
        checkpoint_minutes: between checkpoints.
    """

    data: str
    init: str = ""
    teacher: str = ""
    stem: Stem = "face"
    head: str = ""
    dilated: bool = False
    epochs: int = 26
    batch_size: int = 256
    accumulate: int = 1
    sizes: tuple[tuple[int, int, int], ...] = ((0, 112, 96),)
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    warmup_epochs: float = 1.0
    cooldown_epochs: float = 0.0
    weight_decay: float = 5e-4
    scale: float = 64.0
    margin_min: float = 0.0
    margin_max: float = 0.35
    margin_epochs: float = 5.0
    plateau_factor: float = 0.1
    plateau_patience: int = 1
    plateau_threshold: float = 0.01
    arcface_weight: float = 1.0
    projection_weight: float = 0.0
    relation_weight: float = 0.0
    ema: float = 0.0
    clip: float = 5.0
    amp: str = "fp16"
    seed: int = 0
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(tuple(size) for size in self.sizes))
        if self.optimizer not in ("sgd", "adamw"):
            raise ValueError(f"optimizer must be sgd or adamw, not {self.optimizer!r}")
        if self.amp not in ("fp16", "bf16", "off"):
            raise ValueError(f"amp must be fp16, bf16 or off, not {self.amp!r}")
        if not self.sizes or self.sizes[0][0] != 0:
            raise ValueError("sizes must start at epoch 0")
        if not 0 <= self.margin_min <= self.margin_max < 1.6:
            raise ValueError("margins must rise from 0 or more to less than 1.6 radians")
        if bool(self.teacher) != (self.projection_weight > 0 or self.relation_weight > 0):
            raise ValueError("a teacher needs projection_weight or relation_weight, and they it")
        for name in ("epochs", "batch_size", "accumulate", "learning_rate", "scale", "clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")

        self._check_encoder()

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
                    f"sizes: the {spec.head} head of the {spec.stem} stem takes {t.height} x "
                    f"{t.width} alone, not {height} x {width}"
                )

    def size_at(self, epoch: int) -> tuple[int, int, int]:
        """Input in an epoch: (first epoch at this size, height, width)."""
        return next(size for size in reversed(self.sizes) if size[0] <= epoch)


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a TOML file and apply overrides.

    Args:
        path: the file, or None for the defaults.
        overrides: "name=value", the value in TOML; a bare word is taken as a string.

    Raises:
        ValueError: an unknown name, or a value of the wrong type.
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


def remember_config(config: TrainConfig, run: Path) -> None:
    """Write a new run's `config.json`, or compare with the one that is there.

    A setting that the file lacks had its default when the run began.

    Raises:
        ValueError: the run has another configuration.
    """
    run.mkdir(parents=True, exist_ok=True)
    path = run / "config.json"
    if not path.exists():
        text = json.dumps(dataclasses.asdict(config), indent=2) + "\n"
        write_atomically(path, text.encode())
        return
    stored = json.loads(path.read_text())
    known = {f.name for f in dataclasses.fields(TrainConfig)} & stored.keys()
    if TrainConfig(**{name: stored[name] for name in known}) != config:
        raise ValueError(f"{run} holds a run with another configuration; choose a new folder")
