"""`metrics.csv` and the plots."""

from pathlib import Path

from PIL import Image

from train.records import plot, read_metrics, write_metrics

ROWS = [
    {"epoch": 1, "loss": 9.5, "margin": 0.1, "learning_rate": 0.1, "plateau_active": 0},
    {"epoch": 2, "loss": 7.25, "margin": 0.35, "learning_rate": 0.1, "plateau_active": 1, "x": 3},
]


def test_round_trip(tmp_path: Path) -> None:
    write_metrics(tmp_path, ROWS)
    assert read_metrics(tmp_path) == ROWS
    assert (tmp_path / "metrics.csv").read_text().startswith("epoch,loss,margin,")


def test_plot(tmp_path: Path) -> None:
    write_metrics(tmp_path, ROWS)
    plot(tmp_path)
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (1210, 770)
        assert len(image.convert("RGB").getcolors(10**6)) > 10  # something is drawn
