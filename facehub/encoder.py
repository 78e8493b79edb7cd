"""The ResNet18 as a PyTorch module, for training and fine-tuning.

Only this module and `facehub.backbone` import PyTorch (`pip install 'facehub[torch]'`). Inference
runs on ONNX Runtime, see `facehub.model.onnx`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facehub.backbone import make_backbone, make_pool
from facehub.errors import WeightsError
from facehub.model.embedder import check_crops
from facehub.model.fingerprint import fingerprint, is_fingerprint_v1
from facehub.model.resnet18 import shapes
from facehub.model.selftest import check_answers, known_answer, synthetic_crops
from facehub.model.spec import ModelSpec
from facehub.model.store import read_weights, weights_folder, write_weights


class FaceEncoder(nn.Module):
    """ResNet18 backbone, the head's pooling, linear layer, batch norm, L2 normalisation.

    With the flatten head, the scale of the last batch norm is fixed at 1, as in InsightFace. With
    `spec.flip`, embeddings use flip test-time augmentation. The class is an `Embedder`:
    `FaceRecognizer(FaceEncoder.from_pretrained(...))` runs the whole pipeline with PyTorch.

    Args:
        spec: architecture and use of the weights; None: the default spec.

    Raises:
        WeightsError: the spec is not of a ResNet18.
    """

    def __init__(self, spec: ModelSpec | None = None) -> None:
        super().__init__()
        self.spec = spec or ModelSpec()
        if self.spec.architecture != "resnet18":
            raise WeightsError("FaceEncoder is a ResNet18; an ONNX network has no PyTorch form.")
        self.trunk = make_backbone(self.spec)  # the weights' names begin with "trunk"
        self.pool = make_pool(self.spec)
        size, features = shapes(self.spec)["embedding.weight"]
        self.embedding = nn.Linear(features, size, bias=False)
        self.norm = nn.BatchNorm1d(size)
        self.norm.weight.requires_grad_(self.spec.head != "flatten")

    @property
    def description(self) -> str:
        """The runtime and device, for display."""
        return f"PyTorch {torch.__version__} on {self.embedding.weight.device}"

    def forward(self, x: Tensor) -> Tensor:
        """Embed preprocessed crops.

        Args:
            x: float32 (N, 3, 112, 96), RGB, from `preprocess`.

        Returns:
            float32 (N, 512), L2-normalised rows.
        """
        if not self.spec.flip:
            return functional.normalize(self.features(x).float())
        both = functional.normalize(self.features(torch.cat([x, x.flip(3)])).float())
        return functional.normalize(both[: len(x)] + both[len(x) :])

    def features(self, x: Tensor) -> Tensor:
        """Embed without L2 normalisation and without flip TTA: (N, 3, 112, 96) to (N, 512)."""
        x = self.pool(self.trunk(x))
        if self.spec.head == "flatten":  # a long sum: float32 under autocast, as in InsightFace
            with torch.autocast(x.device.type, enabled=False):
                return self._embed(x.float())
        return self._embed(x)

    def _embed(self, x: Tensor) -> Tensor:
        features: Tensor = self.norm(self.embedding(x))
        return features

    def preprocess(self, crops: Tensor) -> Tensor:
        """Convert uint8 (N, 112, 96, 3) RGB crops to float32 (N, 3, 112, 96), channels last."""
        p = self.spec.preprocessing
        mean, std = (torch.tensor(v, device=crops.device) for v in (p.mean, p.std))
        return ((crops.float() - mean) / std).permute(0, 3, 1, 2)

    @torch.inference_mode()
    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """Embed aligned crops; see `facehub.model.embedder.Embedder.embed`.

        Raises:
            ImageFormatError: another shape or dtype.
        """
        crops = check_crops(crops, self.spec.template)
        was_training = self.training
        self.eval()
        device = self.embedding.weight.device
        rows = []
        for start in range(0, len(crops), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(crops[start : start + batch_size]))
            rows.append(self(self.preprocess(batch.to(device))).cpu().numpy())
        self.train(was_training)
        return np.concatenate(rows) if rows else np.empty((0, self.spec.embedding_size), np.float32)

    def tensors(self) -> dict[str, np.ndarray]:
        """The weights by name, float32, without batch counters."""
        return {
            name: np.ascontiguousarray(tensor.detach().cpu().numpy())
            for name, tensor in self.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }

    def fingerprint(self) -> str:
        """Fingerprint of the current weights, see `facehub.model.fingerprint`."""
        return fingerprint(self.tensors(), self.spec)

    def has_fingerprint_v1(self, fingerprint_v1: str) -> bool:
        """Whether this fingerprint of facehub 0.1 is of these weights."""
        return is_fingerprint_v1(fingerprint_v1, self.tensors(), self.spec)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
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

        Only safetensors are read. Every tensor and the fingerprint must match.

        Args:
            name: folder, `owner/name` or `owner/name@revision`.
            revision: branch, tag or commit; a full commit hash is immutable.
            sha256: expected SHA-256 of `model.safetensors`, in hex; None: not checked.
            token, cache_dir, force_download, local_files_only: as in `hf_hub_download`.
            map_location: device of the weights.

        Raises:
            WeightsError: the weights are missing, damaged or of another architecture.
        """
        folder = weights_folder(
            name,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        weights = read_weights(folder, sha256=sha256)
        with torch.device("meta"):  # skips initialisation
            model = cls(weights.spec)
        assert not isinstance(weights.content, bytes)
        state = {
            key: torch.from_numpy(value.astype(np.float32) if value.dtype.kind == "f" else value)
            for key, value in weights.content.items()
        }
        for key in model.state_dict():
            if key.endswith("num_batches_tracked"):  # used only in training
                state.setdefault(key, torch.zeros((), dtype=torch.int64))
        model.load_state_dict(state, strict=True, assign=True)
        model = model.to(map_location).to(memory_format=torch.channels_last)
        model = model.eval().requires_grad_(False)
        check_answers(model.embed(synthetic_crops(model.spec.template)), model.spec, "float32")
        return model

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write `model.safetensors` and `config.json`, each atomically.

        `self.spec` gets the fingerprint and the known answer of the current weights. If the weights
        have changed, their activation ranges are dropped.

        Args:
            folder: created if missing.

        Raises:
            WeightsError: the weights have values that are not finite; nothing is written.
        """
        tensors = self.tensors()
        if fingerprint(tensors, self.spec) != self.spec.fingerprint:
            answer = self.embed(synthetic_crops(self.spec.template)[:1])[0]
            self.spec = replace(self.spec, activation_ranges={}, known_answer=known_answer(answer))
        self.spec = write_weights(Path(folder), tensors, self.spec)
