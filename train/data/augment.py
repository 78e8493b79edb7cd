"""Random changes to a batch of crops, on the training device, which the host never waits for.

All random numbers of a batch are drawn on the CPU at once and copied at once. Shapes depend on the
number of faces only, but for the size of coarsened ones, which is drawn on the CPU too.
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
    *("flip", "move", "recolour", "grey", "low_resolution", "blur", "cover"),  # whether
    *("sigma", "height", "width", "top", "left", "level"),  # how much
    *("factor", "low_resolution_rest", "blur_rest"),  # of the whole batch: the first one counts
)
_NORMAL = (  # mean 0, variance 1
    *("scale", "angle", "right", "down"),
    *("contrast", "brightness", "red", "green", "blue"),
)


def augment(
    x: Tensor, size: tuple[int, int], generator: torch.Generator, changes: Augmentation = FULL
) -> Tensor:
    """Resize faces; flip, move, recolour, coarsen, blur and cover some, each in its own way.

    Args:
        x: float32 (N, 3, 112, 96), RGB, -1 to 1.
        size: (height, width) of the result.
        generator: source of all randomness, on the CPU.
        changes: which, and how often.

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
        x = _move(x, numbers, changes)  # and flip
    elif changes.flip:
        x = torch.where(_column(numbers["flip"] < changes.flip), x.flip(3), x)
    if changes.recolour:
        x = _recolour(x, numbers, changes.recolour)
    if changes.low_resolution:
        some = _some(numbers["low_resolution"], changes.low_resolution, low_rest)
        x = _low_resolution(x, some, 0.35 + 0.4 * factor)
    if changes.blur:
        x = _blur(x, _some(numbers["blur"], changes.blur, blur_rest), 0.5 + numbers["sigma"])
    if changes.cover:
        x = _cover(x, numbers, changes.cover)
    return x.clamp(-1, 1)


def draw(n: int, generator: torch.Generator, *, pinned: bool = False) -> Tensor:
    """All random numbers of a batch: a row of n for each of `_UNIFORM`, then of `_NORMAL`.

    Args:
        n: faces.
        generator: on the CPU.
        pinned: whether in memory that a GPU copies from by itself.

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
    """Choose a share of the faces without the host waiting for which.

    Args:
        order: uniform random (N,); the faces with the lowest are chosen.
        share: of the faces, over many batches exactly.
        rest: uniform random, decides on the fraction of a face that remains.

    Returns:
        int64 (M,), positions; bool (M,), whether really: of the last one it may be false.
    """
    expected = share * len(order)
    count = math.ceil(expected)
    rows = order.argsort()[:count]
    return rows, torch.arange(count, device=order.device) + rest < expected


def _replace(x: Tensor, some: tuple[Tensor, Tensor], old: Tensor, new: Tensor) -> Tensor:
    rows, really = some
    return x.index_copy(0, rows, torch.where(_column(really), new, old))


def _move(x: Tensor, numbers: Numbers, changes: Augmentation) -> Tensor:
    """Flip half of them; jitter scale, rotation and position as an imprecise aligner would."""
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
    """Brightness, contrast and tint; grey for one in ten. One product of matrices for each face."""
    amount = (numbers["recolour"] < share).float()
    contrast = torch.exp(0.2 * amount * numbers["contrast"])
    tint = torch.stack([numbers[name] for name in ("red", "green", "blue")], 1)
    shift = amount[:, None] * (0.15 * numbers["brightness"][:, None] + 0.05 * tint)
    grey = (amount * (numbers["grey"] < 0.1))[:, None, None]
    colours = torch.eye(3, device=x.device)
    luma = 0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2]  # nothing is copied there
    mix = colours + grey * (luma - colours)
    moved = torch.baddbmm(mix @ shift[:, :, None], contrast[:, None, None] * mix, x.flatten(2))
    return moved.view(x.shape)


def _low_resolution(x: Tensor, some: tuple[Tensor, Tensor], factor: float) -> Tensor:
    """Some as from a small picture, smaller by this factor."""
    old = x[some[0]]
    small = [max(8, round(side * factor)) for side in x.shape[2:]]
    low = functional.interpolate(old, small, mode="bilinear", antialias=True)
    low = functional.interpolate(low, x.shape[2:], mode="bilinear")
    return _replace(x, some, old, low)


def _blur(x: Tensor, some: tuple[Tensor, Tensor], sigma: Tensor) -> Tensor:
    """Some out of focus: a Gaussian of `sigma` (N,) pixels, half a pixel to one and a half."""
    old = x[some[0]]
    rows, columns = (_gaussian(side, sigma[some[0]]) for side in x.shape[2:])
    return _replace(x, some, old, rows @ old @ columns.transpose(2, 3))


def _gaussian(side: int, sigma: Tensor) -> Tensor:
    """(n, 1, side, side) matrices that blur a line of pixels, each with its own sigma."""
    at = torch.arange(side, device=sigma.device)
    weights = torch.exp(-0.5 * ((at - at[:, None]) / _column(sigma)).square())
    return weights / weights.sum(3, keepdim=True)


def _cover(x: Tensor, numbers: Numbers, share: float) -> Tensor:
    """Some with a rectangle of one grey, a tenth of the area or so."""
    h, w = 0.15 + 0.3 * numbers["height"], 0.15 + 0.3 * numbers["width"]
    top, left = numbers["top"] * (1 - h), numbers["left"] * (1 - w)
    ys = torch.linspace(0, 1, x.shape[2], device=x.device)[None, :, None]
    xs = torch.linspace(0, 1, x.shape[3], device=x.device)[None, None, :]
    inside = (
        (ys >= top[:, None, None])
        & (ys < (top + h)[:, None, None])
        & (xs >= left[:, None, None])
        & (xs < (left + w)[:, None, None])
        & (numbers["cover"] < share)[:, None, None]
    )
    return torch.where(inside[:, None], _column(2 * numbers["level"] - 1), x)
