"""Draw an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def plot(
    path: Path,
    genuine: np.ndarray,
    impostor: np.ndarray,
    threshold: float | None,
    pairs: str = "all against all",
) -> None:
    """Draw the ROC and the distributions of the similarities.

    Args:
        path: PNG file to write.
        genuine: float (P,), similarities of pairs of one person.
        impostor: float (Q,), of pairs of different people.
        threshold: threshold to mark, or None.
        pairs: description of the pairs, for the title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    roc, histogram = figure.subplots(1, 2)
    limits = np.linspace(-1, 1, 2001)
    fmr = 1 - np.searchsorted(np.sort(impostor), limits) / len(impostor)
    matched = 1 - np.searchsorted(np.sort(genuine), limits) / len(genuine)
    lowest = min(0.1, 10 / len(impostor))
    roc.plot(fmr[fmr >= lowest], matched[fmr >= lowest])
    title = f"ROC, {pairs}"
    if threshold is not None:
        at_threshold = (impostor >= threshold).mean(), (genuine >= threshold).mean()
        roc.plot(*at_threshold, "ko", markersize=5)
        title += " (dot: threshold)"
    roc.set(title=title, xlabel="FMR", ylabel="1 - FNMR")
    roc.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.02))
    roc.grid(which="both", alpha=0.3)
    bins = np.linspace(-0.6, 1, 81)
    for values, label in ((impostor, "different people"), (genuine, "one person")):
        histogram.hist(values, bins, density=True, alpha=0.6, label=label)
    if threshold is not None:
        label = f"threshold {threshold:.2f}"
        histogram.axvline(threshold, color="black", linestyle=":", label=label)
    histogram.set(title="Cosine similarity", xlabel="similarity", ylabel="density")
    histogram.legend()
    figure.savefig(path, dpi=110)
