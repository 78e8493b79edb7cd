"""Turn a run's best weights into the small file that ships."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from facehub.encoder import FaceEncoder


@torch.no_grad()
def export(best: Path, target: Path) -> FaceEncoder:
    """Round weights to float16, which halves the file, and write a weight folder.

    Args:
        best: weight folder of a run.
        target: folder to write; its calibration is dropped, as it held for other weights.

    Returns:
        The encoder as it was written.

    Raises:
        WeightsError: `best` is no good, or a weight is too large for float16.
    """
    encoder = FaceEncoder.from_pretrained(best)
    encoder.load_state_dict(
        {
            name: value.half().float() if value.is_floating_point() else value
            for name, value in encoder.state_dict().items()
        }
    )
    encoder.config = dataclasses.replace(encoder.config, calibration=None)
    encoder.save_pretrained(target)
    return encoder
