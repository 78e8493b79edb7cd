"""Train the small network that detects occluded eyes and mouths, and measure its error rates.

`python -m train occlusion PACK FILE.onnx`. The pack's training identities train the network and set
its limits; its held-out identities give the error rates (`train.data.heldout`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional

from facehub.io.files import write_atomically
from facehub.io.sources import identity_of
from facehub.occlusion import INPUT_SIZE, prepare
from train.data.landmarks import landmarks_of
from train.data.pack import PackedFaces, open_pack
from train.occlusion.draw import DECOYS, EYES, KINDS, MOUTH, draw, usable_points
from train.occlusion.net import OcclusionNet, to_onnx

PLAIN = "plain"
OCCLUDED_SHARE, DECOYS_SHARE = 0.5, 0.15  # of the pictures in training; the others stay plain
VALIDATION_SHARE = 10  # one training identity in 10 sets the limits
FALSE_ALARMS = 0.01  # false positive rate on plain faces that the limits are set for
DOUBTFUL = 0.9  # a plain training face with a higher probability is taken to be occluded
LEARNING_RATE = 4e-3  # the highest, after warm-up
_CHUNK = 1000

Report = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pictures for training or evaluation.

    Attributes:
        inputs: uint8 (N, 56, 48, 3), RGB.
        labels: float32 (N, 2), eyes and mouth: 1 if occluded, 0 if not, NaN if ignored.
        kinds: (N,), keys of `KINDS` or `DECOYS`, or `PLAIN`.
        rows: int64 (N,), rows of the pack.
    """

    inputs: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray
    rows: np.ndarray

    def only(self, chosen: np.ndarray) -> Drawn:
        """Select pictures; `chosen` is bool (N,)."""
        return Drawn(
            self.inputs[chosen], self.labels[chosen], self.kinds[chosen], self.rows[chosen]
        )


def draw_set(
    faces: PackedFaces,
    folder: Path,
    rows: np.ndarray,
    kinds: np.ndarray,
    *,
    seed: int,
    changed: bool = False,
    workers: int | None = None,
) -> Drawn:
    """Draw occlusions over packed faces; the result is deterministic.

    Args:
        faces: packed faces.
        folder: their folder.
        rows: rows to draw on.
        kinds: what to draw on each: a key of `KINDS` or `DECOYS`, or `PLAIN`.
        seed: random seed.
        changed: whether to augment the pictures (position, light, sharpness), for training.
        workers: number of processes; None: one per core.
    """
    landmarks_of(folder, faces.crops)  # computed once, before the processes need them
    jobs = [
        (folder, rows[i : i + _CHUNK], kinds[i : i + _CHUNK], seed + i, changed)
        for i in range(0, len(rows), _CHUNK)
    ]
    if len(jobs) == 1:
        parts = [_draw_chunk(*jobs[0])]
    else:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            parts = list(pool.map(_draw_chunk, *zip(*jobs, strict=True)))
    inputs, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Drawn(inputs, labels, kinds, rows)


def _draw_chunk(
    folder: Path, rows: np.ndarray, kinds: np.ndarray, seed: int, changed: bool
) -> tuple[np.ndarray, np.ndarray]:
    cv2.setNumThreads(1)
    faces = open_pack(folder)
    landmarks = landmarks_of(folder, faces.crops)
    rng = np.random.default_rng(seed)
    inputs = np.empty((len(rows), *INPUT_SIZE, 3), np.uint8)
    labels = np.zeros((len(rows), 2), np.float32)
    for i, (row, kind) in enumerate(zip(rows, kinds, strict=True)):
        crop = faces.crops[row]
        if kind != PLAIN:
            donor = faces.crops[int(rng.integers(len(faces.crops)))]
            crop, labels[i] = draw(crop, usable_points(landmarks[row]), str(kind), rng, donor)
        inputs[i] = prepare(_changed(crop, rng) if changed else crop)
    return inputs, labels


