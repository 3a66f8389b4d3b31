"""How a table is laid out on paper of some width: as it is, stacked, in panels, and on several pages.

A grid is what becomes one tabular of LaTeX. Widths and heights are in points and estimated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from gdinousam.evaluation.reporting.latex_widths import SIZES, FontSize, longest_piece, text_width, wrapped
from gdinousam.evaluation.reporting.table import Cell, Column, Table, column_groups, text_column

_SURE = 0.98  # of the width: the estimate may be wrong by a little
_HEIGHT = 450.0  # points of a table on a page of an article (550) without its caption
LEADING = 1.25  # of lines, in points of their letters
_RULE, _RULES = 5.0, 30.0  # points of a rule, and of those of a tabular with the space round it
SEPARATION = 3.0  # points on either side of a column
_MARK = 4.0  # points of a footnote's mark
_NAMES_SHARE = 0.3  # of the width, for all columns of words that can be broken


@dataclass(frozen=True)
class Line:
    """cells: as many as columns. heading: or a line over the whole width. is_ruled: a rule above it."""

    cells: tuple[Cell, ...]
    heading: str = ""
    is_ruled: bool = False


@dataclass(frozen=True)
class Grid:
    """One tabular. columns, lines: as in a table, with headings in between.

    caps: points of each column whose long words take several lines, ``None`` where they do not; empty: none do.
    """

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    caps: tuple[float | None, ...] = ()


def arranged(table: Table, width: float) -> tuple[list[Grid], FontSize]:
    """Grids that fit the width, as large as they can be."""
    forms = [_as_it_is(table), *_stacked(table)]
    for form in forms:
        for break_words in (False, True):
            for size in SIZES:
                grid = _broken(form, size, width) if break_words else form
                if grid_width(grid, size) <= _SURE * width:
                    return [_widened(grid, size, width)], size
    return _panels(_broken(forms[-1], SIZES[-1], width), SIZES[-1], width), SIZES[-1]


def _as_it_is(table: Table) -> Grid:
    first_summary = len(table.lines) - table.num_summaries if table.num_summaries else -1
    return Grid(table.columns, tuple(Line(line, is_ruled=at == first_summary) for at, line in enumerate(table.lines)))


def _stacked(table: Table) -> list[Grid]:
    """Groups of columns below one another, or lines that begin alike below one heading; none where neither helps."""
    groups = [one for one in column_groups(table.columns) if one[0]]
    lines: list[Line] = []
    num_before = len(table.lines) - table.num_summaries
    if groups:
        single = [place for place, column in enumerate(table.columns) if not column.group]
        titles = tuple(
            dict.fromkeys(table.columns[place].title for _, start, end in groups for place in range(start, end))
        )
        for at, line in enumerate(table.lines):
            heading = _heading(table, line, single)
            lines.append(Line((), heading, is_ruled=at > 0))
            for name, start, end in groups:
                by_title = {table.columns[place].title: line[place] for place in range(start, end)}
                empty = Cell("", ())
                lines.append(Line((Cell(name, (name,)), *(by_title.get(title, empty) for title in titles))))
        return [Grid((text_column(""), *(Column(title, ()) for title in titles)), tuple(lines))]
    if len(table.columns) < 3 or not all(column.is_text for column in table.columns[:2]):
        return []
    numbered = list(enumerate(table.lines))
    for name, of_name in groupby(numbered, key=lambda one: one[1][0].text):
        members = list(of_name)
        first = members[0][0]
        lines.append(Line((), name, is_ruled=first > 0 and (first <= num_before or not table.num_summaries)))
        lines += [Line(line[1:]) for _, line in members]
    return [Grid(table.columns[1:], tuple(lines))]


def _heading(table: Table, line: Sequence[Cell], single: Sequence[int]) -> str:
    """The cells of a line that belong to no group, in words: the first as it is, the others with their title."""
    first, *others = single or [-1]
    said = [f"{table.columns[place].title} {line[place].text}" for place in others]
    return ", ".join([line[first].text if single else "", *said])


def _panels(grid: Grid, size: FontSize, width: float) -> list[Grid]:
    """The columns in as many grids as are needed, the leading columns of words in each."""
    titles = [column.title for column in grid.columns]
    grid = replace(grid, columns=_told_apart(grid.columns))
    num_keys = next((at for at, column in enumerate(grid.columns) if not column.is_text), len(grid.columns))
    keys = list(range(num_keys))
    panels: list[list[int]] = []
    for place in range(num_keys, len(titles)):
        if panels and grid_width(_chosen(grid, [*keys, *panels[-1], place]), size) <= _SURE * width:
            panels[-1].append(place)
            continue
        belongs_to_last = titles.count(titles[place]) > 1 and titles.count(titles[place - 1]) == 1
        if panels and len(panels[-1]) > 1 and belongs_to_last:  # a score moves on with its interval
            panels.append([panels[-1].pop(), place])
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


def _chosen(grid: Grid, places: Sequence[int]) -> Grid:
    lines = (replace(line, cells=tuple(line.cells[at] for at in places)) if line.cells else line for line in grid.lines)
    caps = tuple(grid.caps[at] for at in places if grid.caps)
    return replace(grid, columns=tuple(grid.columns[at] for at in places), lines=tuple(lines), caps=caps)


def parts(grids: Sequence[Grid], size: FontSize, notes_height: float) -> Iterator[list[Grid]]:
    """The grids of each table: one with all of them where they fit on a page, else one grid after the other, as many
    lines of it as fit, headings repeated.

    notes_height: points that the notes take below the last one.
    """
    heights = [
        _header_height(grid, size) + sum(_line_height(grid, line, size) for line in grid.lines) for grid in grids
    ]
    if sum(heights) + notes_height <= _HEIGHT:
        yield list(grids)
        return
    for number, grid in enumerate(grids, start=1):
        yield from _parts_of(grid, size, notes_height if number == len(grids) else 0.0)


def _parts_of(grid: Grid, size: FontSize, notes_height: float) -> Iterator[list[Grid]]:
    room = _HEIGHT - _header_height(grid, size)
    heights = [_line_height(grid, line, size) for line in grid.lines]
    lines, begin = grid.lines, 0
    while begin < len(lines):
        end = len(lines)
        if sum(heights[begin:]) + notes_height > room and end - begin > 1:
            end = begin + max(1, sum(sum(heights[begin : at + 1]) <= room for at in range(begin, len(lines))))
            end = min(end, begin + (len(lines) - begin + 1) // 2) if end == len(lines) else end  # room for the notes
            headings = [at for at in range(begin + 1, end) if lines[at].heading]
            if headings and not lines[end].heading:
                end = headings[-1]  # a block that would be cut begins the next part
        yield [_part(grid, begin, end)]
        begin = end


def _header_height(grid: Grid, size: FontSize) -> float:
    num_lines = max(
        len(wrapped(column.title, body_width(grid, at, size), size)) for at, column in enumerate(grid.columns)
    )
    num_lines += any(column.group for column in grid.columns)
    return num_lines * size.points * LEADING + _RULES


def _line_height(grid: Grid, line: Line, size: FontSize) -> float:
    """Points of a line, which is as high as its highest cell."""
    num_lines = 1
    for at, cell in enumerate(line.cells):
        cap = grid.caps[at] if grid.caps else None
        num_lines = max(num_lines, 1 if cap is None else len(wrapped(cell.text, cap, size)))
    return num_lines * size.points * LEADING + (_RULE if line.is_ruled else 0)


def _part(grid: Grid, begin: int, end: int) -> Grid:
    lines = list(grid.lines[begin:end])
    if begin and not lines[0].heading:
        above = next((line.heading for line in reversed(grid.lines[:begin]) if line.heading), "")
        lines = [Line((), f"{above} (continued)"), *lines] if above else lines
    if lines:
        lines[0] = replace(lines[0], is_ruled=False)
    return replace(grid, lines=tuple(lines))


def _broken(grid: Grid, size: FontSize, width: float) -> Grid:
    """The grid with its columns of words so narrow that long ones take several lines."""
    share = _NAMES_SHARE * width / max(1, sum(column.is_text for column in grid.columns))
    caps: list[float | None] = []
    for at, column in enumerate(grid.columns):
        texts = [line.cells[at].text for line in grid.lines if line.cells]
        cap = max([share, *(longest_piece(text, size) for text in texts)])
        caps.append(cap if column.is_text and any(text_width(text, size) > cap for text in texts) else None)
    return replace(grid, caps=tuple(caps))


def _widened(grid: Grid, size: FontSize, width: float) -> Grid:
    """The grid with what is left of the width given to the columns whose words take several lines."""
    num_broken = sum(cap is not None for cap in grid.caps)
    left = (_SURE * width - grid_width(grid, size)) / max(1, num_broken)
    caps = []
    for at, cap in enumerate(grid.caps):
        longest = max((text_width(line.cells[at].text, size) for line in grid.lines if line.cells), default=0.0)
        caps.append(None if cap is None else min(longest, cap + left))
    return replace(grid, caps=tuple(caps))


def column_width(grid: Grid, column: int, size: FontSize) -> float:
    body = body_width(grid, column, size)
    return max(body, *(text_width(line, size) for line in wrapped(grid.columns[column].title, body, size)))


def body_width(grid: Grid, column: int, size: FontSize) -> float:
    cells = [line.cells[column] for line in grid.lines if line.cells]
    cap = grid.caps[column] if grid.caps else None
    marks = max((len(cell.notes) for cell in cells), default=0) * _MARK
    widest = max((text_width(cell.text, size, cell.best) for cell in cells), default=0.0)
    return marks + (widest if cap is None else cap)


def grid_width(grid: Grid, size: FontSize) -> float:
    """Points of a grid."""
    widths = [column_width(grid, at, size) + 2 * SEPARATION for at in range(len(grid.columns))]
    for name, start, end in column_groups(grid.columns):
        lines = wrapped(name, sum(widths[start:end]), size)
        widths[start] += max(0.0, max(text_width(line, size) for line in lines) - sum(widths[start:end]))
    headings = (text_width(line.heading, size) for line in grid.lines if line.heading)
    return max([sum(widths), *headings])
