"""``gdinousam check CSV --images FOLDER``: every problem of a CSV of boxes and its files, with its row number."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.errors import InputError

PROGRAM = "gdinousam check"
EXAMPLE = (
    "example: %(prog)s train.CSV --images train. exit code: 0 where the data is sound, 2 for problems and for every "
    "other bad input"
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(check_data_command, arguments, program))


def check_data_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments and check; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Check a CSV of boxes and the image and mask files that it names; prints every problem with its "
        "row number.",
        epilog=EXAMPLE,
    )
    parser.add_argument("csv", metavar="CSV", help="table with one row per box, columns as docs/data.md says")
    parser.add_argument("--images", required=True, metavar="FOLDER", help="folder of the files in column image_name")
    parser.add_argument("--masks", metavar="FOLDER", help="folder of the masks; without it no mask is looked at")
    parser.add_argument(
        "--masks-required", action="store_true", help="every row with a box must have a mask (test data)"
    )
    parser.add_argument(
        "--allow-odd", action="store_true", help="take boxes and masks that obey the contract but look wrong"
    )
    parser.add_argument("--phrase-book", type=Path, metavar="FILE", help="YAML that says which phrases mean the same")
    parser.add_argument(
        "--fill-outlines", metavar="NEW", help="copy --masks to this new folder, drawn outlines filled, and check that"
    )
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="problems to print at most (default: 50)")
    options = parser.parse_args(arguments)

    from gdinousam.data.contract.check import check_table
    from gdinousam.data.contract.outlines import write_filled
    from gdinousam.data.contract.problems import format_problems
    from gdinousam.data.contract.reading import IMAGE_NAME, PHRASE, read_table

    masks = options.masks
    if options.fill_outlines is not None:
        if masks is None:
            raise InputError("--fill-outlines: name the folder of the outlines in --masks")
        num_filled, num_copied = write_filled(Path(masks), Path(options.fill_outlines))
        print(f"{options.fill_outlines}: {num_filled} outlines filled, {num_copied} masks copied")
        masks = options.fill_outlines
    problems = check_table(
        options.csv,
        options.images,
        masks,
        options.masks_required,
        allow_odd=options.allow_odd,
        phrase_book=options.phrase_book,
    )
    if problems:
        print(format_problems(problems, options.limit))
        return BAD_INPUT
    table = read_table(options.csv)
    print(f"{table[IMAGE_NAME].nunique()} images, {len(table)} rows, {table[PHRASE].nunique()} phrases: no problems")
    return 0


if __name__ == "__main__":
    main()