def _changed(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Augment position, light and sharpness."""
    middle = (float(rng.uniform(40, 56)), float(rng.uniform(48, 64)))
    zoom = float(np.exp(rng.normal(0, 0.05)))
    matrix: np.ndarray = cv2.getRotationMatrix2D(middle, rng.normal(0, 3), zoom)
    matrix[:, 2] += rng.normal(0, 2, 2)
    x: np.ndarray = cv2.warpAffine(
        crop, matrix, crop.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101
    )
    if rng.random() < 0.5:
        x = np.ascontiguousarray(x[:, ::-1])
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.5, 2)))
    if rng.random() < 0.2:
        size = x.shape[1::-1]
        x = cv2.resize(x, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
        x = cv2.resize(x, size, interpolation=cv2.INTER_LINEAR)
    light: np.ndarray = x.astype(np.float32)
    if rng.random() < 0.2:
        light = light + rng.uniform(0.5, 1) * (light.mean(axis=2, keepdims=True) - light)
    light = 255 * (light / 255) ** float(np.exp(rng.normal(0, 0.3)))
    light = light * rng.uniform(0.75, 1.2) + rng.normal(0, 8, 3) + rng.normal(0, 10)
    x = np.clip(light, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        x = np.asarray(cv2.imdecode(cv2.imencode(".jpg", x, quality)[1], cv2.IMREAD_COLOR))
    return x


def train_net(drawn: Drawn, *, epochs: int, seed: int) -> OcclusionNet:
    """Train the network by cross-entropy; NaN labels are ignored."""
    torch.manual_seed(seed)
    net = OcclusionNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    batch = 64  # fits a core's cache: larger batches are slower
    steps = epochs * -(-len(drawn.rows) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    labels = torch.from_numpy(drawn.labels)
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for start in range(0, len(order), batch):
            at = order[start : start + batch]
            x, y = _tensor(drawn.inputs[at.numpy()]), labels[at]
            known = torch.isfinite(y)
            losses = functional.binary_cross_entropy_with_logits(
                net(x), torch.where(known, y, 0), reduction="none"
            )
            loss = (losses * known).sum() / known.sum().clamp(min=1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net.eval()


def train_occlusion(folder: Path, target: Path, *, epochs: int = 12, seed: int = 0) -> Report:
    """Train the network on the training identities of a pack, and measure it on the held-out ones.

    CelebA's pictures of people in sunglasses or with hands at their mouths are not labelled as
    occluded. So the network is trained twice, the second time without the plain faces that the
    first network is sure are occluded.

    Args:
        folder: packed data set.
        target: `.onnx` to write; the error rates go into a `.json` beside it.
        epochs: of the second training; the first has a third of them.
        seed: random seed.

    Returns:
        `rates` on the held-out identities.

    Raises:
        ValueError: the pack is missing or damaged, or no identity of it is held out.
    """
    torch.set_num_threads(1)  # a batch is too small for more; makes the result deterministic
    faces = open_pack(folder)
    if not faces.heldout.any() or faces.heldout.all():
        raise ValueError(f"{folder} needs held-out identities and others")
    rng = np.random.default_rng(seed)
    training = draw_set(
        faces, folder, *_mixed(np.flatnonzero(~faces.heldout), rng), seed=seed + 1, changed=True
    )
    limits = np.array([_sets_limits(str(faces.names[row])) for row in training.rows])
    fitting, setting = training.only(~limits), training.only(limits)
    first = train_net(fitting, epochs=max(1, epochs // 3), seed=seed)
    bare = ~np.isin(fitting.kinds, list(KINDS))[:, None]
    sure = torch.from_numpy(answers(first, fitting.inputs)).sigmoid().numpy() > DOUBTFUL
    fitting.labels[bare & sure] = np.nan
    net = train_net(fitting, epochs=epochs, seed=seed)
    set_limits(net, setting.inputs[setting.kinds == PLAIN])
    write_atomically(target, to_onnx(net))
    report = rates(net, draw_set(faces, folder, *_measured(faces, rng), seed=seed + 10**9))
    text = json.dumps(report, indent=2) + "\n"
    write_atomically(target.with_suffix(".json"), text.encode())
    return report


def rates(net: OcclusionNet, drawn: Drawn) -> Report:
    """Measure true and false positive rates by kind.

    Returns:
        For "eyes" and "mouth": {kind: {"found": per cent, "found of": N}} of the pictures labelled
        as occluded, and {kind: {"false": per cent, "false of": N}} of the others.
    """
    positive = answers(net, drawn.inputs) > 0
    report: dict[str, dict[str, dict[str, float]]] = {}
    for column, name in ((EYES, "eyes"), (MOUTH, "mouth")):
        said, labels = positive[:, column], drawn.labels[:, column]
        rows = report[name] = {}
        for kind, here in [
            *((kind, drawn.kinds == kind) for kind in (PLAIN, *DECOYS, *KINDS)),
            ("all occlusions", np.isin(drawn.kinds, list(KINDS))),
        ]:
            for word, label in (("found", 1), ("false", 0)):
                asked = here & (labels == label)
                if asked.any():
                    row = rows.setdefault(kind, {})
                    row[word] = round(100 * float(said[asked].mean()), 2)
                    row[f"{word} of"] = int(asked.sum())
    return report


def _sets_limits(name: str) -> bool:
    return zlib.crc32(f"covering/{identity_of(name)}".encode()) % VALIDATION_SHARE == 0


def _mixed(rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose what to draw on each row in training."""
    share = rng.random(len(rows))
    decoys = np.where(
        share < OCCLUDED_SHARE + DECOYS_SHARE, rng.choice(list(DECOYS), len(rows)), PLAIN
    )
    return rows, np.where(share < OCCLUDED_SHARE, rng.choice(list(KINDS), len(rows)), decoys)


def _measured(faces: PackedFaces, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Every held-out face plain, with a decoy, and with three occlusions."""
    rows = np.flatnonzero(faces.heldout)
    drawn = [rng.choice(list(KINDS), len(rows)) for _ in range(3)]
    kinds = [np.full(len(rows), PLAIN), rng.choice(list(DECOYS), len(rows)), *drawn]
    return np.tile(rows, len(kinds)), np.concatenate(kinds)


@torch.no_grad()
def answers(net: OcclusionNet, inputs: np.ndarray) -> np.ndarray:
    """Logits of eyes and mouth, float32 (N, 2)."""
    net.eval()
    parts = [net(_tensor(inputs[i : i + 1024])).numpy() for i in range(0, len(inputs), 1024)]
    return np.concatenate(parts)


def _tensor(inputs: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(inputs).permute(0, 3, 1, 2).float() / 127.5 - 1


def set_limits(net: OcclusionNet, plain: np.ndarray) -> None:
    """Shift both logits so that a share `FALSE_ALARMS` of these plain faces is above 0."""
    limits = np.quantile(answers(net, plain), 1 - FALSE_ALARMS, axis=0)
    with torch.no_grad():
        net.head.bias.sub_(torch.from_numpy(limits.astype(np.float32)))
