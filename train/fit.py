"""The training loop."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from facehub.errors import FaceHubError
from train.checkpoint import load_checkpoint, save_checkpoint
from train.config import TrainConfig, remember_config
from train.data.augment import augment
from train.data.pack import PackedFaces, open_pack
from train.distributed import Processes, processes
from train.evaluation.validate import embed_at, heldout_tar
from train.optimizer import ema_update, make_optimizer
from train.records import check_libraries, plot, write_events, write_metrics
from train.schedule import LinearMargin, Plateau, cooldown, warmup
from train.start import start_from
from train.step import LOSS_NAMES, TrainingStep

MIN_IMPOSTORS = 1000  # held-out pairs of different people that a score needs
MAX_SCORED = 8000  # held-out faces an epoch is scored on: 32 million pairs, in some 500 MB
SCORE = "tar_0.001"


class DivergedError(FaceHubError):
    """The loss or its gradients became NaN or infinite; the last good checkpoint is kept."""


def fit(config: TrainConfig, run: Path) -> None:
    """Train, or go on with a run that was interrupted; under `torchrun`, with several processes.

    Args:
        config: of the run; a run folder remembers its own and refuses another.
        run: folder for the checkpoint, the records, and the best weights so far in `best/`.

    Raises:
        DivergedError: the loss or its gradients are no longer finite.
        MissingLibraryError: what draws the records is not installed.
        ValueError: the run folder belongs to another configuration, or the data is no good.
    """
    with processes() as group:
        _fit(config, run, group)


def _fit(config: TrainConfig, run: Path, group: Processes) -> None:
    device = group.device
    faces = open_pack(Path(config.data))
    training = np.flatnonzero(~faces.heldout)
    identities, labels = np.unique(faces.labels[training], return_inverse=True)
    _check_data(config, faces, len(training), group)
    if group.is_first:
        check_libraries()
        remember_config(config, run)

    torch.manual_seed(config.seed)
    step_module = TrainingStep(config, faces.names[training], len(identities)).to(device)
    encoder, head = step_module.encoder, step_module.head
    encoder.to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(encoder).requires_grad_(False) if config.ema > 0 else encoder
    optimizer = make_optimizer(config, step_module)
    scaler = torch.amp.GradScaler(device.type, enabled=config.amp == "fp16")
    margin = LinearMargin(config.margin_min, config.margin_max, config.margin_epochs)
    plateau = Plateau(config.plateau_factor, config.plateau_patience, config.plateau_threshold)

    epoch, step, sums, rows = 0, 0, torch.zeros(len(LOSS_NAMES)), []
    state = load_checkpoint(run)
    if state is None and config.init:
        size = config.size_at(0)[1:]
        start_from(config.init, step_module, faces, training, labels, size)
        averaged.load_state_dict(encoder.state_dict())
    if state is not None:
        step_module.load_state_dict(state["modules"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        plateau = Plateau(**state["plateau"])
        epoch, step, sums, rows = state["epoch"], state["step"], state["sums"], state["rows"]
    if not group.agree(epoch, step):
        raise ValueError(f"the processes disagree on the checkpoint in {run}: they must share it")
    loss_of: nn.Module = step_module
    if group.count > 1:  # what is saved is the first one's: its own batch statistics
        loss_of = DistributedDataParallel(step_module, broadcast_buffers=False)

    def checkpoint() -> None:
        if group.is_first:
            save_checkpoint(
                run,
                {
                    "modules": step_module.state_dict(),
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
    n_parts = config.accumulate * group.count  # pieces of a batch, each through the network at once
    last_checkpoint = time.monotonic()
    while epoch < config.epochs:
        step_module.train()
        first_epoch, height, width = config.size_at(epoch)
        if epoch == first_epoch:
            plateau.forget()
        order = torch.randperm(len(training), generator=_generator(config.seed, epoch)).numpy()
        started, first_step = time.monotonic(), step
        progress = tqdm(
            total=n_steps * config.batch_size,
            initial=step * config.batch_size,
            desc=f"epoch {epoch + 1}/{config.epochs}",
            unit="img",
            mininterval=2,
            disable=not group.is_first,
        )
        while step < n_steps:
            now = epoch + step / n_steps
            head.margin = margin.at(now)
            rate = config.learning_rate * plateau.multiplier
            rate *= warmup(now, config.warmup_epochs)
            rate *= cooldown(now, config.epochs, config.cooldown_epochs)
            for settings in optimizer.param_groups:
                settings["lr"] = rate

            batch = order[step * config.batch_size : (step + 1) * config.batch_size]
            optimizer.zero_grad(set_to_none=True)
            values = torch.zeros(len(LOSS_NAMES), device=device)
            for part in range(group.rank, n_parts, group.count):
                chosen = np.sort(batch[part::n_parts])  # in the file's order: quicker to read
                pixels = torch.from_numpy(faces.crops[training[chosen]]).to(device)
                x = augment(
                    encoder.preprocess(pixels),
                    (height, width),
                    _generator(config.seed, epoch, step, part),
                ).contiguous(memory_format=torch.channels_last)
                # Dropout draws from the global generator: a resumed run repeats it, too.
                torch.manual_seed(_generator(config.seed, epoch, step, part).initial_seed())
                is_last = part + group.count >= n_parts
                with _sharing(loss_of, is_last):
                    loss, found = loss_of(
                        x,
                        torch.from_numpy(labels[chosen]).to(device),
                        torch.from_numpy(chosen).to(device),
                    )
                    scaler.scale(loss / config.accumulate).backward()
                values += found / config.accumulate
            values = group.mean(values).cpu()
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(step_module.parameters(), config.clip)
            # A scaler skips a step whose gradients overflow, and scales the next ones less.
            forgiven = scaler.is_enabled() and scaler.get_scale() >= 1
            if not (torch.isfinite(values).all() and (forgiven or torch.isfinite(norm))):
                raise DivergedError(
                    f"loss {values[0]:.3g}, length of the gradients {norm:.3g} "
                    f"in epoch {epoch + 1}, step {step + 1}"
                )
            scaler.step(optimizer)
            scaler.update()
            step += 1
            sums += values
            if config.ema > 0:
                ema_update(averaged, encoder, config.ema, (epoch - first_epoch) * n_steps + step)

            progress.update(len(batch))
            progress.set_postfix(
                loss=f"{sums[0] / step:.3f}", margin=f"{head.margin:.2f}", refresh=False
            )
            minutes = (time.monotonic() - last_checkpoint) / 60
            if step < n_steps and minutes > config.checkpoint_minutes:
                checkpoint()
                last_checkpoint = time.monotonic()
        progress.close()
        seconds = time.monotonic() - started

        means = dict(zip(LOSS_NAMES, (sums / n_steps).tolist(), strict=True))
        stable = margin.is_stable(epoch)  # for all of this epoch
        if stable:
            plateau.step(means["loss"])
        epoch += 1
        if group.is_first:
            averaged.eval()
            scored = np.flatnonzero(faces.heldout)[:MAX_SCORED]
            heldout = embed_at(averaged, faces.crops, scored, (height, width))
            row: dict[str, Any] = {
                "epoch": epoch,
                **means,
                **heldout_tar(heldout, faces.labels[scored]),
                "margin": head.margin,
                "learning_rate": rate,
                "plateau_active": int(stable),
                "height": height,
                "images_per_second": (n_steps - first_step) * config.batch_size / seconds,
            }
            rows.append(row)
            tqdm.write(" ".join(f"{name} {value:.4g}" for name, value in row.items()))
            if _is_best(rows):
                averaged.save_pretrained(run / "best")
            write_metrics(run, rows)
            write_events(run, row)
            plot(run)
        step, sums = 0, torch.zeros(len(LOSS_NAMES))
        checkpoint()
        last_checkpoint = time.monotonic()


def _is_best(rows: list[dict[str, Any]]) -> bool:
    """Whether the last epoch has the best held-out score of those at its input size."""
    last = rows[-1]
    same_size = [row for row in rows if row["height"] == last["height"]]
    return bool(last[SCORE] >= max(row[SCORE] for row in same_size))


def _check_data(config: TrainConfig, faces: PackedFaces, n_training: int, group: Processes) -> None:
    sizes = np.unique(faces.labels[faces.heldout], return_counts=True)[1]
    if sizes.sum() ** 2 - (sizes**2).sum() < 2 * MIN_IMPOSTORS:
        raise ValueError(f"{config.data} has too few held-out faces to choose a checkpoint by")
    if sizes.max() < 2:
        raise ValueError(f"{config.data} has no held-out identity with two faces")
    if n_training < config.batch_size:
        raise ValueError(f"{config.data} has fewer training faces than a batch")
    if config.batch_size % (config.accumulate * group.count):
        raise ValueError("batch_size must be a multiple of accumulate times the processes")


def _sharing(module: nn.Module, is_last: bool) -> contextlib.AbstractContextManager[Any]:
    """Several processes share their gradients only after a batch's last part."""
    if is_last or not isinstance(module, DistributedDataParallel):
        return contextlib.nullcontext()
    return module.no_sync()


def _generator(*numbers: int) -> torch.Generator:
    """Randomness that depends on these numbers only, so a resumed run repeats it exactly."""
    seed = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> np.uint64(1)))
