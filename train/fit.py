"""The training loop."""

from __future__ import annotations

import contextlib
import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from train.checkpoint import load_checkpoint, load_model_state, model_state, save_checkpoint
from train.config import TrainConfig, remember_config
from train.data.augment import augment
from train.data.batches import Batches
from train.data.changes import Augmentation
from train.data.pack import open_pack
from train.data.split import split
from train.distributed import Processes, processes
from train.evaluation.validate import embed_at, heldout_fnmr
from train.initialize import freeze, initialize
from train.model.partial_fc import PartialFC
from train.monitor import DivergedError, Monitor
from train.optimizer import ema_update, make_optimizer
from train.preflight import check_precision, describe, steps_per_epoch
from train.records import check_libraries, is_best, plot, write_events, write_metrics
from train.schedule import Schedule
from train.step import LOSS_NAMES, TrainingStep
from train.stop import StoppedError, StopRequest, on_sigterm

__all__ = ["DivergedError", "StoppedError", "fit"]


def fit(config: TrainConfig, run: Path, *, allow_slow: bool = False) -> None:
    """Train, or resume an interrupted run; under `torchrun`, with several processes.

    Args:
        config: of the run; a run folder accepts only its own configuration.
        run: folder for the checkpoint, the records, and the best weights so far in `best/`.
        allow_slow: whether to allow fp16 on a CPU.

    Raises:
        DivergedError: the loss or its gradients are not finite.
        StoppedError: the process received SIGTERM; it wrote a checkpoint after the current step.
        MissingLibraryError: TensorBoard or Matplotlib is not installed.
        ValueError: the run folder has another configuration, or the data is invalid.
    """
    with on_sigterm() as stop, processes() as group:
        check_precision(config, group.device, allow_slow=allow_slow)
        _fit(config, run, group, stop)


