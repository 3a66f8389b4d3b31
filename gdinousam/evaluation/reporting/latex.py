r"""A table in LaTeX that fits a column or a page of a two-column article, whatever it holds.

Tried in turn, until the estimated width fits: the table as it is, then its groups of columns below one another instead
of side by side, then its columns in panels below one another; each in sizes from \small to \scriptsize. A table with
more lines than a page holds becomes several.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from gdinousam.evaluation.reporting.latex_widths import SIZES, FontSize, longest_piece, text_width, wrapped
from gdinousam.evaluation.reporting.table import Cell, Column, Table, column_groups, footnote_marks, text_column

Layout = Literal["column", "page"]
LAYOUTS: tuple[Layout, ...] = ("column", "page")
WIDTHS: Mapping[Layout, float] = {"column": 252.0, "page": 516.0}  # points, of a two-column article
PREAMBLE = r"% needs \usepackage{booktabs} and \usepackage{array}"
_ENVIRONMENT: Mapping[Layout, str] = {"column": "table", "page": "table*"}
_SURE = 0.98  # of the width: the estimate may be wrong by a little
_HEIGHT = 450.0  # points of a table on a page of an article (550) without its caption
_LEADING = 1.25  # of lines, in points of their letters
_RULE, _RULES = 5.0, 30.0  # points of a rule, and of those of a tabular with the space round it
_SEPARATION = 3.0  # points on either side of a column
_PARTS_AT_ONCE = 10  # then a page break: LaTeX holds some fifty tables back before it gives up
_NAMES_SHARE = 0.3  # of the width, for all columns of words that can be broken
_MARK = 4.0  # points of a footnote's mark
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


@dataclass(frozen=True)
class _Line:
    """cells: as many as columns. heading: or a line over the whole width. is_ruled: a rule above it."""

    cells: tuple[Cell, ...]
    heading: str = ""
    is_ruled: bool = False


@dataclass(frozen=True)
class _Grid:
    """One tabular. columns, lines: as in a table, headings in between. is_broken: long names take several lines."""

    columns: tuple[Column, ...]
    lines: tuple[_Line, ...]
    is_broken: bool = False


def as_latex(table: Table, label: str, layout: Layout = "page") -> str:
    r"""The table in LaTeX, with caption, label and notes; it needs the packages of ``PREAMBLE``.

    label: of the first table, further ones have "-2" and so on behind it. layout: ``column``: ``table`` of at most 252
    points; ``page``: ``table*`` of at most 516. Words that cannot be broken may make it wider.
    """
    grids, size = _arranged(table, WIDTHS[layout])
    marks = footnote_marks(table)
    notes = _notes(table, marks)
    parts = list(_parts(grids, size, WIDTHS[layout], _notes_height(notes, WIDTHS[layout])))
    texts = []
    for number, part in enumerate(parts, start=1):
        of_parts = f" (part {number} of {len(parts)})" if len(parts) > 1 else ""
        below = notes if number == len(parts) else ["Notes below the last part."]
        texts.append(
            "\n".join(
                [
                    rf"\begin{{{_ENVIRONMENT[layout]}}}[tp]",
                    r"\centering",
                    rf"\caption{{{latex_text(table.title + of_parts)}}}",
                    rf"\label{{tab:{_label(label)}{f'-{number}' if number > 1 else ''}}}",
                    size.command,
                    rf"\setlength{{\tabcolsep}}{{{_SEPARATION}pt}}",
                    "\n\\par\\medskip\n".join(_tabular(grid, size, WIDTHS[layout], marks) for grid in part),
                    *_minipage(below),
                    rf"\end{{{_ENVIRONMENT[layout]}}}",
                    *([r"\clearpage"] if number % _PARTS_AT_ONCE == 0 else []),
                ]
            )
        )
    return "\n\n".join(texts) + "\n"


def estimated_width(table: Table, layout: Layout) -> float:
    """Points of the widest tabular that ``as_latex`` writes."""
    grids, size = _arranged(table, WIDTHS[layout])
    return max(_width(grid, size, WIDTHS[layout]) for grid in grids)


def latex_text(text: str) -> str:
    """Words with everything escaped that LaTeX would take for a command."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _notes(table: Table, marks: Mapping[str, str]) -> list[str]:
    best = ["Bold: best."] if any(cell.best for line in table.lines for cell in line) else []
    return [
        *(latex_text(remark) for remark in (*best, *table.remarks)),
        *(rf"\textsuperscript{{{mark}}} {latex_text(note)}" for note, mark in marks.items()),
    ]


