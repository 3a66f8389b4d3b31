"""``gdinousam overview``: one line per evaluation, whatever they were about."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import add_latex_option, add_overwrite_option, refuse_earlier, run

PROGRAM = "gdinousam overview"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(overview_command, arguments, program))


def overview_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, print the overview; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Sum up evaluations that need not share method or data, one line each: n, Dice with its interval, "
        "answers, recall, box IoU and seconds per image. compare.py is for methods on the same data.",
        epilog="exit code: 0, or 2 where a folder holds no finished evaluation",
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS", help="folder that test.py wrote")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="what to call them, one for each of the results")
    parser.add_argument("--protocol", choices=("strict", "paper"), default="strict", help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="also write Markdown, LaTeX and CSV into a folder")
    add_latex_option(parser)
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    stem = f"overview_{options.protocol}"
    if options.out:
        refuse_earlier(options.out.glob(f"{stem}*"), options)

    from gdinousam.evaluation.reporting.comparison import rename
    from gdinousam.evaluation.reporting.overview import overview_table
    from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
    from gdinousam.evaluation.scoring.results import read_results

    results = [read_results(folder) for folder in options.results]
    if options.names:
        results = rename(results, options.names)
    table = overview_table(results, options.protocol)
    print(as_plain(table))
    if options.out:
        paths = write_table_files({"overview": table}, options.out, stem, options.latex)
        print(f"{', '.join(path.name for path in paths)} in {options.out}")
    return 0


if __name__ == "__main__":
    main()
