"""Colour Doppler drawn over an image, and the table of what it costs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.colour.command import ColourScores, colour_command, colour_table
from benchmarks.colour.flow import with_flow
from gdinousam.prediction.views import is_coloured


def test_flow_lies_round_the_target_and_the_rest_stays() -> None:
    image = np.full((120, 160, 3), 70, dtype=np.uint8)
    target_hw = np.zeros((120, 160), dtype=bool)
    target_hw[50:70, 60:100] = True
    drawn = with_flow(image, target_hw, np.random.default_rng(0))
    coloured = is_coloured(drawn)
    rows, columns = np.nonzero(coloured)
    assert 0.02 < coloured.mean() < 0.2
    assert rows.min() >= 38 and rows.max() <= 80 and columns.min() >= 46 and columns.max() <= 113
    assert (drawn[~coloured] == 70).mean() > 0.99  # slow flow is dark and nearly grey
    assert (image == 70).all()


def test_two_phantoms_are_segmented_in_three_ways(tmp_path: Path) -> None:
    assert colour_command(["--images", "2", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "colour" / "colour.json").read_text())
    assert [len(content[name]) for name in ("plain", "kept", "grey")] == [2, 2, 2]
    assert "units" not in content
    assert content["plain"] != content["kept"]


def test_the_table_gives_the_gain_of_grey() -> None:
    units = [("a", "image", "1"), ("a", "image", "2")]
    table = colour_table(ColourScores("", {}, {}, [0.8, 0.6], [0.5, 0.5], [0.7, 0.5], units))
    assert [line[2].text for line in table.lines] == ["70.0", "50.0", "60.0", "10.0"]
