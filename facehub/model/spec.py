"""The description of a face network, stored in `config.json`."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from facehub.errors import WeightsError
from facehub.model.calibration import Calibration
from facehub.model.tail import Tail
from facehub.template import AlignmentTemplate

Architecture = Literal["resnet18", "onnx"]
Stem = Literal["imagenet", "face", "iresnet"]
Head = Literal["average", "depthwise", "flatten"]
Range = tuple[float, float]

DEFAULT_THRESHOLD = 0.45
UNCERTAIN_MARGIN = 0.05
FPIR = 0.01
MAX_EMBEDDING = 65_536
MIN_STD = 1e-6
USUAL_HEAD: Mapping[Stem, Head] = {
    "imagenet": "average",
    "face": "average",
    "iresnet": "flatten",
}
_FILE = re.compile(r"\w[\w.-]*\.onnx")


@dataclass(frozen=True)
class Preprocessing:
    """From an aligned uint8 crop to the network's input: (pixel - mean) / std.

    Attributes:
        colour: channel order, "RGB" or "BGR".
        layout: axis order of the network's input, "NCHW" or "NHWC".
        mean: grey level (0 to 255) that becomes 0; one number, or one per channel in `colour`'s
            order.
        std: grey levels per unit; one number, or one per channel.

    Raises:
        ValueError: an attribute is out of range.
    """

    colour: Literal["RGB", "BGR"] = "RGB"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    mean: float | tuple[float, float, float] = 127.5
    std: float | tuple[float, float, float] = 127.5

    def __post_init__(self) -> None:
        if self.colour not in ("RGB", "BGR") or self.layout not in ("NCHW", "NHWC"):
            raise ValueError("preprocessing must be RGB or BGR, NCHW or NHWC")
        for name in ("mean", "std"):
            object.__setattr__(self, name, _per_channel(getattr(self, name), name))
        if np.min(self.std) < MIN_STD:
            raise ValueError(f"std must be {MIN_STD:g} or more")


@dataclass(frozen=True)
class ModelSpec:
    """A face network and how to use it.

    Attributes:
        architecture: "resnet18" (tensors in `model.safetensors`) or "onnx" (any network, in
            `file`).
        stem: of a ResNet18: "imagenet" (7x7 stride 2, max-pool: cheap), "face" (3x3 stride 1, no
            pool: accurate, for a GPU) or "iresnet" (InsightFace's IResNet18: 3x3 stride 1, then
            IBasicBlocks with PReLU and a stride in every stage).
        head: of a ResNet18, from the last feature map to the linear layer: "average" (global
            average pooling), "depthwise" (a weighted sum over positions, with separate weights per
            channel, as in MobileFaceNet) or "flatten" (batch norm, dropout, all positions, as in
            IResNet). `USUAL_HEAD` names each stem's usual head.
        dilated: of a ResNet18: whether the last stage uses dilation instead of stride (output
            stride 16 instead of 32): more accurate, slightly slower.
        file: name of the ONNX file beside `config.json`; None for a ResNet18.
        embedding_size: length of the embedding.
        flip: flip test-time augmentation (flip TTA): an embedding is the L2-normalised sum of those
            of the crop and of its horizontal flip. More accurate, at twice the time.
        preprocessing: from the aligned crop to the network's input.
        template: alignment that crops must have.
        threshold: cosine similarity (-1 to 1) from which two faces count as one person; None if
            unknown: such weights compare faces, but decide nothing.
        threshold_given: whether the threshold was set by hand, see `with_threshold`; it is then
            applied unchanged, whatever the number of comparisons.
        uncertain_margin: similarities less than this below the threshold are "uncertain".
        calibration: error rates at the threshold; None if never measured.
        activation_ranges: of a ResNet18: (lowest, highest) value of each activation on training
            faces, by layer; empty if not measured. int8 inference needs them.
        known_answer: embedding of the first of `facehub.model.selftest.synthetic_crops`, float
            (embedding_size,); empty if unknown. It is checked when the network is loaded.
        fingerprint: identifies the embedding space, see `facehub.model.fingerprint`; set on saving.

    Raises:
        ValueError: an attribute is invalid.
    """

    architecture: Architecture = "resnet18"
    stem: Stem = "imagenet"
    head: Head = "average"
    dilated: bool = False
    file: str | None = None
    embedding_size: int = 512
    flip: bool = False
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    template: AlignmentTemplate = field(default_factory=AlignmentTemplate)
    threshold: float | None = DEFAULT_THRESHOLD
    threshold_given: bool = False
    uncertain_margin: float = UNCERTAIN_MARGIN
    calibration: Calibration | None = None
    activation_ranges: Mapping[str, Range] = field(default_factory=dict, hash=False)
    known_answer: tuple[float, ...] = field(default=(), repr=False)
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        if self.architecture not in get_args(Architecture):
            raise ValueError(
                f"unknown architecture {self.architecture!r}; use one of {get_args(Architecture)}"
            )
        for name, known in (("stem", get_args(Stem)), ("head", get_args(Head))):
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; use one of {known}")
        if not isinstance(self.flip, bool) or not isinstance(self.dilated, bool):
            raise ValueError("flip and dilated must be true or false")
        if self.dilated and self.stem == "iresnet":
            raise ValueError("the iresnet stem cannot be dilated")
        self._check_file()
        size = self.embedding_size
        if type(size) is not int or not 1 <= size <= MAX_EMBEDDING:
            raise ValueError(f"embedding_size must be a whole number from 1 to {MAX_EMBEDDING}")
        object.__setattr__(self, "threshold", check_threshold(self.threshold))
        if not isinstance(self.threshold_given, bool):
            raise ValueError("threshold_given must be true or false")
        margin = _number(self.uncertain_margin, "uncertain_margin", 0, 1)
        object.__setattr__(self, "uncertain_margin", margin)
        object.__setattr__(self, "activation_ranges", _ranges(self.activation_ranges))
        object.__setattr__(self, "known_answer", _vector(self.known_answer, size))
        if not isinstance(self.fingerprint, str | None):
            raise ValueError("fingerprint must be a text")

    def _check_file(self) -> None:
        if self.architecture != "onnx":
            if self.file is not None:
                raise ValueError("only an onnx architecture has a file")
            if (self.preprocessing.colour, self.preprocessing.layout) != ("RGB", "NCHW"):
                raise ValueError("a resnet18 takes RGB, NCHW")
        elif not isinstance(self.file, str) or not _FILE.fullmatch(self.file):
            raise ValueError(f"file must be the name of an .onnx file, not {self.file!r}")
        elif self.dilated or (self.stem, self.head) != ("imagenet", "average"):
            raise ValueError("only a resnet18 has a stem, a head and a dilated stage")

    def with_threshold(self, threshold: float) -> ModelSpec:
        """Return a copy with a threshold set by hand, which is applied unchanged.

        Args:
            threshold: cosine similarity, -1 to 1.

        Raises:
            ValueError: the threshold is out of range.
        """
        if threshold is None:
            raise ValueError("a threshold must be given")
        return dataclasses.replace(self, threshold=threshold, threshold_given=True)

    def threshold_for(self, comparisons: int, fpir: float = FPIR) -> float | None:
        """The threshold for the best of several comparisons, as in a gallery search.

        The best of many impostor scores is higher than the best of a few, so the threshold rises
        with the number of comparisons, as far as the calibration goes (`Calibration.reach`). A
        threshold set by hand does not rise.

        Args:
            comparisons: number of templates that a face is compared with.
            fpir: highest acceptable false positive identification rate (share of strangers taken
                for someone), assuming independent comparisons.

        Returns:
            The weights' own threshold, or a higher one from the calibration; None if the weights
            have none.

        Raises:
            ValueError: `fpir` is not between 0 and 1.
        """
        if not 0 < fpir < 1:
            raise ValueError(f"fpir must be a number between 0 and 1, not {fpir!r}")
        if self.threshold is None or self.threshold_given:
            return self.threshold
        if self.calibration is None or comparisons < 1:
            return self.threshold
        fmr = -math.expm1(math.log1p(-fpir) / comparisons)
        return max(self.threshold, self.calibration.similarity_at(fmr) or -1.0)

    def to_json(self) -> str:
        """The text of `config.json`: all fields, lists of numbers on one line each."""
        values = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        for name in ("file", "activation_ranges", "known_answer", "threshold_given"):
            if not values[name]:
                del values[name]
        if self.head == "average":  # the only head of earlier versions
            del values["head"]
        if self.architecture == "onnx":
            del values["stem"], values["dilated"]
        text = json.dumps(values, indent=2)
        return _NUMBERS.sub(_on_one_line, text) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Parse `config.json`; unknown keys are ignored.

        Args:
            text: content of the file.

        Raises:
            WeightsError: the text is not JSON, or not a configuration that this version can use.
        """
        try:
            spec: ModelSpec = _build(cls, json.loads(text))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise WeightsError(f"config.json is not a facehub configuration: {error}.") from error
        return spec


