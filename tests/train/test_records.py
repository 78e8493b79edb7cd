"""`metrics.csv` and the plots."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from train.records import is_best, plot, read_metrics, write_metrics

ROWS = [
    {"epoch": 1, "loss": 9.5, "margin": 0.1, "learning_rate": 0.1, "plateau_active": 0},
    {"epoch": 2, "loss": 7.25, "margin": 0.35, "learning_rate": 0.1, "plateau_active": 1, "x": 3},
]


def test_metrics_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_metrics(tmp_path, ROWS)
    assert read_metrics(tmp_path) == ROWS
    assert (tmp_path / "metrics.csv").read_text().startswith("epoch,loss,margin,")


def test_plot_draws_the_curves_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_metrics(tmp_path, ROWS)
    figures = []
    save = Figure.savefig

    def keep_and_save(figure: Figure, *args: object, **options: object) -> None:
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep_and_save)
    plot(tmp_path)
    loss, _, margin, rate = figures[0].axes
    assert loss.lines[0].get_xydata().tolist() == [[1, 9.5], [2, 7.25]]
    assert margin.lines[0].get_ydata().tolist() == [0.1, 0.35]
    assert margin.lines[1].get_xdata() == [2, 2]  # the epoch in which the schedule becomes active
    assert rate.lines[0].get_ydata().tolist() == [0.1, 0.1]
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (1210, 770)
        assert len(image.convert("RGB").getcolors(10**6)) > 10  # the picture is not empty


def test_best_epoch_is_compared_within_one_input_size() -> None:
    rows = [{"height": h, "fnmr_0.001": rate} for h, rate in ((64, 10), (112, 50), (112, 40))]
    assert [is_best(rows[: n + 1]) for n in range(3)] == [True, True, True]
    assert not is_best([*rows, {"height": 112, "fnmr_0.001": 41}])


def test_last_epoch_is_best_without_scores() -> None:
    assert is_best([{"height": 112}, {"height": 112}])
