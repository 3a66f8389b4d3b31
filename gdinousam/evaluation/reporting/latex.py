r"""A table in LaTeX that fits the text of an article, or a column or page of one with two columns, whatever it holds.

Tried in turn, until the estimated width fits: the table as it is, then its groups of columns below one another instead
of side by side, then its columns in panels below one another; each in sizes from \small to \scriptsize. A table with
more lines than a page holds becomes several.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from gdinousam.evaluation.reporting.latex_grids import (
    LEADING,
    SEPARATION,
    Grid,
    arranged,
    body_width,
    column_width,
    grid_width,
    parts,
)
from gdinousam.evaluation.reporting.latex_widths import SIZES, FontSize, pieces, wrapped
from gdinousam.evaluation.reporting.table import Cell, Table, column_groups, footnote_marks

Layout = Literal["text", "column", "page"]
LAYOUTS: tuple[Layout, ...] = ("text", "column", "page")
# In points: the text of LaTeX's own article with letters of 10 points, and what journals with two columns have.
WIDTHS: Mapping[Layout, float] = {"text": 345.0, "column": 252.0, "page": 516.0}
PREAMBLE = r"% needs \usepackage{booktabs} and \usepackage{array}"
# the star: over both columns where there are two
_ENVIRONMENT: Mapping[Layout, str] = {"text": "table*", "column": "table", "page": "table*"}
_PARTS_AT_ONCE = 10  # then a page break: LaTeX holds some fifty tables back before it gives up
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "<": "$<$",
    ">": "$>$",
    "[": "{[}",  # at the beginning of a line it would be an argument of the line break before it, and so would a star
    "*": "{*}",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def as_latex(table: Table, label: str, layout: Layout = "text") -> str:
    r"""The table in LaTeX, with caption, label and notes; it needs the packages of ``PREAMBLE``.

    label: of the first table, further ones have "-2" and so on behind it. layout: ``text``: ``table*`` of at
    most 345 points, which fits an article of one column and of two; ``column``: ``table`` of at most 252; ``page``:
    ``table*`` of at most 516. Words that cannot be broken may make it wider.
    """
    grids, size = arranged(table, WIDTHS[layout])
    marks = footnote_marks(table)
    notes = _notes(table, marks)
    of_pages = list(parts(grids, size, _notes_height(notes, WIDTHS[layout])))
    texts = []
    for number, part in enumerate(of_pages, start=1):
        of_parts = f" (part {number} of {len(of_pages)})" if len(of_pages) > 1 else ""
        below = notes if number == len(of_pages) else ["Notes below the last part."]
        texts.append(
            "\n".join(
                [
                    rf"\begin{{{_ENVIRONMENT[layout]}}}[tp]",
                    r"\centering",
                    rf"\caption{{{latex_text(table.title + of_parts)}}}",
                    rf"\label{{tab:{_label(label)}{f'-{number}' if number > 1 else ''}}}",
                    size.command,
                    rf"\setlength{{\tabcolsep}}{{{SEPARATION}pt}}",
                    "\n\\par\\medskip\n".join(_tabular(grid, size, marks) for grid in part),
                    *_minipage(below),
                    rf"\end{{{_ENVIRONMENT[layout]}}}",
                    *([r"\clearpage"] if number % _PARTS_AT_ONCE == 0 else []),
                ]
            )
        )
    return "\n\n".join(texts) + "\n"


def estimated_width(table: Table, layout: Layout) -> float:
    """Points of the widest tabular that ``as_latex`` writes."""
    grids, size = arranged(table, WIDTHS[layout])
    return max(grid_width(grid, size) for grid in grids)


def latex_text(text: str) -> str:
    """Words with everything escaped that LaTeX would take for a command."""
    return "".join(_LATEX.get(letter, letter) for letter in text).replace("--", "-{}-")  # two would be a dash


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _notes(table: Table, marks: Mapping[str, str]) -> list[str]:
    best = ["Bold: best."] if any(cell.best for line in table.lines for cell in line) else []
    return [
        *(latex_text(remark) for remark in (*best, *table.remarks)),
        *(rf"\textsuperscript{{{mark}}} {latex_text(note)}" for note, mark in marks.items()),
    ]


def _notes_height(notes: Sequence[str], width: float) -> float:
    return sum(len(wrapped(note, width, SIZES[-1])) for note in notes) * SIZES[-1].points * LEADING


def _minipage(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    text = "\\par\n".join(notes)
    return ["\\par\\smallskip", r"\begin{minipage}{\linewidth}\scriptsize\raggedright", text, r"\end{minipage}"]


def _tabular(grid: Grid, size: FontSize, marks: Mapping[str, str]) -> str:
    num = len(grid.columns)
    caps = [(grid.caps[at] if grid.caps else None) for at in range(num)]
    kinds = [
        ("l" if column.is_text else "r")
        if cap is None
        else rf">{{\raggedright\arraybackslash}}p{{{math.ceil(body_width(grid, at, size))}pt}}"
        for at, (column, cap) in enumerate(zip(grid.columns, caps, strict=True))
    ]
    titles = [
        _in_lines(wrapped(column.title, body_width(grid, at, size), size), "l" if column.is_text else "r")
        for at, column in enumerate(grid.columns)
    ]
    body = []
    for line in grid.lines:
        body += [r"\midrule"] if line.is_ruled else []
        cells = [_cell(cell, marks, cap is not None) for cell, cap in zip(line.cells, caps, strict=False)]
        heading = rf"\multicolumn{{{num}}}{{l}}{{\textit{{{latex_text(line.heading)}}}}}"
        body.append((heading if line.heading else " & ".join(cells)) + r" \\")
    lines = [
        rf"\begin{{tabular}}{{{''.join(kinds)}}}",
        r"\toprule",
        *_group_lines(grid, size),
        " & ".join(titles) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _group_lines(grid: Grid, size: FontSize) -> list[str]:
    """The heading line above the headings, with a short rule under each group; nothing where there are no groups."""
    if not any(column.group for column in grid.columns):
        return []
    heads, rules = [], []
    for name, start, end in column_groups(grid.columns):
        room = sum(column_width(grid, at, size) + 2 * SEPARATION for at in range(start, end))
        heads.append(rf"\multicolumn{{{end - start}}}{{c}}{{{_in_lines(wrapped(name, room, size), 'c')}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{start + 1}-{end}}}")
    return [" & ".join(heads) + r" \\", " ".join(rules)]


def _in_lines(lines: Sequence[str], side: Literal["l", "r", "c"]) -> str:
    if len(lines) == 1:
        return latex_text(lines[0])
    text = r" \\ ".join(map(latex_text, lines))
    return rf"\shortstack[{side}]{{{text}}}"


def _cell(cell: Cell, marks: Mapping[str, str], may_break: bool) -> str:
    if may_break:
        text = r"\allowbreak{}".join(map(latex_text, pieces(cell.text)))
    else:
        text = re.sub(r"(?<!\S)-(?=\d)", "$-$", latex_text(cell.text))  # a hyphen is not a minus
    text = rf"\textbf{{{text}}}" if cell.best else text
    return text + "".join(rf"\textsuperscript{{{marks[note]}}}" for note in cell.notes)
