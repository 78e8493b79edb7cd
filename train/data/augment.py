"""Augment a batch of crops on the training device, without synchronisation with the host.

All random numbers of a batch are drawn on the CPU and copied together. Shapes depend only on the
number of faces, except the size of low-resolution faces, which is also drawn on the CPU.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from train.data.changes import FULL, NONE, Augmentation

SCALE, ROTATION, SHIFT = 0.05, 5.0, 0.03  # standard deviations: share, degrees, share of the side

Numbers = dict[str, Tensor]  # float32 (N,) each

_UNIFORM = (  # from 0 to 1
    *("flip", "move", "recolour", "grey", "low_resolution", "blur", "erase"),  # whether
    *("sigma", "height", "width", "top", "left", "level"),  # how much
    *("factor", "low_resolution_rest", "blur_rest"),  # per batch: only the first number is used
)
_NORMAL = (  # mean 0, variance 1
    *("scale", "angle", "right", "down"),
    *("contrast", "brightness", "red", "green", "blue"),
)


def augment(
    x: Tensor, size: tuple[int, int], generator: torch.Generator, changes: Augmentation = FULL
) -> Tensor:
    """Resize faces and augment each one independently.

    Args:
        x: float32 (N, 3, 112, 96), RGB, -1 to 1.
        size: (height, width) of the result.
        generator: random generator, on the CPU.
        changes: probability of each change.

    Returns:
        float32 (N, 3, height, width), RGB, -1 to 1.
    """
    if size != tuple(x.shape[2:]):
        x = functional.interpolate(x, size, mode="bilinear", antialias=True)
    if changes == NONE:
        return x
    host = draw(len(x), generator, pinned=x.is_cuda)
    block = host.to(x.device, non_blocking=True)
    numbers = dict(zip(_UNIFORM + _NORMAL, block.unbind(), strict=True))
    factor, low_rest, blur_rest = host[len(_UNIFORM) - 3 : len(_UNIFORM), 0].tolist()
    if changes.move:
        x = _move(x, numbers, changes)  # includes the flip
    elif changes.flip:
        x = torch.where(_column(numbers["flip"] < changes.flip), x.flip(3), x)
    if changes.recolour:
        x = _recolour(x, numbers, changes.recolour)
    if changes.low_resolution:
        some = _some(numbers["low_resolution"], changes.low_resolution, low_rest)
        x = _low_resolution(x, some, 0.35 + 0.4 * factor)
    if changes.blur:
        x = _blur(x, _some(numbers["blur"], changes.blur, blur_rest), 0.5 + numbers["sigma"])
    if changes.erase:
        x = _erase(x, numbers, changes.erase)
    return x.clamp(-1, 1)


def draw(n: int, generator: torch.Generator, *, pinned: bool = False) -> Tensor:
    """Draw all random numbers of a batch: n for each of `_UNIFORM`, then for each of `_NORMAL`.

    Args:
        n: number of faces.
        generator: random generator, on the CPU.
        pinned: whether to use pinned memory.

    Returns:
        float32 (25, n) on the CPU.
    """
    block = torch.empty(len(_UNIFORM) + len(_NORMAL), n, pin_memory=pinned)
    block[: len(_UNIFORM)].uniform_(generator=generator)
    block[len(_UNIFORM) :].normal_(generator=generator)
    return block


def _column(values: Tensor) -> Tensor:
    """From (N,) to (N, 1, 1, 1)."""
    return values[:, None, None, None]


def _some(order: Tensor, share: float, rest: float) -> tuple[Tensor, Tensor]:
    """Choose a share of the faces without synchronisation with the host.

    Args:
        order: uniform random (N,); faces with the lowest numbers are chosen.
        share: share of the faces, exact on average.
        rest: uniform random number that decides whether to round up.

    Returns:
        int64 (M,), indices; bool (M,), whether each is chosen: the last may be False.
    """
    expected = share * len(order)
    count = math.ceil(expected)
    rows = order.argsort()[:count]
    return rows, torch.arange(count, device=order.device) + rest < expected


def _replace(x: Tensor, some: tuple[Tensor, Tensor], old: Tensor, new: Tensor) -> Tensor:
    rows, really = some
    return x.index_copy(0, rows, torch.where(_column(really), new, old))


def _move(x: Tensor, numbers: Numbers, changes: Augmentation) -> Tensor:
    """Flip; jitter scale, rotation and position, like an imprecise aligner."""
    n, _, height, width = x.shape
    amount = (numbers["move"] < changes.move).float()
    scale = torch.exp(SCALE * amount * numbers["scale"])
    angle = math.radians(ROTATION) * amount * numbers["angle"]
    flip = 1 - 2 * (numbers["flip"] < changes.flip).float()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    aspect = width / height
    right, down = (2 * SHIFT * amount * numbers[name] for name in ("right", "down"))
    row = torch.stack([flip * cos, -sin / aspect, right], 1)
    theta = torch.stack([row, torch.stack([flip * sin * aspect, cos, down], 1)], 1)
    grid = functional.affine_grid(theta, [n, 3, height, width], align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _recolour(x: Tensor, numbers: Numbers, share: float) -> Tensor:
    """Change brightness, contrast and tint; grey for one in ten. One matrix product per face."""
    amount = (numbers["recolour"] < share).float()
    contrast = torch.exp(0.2 * amount * numbers["contrast"])
    tint = torch.stack([numbers[name] for name in ("red", "green", "blue")], 1)
    shift = amount[:, None] * (0.15 * numbers["brightness"][:, None] + 0.05 * tint)
    grey = (amount * (numbers["grey"] < 0.1))[:, None, None]
    colours = torch.eye(3, device=x.device)
    luma = 0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2]  # no copy from the host
    mix = colours + grey * (luma - colours)
    moved = torch.baddbmm(mix @ shift[:, :, None], contrast[:, None, None] * mix, x.flatten(2))
    return moved.view(x.shape)


def _low_resolution(x: Tensor, some: tuple[Tensor, Tensor], factor: float) -> Tensor:
    """Downsample some faces by `factor` and upsample them again."""
    old = x[some[0]]
    small = [max(8, round(side * factor)) for side in x.shape[2:]]
    low = functional.interpolate(old, small, mode="bilinear", antialias=True)
    low = functional.interpolate(low, x.shape[2:], mode="bilinear")
    return _replace(x, some, old, low)


def _blur(x: Tensor, some: tuple[Tensor, Tensor], sigma: Tensor) -> Tensor:
    """Blur some faces with a Gaussian of `sigma` (N,) pixels, 0.5 to 1.5."""
    old = x[some[0]]
    rows, columns = (_gaussian(side, sigma[some[0]]) for side in x.shape[2:])
    return _replace(x, some, old, rows @ old @ columns.transpose(2, 3))


def _gaussian(side: int, sigma: Tensor) -> Tensor:
    """Matrices (n, 1, side, side) that blur a line of pixels, one per sigma."""
    at = torch.arange(side, device=sigma.device)
    weights = torch.exp(-0.5 * ((at - at[:, None]) / _column(sigma)).square())
    return weights / weights.sum(3, keepdim=True)


def _erase(x: Tensor, numbers: Numbers, share: float) -> Tensor:
    """Fill a rectangle of about a tenth of the area with one grey level (random erasing)."""
    h, w = 0.15 + 0.3 * numbers["height"], 0.15 + 0.3 * numbers["width"]
    top, left = numbers["top"] * (1 - h), numbers["left"] * (1 - w)
    ys = torch.linspace(0, 1, x.shape[2], device=x.device)[None, :, None]
    xs = torch.linspace(0, 1, x.shape[3], device=x.device)[None, None, :]
    inside = (
        (ys >= top[:, None, None])
        & (ys < (top + h)[:, None, None])
        & (xs >= left[:, None, None])
        & (xs < (left + w)[:, None, None])
        & (numbers["erase"] < share)[:, None, None]
    )
    return torch.where(inside[:, None], _column(2 * numbers["level"] - 1), x)
