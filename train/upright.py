"""Train the network that scores whether a face is upright: see `facehub.upright`.

Aligned faces are pasted into pictures, rotated, and detected. A detected face is a positive example
if its pupils are correct, and a negative one if they are far off. Crops with wrong positions,
rotations and sizes are further negatives. Held-out identities are excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import save
from skimage import data
from torch import Tensor, nn

from facehub.align import align, similarity_matrix, warp
from facehub.detect.base import FaceDetector
from facehub.detect.mediapipe import default_detector
from facehub.io.files import write_atomically
from facehub.template import DEFAULT_TEMPLATE
from facehub.upright import HEIGHT, LAYERS, WIDTH
from train.data.augment import augment
from train.data.sample import sample_training

SIDE = 256  # pixels, side of a composed picture
RIGHT, WRONG = 0.2, 0.4  # inter-eye distances of pupil error: positives, negatives
MISALIGNED = 3  # misaligned crops per face
STEPS, BATCH, RATE = 6000, 128, 3e-3
SCENES = ("coffee", "rocket", "chelsea", "retina")


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops for training.

    Attributes:
        pixels: uint8 (N, 112, 96, 3), RGB.
        upright: bool (N,).
    """

    pixels: np.ndarray
    upright: np.ndarray


def train_upright(
    faces: Path,
    target: Path,
    *,
    count: int,
    searched: int,
    steps: int = STEPS,
    seed: int = 0,
) -> dict[str, int]:
    """Train the network and write its weights.

    Args:
        faces: aligned faces, see `open_source`.
        target: safetensors file to write, float16.
        count: number of faces to sample.
        searched: how many of them to paste into pictures and detect.
        steps: number of batches.
        seed: random seed.

    Returns:
        Number of crops of each kind.
    """
    crops = sample_training(faces, count, seed)
    rngs = np.random.default_rng(seed).spawn(len(crops))
    chosen = np.linspace(0, len(crops) - 1, min(searched, len(crops))).astype(int)
    found = detect_rotated(crops[chosen], default_detector(), [rngs[i] for i in chosen])
    network = fit_upright(crops, found, seed=seed, steps=steps)
    write_atomically(target, save(_tensors(network)))
    return {
        "aligned": len(crops),
        "found upright": int(found.upright.sum()),
        "found elsewhere": int((~found.upright).sum()),
    }


def detect_rotated(
    crops: np.ndarray, detector: FaceDetector, rngs: Sequence[np.random.Generator]
) -> Crops:
    """Detect faces in rotated pictures.

    Args:
        crops: uint8 (N, 112, 96, 3), RGB, aligned to `DEFAULT_TEMPLATE`.
        detector: detects the faces.
        rngs: random generators, one per crop.
    """
    found, upright = [], []
    for crop, rng in zip(crops, rngs, strict=True):
        picture, pupils = paste_face(crop, rng)
        near, upside_down = rng.uniform(-30, 30), 180 + rng.uniform(-30, 30)
        for degrees in (near, upside_down, 180, rng.uniform(40, 320)):
            middle = (SIDE - 1) / 2
            matrix = cv2.getRotationMatrix2D((middle, middle), degrees, 1)
            turned = cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
            where = np.column_stack([pupils, np.ones(2)]) @ matrix.T
            for face in detector.find(turned):
                span = np.linalg.norm(where[1] - where[0])
                off = np.linalg.norm(face.pupils - where, axis=1).max() / span
                if not RIGHT < off < WRONG:
                    found.append(align(turned, face).crop)
                    upright.append(off <= RIGHT)
    return Crops(np.stack(found), np.array(upright))


def paste_face(crop: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Paste a face into a picture at a random size, brightness and sharpness.

    Args:
        crop: uint8 (112, 96, 3), RGB, aligned to `DEFAULT_TEMPLATE`.
        rng: random generator.

    Returns:
        (picture, pupils): uint8 (SIDE, SIDE, 3), RGB; float64 (2, 2), (x, y) in the picture.
    """
    scale = SIDE * np.exp(rng.uniform(np.log(0.1), np.log(0.34))) / DEFAULT_TEMPLATE.inter_eye
    kind = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    face = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=kind)
    height, width = face.shape[:2]
    x, y = (int((SIDE - side) / 2 + SIDE * rng.uniform(-0.08, 0.08)) for side in (width, height))
    left, top, right, bottom = max(0, x), max(0, y), max(0, SIDE - x - width), SIDE - y - height
    face = cv2.copyMakeBorder(face, top, max(0, bottom), left, right, cv2.BORDER_REPLICATE)
    picture = face[max(0, -y) :, max(0, -x) :][:SIDE, :SIDE].astype(np.float32)
    inside: np.ndarray = np.zeros((SIDE, SIDE), np.float32)
    inside[top + 3 : max(0, y + height - 3), left + 3 : max(0, x + width - 3)] = 1
    inside = cv2.GaussianBlur(inside, (0, 0), 4)[..., None]
    around = cv2.GaussianBlur(picture, (0, 0), SIDE / 14)
    if rng.random() < 0.5:
        around = _scene(rng).astype(np.float32)
    picture = picture * inside + around * (1 - inside)
    pupils = (DEFAULT_TEMPLATE.points + 0.5) * scale - 0.5 + (x, y)
    if rng.random() < 0.5:
        picture, pupils = picture[:, ::-1], (pupils * (-1, 1) + (SIDE - 1, 0))[::-1]
    return _degrade(np.ascontiguousarray(picture), scale, rng), pupils


def _scene(rng: np.random.Generator) -> np.ndarray:
    scene = getattr(data, SCENES[rng.integers(len(SCENES))])()[..., :3]
    y, x = (int(rng.integers(0, side - 190)) for side in scene.shape[:2])
    return cv2.resize(np.ascontiguousarray(scene[y : y + 190, x : x + 190]), (SIDE, SIDE))


def _degrade(picture: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Darken, blur, or add noise and contrast, with 20 % probability each."""
    way = rng.integers(5)
    if way == 2:
        picture = picture * rng.uniform(0.3, 1)
    elif way == 3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 2) * scale)
    elif way == 4:
        noise = rng.normal(0, rng.uniform(2, 20), picture.shape)
        picture = picture * rng.uniform(0.6, 1.4) + noise
    changed: np.ndarray = np.clip(picture, 0, 255).astype(np.uint8)
    return changed


