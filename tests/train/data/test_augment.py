"""Augmentation: shape, range, repeatability, and that it leaves a face a face."""

from collections.abc import Callable

import pytest
import torch

from train.data import augment as module
from train.data.augment import augment

Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def batch(n: int = 64) -> torch.Tensor:
    x = torch.linspace(-1, 1, 96).expand(n, 3, 112, 96).clone()
    x[:, 1] = torch.linspace(-1, 1, 112)[:, None]
    return x


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(112, 96), (64, 56)])
def test_shape_and_range(size: tuple[int, int]) -> None:
    out = augment(batch(), size, generator())
    assert out.shape == (64, 3, *size)
    assert -1 <= out.min() < out.max() <= 1


def test_depends_on_the_generator_only() -> None:
    one, again = augment(batch(), (64, 56), generator(1)), augment(batch(), (64, 56), generator(1))
    assert torch.equal(one, again)
    assert not torch.equal(one, augment(batch(), (64, 56), generator(2)))


def test_each_crop_changes_in_its_own_way() -> None:
    out = augment(batch(8), (112, 96), generator())
    assert all(not torch.equal(out[0], other) for other in out[1:])


def test_half_are_mirrored() -> None:
    moved = module._move(batch(400), (112, 96), generator())
    # The red channel rises from left to right, and falls where the crop was mirrored.
    mirrored = (moved[:, 0, 56, 80] < moved[:, 0, 56, 16]).float().mean().item()
    assert mirrored == pytest.approx(0.5, abs=0.08)


def test_moves_are_there_and_small() -> None:
    """In pixels, of a spot in the middle: sideways with a deviation of 3 % of 96, say."""
    x = torch.full((400, 3, 112, 96), -1.0)
    x[:, :, 52:60, 44:52] = 1.0
    weight = module._move(x, (112, 96), generator())[:, 0] + 1
    columns = (weight * torch.arange(96)).sum((1, 2)) / weight.sum((1, 2))
    rows = (weight * torch.arange(112)[:, None]).sum((1, 2)) / weight.sum((1, 2))
    assert columns.mean().item() == pytest.approx(47.5, abs=0.5)
    assert columns.std().item() == pytest.approx(0.03 * 96, rel=0.15)
    assert rows.std().item() == pytest.approx(0.03 * 112, rel=0.15)


def test_faces_scale_and_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The red slope along the rows shows the scale, along the columns the angle."""
    monkeypatch.setattr(module, "SHIFT", 0.0)
    middle = module._move(batch(400), (112, 96), generator())[:, 0, 40:72, 32:64]
    across = middle.diff(dim=2).mean((1, 2)).abs() * 95 / 2  # the scale times the cosine
    down = middle.diff(dim=1).mean((1, 2)) * 95 / 2
    assert across.std().item() == pytest.approx(0.05, rel=0.2)
    assert torch.atan2(down, across).rad2deg().std().item() == pytest.approx(5, rel=0.2)


def test_colours_change_and_a_tenth_turn_grey() -> None:
    x = torch.zeros(500, 3, 2, 1)
    x[:, 0, 0], x[:, :, 1] = 0.5, -0.5
    out = module._recolour(x, generator())[..., 0]
    grey = (out - out[:, :1]).abs().amax((1, 2)) < 1e-6
    assert grey.float().mean().item() == pytest.approx(0.1, abs=0.04)
    red = out[~grey][:, 0]
    assert (red[:, 0] - red[:, 1]).log().std().item() == pytest.approx(0.2, rel=0.15)  # contrast
    assert red.mean(1).std().item() == pytest.approx(0.158, rel=0.15)  # brightness and tint
    tint = out[~grey][:, 0, 1] - out[~grey][:, 1, 1]
    assert tint.std().item() == pytest.approx(0.05 * 2**0.5, rel=0.15)


@pytest.mark.parametrize("change", [module._low_resolution, module._blur])
def test_a_tenth_lose_detail_and_keep_their_brightness(change: Change) -> None:
    fine = torch.randn(500, 3, 112, 96, generator=generator(1))
    out = change(fine, generator())
    changed = (out != fine).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.1, abs=0.04)
    assert out[changed].std() < 0.9 * fine[changed].std()
    torch.testing.assert_close(out[changed].mean(), fine[changed].mean(), atol=0.01, rtol=0)


def test_nothing_chosen_changes_nothing() -> None:
    x = batch(1)
    assert torch.equal(module._blur(x, generator()), x)


def test_about_a_fifth_are_covered() -> None:
    out = module._cover(torch.full((500, 3, 112, 96), 2.0), generator())
    covered = (out != 2).flatten(1).any(1)
    assert covered.float().mean().item() == pytest.approx(0.2, abs=0.06)
    share = (out[covered][:, 0] != 2).float().mean().item()
    assert 0.05 < share < 0.15
