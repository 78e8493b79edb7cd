"""Checkpoints: written atomically, read without executing anything."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from facehub.io.files import write_atomically

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Replace the run's checkpoint."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(run / CHECKPOINT, buffer.getvalue())


def load_checkpoint(run: Path) -> dict[str, Any] | None:
    """The run's checkpoint, or None if there is none yet."""
    path = run / CHECKPOINT
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None