def misalign(crops: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut faces at a wrong position, rotation or size, such as a "face" detected on one eye.

    Args:
        crops: uint8 (N, 112, 96, 3), RGB, aligned to `DEFAULT_TEMPLATE`.
        rng: random generator.

    Returns:
        uint8 (N, 112, 96, 3).
    """
    out = np.empty_like(crops)
    eyes = DEFAULT_TEMPLATE.points
    span, middle = DEFAULT_TEMPLATE.inter_eye, eyes.mean(axis=0)
    for row, crop in zip(out, crops, strict=True):
        way = rng.integers(4)
        size, degrees, shift = np.exp(rng.uniform(-0.2, 0.2)), rng.uniform(-20, 20), np.zeros(2)
        if way == 0:
            size = np.exp(rng.choice([-1, 1]) * rng.uniform(0.5, 1.4))
        elif way == 1:
            degrees = rng.uniform(40, 320)
        elif way == 2:
            angle = rng.uniform(0, 2 * np.pi)
            shift = rng.uniform(0.45, 1.2) * span * np.array([np.cos(angle), np.sin(angle)])
        else:  # upside down, with its eyes from the brows to the chin
            size, degrees = np.exp(rng.uniform(-0.7, 0.5)), rng.normal(180, 25)
            shift = span * np.array([rng.normal(0, 0.15), rng.uniform(-0.3, 1.7)])
        turn = np.exp(1j * np.radians(degrees)) * size * span / 2
        half = np.array([turn.real, turn.imag])
        wrong = np.array([middle + shift - half, middle + shift + half])
        row[:] = warp(crop, similarity_matrix(wrong), DEFAULT_TEMPLATE)
    return out


def fit_upright(
    crops: np.ndarray, found: Crops, *, seed: int = 0, steps: int = STEPS
) -> nn.Sequential:
    """Train the network. Half of each batch is upright, and half of each half is detected.

    Args:
        crops: uint8 (N, 112, 96, 3), RGB, aligned to `DEFAULT_TEMPLATE`; misaligned crops are made
            from them.
        found: detections in rotated pictures, some of each kind.
        seed: random seed.
        steps: number of batches.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    wrong = misalign(np.repeat(crops, MISALIGNED, axis=0), np.random.default_rng(seed))
    kinds = [found.pixels[found.upright], crops, found.pixels[~found.upright], wrong]
    small = [torch.from_numpy(_reduced(kind)).permute(0, 3, 1, 2) for kind in kinds]
    quarter = BATCH // len(kinds)
    targets = torch.tensor([0.99, 0.99, 0.01, 0.01]).repeat_interleave(quarter)
    network = make_network()
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    for _ in range(steps):
        drawn = [kind[torch.randint(len(kind), (quarter,), generator=generator)] for kind in small]
        faces = augment(torch.cat(drawn).float() / 127.5 - 1, (HEIGHT, WIDTH), generator)
        loss = nn.functional.binary_cross_entropy_with_logits(
            network(_normalised(faces))[:, 0], targets
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


def _reduced(crops: np.ndarray) -> np.ndarray:
    size = (WIDTH, HEIGHT)
    return np.stack([cv2.resize(crop, size, interpolation=cv2.INTER_AREA) for crop in crops])


def make_network() -> nn.Sequential:
    """The network of `facehub.upright`, in PyTorch."""
    layers: list[nn.Module] = []
    channels, height, width = 1, HEIGHT, WIDTH
    for outputs, stride in LAYERS:
        layers += [nn.Conv2d(channels, outputs, 3, stride, 1), nn.ReLU()]
        channels, height, width = outputs, -(-height // stride), -(-width // stride)
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels * height * width, 1)
    )


def _normalised(faces: Tensor) -> Tensor:
    """Like `facehub.upright.network_input`, from RGB, -1 to 1, of the network's input size."""
    grey = (faces * 127.5 * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    deviation, mean = torch.std_mean(grey, (2, 3), correction=0, keepdim=True)
    return (grey - mean) / (deviation + 1)


def _tensors(network: nn.Sequential) -> dict[str, np.ndarray]:
    tensors = {}
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    for number, layer in enumerate(convolutions):
        assert layer.bias is not None
        tensors[f"convolution{number}.weight"] = layer.weight
        tensors[f"convolution{number}.bias"] = layer.bias
    output = network[-1]
    assert isinstance(output, nn.Linear)
    tensors["output.weight"], tensors["output.bias"] = output.weight[0], output.bias
    return {name: tensor.detach().half().numpy() for name, tensor in tensors.items()}
