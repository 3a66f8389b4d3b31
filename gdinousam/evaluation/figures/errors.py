"""The worst cases of a method on one page: image, outline of the truth over what was found, and the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gdinousam.evaluation.figures.case_pictures import CasePictures
from gdinousam.evaluation.figures.choice import choose
from gdinousam.evaluation.figures.outlines import outlined
from gdinousam.evaluation.figures.overlays import LEGEND, LETTER, LINE, wrapped_text, write_list
from gdinousam.evaluation.figures.saving import PAGE_WIDTH, figure_style, save_figure, weights_notes, wrapped_notes
from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.scoring.rows import ScoreRow

NUM_WORST = 10
_GAP, _MIN_CELL, _SHAPE = 0.06, 1.2, 0.8  # inches; height of a picture's place by its width


def worst_cases(rows: Sequence[ScoreRow], datasets: Sequence[str]) -> list[int]:
    """Positions of the ten rows of the lowest Dice in some datasets, the worst first; fewer where there are fewer."""
    places = [place for place, row in enumerate(rows) if row.dataset in datasets]
    return [places[one] for one in choose([rows[place] for place in places], "worst", NUM_WORST)]


def write_errors(
    compared: Compared,
    method: str,
    places: Sequence[int],
    pictures: CasePictures,
    folder: Path,
    page_width: float = PAGE_WIDTH,
) -> list[Path]:
    """Draw cases of a method in a grid, in the order given.

    places: positions in its rows, at least one, strict and with their target. page_width: of the figure in inches.
    Writes ``errors.png``, ``.pdf``, and ``errors.csv``, which holds the scores of all methods on these cases. Returns
    the paths.
    """
    from matplotlib.figure import Figure

    num_columns = min(5, int(page_width / (_MIN_CELL + _GAP)))
    cell = page_width / num_columns - _GAP
    num_rows = math.ceil(len(places) / num_columns)
    captions = [_caption(number, compared.rows[method][at], int(cell / LETTER)) for number, at in enumerate(places, 1)]
    row_height = cell * _SHAPE + LINE * max(map(len, captions)) + 0.12
    notes = wrapped_notes([f"{method}. {LEGEND}", *weights_notes(compared)], int(page_width / LETTER))
    height = num_rows * row_height + LINE * len(notes) + 0.08
    look: dict[str, Any] = {"ha": "center", "va": "top", "size": 7, "linespacing": 1.1}
    with figure_style():
        figure = Figure(figsize=(page_width, height))
        for number, (place, lines) in enumerate(zip(places, captions, strict=True)):
            row = compared.rows[method][place]
            line, column = divmod(number, num_columns)
            left, top = column * (cell + _GAP) + _GAP / 2, line * row_height
            box = (left / page_width, 1 - (top + cell * _SHAPE) / height, cell / page_width, cell * _SHAPE / height)
            axes = figure.add_axes(box)
            axes.imshow(outlined(pictures.image(row), pictures.prediction(method, row), pictures.truth(row)))
            axes.set_axis_off()
            below = 1 - (top + cell * _SHAPE + 0.03) / height
            figure.text((left + cell / 2) / page_width, below, "\n".join(lines), **look)
        figure.text(0.5, (LINE * len(notes) + 0.05) / height, "\n".join(notes), **look)
        paths = save_figure(figure, folder, "errors")
    paths.append(folder / "errors.csv")
    write_list(compared, places, paths[-1])
    return paths


def _caption(number: int, row: ScoreRow, letters: int) -> list[str]:
    score = f"Dice {100 * row.dice:.1f}" if row.found else "nothing found"
    return [f"{number}. {score}", *wrapped_text(f"{row.dataset}: {row.phrase}", letters)]
