"""The learning curve of a run, drawn from its log."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_curve(log: Path, picture: Path) -> None:
    """Draw training loss, validation CIDEr and map spread of every epoch in `log` (JSON lines) to a PNG file."""
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    epochs = [record["epoch"] for record in records]
    figure = Figure(figsize=(9, 3), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3)
    for axes, (name, title) in zip(
        panels,
        (
            ("train_nats", "training, nats per token"),
            ("val_cider", "validation CIDEr"),
            ("effective_cells", "effective cells per map"),
        ),
        strict=True,
    ):
        axes.plot(epochs, [record[name] for record in records], marker="o")
        axes.set(title=title, xlabel="epoch")
    figure.savefig(picture, dpi=100)
