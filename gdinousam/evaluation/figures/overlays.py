"""Figures 2 and 3 of the paper: a row per chosen case, a column per method, outlines of masks, scores underneath."""

from __future__ import annotations

import csv
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdinousam.drawing import draw_panel
from gdinousam.errors import InputError
from gdinousam.evaluation.figures.case_pictures import CasePictures
from gdinousam.evaluation.figures.outlines import outlined
from gdinousam.evaluation.figures.saving import (
    PAGE_HEIGHT,
    PAGE_WIDTH,
    figure_style,
    name_lines,
    save_figure,
    weights_notes,
    wrapped_notes,
)
from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.files import csv_file
from gdinousam.records import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEGEND = "Orange: what the method found. Dashed black and white: ground truth."
# In inches. The margin at the left holds the name of the dataset, written upwards, in at most two lines; _TITLE three.
_LEFT, _GAP, _TITLE, _MIN_CELL = 0.36, 0.05, 0.38, 0.55
_BOLD_LETTER, LETTER, LINE = 0.066, 0.06, 0.108  # of titles (7 points, bold) and captions (7 points)
_MAX_LINES = 3  # of a caption


@dataclass(frozen=True, eq=False)
class _Row:
    """A row of the figure. panels: image, truth and each method's prediction; captions: the lines under each.

    height: inches of a panel. A very tall image is drawn narrower than its column instead of higher.
    """

    label: str
    panels: list[Image]
    captions: list[list[str]]
    height: float

    @property
    def whole_height(self) -> float:
        return self.height + LINE * max(map(len, self.captions)) + 0.12


def write_overlays(
    compared: Compared,
    places: Sequence[int],
    pictures: CasePictures,
    folder: Path,
    stem: str,
    page_width: float = PAGE_WIDTH,
) -> list[Path]:
    """Draw the chosen cases, as many to a page as fit on paper.

    compared: of the strict protocol, because that is what saved masks hold. places: positions in its rows, at least
    one. Writes ``<stem>.png`` and ``.pdf``, further pages as ``<stem>_2``, and ``<stem>.csv``, which says what each row
    shows. Below each page stands what the outlines are and what has to be said of the methods' weights. page_width: of
    the figure in inches; InputError where so many methods do not fit beside one another. Returns the paths.
    """
    if compared.protocol != "strict" or not places:
        raise ValueError("overlays need at least one case of the strict protocol")
    methods = list(compared.rows)
    titles = ["Image", "Ground truth", *methods]
    width = (page_width - _LEFT) / len(titles) - _GAP
    if width < _MIN_CELL:
        most = int((page_width - _LEFT) / (_MIN_CELL + _GAP)) - 2
        wider = "" if page_width >= PAGE_WIDTH else ", or draw over the page with --width page"
        raise InputError(
            f"{len(methods)} methods do not fit side by side into {25.4 * page_width:.0f} mm, at most {most} do; name "
            f"fewer results{wider}"
        )
    rows = [_read_row(compared, place, pictures, width) for place in places]
    notes = wrapped_notes([LEGEND, *weights_notes(compared)], int(page_width / LETTER))
    paths = []
    pages = _pages(rows, PAGE_HEIGHT - _TITLE - LINE * len(notes))
    for number, page in enumerate(pages, start=1):
        with figure_style():
            figure = _draw_page(page, titles, width, notes)
            paths += save_figure(figure, folder, stem if number == 1 else f"{stem}_{number}")
    remove_pages(folder, stem, len(pages) + 1)
    paths.append(folder / f"{stem}.csv")
    write_list(compared, places, paths[-1])
    return paths


def _read_row(compared: Compared, place: int, pictures: CasePictures, width: float) -> _Row:
    shown = {method: rows[place] for method, rows in compared.rows.items()}
    first = next(iter(shown.values()))
    image = pictures.image(first)
    truth_hw = pictures.truth(first)
    found = [pictures.prediction(method, row) for method, row in shown.items()]
    panels = [draw_panel(image), *(outlined(image, mask_hw, truth_hw) for mask_hw in (None, *found))]
    letters = int(width / LETTER)
    count = [] if first.num_instances == 1 else [f"{first.num_instances} objects" if first.target_present else "absent"]
    captions = [wrapped_text(first.phrase, letters), count, *(_scores(row, letters) for row in shown.values())]
    return _Row(first.dataset, panels, captions, width * min(image.shape[0] / image.shape[1], 1.6))


