"""Margins: checked by hand, against other implementations, and at both ends of the cosine."""

import math

import pytest
import torch
from pytorch_metric_learning import losses
from torch.nn import functional

from train.config import MarginType
from train.model.head import MarginSoftmax
from train.model.margin import AdaFaceMargin, make_margin


def head(
    margin: float, scale: float = 10.0, n: int = 3, size: int = 4, kind: MarginType = "arcface"
) -> MarginSoftmax:
    softmax = MarginSoftmax(size, n, make_margin(kind), scale)
    softmax.margin.m = margin
    return softmax


def test_arcface_changes_only_the_logit_of_the_own_class() -> None:
    # theta = 60 degrees, m = 0.35: cos(1.0472 + 0.35) = 0.17265
    cosines = torch.tensor([[0.5, 0.2, -0.1]])
    logits = head(0.35).logits(cosines, torch.tensor([0]), torch.ones(1))
    expected = [10 * math.cos(math.pi / 3 + 0.35), 2.0, -1.0]
    assert logits[0].tolist() == pytest.approx(expected, abs=1e-5)
    assert expected[0] == pytest.approx(1.7265, abs=1e-3)


def test_cosface_subtracts_the_margin_from_the_own_logit() -> None:
    cosines = torch.tensor([[0.5, 0.2, -0.1]])
    logits = head(0.35, kind="cosface").logits(cosines, torch.tensor([1]), torch.ones(1))
    assert logits[0].tolist() == pytest.approx([5.0, -1.5, -1.0], abs=1e-5)


def test_adaface_by_hand() -> None:
    """Norms 10, 20 and 30 with mean 20 and spread 5 - epsilon: z = -2, 0, 2; q = 0.333 z.

    Low quality: cos(theta + 0.666 m) - 0.334 m, close to ArcFace's. High: cos(theta - 0.666 m)
    - 1.666 m.
    """
    margin = AdaFaceMargin()
    margin.m = 0.4
    margin.mean.fill_(20.0)
    margin.std.fill_(5.0 - margin.EPSILON)
    own = torch.full((3,), 0.5)
    expected = [
        math.cos(math.pi / 3 + 0.666 * 0.4) - 0.334 * 0.4,
        0.5 - 0.4,
        math.cos(math.pi / 3 - 0.666 * 0.4) - 1.666 * 0.4,
    ]
    found = margin(own, torch.tensor([10.0, 20.0, 30.0])).tolist()
    assert found == pytest.approx(expected, abs=1e-6)


def test_adaface_updates_its_statistics_in_training_only() -> None:
    margin = AdaFaceMargin()
    margin.observe(torch.tensor([10.0, 30.0, 500.0]))  # the last counts as 100
    # mean 140 / 3, deviation of 10, 30 and 100: sqrt(4466.7 / 2) = 47.258
    assert margin.mean.item() == pytest.approx(0.99 * 20 + 0.01 * 140 / 3)
    assert margin.std.item() == pytest.approx(0.99 * 100 + 0.01 * 47.258, rel=1e-5)
    before = margin.mean.item()
    margin.eval()
    margin.observe(torch.tensor([90.0, 99.0]))
    margin.train()
    margin.observe(torch.tensor([90.0]))  # one face has no deviation, so it is not counted
    assert margin.mean.item() == before
    assert set(margin.state_dict()) == {"mean", "std"}


def test_adaface_takes_no_gradient_through_the_norm() -> None:
    softmax = head(0.4, kind="adaface")
    features = torch.randn(3, 4, requires_grad=True)
    softmax(features, torch.tensor([0, 1, 2]))[0].backward()
    assert features.grad is not None
    along = (features.grad * features.detach()).sum(1)  # the loss depends on directions only
    assert along.abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["arcface", "cosface"])
