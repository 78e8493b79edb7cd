"""A network with few channels, whose steps and checkpoints take a tenth of the time.

`python -m tests.thin ARGUMENT...` is `python -m train ARGUMENT...` with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision.models.resnet import ResNet

from facehub import backbone
from facehub.model import resnet18

CHANNELS = {64: 64, 128: 24, 256: 32, 512: 40}  # torchvision's first stage has those of its stem


def make_thin(set_attribute: Callable[[Any, str, object], None] = setattr) -> None:
    """Replace the channels of all networks made from now on."""

    def make_stage(
        self: ResNet, block: object, planes: int, *args: Any, **options: Any
    ) -> nn.Module:
        stage: nn.Module = ResNet._make_layer(self, block, CHANNELS[planes], *args, **options)
        return stage

    set_attribute(backbone.ResNet18, "_make_layer", make_stage)
    for module in (backbone, resnet18):
        set_attribute(module, "WIDTHS", tuple(CHANNELS.values()))


if __name__ == "__main__":
    from train.__main__ import main

    make_thin()
    sys.exit(main())