def _scores(row: ScoreRow, letters: int) -> list[str]:
    if not row.supported:
        return ["not supported"]
    if not row.target_present:
        return ["false alarm" if row.found else "nothing found"]
    scores = [f"Dice {100 * row.dice:.1f}", f"IoU {100 * row.iou:.1f}"]
    in_one = "  ".join(scores)
    return ([in_one] if len(in_one) <= letters else scores) + ([] if row.found else ["nothing found"])


def _pages(rows: Sequence[_Row], height: float) -> list[list[_Row]]:
    """The rows page by page. height: inches that a page has for rows."""
    pages: list[list[_Row]] = []
    left = 0.0
    for row in rows:
        if not pages or row.whole_height > left:
            pages.append([])
            left = height
        pages[-1].append(row)
        left -= row.whole_height
    return pages


def _draw_page(rows: Sequence[_Row], titles: Sequence[str], width: float, notes: Sequence[str]) -> Figure:
    from matplotlib.figure import Figure

    page_width = _LEFT + len(titles) * (width + _GAP)
    page_height = _TITLE + sum(row.whole_height for row in rows) + LINE * len(notes) + 0.04
    figure = Figure(figsize=(page_width, page_height))

    def write(lines: Sequence[str], x: float, y: float, **look: Any) -> None:
        figure.text(x / page_width, 1 - y / page_height, "\n".join(lines), ha="center", linespacing=1.1, **look)

    lefts = [_LEFT + column * (width + _GAP) for column in range(len(titles))]
    for left, title in zip(lefts, titles, strict=True):
        lines = name_lines(title, max(4, int(width / _BOLD_LETTER)), 2)
        write(lines, left + width / 2, _TITLE - 0.05, size=7, va="bottom", weight="bold")
    top = _TITLE
    for row in rows:
        label = wrapped_text(row.label, int(row.height / _BOLD_LETTER), 2)
        write(label, _LEFT / 2 - 0.03, top + row.height / 2, size=7, va="center", rotation=90, weight="bold")
        for left, panel, lines in zip(lefts, row.panels, row.captions, strict=True):
            bottom = 1 - (top + row.height) / page_height
            axes = figure.add_axes((left / page_width, bottom, width / page_width, row.height / page_height))
            axes.imshow(panel)
            axes.set_axis_off()
            write(lines, left + width / 2, top + row.height + 0.03, size=7, va="top")
        top += row.whole_height
    if notes:
        write(notes, page_width / 2, top, size=7, va="top")
    return figure


def remove_pages(folder: Path, stem: str, first: int) -> None:
    """Further pages of an earlier figure of this name would look as if they belonged to this one."""
    while any(pages := [path for suffix in ("png", "pdf") if (path := folder / f"{stem}_{first}.{suffix}").exists()]):
        for path in pages:
            path.unlink()
        first += 1


def wrapped_text(text: str, letters: int, max_lines: int = _MAX_LINES) -> list[str]:
    """Lines of at most so many letters, the last with an ellipsis where more follow."""
    return textwrap.wrap(text, max(4, letters), max_lines=max_lines, placeholder="…") or ["-"]


def write_list(compared: Compared, places: Sequence[int], path: Path) -> None:
    """Which case each row of the figure shows, with its scores in full digits."""
    with csv_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(["dataset", "image_name", "phrase", "method", "found", "dice", "iou"])
        for place in places:
            for method, rows in compared.rows.items():
                row = rows[place]
                cells = ["" if math.isnan(value) else repr(value) for value in (row.dice, row.iou)]
                found = row.found if row.supported else "not supported"
                writer.writerow([row.dataset, row.image_name, row.phrase, method, found, *cells])
