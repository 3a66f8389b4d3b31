"""What the checker finds: problems, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.identity import visible

MAX_VALUE_LENGTH = 48  # characters of a cell that the printed table shows


@dataclass(frozen=True)
class Problem:
    """One breach of the contract.

    file: the CSV. row: its row as a spreadsheet numbers it, the header being row 1; ``None``: the whole file.
    column: the column at fault. value: what stands there. expected: what should.
    """

    file: Path
    row: int | None
    column: str
    value: str
    expected: str


class DataProblems(InputError):  # noqa: N818 (it holds many problems, not one error)
    """The data breaks the contract. ``problems`` has every breach, the message their table (several lines)."""

    is_table = True

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"problems in the data: {len(self.problems)}\n{format_problems(self.problems)}"


def format_problems(problems: Sequence[Problem], limit: int = 50) -> str:
    """The first ``limit`` problems as an aligned text table, with a last line that counts the rest.

    Returns an empty string without problems. Long values are cut, empty ones shown as
    ``(empty)``, and what cannot be seen as code points.
    """
    if not problems:
        return ""
    lines = [("file", "row", "column", "value", "expected")]
    for problem in problems[:limit]:
        row = "-" if problem.row is None else str(problem.row)
        lines.append((str(problem.file), row, problem.column, _shown(problem.value), problem.expected))
    widths = [max(len(line[position]) for line in lines) for position in range(4)]
    texts = [
        f"{file:<{widths[0]}}  {row:>{widths[1]}}  {column:<{widths[2]}}  {value:<{widths[3]}}  {expected}"
        for file, row, column, value, expected in lines
    ]
    num_hidden = len(problems) - len(lines) + 1
    return "\n".join([*texts, f"... and {num_hidden} more"] if num_hidden else texts)


def _shown(value: str) -> str:
    text = visible(value) if value.strip() else "(empty)"
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 1] + "…"