_NUMBERS = re.compile(r"\[\n[\s\d.,eE+-]+\]")  # no string of JSON holds a line break


def _on_one_line(found: re.Match[str]) -> str:
    return " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]")


_NESTED: dict[str, type] = {
    "preprocessing": Preprocessing,
    "template": AlignmentTemplate,
    "calibration": Calibration,
    "tail": Tail,
}
_OPTIONAL = ("calibration", "tail")


def _build(cls: type, values: Any) -> Any:
    if not isinstance(values, dict):
        raise TypeError(f"{cls.__name__} must be an object")
    if cls is ModelSpec:
        needed = {"architecture"} | (
            {"stem"} if values.get("architecture") == "resnet18" else set()
        )
        if not needed <= values.keys():
            raise ValueError(f"{' and '.join(sorted(needed))} must be given")
    known = {f.name for f in dataclasses.fields(cls)}
    kwargs = {name: value for name, value in values.items() if name in known}
    if cls is ModelSpec and values["architecture"] == "onnx":
        kwargs.setdefault("threshold", None)  # the default threshold is the ResNet18's
    for name in kwargs.keys() & _NESTED.keys():
        if name not in _OPTIONAL or kwargs[name] is not None:
            kwargs[name] = _build(_NESTED[name], kwargs[name])
    return cls(**kwargs)


