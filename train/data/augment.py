"""Random changes to a batch of crops, on the training device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SCALE, ROTATION, SHIFT = 0.05, 5.0, 0.03  # standard deviations: share, degrees, share of the side


def augment(x: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Flip, move, recolour, coarsen, blur and cover faces, each crop in its own way.

    Args:
        x: float32 (N, 3, 112, 96), RGB, -1 to 1.
        size: (height, width) of the result.
        generator: source of all randomness, on the CPU.

    Returns:
        float32 (N, 3, height, width), RGB.
    """
    x = _move(x, size, generator)
    x = _recolour(x, generator)
    x = _low_resolution(x, generator)
    x = _blur(x, generator)
    return _cover(x, generator).clamp(-1, 1)


def _uniform(n: int, generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.rand(n, generator=generator).to(like.device)


def _normal(n: int, generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(n, generator=generator).to(like.device)


def _move(x: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Flip half of them; jitter scale, rotation and position as an imprecise aligner would."""
    n, _, height, width = x.shape
    if size != (height, width):
        x = functional.interpolate(x, size, mode="bilinear", antialias=True)
    scale = torch.exp(SCALE * _normal(n, generator, x))
    angle = torch.deg2rad(ROTATION * _normal(n, generator, x))
    flip = torch.where(_uniform(n, generator, x) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    aspect = width / height
    theta = torch.stack(
        [
            torch.stack([flip * cos, -sin / aspect, 2 * SHIFT * _normal(n, generator, x)], 1),
            torch.stack([flip * sin * aspect, cos, 2 * SHIFT * _normal(n, generator, x)], 1),
        ],
        1,
    )
    grid = functional.affine_grid(theta, [n, 3, *size], align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _recolour(x: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness, contrast and tint of all; grey for one in ten."""
    n = len(x)
    contrast = torch.exp(0.2 * _normal(n, generator, x))[:, None, None, None]
    brightness = (0.15 * _normal(n, generator, x))[:, None, None, None]
    tint = (0.05 * torch.randn(n, 3, generator=generator)).to(x.device)[:, :, None, None]
    x = x * contrast + brightness + tint
    grey = (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    chosen = (_uniform(n, generator, x) < 0.1)[:, None, None, None]
    return torch.where(chosen, grey.expand_as(x), x)


def _low_resolution(x: Tensor, generator: torch.Generator) -> Tensor:
    """One in ten as from a small picture."""
    chosen = (_uniform(len(x), generator, x) < 0.1).nonzero().flatten()
    factor = 0.35 + 0.4 * float(torch.rand((), generator=generator))
    if len(chosen) == 0:
        return x
    size = x.shape[2:]
    small = [max(8, round(side * factor)) for side in size]
    low = functional.interpolate(x[chosen], small, mode="bilinear", antialias=True)
    low = functional.interpolate(low, size, mode="bilinear")
    return x.index_copy(0, chosen, low)


def _blur(x: Tensor, generator: torch.Generator) -> Tensor:
    """One in ten out of focus: a Gaussian of half a pixel to one and a half."""
    chosen = (_uniform(len(x), generator, x) < 0.1).nonzero().flatten()
    sigma = 0.5 + _uniform(len(x), generator, x)[chosen]
    rows, columns = (_gaussian(side, sigma) for side in x.shape[2:])
    return x.index_copy(0, chosen, rows @ x[chosen] @ columns.transpose(2, 3))


def _gaussian(side: int, sigma: Tensor) -> Tensor:
    """(n, 1, side, side) matrices that blur a line of pixels, each with its own sigma."""
    at = torch.arange(side, device=sigma.device)
    weights = torch.exp(-0.5 * ((at - at[:, None]) / sigma[:, None, None, None]).square())
    return weights / weights.sum(3, keepdim=True)


def _cover(x: Tensor, generator: torch.Generator) -> Tensor:
    """One in five with a rectangle of one grey, a tenth of the area or so."""
    n, _, height, width = x.shape
    r = torch.rand(6, n, generator=generator).to(x.device)
    h, w = 0.15 + 0.3 * r[0], 0.15 + 0.3 * r[1]
    top, left = r[2] * (1 - h), r[3] * (1 - w)
    ys = torch.linspace(0, 1, height, device=x.device)[None, :, None]
    xs = torch.linspace(0, 1, width, device=x.device)[None, None, :]
    inside = (
        (ys >= top[:, None, None])
        & (ys < (top + h)[:, None, None])
        & (xs >= left[:, None, None])
        & (xs < (left + w)[:, None, None])
        & (r[4] < 0.2)[:, None, None]
    )
    return torch.where(inside[:, None], (2 * r[5] - 1)[:, None, None, None], x)
