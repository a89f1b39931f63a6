"""Grounding as a picture: the model's maps beside maps that know nothing of the photo."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from captioner.training.grounding import SOURCES, GroundingReport
from captioner.whole_file import write_whole

COLOURS = ("#c2410c", "#fdba74", "#d6d3d1", "#a8a29e", "#57534e")  # the model warm, the baselines grey
BAR = 0.16  # of the room between two types


def draw_grounding(report: GroundingReport, title: str, picture: Path) -> None:
    """Draw mass and pointing, 0 to 100 percent, of every type of phrases to a PNG file.

    Raises:
        CaptionerError: the folder does not exist or cannot be written.
    """
    rows = report.rows
    figure = Figure(figsize=(max(7.0, 1.3 * len(rows) + 1), 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 1, sharex=True)
    shares = ([row.mass for row in rows], [row.hits for row in rows])
    titles = ("attention inside the boxes, percent", "highest cell in a box, percent of phrases")
    for axes, by_row, about in zip(panels, shares, titles, strict=True):
        for place, (source, colour) in enumerate(zip(SOURCES, COLOURS, strict=True)):
            offset = (place - (len(SOURCES) - 1) / 2) * BAR
            heights = [100 * own[source] for own in by_row]
            axes.bar([x + offset for x in range(len(rows))], heights, BAR, color=colour, label=source)
        axes.set(title=about, ylim=(0, 100))
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xticks(range(len(rows)), [f"{row.name}\n{row.phrases}" for row in rows])
    panels[0].legend(ncols=len(SOURCES), fontsize="small", frameon=False, loc="upper left")
    figure.suptitle(title)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    write_whole(picture, content.getvalue())
