"""The face encoder: ResNet18 from an aligned crop to a 512-d, L2-normalised embedding."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors.numpy import save
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from facehub.errors import ImageFormatError, WeightsError
from facehub.io.files import write_atomically
from facehub.model.spec import EncoderConfig
from facehub.model.store import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    fingerprint,
    read_config,
    read_tensors,
    weights_folder,
)
from facehub.template import AlignmentTemplate


class FaceEncoder(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="facehub",
    pipeline_tag="image-feature-extraction",
    tags=["face-recognition", "face-verification", "arcface"],
):
    """ResNet18 trunk, global average pool, linear, batch norm, L2 normalisation.

    Where `config.flip` is set, the crop's mirror image goes the same way, and the sum of both is
    normalised.

    Args:
        config: architecture and all that travels with the weights.
    """

    def __init__(self, config: EncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or EncoderConfig()
        self.trunk = resnet18(weights=None)
        width = self.trunk.fc.in_features
        self.trunk.fc = nn.Identity()
        if self.config.stem == "face":
            self.trunk.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
            self.trunk.maxpool = nn.Identity()
        if self.config.dilated:
            _dilate(self.trunk.layer4)
        self.embedding = nn.Linear(width, self.config.embedding_size, bias=False)
        self.norm = nn.BatchNorm1d(self.config.embedding_size)

    def forward(self, x: Tensor) -> Tensor:
        """Embed preprocessed crops.

        Args:
            x: float32 (N, 3, 112, 96), RGB, as `preprocess` returns it.

        Returns:
            float32 (N, 512), each row of length 1.
        """
        if not self.config.flip:
            return functional.normalize(self.features(x).float())
        both = functional.normalize(self.features(torch.cat([x, x.flip(3)])).float())
        return functional.normalize(both[: len(x)] + both[len(x) :])

    def features(self, x: Tensor) -> Tensor:
        """As `forward`, before the L2 normalisation, and of the crops alone."""
        return self.norm(self.embedding(self.trunk(x)))

    def preprocess(self, crops: Tensor) -> Tensor:
        """From uint8 (N, 112, 96, 3) RGB crops to float32 (N, 3, 112, 96), channels last."""
        p = self.config.preprocessing
        return (crops.permute(0, 3, 1, 2).float() - p.mean) / p.std

    @torch.inference_mode()
    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """Embed aligned crops.

        Args:
            crops: uint8 (N, 112, 96, 3), RGB, aligned with `config.template`; N may be 0.
            batch_size: crops in one pass.

        Returns:
            float32 (N, 512), each row of length 1: cosine similarity is the dot product.

        Raises:
            ImageFormatError: another shape or dtype.
        """
        crops = check_crops(crops, self.config.template)
        was_training = self.training
        self.eval()
        device = self.embedding.weight.device
        rows = []
        for start in range(0, len(crops), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(crops[start : start + batch_size]))
            rows.append(self(self.preprocess(batch.to(device))).cpu().numpy())
        self.train(was_training)
        return (
            np.concatenate(rows) if rows else np.empty((0, self.config.embedding_size), np.float32)
        )

    def fingerprint(self) -> str:
        """Identify the embedding space of the present weights; see `weights.fingerprint`."""
        return fingerprint(_arrays(self), self.config)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # narrower: no model arguments, always strict
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        sha256: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        map_location: str | torch.device = "cpu",
    ) -> Self:
        """Load a weight folder or a Hub repository, in evaluation mode.

        Only safetensors are read, every tensor must fit, and the fingerprint must agree.

        Args:
            pretrained_model_name_or_path: folder, `owner/name` or `owner/name@revision`.
            revision: branch, tag or commit; a full commit hash is immutable.
            sha256: that `model.safetensors` must have, in hex, or None.
            token, cache_dir, force_download, local_files_only: as in `hf_hub_download`.
            map_location: device of the weights.

        Raises:
            WeightsError: missing, damaged, or weights of another architecture.
        """
        folder = weights_folder(
            pretrained_model_name_or_path,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        config, tensors = read_config(folder), read_tensors(folder, sha256=sha256)
        with torch.device("meta"):  # no time spent on initial values
            model = cls(config)
        _check_fit(model, tensors, folder)
        found = fingerprint(tensors, config)
        if config.fingerprint is not None and config.fingerprint != found:
            raise WeightsError(
                f"{folder / WEIGHTS_FILE} does not belong to the {CONFIG_FILE} beside it, "
                f"or one of them is damaged (fingerprint {found[:19]}, expected "
                f"{config.fingerprint[:19]})."
            )
        state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
        model.load_state_dict(state, strict=True, assign=True)
        model.config = dataclasses.replace(config, fingerprint=found)
        model = model.to(map_location).to(memory_format=torch.channels_last)
        return model.eval().requires_grad_(False)

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        *,
        config: Any = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Save a weight folder; unlike the mixin's own, it never deletes `config.json` first.

        Args:
            save_directory: the folder, made if missing.
            config: not used; `self.config` is what is saved.
            repo_id, push_to_hub, model_card_kwargs, push_to_hub_kwargs: as in
                `PyTorchModelHubMixin.save_pretrained`.

        Returns:
            The address of the commit where it was pushed to the Hub.

        Raises:
            WeightsError: the weights have values that are not finite.
        """
        folder, card = Path(save_directory), model_card_kwargs or {}
        folder.mkdir(parents=True, exist_ok=True)
        self._save_pretrained(folder)
        if not (folder / "README.md").exists():
            self.generate_model_card(**card).save(folder / "README.md")
        if not push_to_hub:
            return None
        return self.push_to_hub(
            repo_id or folder.name, model_card_kwargs=card, **push_to_hub_kwargs
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write both files, each atomically; as float16 where that loses nothing."""
        arrays = _arrays(self)
        if not all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f"):
            raise WeightsError("The weights have values that are not finite; nothing was saved.")
        self.config = dataclasses.replace(self.config, fingerprint=fingerprint(arrays, self.config))
        if all(fits_half(array) for array in arrays.values()):
            arrays = {
                n: a.astype(np.float16) if a.dtype.kind == "f" else a for n, a in arrays.items()
            }
        write_atomically(save_directory / WEIGHTS_FILE, save(arrays, {"format": "pt"}))
        write_atomically(save_directory / CONFIG_FILE, self.config.to_json().encode())


def _dilate(stage: nn.Sequential) -> None:
    """Take away a stage's stride; its later convolutions skip the positions that came in."""
    blocks: list[Any] = list(stage)  # torchvision's BasicBlock
    first, second = blocks
    first.conv1.stride = first.downsample[0].stride = (1, 1)
    for convolution in (first.conv2, second.conv1, second.conv2):
        convolution.dilation = convolution.padding = (2, 2)


def check_crops(crops: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """The crops as an array.

    Raises:
        ImageFormatError: not uint8 (N, height, width, 3).
    """
    crops = np.asarray(crops)
    if crops.shape[1:] != (template.height, template.width, 3) or crops.dtype != np.uint8:
        raise ImageFormatError(
            f"Crops must be uint8 (N, {template.height}, {template.width}, 3), "
            f"not {crops.dtype} {crops.shape}."
        )
    return crops


def _arrays(model: nn.Module) -> dict[str, np.ndarray]:
    state = model.state_dict()
    return {
        name: np.ascontiguousarray(tensor.detach().cpu().numpy())
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }


def fits_half(array: np.ndarray) -> bool:
    """Whether float16 holds every value exactly."""
    if array.dtype.kind != "f":
        return True
    with np.errstate(over="ignore"):
        return bool((array.astype(np.float16).astype(array.dtype) == array).all())


def _check_fit(model: nn.Module, tensors: dict[str, np.ndarray], folder: Path) -> None:
    """Compare names and shapes; a counter that only training needs may be absent: fill it in."""
    path = folder / WEIGHTS_FILE
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, np.zeros((), np.int64))
        if name not in tensors:
            raise WeightsError(f"{path} does not fit its {CONFIG_FILE}: {name} is missing.")
        if tensors[name].shape != tuple(tensor.shape):
            raise WeightsError(
                f"{path} does not fit its {CONFIG_FILE}: {name} has shape {tensors[name].shape}, "
                f"not {tuple(tensor.shape)}."
            )
        if (tensors[name].dtype.kind == "f") != tensor.is_floating_point():
            raise WeightsError(
                f"{path} does not fit its {CONFIG_FILE}: {name} holds {tensors[name].dtype}."
            )
    extra = tensors.keys() - model.state_dict().keys()
    if extra:
        raise WeightsError(f"{path} does not fit its {CONFIG_FILE}: it also has {min(extra)}.")
