"""What travels with the weights in `config.json`."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from facehub.errors import WeightsError
from facehub.template import AlignmentTemplate

Stem = Literal["imagenet", "face"]

DEFAULT_THRESHOLD = 0.45
UNCERTAIN_MARGIN = 0.05
FPIR = 0.01


@dataclass(frozen=True)
class Preprocessing:
    """From an aligned uint8 crop to the network's input: (pixel - mean) / std.

    Attributes:
        colour: channel order, "RGB".
        layout: axis order of the network's input, "NCHW".
        mean: grey level (0 to 255) that becomes 0.
        std: grey levels per unit.
    """

    colour: str = "RGB"
    layout: str = "NCHW"
    mean: float = 127.5
    std: float = 127.5

    def __post_init__(self) -> None:
        if (self.colour, self.layout) != ("RGB", "NCHW"):
            raise ValueError("preprocessing must be RGB, NCHW")
        if not math.isfinite(self.mean) or not 0 < self.std < math.inf:
            raise ValueError("preprocessing needs a finite mean and a positive std")


@dataclass(frozen=True)
class Calibration:
    """Error rates behind a threshold, measured on labelled faces.

    Attributes:
        dataset: which faces, and whether the weights saw them in training.
        target_fmr: the false match rate the threshold was chosen for; None: it was given.
        fmr: measured false match rate at the threshold (share of impostor pairs accepted).
        fnmr: measured false non-match rate at the threshold (share of genuine pairs rejected).
        impostor_pairs: number of pairs of different people.
        genuine_pairs: number of pairs of one person.
        curve: (similarity, fmr, fnmr) at rising similarities.
    """

    dataset: str
    target_fmr: float | None
    fmr: float
    fnmr: float
    impostor_pairs: int
    genuine_pairs: int
    curve: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        # JSON has no tuples: make what was read from a config equal to what was written.
        curve = tuple((float(s), float(fmr), float(fnmr)) for s, fmr, fnmr in self.curve)
        object.__setattr__(self, "curve", curve)
        if not 0 <= self.fmr <= 1 or not 0 <= self.fnmr <= 1:
            raise ValueError("error rates lie between 0 and 1")
        if not isinstance(self.impostor_pairs, int) or not isinstance(self.genuine_pairs, int):
            raise ValueError("numbers of pairs must be whole numbers")

    @property
    def lowest_fmr(self) -> float:
        """The lowest false match rate that so many impostor pairs can show."""
        return 1 / max(self.impostor_pairs, 1)

    def fmr_at(self, similarity: float) -> float | None:
        """Share of pairs of different people that are at least so similar, from the curve.

        Between its points the rate's logarithm is interpolated; it is never below `lowest_fmr`.
        None where there is no curve.
        """
        if not self.curve:
            return None
        limits, rates = self._log_curve()
        return float(np.exp(np.interp(similarity, limits, rates)))

    def fnmr_at(self, similarity: float) -> float | None:
        """Share of pairs of one person that are less similar; None where there is no curve."""
        if not self.curve:
            return None
        limits, _, rates = zip(*self.curve, strict=True)
        return float(np.interp(similarity, limits, rates))

    def similarity_at(self, fmr: float) -> float | None:
        """The threshold that has this false match rate: the inverse of `fmr_at`, as far as it goes.

        Rates below `lowest_fmr` get the threshold of that. None where there is no curve.
        """
        if not self.curve:
            return None
        limits, rates = self._log_curve()
        wanted = np.log(max(fmr, self.lowest_fmr))
        return float(np.interp(-wanted, -rates, limits))

    def _log_curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Similarities, and the logarithms of their false match rates, up to where those end."""
        floor = np.log(self.lowest_fmr)
        limits, rates = [], []
        for similarity, fmr, _ in self.curve:
            limits.append(similarity)
            rates.append(max(float(np.log(fmr)), floor) if fmr > 0 else floor)
            if rates[-1] <= floor:
                break
        return np.array(limits), np.array(rates)


