"""Augmentation: shape, range, repeatability, and that it leaves a face a face."""

import pytest
import torch

from train import augment as module
from train.augment import augment


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


def test_moves_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCALE", "ROTATION", "SHIFT"):
        monkeypatch.setattr(module, name, 0.0)
    moved = module._move(batch(16), (112, 96), generator())
    same = torch.stack(
        [min(x, x.flip(2), key=lambda c: (c - batch(1)[0]).abs().mean()) for x in moved]
    )
    assert torch.allclose(same, batch(16), atol=1e-5)


def test_about_a_fifth_are_covered() -> None:
    out = module._cover(torch.full((500, 3, 112, 96), 2.0), generator())
    covered = (out != 2).flatten(1).any(1)
    assert covered.float().mean().item() == pytest.approx(0.2, abs=0.06)
    share = (out[covered][:, 0] != 2).float().mean().item()
    assert 0.05 < share < 0.15
