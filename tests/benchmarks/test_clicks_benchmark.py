"""Clicks in the middle of errors, and the bundled model, which gets better by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.clicks import ClickScores, click_on_error, clicks_command, clicks_table
from gdinousam.records import Click


def test_the_middle_of_the_largest_error_is_clicked() -> None:
    target_hw = np.zeros((60, 80), dtype=bool)
    target_hw[10:31, 10:31] = True
    mask_hw = target_hw.copy()
    mask_hw[40:55, 60:75] = True  # beside the target, the largest error
    mask_hw[10:15, 10:31] = False
    assert click_on_error(mask_hw, target_hw) == Click(67.5, 47.5, is_foreground=False)
    assert click_on_error(np.zeros_like(target_hw), target_hw) == Click(20.5, 20.5, is_foreground=True)
    assert click_on_error(target_hw, target_hw) is None


def test_clicks_make_masks_of_the_bundled_model_better(tmp_path: Path) -> None:
    assert clicks_command(["--images", "12", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "clicks" / "clicks.json").read_text())
    assert "units" not in content
    of_moved, of_none = (np.mean(content["dice"][shown], axis=0) for shown in ("moved box", "no box"))
    assert of_moved[-1] > of_moved[0] + 0.02
    assert of_none[0] > 0.5  # a single click


def test_the_table_counts_the_click_that_stands_for_a_box() -> None:
    units = [("a", "image", "1"), ("a", "image", "2")]
    dice = {"true box": [[0.8, 0.9], [0.6, 0.9]], "no box": [[0.5, 0.7], [0.3, 0.7]]}
    lines = clicks_table(ClickScores("", {}, {}, dice, units)).lines
    assert [[cell.text for cell in line[:4]] for line in lines] == [
        ["true box", "0", "2", "70.0"],
        ["true box", "1", "2", "90.0"],
        ["no box", "1", "2", "40.0"],
        ["no box", "2", "2", "70.0"],
    ]