@dataclass(frozen=True)
class EncoderConfig:
    """All that `config.json` says of a weight file.

    Attributes:
        architecture: trunk, "resnet18".
        stem: "imagenet" (7x7 stride 2, max-pool: cheap) or "face" (3x3 stride 1, no pool:
            accurate, for a GPU).
        dilated: whether the last stage keeps the map's size, its convolutions reaching as far as
            with a stride (output stride 16 in place of 32): more accurate, a little slower.
        embedding_size: length of the embedding.
        flip: whether an embedding is the sum of those of the crop and of its mirror image,
            normalised: more accurate, at twice the time.
        preprocessing: from the aligned crop to the network's input.
        template: how crops must be aligned.
        threshold: cosine similarity from which two faces count as one person.
        uncertain_margin: similarities less than this below the threshold are "uncertain".
        calibration: what the threshold stands for, or None if it was never measured.
        fingerprint: "sha256:..." of the weights, preprocessing and template; set on saving.
    """

    architecture: str = "resnet18"
    stem: Stem = "imagenet"
    dilated: bool = False
    embedding_size: int = 512
    flip: bool = False
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    template: AlignmentTemplate = field(default_factory=AlignmentTemplate)
    threshold: float = DEFAULT_THRESHOLD
    uncertain_margin: float = UNCERTAIN_MARGIN
    calibration: Calibration | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        if self.architecture != "resnet18":
            raise ValueError(f"unknown architecture {self.architecture!r}; this is for resnet18")
        if self.stem not in get_args(Stem):
            raise ValueError(f"unknown stem {self.stem!r}; use one of {get_args(Stem)}")
        if not isinstance(self.embedding_size, int) or not 1 <= self.embedding_size <= 65536:
            raise ValueError(f"embedding_size {self.embedding_size!r} is not a sensible number")
        if not isinstance(self.flip, bool) or not isinstance(self.dilated, bool):
            raise ValueError("flip and dilated must be true or false")
        if not -1 <= self.threshold <= 1 or not 0 <= self.uncertain_margin <= 1:
            raise ValueError("threshold and uncertain_margin must be cosine similarities")
        if not isinstance(self.fingerprint, str | None):
            raise ValueError("fingerprint must be a text")

    def to_json(self) -> str:
        """The text of `config.json`."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> EncoderConfig:
        """Read `config.json`; keys that facehub does not know are left out.

        Raises:
            WeightsError: not JSON, or not a configuration this version can use.
        """
        try:
            config = _build(cls, json.loads(text))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise WeightsError(f"config.json is not a facehub configuration: {error}.") from error
        return config


def gallery_threshold(config: EncoderConfig, comparisons: int, fpir: float = FPIR) -> float:
    """The threshold for the best of several comparisons, as with a gallery's templates.

    Strangers resemble one of many sooner than one of few.

    Args:
        config: of the weights.
        comparisons: number of templates that a face is compared with.
        fpir: highest share of strangers to be taken for somebody (false positive identification
            rate), were their comparisons independent.

    Returns:
        The weights' own threshold, or a higher one where the calibration says so.
    """
    if config.calibration is None or comparisons < 1:
        return config.threshold
    fmr = 1 - (1 - fpir) ** (1 / comparisons)
    return max(config.threshold, config.calibration.similarity_at(fmr) or -1.0)


_NESTED: dict[str, type] = {
    "preprocessing": Preprocessing,
    "template": AlignmentTemplate,
    "calibration": Calibration,
}


def _build(cls: type, values: Any) -> Any:
    if not isinstance(values, dict):
        raise TypeError(f"{cls.__name__} must be an object")
    if cls is EncoderConfig and not {"architecture", "stem"} <= values.keys():
        raise ValueError("architecture and stem are missing")
    known = {f.name for f in dataclasses.fields(cls)}
    kwargs = {name: value for name, value in values.items() if name in known}
    for name in kwargs.keys() & _NESTED.keys():
        if (name, kwargs[name]) != ("calibration", None):
            kwargs[name] = _build(_NESTED[name], kwargs[name])
    return cls(**kwargs)