def _fit(config: TrainConfig, run: Path, group: Processes, stop: StopRequest) -> None:
    device = group.device
    torch.backends.cudnn.benchmark = True
    faces = open_pack(Path(config.data))
    parts = split(faces, config.data, heldout=config.heldout)
    training, labels = parts.training, parts.labels
    n_steps = steps_per_epoch(config, len(training), group)
    state = load_checkpoint(run)
    if group.is_first:
        check_libraries()
        remember_config(config, run, started=state is not None)

    torch.manual_seed(config.seed)
    step_module = TrainingStep(config, faces.names[training], parts.n_identities, group).to(device)
    encoder, head = step_module.encoder, step_module.head
    encoder.to(memory_format=torch.channels_last)
    freeze(encoder, config.frozen)
    averaged = copy.deepcopy(encoder).requires_grad_(False) if config.ema > 0 else encoder
    optimizer = make_optimizer(config, step_module)
    scaler = torch.amp.GradScaler(device.type, enabled=config.amp == "fp16")
    schedule = Schedule(config)
    monitor = Monitor(group, stop, len(LOSS_NAMES), config.checkpoint_minutes)

    epoch, step, rows, begins = 0, 0, [], "anew"
    if state is None and config.init:
        size = config.size_at(0)[1:]
        initialize(config.init, step_module, faces, training, labels, size)
        averaged.load_state_dict(encoder.state_dict())
        begins = f"from {config.init}"
    if state is not None:
        load_model_state(step_module, optimizer, state)
        averaged.load_state_dict(state["averaged"])
        scaler.load_state_dict(state["scaler"])
        schedule.load_state(state["plateau"])
        monitor.start_epoch(state["sums"])
        epoch, step, rows = state["epoch"], state["step"], state["rows"]
        begins = f"resumed after epoch {epoch}, step {step} of {n_steps}"
    if not group.agree(epoch, step):
        raise ValueError(f"all processes must read the same checkpoint in {run}")
    if group.is_first:
        n_heldout = len(np.unique(faces.labels[parts.heldout]))
        print(describe(config, group, parts, n_heldout, begins), flush=True)
    loss_of: nn.Module = step_module
    if group.count > 1:  # the first process's batch statistics are saved
        if isinstance(head, PartialFC):
            ignore = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
            ignore(step_module, ["head.weight"])  # type: ignore[no-untyped-call]
        loss_of = DistributedDataParallel(step_module, broadcast_buffers=False)
    clipped = [
        parameter
        for name, parameter in step_module.named_parameters()
        if config.clip_centres or name != "head.weight"
    ]

    def checkpoint() -> None:
        learned = model_state(step_module, optimizer)
        if group.is_first:
            save_checkpoint(
                run,
                {
                    **learned,
                    "averaged": averaged.state_dict(),
                    "scaler": scaler.state_dict(),
                    "plateau": schedule.state(),
                    "epoch": epoch,
                    "step": step,
                    "sums": monitor.sums.cpu(),
                    "rows": rows,
                },
            )
        monitor.checkpoint_written()

    changes = Augmentation.of(config.augmentation, config.augmentation_probability)
    batches = Batches(
        faces,
        training,
        labels,
        config.batch_size,
        config.seed,
        device,
        n_parts=config.accumulate * group.count,
        rank=group.rank,
        processes=group.count,
    )
    while epoch < config.epochs:
        step_module.train()
        freeze(encoder, config.frozen)
        first_epoch, height, width = config.size_at(epoch)
        if epoch == first_epoch:
            schedule.plateau.forget()
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
            head.margin.m = schedule.margin.at(now)
            for settings in optimizer.param_groups:
                settings["lr"] = schedule.rate(now) * settings.get("lr_scale", 1.0)

            optimizer.zero_grad(set_to_none=True)
            values = torch.zeros(len(LOSS_NAMES), device=device)
            for batch in batches.step(epoch, step):
                x = encoder.preprocess(batch.pixels)
                x = augment(x, (height, width), batch.generator, changes)
                x = x.contiguous(memory_format=torch.channels_last)
                torch.manual_seed(batch.generator.initial_seed() + 1)  # for dropout, and samples
                with _sharing(loss_of, batch.is_last):
                    loss, found = loss_of(x, batch.labels, batch.indices)
                    scaler.scale(loss / config.accumulate).backward()
                values += found / config.accumulate
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(clipped, config.clip)
            # The scaler skips a step with overflowing gradients, and lowers its scale.
            scale = scaler.scale(torch.ones((), device=device))
            monitor.note(step + 1, values, norm, (scale >= 1) & scaler.is_enabled())
            scaler.step(optimizer)
            scaler.update()
            step += 1
            if config.ema > 0:
                ema_update(averaged, encoder, config.ema, (epoch - first_epoch) * n_steps + step)

            progress.update(config.batch_size)
            report = monitor.read(epoch, step, last=step == n_steps)
            if report is not None:
                margin = f"{head.margin.m:.2f}"
                progress.set_postfix(loss=f"{report.loss:.3f}", margin=margin, refresh=False)
                if report.checkpoint or report.stop:
                    checkpoint()
                if report.stop:
                    progress.close()
                    raise StoppedError(
                        f"stopped by SIGTERM after epoch {epoch + 1}, step {step} of {n_steps}; "
                        f"run the same command to resume"
                    )
        progress.close()
        seconds = time.monotonic() - started

        means = dict(zip(LOSS_NAMES, (monitor.sums / n_steps).tolist(), strict=True))
        scores: dict[str, float] = {}
        if group.is_first and len(parts.scored):
            averaged.eval()
            heldout = embed_at(averaged, faces.crops, parts.scored, (height, width))
            scores = heldout_fnmr(heldout, faces.labels[parts.scored])
        last = epoch + (n_steps - 1) / n_steps
        row: dict[str, Any] = {
            "epoch": epoch + 1,
            **means,
            **scores,
            "margin": schedule.margin.at(last),
            "learning_rate": schedule.rate(last),
            "plateau_active": int(schedule.end_epoch(epoch, means["loss"])),
            "height": height,
            "images_per_second": (n_steps - first_step) * config.batch_size / seconds,
        }
        if group.is_first:
            rows.append(row)
            tqdm.write(" ".join(f"{name} {value:.4g}" for name, value in row.items()))
            if is_best(rows):
                averaged.save_pretrained(run / "best")
            write_metrics(run, rows)
            write_events(run, row)
            plot(run)
        epoch, step = epoch + 1, 0
        monitor.start_epoch(torch.zeros(len(LOSS_NAMES)))
        checkpoint()


def _sharing(module: nn.Module, is_last: bool) -> contextlib.AbstractContextManager[Any]:
    """Synchronise gradients only in the last accumulation step of a batch."""
    if is_last or not isinstance(module, DistributedDataParallel):
        return contextlib.nullcontext()
    return module.no_sync()