def test_loss_and_gradients_equal_pytorch_metric_learning(kind: MarginType) -> None:
    """200 random cases; if theta + m exceeds pi, ArcFace's values differ by design."""
    rng = torch.Generator().manual_seed(0)

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=rng))

    compared = 0
    for _ in range(200):
        n, size = int(between(2, 201)), int(2 ** between(1, 9.01))
        margin, scale = between(0, 0.6), between(16, 64)
        ours = head(margin, scale, n, size, kind)
        torch.nn.init.normal_(ours.weight, generator=rng)
        x = torch.randn(8, size, generator=rng, requires_grad=True)
        labels = torch.randint(n, (8,), generator=rng)
        if kind == "arcface":
            theirs = losses.ArcFaceLoss(n, size, margin=math.degrees(margin), scale=scale)
        else:
            theirs = losses.CosFaceLoss(n, size, margin=margin, scale=scale)
        theirs.W.data = ours.weight.detach().T.clone()
        y = x.detach().clone().requires_grad_()

        loss, expected = ours(x, labels)[0], theirs(y, labels)
        loss.backward()
        expected.backward()
        own = (functional.normalize(x) * functional.normalize(ours.weight)[labels]).sum(1)
        if kind == "cosface" or (own.clamp(-1, 1).acos() + margin < math.pi).all():
            torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
            assert (x.grad - y.grad).norm() < 1e-5 * y.grad.norm() + 1e-6
            difference = ours.weight.grad - theirs.W.grad.T
            assert difference.norm() < 1e-5 * theirs.W.grad.norm() + 1e-6
            compared += 1
    assert compared > 150


def test_gradients_beyond_pi_equal_pytorch_metric_learning() -> None:
    """Both have slope 1 in the cosine."""
    own = torch.linspace(-0.99, -0.9, 50).requires_grad_()  # m = 0.6: the limit is cos = -0.825
    margin = make_margin("arcface")
    margin.m = 0.6
    margin(own, own).sum().backward()
    other = own.detach().clone().requires_grad_()
    theirs = losses.ArcFaceLoss(2, 2, margin=math.degrees(0.6))
    theirs.modify_cosine_of_target_classes(other).sum().backward()
    torch.testing.assert_close(own.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_head_without_margin_is_a_scaled_softmax() -> None:
    softmax = head(0.0)
    x, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    cosines = functional.normalize(x) @ functional.normalize(softmax.weight).T
    expected = functional.cross_entropy(10 * cosines, labels)
    assert softmax(x, labels)[0].item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("margin", [0.0, 0.35, 0.5])
def test_the_own_logit_rises_with_the_cosine_over_its_whole_range(margin: float) -> None:
    own = torch.linspace(-1, 1, 2001)
    labels = torch.zeros(2001, dtype=torch.long)
    logits = head(margin, n=1).logits(own[:, None], labels, torch.ones(2001))[:, 0]
    assert torch.isfinite(logits).all()
    assert (logits.diff() >= 0).all()
    assert logits.diff().abs().max() < 10 * (own[1] - own[0]) * 60  # no jump at pi - m


@pytest.mark.parametrize("kind", ["arcface", "cosface", "adaface"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_are_finite_where_a_face_sits_on_its_centre_or_opposite(
    kind: MarginType, sign: float
) -> None:
    softmax = head(0.35, kind=kind)
    x = (sign * softmax.weight.detach()[:1]).requires_grad_()
    softmax(x, torch.tensor([0]))[0].backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(softmax.weight.grad).all()


@pytest.mark.parametrize("kind", ["arcface", "cosface", "adaface"])
def test_loss_is_float32_under_autocast(kind: MarginType) -> None:
    softmax, x = head(0.35, kind=kind).eval(), torch.randn(2, 4).bfloat16()
    labels = torch.tensor([0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = softmax(x, labels)[0]
    assert loss.dtype == torch.float32
    assert loss.item() == softmax(x.float(), labels)[0].item()


def test_accuracy_ignores_the_margin() -> None:
    softmax = head(1.5)
    with torch.no_grad():
        softmax.weight.copy_(torch.eye(4)[:3])
    # Nearest to centres 0, 1 and 2, whatever the margin does to the logits; labelled 0, 2 and 2.
    x = torch.tensor([[1.0, 0.9, 0, 0], [0, 1.0, 0, 0], [0, 0.5, 1.0, 0]])
    assert softmax(x, torch.tensor([0, 2, 2]))[1].item() == pytest.approx(2 / 3)


def test_init_centres_sets_the_given_length() -> None:
    softmax = head(0.35, n=2)
    faces = torch.eye(4)
    softmax.init_centres(faces, torch.tensor([0, 1, 1, 0]), 5.0)
    torch.testing.assert_close(softmax.weight.norm(dim=1), torch.full((2,), 5.0))


def test_init_centres_sets_mean_directions_and_keeps_lengths() -> None:
    softmax = head(0.35, n=2)
    lengths = softmax.weight.detach().norm(dim=1)
    faces = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0.6, 0.8]])
    softmax.init_centres(faces, torch.tensor([1, 1, 0]))
    half = math.sqrt(0.5)
    expected = lengths[:, None] * torch.tensor([[0, 0, 0.6, 0.8], [half, half, 0, 0]])
    torch.testing.assert_close(softmax.weight.detach(), expected)
