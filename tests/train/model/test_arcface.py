"""ArcFace against values worked out by hand, and at both ends of the cosine."""

import math

import pytest
import torch

from train.model.arcface import ArcFace


def head(margin: float, scale: float = 10.0, n: int = 3) -> ArcFace:
    arcface = ArcFace(4, n, scale)
    arcface.margin = margin
    return arcface


def test_margin_widens_only_the_own_class() -> None:
    # theta = 60 degrees, m = 0.35: cos(1.0472 + 0.35) = 0.17265
    cosines = torch.tensor([[0.5, 0.2, -0.1]])
    logits = head(0.35).logits(cosines, torch.tensor([0]))
    expected = [10 * math.cos(math.pi / 3 + 0.35), 2.0, -1.0]
    assert logits[0].tolist() == pytest.approx(expected, abs=1e-5)
    assert expected[0] == pytest.approx(1.7265, abs=1e-3)


def test_without_margin_it_is_a_scaled_softmax() -> None:
    arcface = head(0.0)
    x, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    cosines = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(arcface.weight).T
    expected = torch.nn.functional.cross_entropy(10 * cosines, labels)
    assert arcface(x, labels)[0].item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("margin", [0.0, 0.35, 0.5])
def test_the_own_logit_rises_with_the_cosine_over_its_whole_range(margin: float) -> None:
    own = torch.linspace(-1, 1, 2001)
    logits = head(margin, n=1).logits(own[:, None], torch.zeros(2001, dtype=torch.long))[:, 0]
    assert torch.isfinite(logits).all()
    assert (logits.diff() >= 0).all()
    assert logits.diff().abs().max() < 10 * (own[1] - own[0]) * 60  # no jump at pi - m


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_are_finite_where_a_face_sits_on_its_centre_or_opposite(sign: float) -> None:
    arcface = head(0.35)
    x = (sign * arcface.weight.detach()[:1]).requires_grad_()
    arcface(x, torch.tensor([0]))[0].backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(arcface.weight.grad).all()


def test_float32_under_autocast() -> None:
    arcface = head(0.35)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert arcface.cosines(torch.randn(2, 4, dtype=torch.bfloat16)).dtype == torch.float32


def test_accuracy_ignores_the_margin() -> None:
    arcface = head(1.5)
    with torch.no_grad():
        arcface.weight.copy_(torch.eye(4)[:3])
    # Nearest to centres 0, 1 and 2, whatever the margin does to the logits; labelled 0, 2 and 2.
    x = torch.tensor([[1.0, 0.9, 0, 0], [0, 1.0, 0, 0], [0, 0.5, 1.0, 0]])
    assert arcface(x, torch.tensor([0, 2, 2]))[1].item() == pytest.approx(2 / 3)


def test_centres_start_at_mean_embeddings_and_keep_their_length() -> None:
    arcface = head(0.35, n=2)
    lengths = arcface.weight.detach().norm(dim=1)
    faces = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0.6, 0.8]])
    arcface.init_centres(faces, torch.tensor([1, 1, 0]))
    half = math.sqrt(0.5)
    expected = lengths[:, None] * torch.tensor([[0, 0, 0.6, 0.8], [half, half, 0, 0]])
    torch.testing.assert_close(arcface.weight.detach(), expected)
