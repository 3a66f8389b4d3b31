"""``gdinousam compare``: methods side by side, beside the paper's numbers, and tested in pairs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import add_latex_option, add_overwrite_option, refuse_earlier, run

PROGRAM = "gdinousam compare"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(compare_command, arguments, program))


def compare_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, compare and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Put the results of methods side by side: Dice and IoU per dataset with the best marked, the "
        "paper's numbers with the difference, and paired tests. The results must hold the same queries. Methods of the "
        "paper stand in its order, all others where they are given.",
        epilog="exit code: 0, or 2 where the results cannot be compared",
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS", help="folder that test.py wrote")
    parser.add_argument(
        "--table",
        type=int,
        choices=(3, 4),
        help="keep the datasets of the paper's table 3 (seen) or 4 (unseen); without it all that occur",
    )
    parser.add_argument(
        "--protocol",
        choices=("strict", "paper"),
        default="strict",
        help="how misses count: as 0, or left out as in the paper (default: %(default)s)",
    )
    parser.add_argument("--names", nargs="+", metavar="NAME", help="names of the methods, one for each of the results")
    parser.add_argument(
        "--common", action="store_true", help="compare the queries that all results hold and count the others"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="also write Markdown, LaTeX and CSV into a folder")
    add_latex_option(parser)
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    stem = f"table{options.table}_{options.protocol}" if options.table else f"comparison_{options.protocol}"
    if options.out:
        refuse_earlier(options.out.glob(f"{stem}*"), options)

    from gdinousam.evaluation.reporting.comparison import compare, in_order_of_methods, of_paper_table, rename
    from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
    from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
    from gdinousam.evaluation.scoring.results import read_results

    results = [read_results(folder) for folder in options.results]
    if options.names:
        results = rename(results, options.names)
    compared = compare(in_order_of_methods(results), options.protocol, options.common)
    if options.table:
        compared = of_paper_table(compared, options.table)
    tables = comparison_tables(compared, options.table)
    print("\n".join(as_plain(table) for table in tables.values()))
    if options.out:
        paths = write_table_files(tables, options.out, stem, options.latex)
        print(f"{', '.join(path.name for path in paths)} in {options.out}")
    return 0


if __name__ == "__main__":
    main()
