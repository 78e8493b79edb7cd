"""Augmentation: shape, range, repeatability, and the size of each change."""

import dataclasses

import pytest
import torch

from train.data import augment as module
from train.data.augment import augment
from train.data.changes import FLIP, FULL, NONE, Augmentation


def batch(n: int = 64) -> torch.Tensor:
    x = torch.linspace(-1, 1, 96).expand(n, 3, 112, 96).clone()
    x[:, 1] = torch.linspace(-1, 1, 112)[:, None]
    return x


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(n: int) -> module.Numbers:
    names = module._UNIFORM + module._NORMAL
    return dict(zip(names, module.draw(n, generator()), strict=True))


def alone(x: torch.Tensor, **share: float) -> torch.Tensor:
    """Apply a single change, to this share of the faces."""
    return augment(x, tuple(x.shape[2:]), generator(), dataclasses.replace(NONE, **share))


@pytest.mark.parametrize("size", [(112, 96), (64, 56)])
def test_output_has_the_shape_and_range_of_pixels(size: tuple[int, int]) -> None:
    out = augment(batch(), size, generator())
    assert out.shape == (64, 3, *size)
    assert -1 <= out.min() < out.max() <= 1


def test_output_depends_on_the_generator_only() -> None:
    one, again = augment(batch(), (64, 56), generator(1)), augment(batch(), (64, 56), generator(1))
    assert torch.equal(one, again)
    assert not torch.equal(one, augment(batch(), (64, 56), generator(2)))


def test_each_crop_changes_in_its_own_way() -> None:
    out = augment(batch(8), (112, 96), generator())
    assert all(not torch.equal(out[0], other) for other in out[1:])


def test_half_of_the_faces_are_mirrored() -> None:
    moved = module._move(batch(400), numbers(400), FULL)
    # The red channel rises from left to right, and falls where the crop was mirrored.
    mirrored = (moved[:, 0, 56, 80] < moved[:, 0, 56, 16]).float().mean().item()
    assert mirrored == pytest.approx(0.5, abs=0.08)


def test_faces_move_by_3_percent() -> None:
    """A spot in the middle moves with a standard deviation of 3 % of the width and height."""
    x = torch.full((400, 3, 112, 96), -1.0)
    x[:, :, 52:60, 44:52] = 1.0
    weight = module._move(x, numbers(400), FULL)[:, 0] + 1
    columns = (weight * torch.arange(96)).sum((1, 2)) / weight.sum((1, 2))
    rows = (weight * torch.arange(112)[:, None]).sum((1, 2)) / weight.sum((1, 2))
    assert columns.mean().item() == pytest.approx(47.5, abs=0.5)
    assert columns.std().item() == pytest.approx(0.03 * 96, rel=0.15)
    assert rows.std().item() == pytest.approx(0.03 * 112, rel=0.15)