def _plain(value: Any) -> Any:
    """Convert a field for JSON; a template's missing points are omitted."""
    if isinstance(value, AlignmentTemplate):
        return {name: v for name, v in dataclasses.asdict(value).items() if v is not None}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return dict(value) if isinstance(value, Mapping) else value


def check_threshold(threshold: float | None) -> float | None:
    """Convert a threshold to float; None stays None.

    Raises:
        ValueError: the threshold is not a number from -1 to 1.
    """
    return None if threshold is None else _number(threshold, "threshold", -1, 1)


def _number(value: Any, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def _per_channel(value: Any, name: str) -> float | tuple[float, ...]:
    limit = float(np.finfo(np.float32).max)
    if not isinstance(value, list | tuple):
        return _number(value, name, -limit, limit)
    if len(value) != 3:
        raise ValueError(f"{name} needs one number, or three")
    return tuple(_number(v, name, -limit, limit) for v in value)


def _ranges(ranges: Any) -> Mapping[str, Range]:
    if not isinstance(ranges, Mapping):
        raise ValueError("activation_ranges must be an object")
    found = {}
    for name, limits in ranges.items():
        if not isinstance(limits, list | tuple) or len(limits) != 2:
            raise ValueError(f"the activation range of {name} must be two numbers")
        low, high = (float(v) for v in limits)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"the activation range of {name} is empty or not finite")
        found[str(name)] = (low, high)
    return found


def _vector(values: Any, size: int) -> tuple[float, ...]:
    found = tuple(float(v) for v in values)
    if found and (len(found) != size or not np.isfinite(found).all() or not any(found)):
        raise ValueError("known_answer must be an embedding")
    return found
