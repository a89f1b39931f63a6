"""The learning curve is a picture of the log."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from captioner.training.curve import draw_curve


def test_more_epochs_change_the_picture(tmp_path: Path) -> None:
    log, pictures = tmp_path / "log.jsonl", []
    for epochs in (2, 3):
        records = [
            {"epoch": e, "train_nats": 4 / e, "val_cider": e / 5, "effective_cells": 90} for e in range(1, epochs)
        ]
        log.write_text("\n".join(map(json.dumps, records)) + "\n\n")
        draw_curve(log, tmp_path / "curve.png")
        with Image.open(tmp_path / "curve.png") as picture:
            assert picture.size == (900, 300)
            pictures.append(picture.convert("RGB").tobytes())
    assert pictures[0] != pictures[1]
