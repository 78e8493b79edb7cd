"""A run's records: `metrics.csv`, the plots made from it, and TensorBoard events."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from facehub.errors import FaceHubError
from facehub.io.files import write_atomically

METRICS = "metrics.csv"
SCORE = "fnmr_0.001"  # held-out FNMR @ FMR 0.001, the criterion for the best epoch


class MissingLibraryError(FaceHubError):
    """A library that writes the records is not installed."""


def check_libraries() -> None:
    """Check before training that the records can be written.

    Raises:
        MissingLibraryError: TensorBoard or Matplotlib is missing.
    """
    try:
        import matplotlib.figure  # noqa: F401
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingLibraryError(
            f"training needs TensorBoard and Matplotlib ({error}): pip install -e . --group train"
        ) from error


def write_metrics(run: Path, rows: list[dict[str, Any]]) -> None:
    """Write `metrics.csv` with all epochs so far, atomically."""
    if not rows:
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names)]
    lines += [",".join(_text(row.get(name, "")) for name in names) for row in rows]
    write_atomically(run / METRICS, ("\n".join(lines) + "\n").encode())


def read_metrics(run: Path) -> list[dict[str, float]]:
    """Read `metrics.csv`; empty cells are omitted."""
    with (run / METRICS).open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def is_best(rows: list[dict[str, Any]]) -> bool:
    """Whether the last epoch has the lowest held-out FNMR of all epochs with its input size.

    Without held-out faces, every epoch counts as the best.
    """
    last = rows[-1]
    same_size = [row for row in rows if row["height"] == last["height"]]
    return SCORE not in last or bool(
        last[SCORE] <= min(row.get(SCORE, last[SCORE]) for row in same_size)
    )


def write_events(run: Path, row: dict[str, Any]) -> None:
    """Add an epoch to the TensorBoard events; a repeated epoch is replaced."""
    from torch.utils.tensorboard import SummaryWriter

    epoch = int(row["epoch"])
    with SummaryWriter(run / "tensorboard", purge_step=epoch) as writer:
        for name, value in row.items():
            if name != "epoch":
                writer.add_scalar(name, value, epoch)


def plot(run: Path) -> None:
    """Draw `curves.png`: loss, accuracy, held-out FNMR, margin and learning rate by epoch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = read_metrics(run)
    panels = [
        ("Loss", ["loss", "arcface", "projection", "relation"], "log"),
        ("Training accuracy, held-out FNMR (%)", ["accuracy", "fnmr_0.01", "fnmr_0.001"], "linear"),
        ("Angular margin (rad)", ["margin"], "linear"),
        ("Learning rate", ["learning_rate"], "log"),
    ]
    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, names, scale) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        for name in names:
            points = [(row["epoch"], row[name]) for row in rows if row.get(name)]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=name)
        stable = [row["epoch"] for row in rows if row.get("plateau_active")]
        if stable:
            axes.axvline(stable[0], color="grey", linestyle=":", label="plateau schedule active")
        axes.set(title=title, xlabel="epoch", yscale=scale)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    figure.axes[1].set_ylim(0, 102)  # leaves room for the legend
    figure.savefig(run / "curves.png", dpi=110)


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
