"""The training loop."""

from __future__ import annotations

import copy
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from facehub.config import EncoderConfig
from facehub.encoder import FaceEncoder
from train.arcface import ArcFace
from train.augment import augment
from train.checkpoint import load_checkpoint, save_checkpoint
from train.config import TrainConfig
from train.distill import Distillation, load_teacher
from train.pack import open_pack
from train.records import plot, write_metrics
from train.schedule import LinearMargin, Plateau, warmup
from train.validate import embed_at, heldout_tar

MIN_IMPOSTORS = 1000  # held-out pairs of different people that a score needs
SCORE = "tar_0.001"


class DivergedError(RuntimeError):
    """The loss became NaN or infinite; the last good checkpoint is kept."""


def fit(config: TrainConfig, run: Path) -> None:
    """Train, or go on with a run that was interrupted.

    Args:
        config: of the run; a run folder remembers its own and refuses another.
        run: folder for the checkpoint, the records, and the best weights so far in `best/`.

    Raises:
        DivergedError: the loss is no longer finite.
        ValueError: the run folder belongs to another configuration, or the data is no good.
    """
    _remember_config(config, run)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)

    faces = open_pack(Path(config.data))
    training = np.flatnonzero(~faces.heldout)
    identities, labels = np.unique(faces.labels[training], return_inverse=True)
    heldout_crops = np.array(faces.crops[faces.heldout])
    heldout_labels = faces.labels[faces.heldout]
    if (heldout_labels[:, None] != heldout_labels).sum() < 2 * MIN_IMPOSTORS:
        raise ValueError(f"{config.data} has too few held-out faces to choose a checkpoint by")
    if len(training) < config.batch_size:
        raise ValueError(f"{config.data} has fewer training faces than a batch")

    model = FaceEncoder(EncoderConfig(stem=config.stem)).to(device)
    model = model.to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(model).requires_grad_(False).eval()
    size = model.config.embedding_size
    head = ArcFace(size, len(identities), config.scale).to(device)
    teacher = None
    if config.teacher:
        vectors = load_teacher(Path(config.teacher), faces.names[training])
        teacher = Distillation(vectors, size).to(device)
    modules = nn.ModuleList([m for m in (model, head, teacher) if m is not None])
    optimizer = _optimizer(config, modules)
    scaler = torch.amp.GradScaler(device.type, enabled=config.amp == "fp16" and _cuda(device))
    margin = LinearMargin(config.margin_min, config.margin_max, config.margin_epochs)
    plateau = Plateau(config.plateau_factor, config.plateau_patience, config.plateau_threshold)

    epoch, step, sums, rows = 0, 0, torch.zeros(5), []
    state = load_checkpoint(run)
    if state is not None:
        modules.load_state_dict(state["modules"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        plateau = Plateau(**state["plateau"])
        epoch, step, sums, rows = state["epoch"], state["step"], state["sums"], state["rows"]

    def checkpoint() -> None:
        save_checkpoint(
            run,
            {
                "modules": modules.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scaler": scaler.state_dict(),
                "plateau": dataclasses.asdict(plateau),
                "epoch": epoch,
                "step": step,
                "sums": sums,
                "rows": rows,
            },
        )

    n_steps = len(training) // config.batch_size
    last_checkpoint = time.monotonic()
    while epoch < config.epochs:
        modules.train()
        order = torch.randperm(len(training), generator=_generator(config.seed, epoch)).numpy()
        progress = tqdm(
            total=n_steps * config.batch_size,
            initial=step * config.batch_size,
            desc=f"epoch {epoch + 1}/{config.epochs}",
            unit="img",
            mininterval=5,
        )
        started, first_step = time.monotonic(), step
        while step < n_steps:
            now = epoch + step / n_steps
            head.margin = margin.at(now)
            rate = config.learning_rate * warmup(now, config.warmup_epochs) * plateau.multiplier
            for group in optimizer.param_groups:
                group["lr"] = rate

            batch = order[step * config.batch_size : (step + 1) * config.batch_size]
            pixels = torch.from_numpy(faces.crops[training[np.sort(batch)]]).to(device)
            indices = torch.from_numpy(np.sort(batch)).to(device)
            own = torch.from_numpy(labels[np.sort(batch)]).to(device)
            x = augment(
                model.preprocess(pixels),
                config.size_at(epoch),
                _generator(config.seed, epoch, step),
            ).contiguous(memory_format=torch.channels_last)

            with torch.autocast(
                device.type,
                dtype=torch.float16 if _cuda(device) else torch.bfloat16,
                enabled=config.amp != "off",
            ):
                features = model.features(x)
            arcface, accuracy = head(features, own)
            loss = config.arcface_weight * arcface
            projection = relation = torch.zeros(())
            if teacher is not None:
                projection, relation = teacher(features, indices)
                loss = (
                    loss + config.projection_weight * projection + config.relation_weight * relation
                )
            if not torch.isfinite(loss):
                raise DivergedError(f"loss {loss.item()} in epoch {epoch + 1}, step {step}")

            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(modules.parameters(), config.clip)
            scaler.step(optimizer)
            scaler.update()
            step += 1
            _average(averaged, model, config.ema, epoch * n_steps + step)

            values = (loss, arcface, projection, relation, 100 * accuracy)
            sums += torch.stack([v.detach().float().cpu() for v in values])
            progress.update(len(batch))
            progress.set_postfix(loss=f"{sums[0] / step:.3f}", margin=f"{head.margin:.2f}")
            if time.monotonic() - last_checkpoint > 60 * config.checkpoint_minutes:
                checkpoint()
                last_checkpoint = time.monotonic()
        progress.close()
        seconds = time.monotonic() - started

        means = dict(
            zip(
                ("loss", "arcface", "projection", "relation", "accuracy"),
                (sums / n_steps).tolist(),
                strict=True,
            )
        )
        stable = margin.is_stable(epoch)  # for all of this epoch
        if stable:
            plateau.step(means["loss"])
        size_now = config.size_at(epoch)
        epoch += 1
        row: dict[str, Any] = {
            "epoch": epoch,
            **means,
            **heldout_tar(embed_at(averaged, heldout_crops, size_now), heldout_labels),
            "margin": head.margin,
            "learning_rate": rate,
            "plateau_active": int(stable),
            "height": size_now[0],
            "images_per_second": (n_steps - first_step) * config.batch_size / max(seconds, 1e-9),
        }
        rows.append(row)
        step, sums = 0, torch.zeros(5)
        tqdm.write(" ".join(f"{k} {v:.4g}" for k, v in row.items()))
        if _is_best(rows):
            averaged.save_pretrained(run / "best")
        write_metrics(run, rows)
        plot(run)
        checkpoint()
        last_checkpoint = time.monotonic()


def _is_best(rows: list[dict[str, Any]]) -> bool:
    """Whether the last epoch has the best held-out score of those at its input size."""
    last = rows[-1]
    same_size = [row for row in rows if row["height"] == last["height"]]
    return last[SCORE] >= max(row[SCORE] for row in same_size)


def _remember_config(config: TrainConfig, run: Path) -> None:
    run.mkdir(parents=True, exist_ok=True)
    path = run / "config.json"
    text = json.dumps(dataclasses.asdict(config), indent=2) + "\n"
    if path.exists() and path.read_text() != text:
        raise ValueError(f"{run} holds a run with another configuration; choose a new folder")
    path.write_text(text)


def _optimizer(config: TrainConfig, modules: nn.Module) -> torch.optim.Optimizer:
    parameters = [p for p in modules.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float, steps: int) -> None:
    """Exponential moving average of weights and batch statistics; a plain copy for decay 0."""
    if decay <= 0:
        averaged.load_state_dict(model.state_dict())
        return
    decay = min(decay, (1 + steps) / (10 + steps))  # follow closely at first
    for mean, value in zip(
        averaged.state_dict().values(), model.state_dict().values(), strict=True
    ):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _generator(*numbers: int) -> torch.Generator:
    """Randomness that depends on these numbers only, so a resumed run repeats it exactly."""
    seed = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> np.uint64(1)))


def _cuda(device: torch.device) -> bool:
    return device.type == "cuda"