def _minipage(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    text = "\\par\n".join(notes)
    return ["\\par\\smallskip", r"\begin{minipage}{\linewidth}\scriptsize\raggedright", text, r"\end{minipage}"]


def _arranged(table: Table, width: float) -> tuple[list[_Grid], FontSize]:
    """Grids that fit the width, as large as they can be."""
    forms = [replace(form, is_broken=one) for form in (_as_it_is(table), *_stacked(table)) for one in (False, True)]
    for form in forms:
        for size in SIZES:
            if _width(form, size, width) <= _SURE * width:
                return [form], size
    return _panels(forms[-1], SIZES[-1], width), SIZES[-1]


def _as_it_is(table: Table) -> _Grid:
    first_summary = len(table.lines) - table.num_summaries if table.num_summaries else -1
    return _Grid(table.columns, tuple(_Line(line, is_ruled=at == first_summary) for at, line in enumerate(table.lines)))


def _stacked(table: Table) -> list[_Grid]:
    """Groups of columns below one another, or lines that begin alike below one heading; none where neither helps."""
    groups = [one for one in column_groups(table.columns) if one[0]]
    lines: list[_Line] = []
    num_before = len(table.lines) - table.num_summaries
    if groups:
        single = [place for place, column in enumerate(table.columns) if not column.group]
        titles = tuple(
            dict.fromkeys(table.columns[place].title for _, start, end in groups for place in range(start, end))
        )
        for at, line in enumerate(table.lines):
            heading = _heading(table, line, single)
            lines.append(_Line((), heading, is_ruled=at > 0))
            for name, start, end in groups:
                by_title = {table.columns[place].title: line[place] for place in range(start, end)}
                empty = Cell("", ())
                lines.append(_Line((Cell(name, (name,)), *(by_title.get(title, empty) for title in titles))))
        return [_Grid((text_column(""), *(Column(title, ()) for title in titles)), tuple(lines))]
    if len(table.columns) < 3 or not all(column.is_text for column in table.columns[:2]):
        return []
    numbered = list(enumerate(table.lines))
    for name, of_name in groupby(numbered, key=lambda one: one[1][0].text):
        members = list(of_name)
        first = members[0][0]
        lines.append(_Line((), name, is_ruled=first > 0 and (first <= num_before or not table.num_summaries)))
        lines += [_Line(line[1:]) for _, line in members]
    return [_Grid(table.columns[1:], tuple(lines))]


def _heading(table: Table, line: Sequence[Cell], single: Sequence[int]) -> str:
    """The cells of a line that belong to no group, in words: the first as it is, the others with their title."""
    first, *others = single or [-1]
    said = [f"{table.columns[place].title} {line[place].text}" for place in others]
    return ", ".join([line[first].text if single else "", *said])


def _panels(grid: _Grid, size: FontSize, width: float) -> list[_Grid]:
    """The columns in as many grids as are needed, the leading columns of words in each."""
    grid = replace(grid, columns=_told_apart(grid.columns))
    num_keys = next((at for at, column in enumerate(grid.columns) if not column.is_text), len(grid.columns))
    keys, rest = list(range(num_keys)), list(range(num_keys, len(grid.columns)))
    panels: list[list[int]] = []
    for place in rest:
        if panels and _width(_chosen(grid, [*keys, *panels[-1], place]), size, width) <= _SURE * width:
            panels[-1].append(place)
        else:
            panels.append([place])
    return [_chosen(grid, [*keys, *panel]) for panel in panels] or [grid]


def _told_apart(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Columns whose titles still say what they are away from their neighbours: "IoU %: 95 % interval"."""
    titles = [column.title for column in columns]
    told, before = [], ""
    for column in columns:
        is_repeated = titles.count(column.title) > 1
        told.append(replace(column, title=f"{before}: {column.title}") if is_repeated and before else column)
        before = before if is_repeated else column.title
    return tuple(told)


def _chosen(grid: _Grid, places: Sequence[int]) -> _Grid:
    lines = (replace(line, cells=tuple(line.cells[at] for at in places)) if line.cells else line for line in grid.lines)
    return replace(grid, columns=tuple(grid.columns[at] for at in places), lines=tuple(lines))


def _parts(grids: Sequence[_Grid], size: FontSize, width: float, notes_height: float) -> Iterator[list[_Grid]]:
    """The grids of each table: the same lines of each grid, as many as fit on a page, headings repeated.

    notes_height: points that the notes take below the last one.
    """
    room = _HEIGHT - sum(_header_height(grid, size, width) for grid in grids)
    heights = [
        sum(_line_height(grid, line, size, width) for grid, line in zip(grids, same, strict=True))
        for same in zip(*(grid.lines for grid in grids), strict=True)
    ]
    lines, begin, end = grids[0].lines, 0, 0
    while begin < len(lines) or not lines:
        end = len(lines)
        if sum(heights[begin:]) + notes_height > room and end - begin > 1:
            end = begin + max(1, sum(sum(heights[begin : at + 1]) <= room for at in range(begin, len(lines))))
            end = min(end, begin + (len(lines) - begin + 1) // 2) if end == len(lines) else end  # room for the notes
            headings = [at for at in range(begin + 1, end) if lines[at].heading]
            if headings and not lines[end].heading:
                end = headings[-1]  # a block that would be cut begins the next part
        yield [_part(grid, begin, end) for grid in grids]
        if not lines:
            return
        begin = end


def _header_height(grid: _Grid, size: FontSize, width: float) -> float:
    num_lines = max(
        len(wrapped(column.title, _body_width(grid, at, size, width), size)) for at, column in enumerate(grid.columns)
    )
    num_lines += any(column.group for column in grid.columns)
    return num_lines * size.points * _LEADING + _RULES


def _line_height(grid: _Grid, line: _Line, size: FontSize, width: float) -> float:
    """Points of a line, which is as high as its highest cell."""
    num_lines = 1
    for at, cell in enumerate(line.cells):
        cap = _cap(grid, at, size, width)
        num_lines = max(num_lines, 1 if cap is None else len(wrapped(cell.text, cap, size)))
    return num_lines * size.points * _LEADING + (_RULE if line.is_ruled else 0)


def _notes_height(notes: Sequence[str], width: float) -> float:
    return sum(len(wrapped(note, width, SIZES[-1])) for note in notes) * SIZES[-1].points * _LEADING


def _part(grid: _Grid, begin: int, end: int) -> _Grid:
    lines = list(grid.lines[begin:end])
    if begin and not lines[0].heading:
        above = next((line.heading for line in reversed(grid.lines[:begin]) if line.heading), "")
        lines = [_Line((), f"{above} (continued)"), *lines] if above else lines
    if lines:
        lines[0] = replace(lines[0], is_ruled=False)
    return replace(grid, lines=tuple(lines))


def _cap(grid: _Grid, column: int, size: FontSize, width: float) -> float | None:
    """Points of a column of words that has to be broken; ``None`` where it is narrow enough."""
    if not (grid.is_broken and grid.columns[column].is_text):
        return None
    num_text = sum(one.is_text for one in grid.columns)
    texts = [line.cells[column].text for line in grid.lines if line.cells]
    cap = max([_NAMES_SHARE * width / num_text, *(longest_piece(text, size) for text in texts)])
    return cap if any(text_width(text, size) > cap for text in texts) else None


def _column_width(grid: _Grid, column: int, size: FontSize, width: float) -> float:
    body = _body_width(grid, column, size, width)
    return max(body, *(text_width(line, size) for line in wrapped(grid.columns[column].title, body, size)))


def _body_width(grid: _Grid, column: int, size: FontSize, width: float) -> float:
    cells = [line.cells[column] for line in grid.lines if line.cells]
    cap = _cap(grid, column, size, width)
    marks = max((len(cell.notes) for cell in cells), default=0) * _MARK
    widest = max((text_width(cell.text, size, cell.best) for cell in cells), default=0.0)
    return marks + (widest if cap is None else cap)


def _width(grid: _Grid, size: FontSize, width: float) -> float:
    """Points of a grid. width: of the place that it is for, by which columns of words are broken."""
    widths = [_column_width(grid, at, size, width) + 2 * _SEPARATION for at in range(len(grid.columns))]
    for name, start, end in column_groups(grid.columns):
        lines = wrapped(name, sum(widths[start:end]), size)
        widths[start] += max(0.0, max(text_width(line, size) for line in lines) - sum(widths[start:end]))
    headings = (text_width(line.heading, size) for line in grid.lines if line.heading)
    return max([sum(widths), *headings])


def _tabular(grid: _Grid, size: FontSize, width: float, marks: Mapping[str, str]) -> str:
    num = len(grid.columns)
    caps = [_cap(grid, at, size, width) for at in range(num)]
    kinds = [
        ("l" if column.is_text else "r")
        if cap is None
        else rf">{{\raggedright\arraybackslash}}p{{{math.ceil(_body_width(grid, at, size, width))}pt}}"
        for at, (column, cap) in enumerate(zip(grid.columns, caps, strict=True))
    ]
    titles = [
        _in_lines(wrapped(column.title, _body_width(grid, at, size, width), size), "l" if column.is_text else "r")
        for at, column in enumerate(grid.columns)
    ]
    body = []
    for line in grid.lines:
        body += [r"\midrule"] if line.is_ruled else []
        text = rf"\multicolumn{{{num}}}{{l}}{{\textit{{{latex_text(line.heading)}}}}}"
        body.append((text if line.heading else " & ".join(_cell(cell, marks) for cell in line.cells)) + r" \\")
    lines = [
        rf"\begin{{tabular}}{{{''.join(kinds)}}}",
        r"\toprule",
        *_group_lines(grid, size, width),
        *([" & ".join(titles) + r" \\", r"\midrule"]),
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _group_lines(grid: _Grid, size: FontSize, width: float) -> list[str]:
    """The heading line above the headings, with a short rule under each group; nothing where there are no groups."""
    if not any(column.group for column in grid.columns):
        return []
    heads, rules = [], []
    for name, start, end in column_groups(grid.columns):
        room = sum(_column_width(grid, at, size, width) + 2 * _SEPARATION for at in range(start, end))
        heads.append(rf"\multicolumn{{{end - start}}}{{c}}{{{_in_lines(wrapped(name, room, size), 'c')}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{start + 1}-{end}}}")
    return [" & ".join(heads) + r" \\", " ".join(rules)]


def _in_lines(lines: Sequence[str], side: Literal["l", "r", "c"]) -> str:
    if len(lines) == 1:
        return latex_text(lines[0])
    text = r" \\ ".join(map(latex_text, lines))
    return rf"\shortstack[{side}]{{{text}}}"


def _cell(cell: Cell, marks: Mapping[str, str]) -> str:
    text = re.sub(r"(?<!\S)-(?=\d)", "$-$", latex_text(cell.text))  # a hyphen is no minus
    text = rf"\textbf{{{text}}}" if cell.best else text
    return text + "".join(rf"\textsuperscript{{{marks[note]}}}" for note in cell.notes)