def test_faces_scale_by_5_percent_and_turn_by_5_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slopes of red along rows and columns give scale and angle."""
    monkeypatch.setattr(module, "SHIFT", 0.0)
    middle = module._move(batch(400), numbers(400), FULL)[:, 0, 40:72, 32:64]
    across = middle.diff(dim=2).mean((1, 2)).abs() * 95 / 2  # the scale times the cosine
    down = middle.diff(dim=1).mean((1, 2)) * 95 / 2
    assert across.std().item() == pytest.approx(0.05, rel=0.2)
    assert torch.atan2(down, across).rad2deg().std().item() == pytest.approx(5, rel=0.2)


def test_colours_change_and_a_tenth_of_the_faces_turn_grey() -> None:
    x = torch.zeros(500, 3, 2, 1)
    x[:, 0, 0], x[:, :, 1] = 0.5, -0.5
    out = module._recolour(x, numbers(500), 1.0)[..., 0]
    grey = (out - out[:, :1]).abs().amax((1, 2)) < 1e-6
    assert grey.float().mean().item() == pytest.approx(0.1, abs=0.04)
    red = out[~grey][:, 0]
    assert (red[:, 0] - red[:, 1]).log().std().item() == pytest.approx(0.2, rel=0.15)  # contrast
    assert red.mean(1).std().item() == pytest.approx(0.158, rel=0.15)  # brightness and tint
    tint = out[~grey][:, 0, 1] - out[~grey][:, 1, 1]
    assert tint.std().item() == pytest.approx(0.05 * 2**0.5, rel=0.15)


@pytest.mark.parametrize("change", ["low_resolution", "blur"])
def test_low_resolution_and_blur_keep_the_brightness(change: str) -> None:
    fine = torch.rand(500, 3, 112, 96, generator=generator(1)) - 0.5
    out = alone(fine, **{change: 0.1})
    changed = (out != fine).flatten(1).any(1)
    assert changed.sum() == 50
    assert out[changed].std() < 0.9 * fine[changed].std()
    torch.testing.assert_close(out[changed].mean(), fine[changed].mean(), atol=0.01, rtol=0)


@pytest.mark.parametrize("n", [1, 7])
def test_a_share_holds_over_batches_of_any_size(n: int) -> None:
    random = torch.rand(2000, 1 + n, generator=generator())
    found = [module._some(row[1:], 0.1, float(row[0])) for row in random]
    assert {len(rows) for rows, _ in found} == {1}  # the shape does not depend on the choice
    chosen = sum(int(really.sum()) for _, really in found)
    assert chosen / (2000 * n) == pytest.approx(0.1, rel=0.15)
    assert all(
        int(rows) == int(row[1:].argmin()) for (rows, _), row in zip(found, random, strict=True)
    )


def test_erase_covers_a_part_of_a_fifth_of_the_faces() -> None:
    out = module._erase(torch.full((500, 3, 112, 96), 2.0), numbers(500), 0.2)
    covered = (out != 2).flatten(1).any(1)
    assert covered.float().mean().item() == pytest.approx(0.2, abs=0.06)
    share = (out[covered][:, 0] != 2).float().mean().item()
    assert 0.05 < share < 0.15


def test_augmentation_none_only_resizes() -> None:
    x = batch(8)
    assert torch.equal(augment(x, (112, 96), generator(), NONE), x)
    small = torch.nn.functional.interpolate(x, (64, 56), mode="bilinear", antialias=True)
    assert torch.equal(augment(x, (64, 56), generator(), NONE), small)


def test_flip_augmentation_mirrors_half_and_changes_nothing_else() -> None:
    x = batch(400)
    out = augment(x, (112, 96), generator(), FLIP)
    same, mirrored = ((out == y).flatten(1).all(1) for y in (x, x.flip(3)))
    assert torch.equal(same, ~mirrored)
    assert mirrored.float().mean().item() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("change", ["move", "recolour", "low_resolution", "blur", "erase"])
def test_each_change_has_the_given_probability(change: str) -> None:
    x = (torch.rand(300, 3, 40, 32, generator=generator(1)) - 0.5).contiguous()
    share = getattr(Augmentation.of("full", 0.2), change)
    changed = (alone(x, **{change: share}) - x).abs().flatten(1).amax(1) > 1e-3
    assert changed.float().mean().item() == pytest.approx(0.2, abs=0.07)


@pytest.mark.parametrize("size", [(112, 96), (64, 56)])
def test_augment_reads_no_value_from_the_device(size: tuple[int, int]) -> None:
    """Tensors on "meta" have no values, so code that reads a result from the device fails."""
    out = augment(batch(8).to("meta"), size, generator())
    assert (out.device.type, out.shape) == ("meta", (8, 3, *size))


def test_augment_does_not_synchronise_with_cuda() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU on this machine")
    x = batch(64).cuda()
    augment(x, (64, 56), generator())  # the first call may wait while libraries load
    torch.cuda.set_sync_debug_mode("error")
    try:
        out = augment(x, (64, 56), generator())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(
        out.cpu(), augment(x.cpu(), (64, 56), generator()), atol=1e-3, rtol=0
    )
