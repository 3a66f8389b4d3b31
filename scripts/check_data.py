"""Check a CSV of boxes and the image and mask files it names; prints every problem with its row number."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gdinousam.data.check import check_table, format_problems
from gdinousam.data.contract import IMAGE_NAME, PHRASE, read_table
from gdinousam.errors import InputError

EXIT_CODES = "exit code: 0 where the data is sound, 2 for problems and for every other bad input"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"example: python scripts/check_data.py train.CSV --images train. {EXIT_CODES}"
    )
    parser.add_argument("csv", metavar="CSV", help="table with one row per box, columns as docs/data.md says")
    parser.add_argument("--images", required=True, metavar="FOLDER", help="folder of the files in column image_name")
    parser.add_argument("--masks", metavar="FOLDER", help="folder of the masks; without it no mask is looked at")
    parser.add_argument(
        "--masks-required", action="store_true", help="every row with a box must have a mask (test data)"
    )
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="problems to print at most (default: 50)")
    options = parser.parse_args(arguments)
    try:
        problems = check_table(options.csv, options.images, options.masks, options.masks_required)
        if problems:
            print(format_problems(problems, options.limit))
            return 2
        table = read_table(options.csv)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{table[IMAGE_NAME].nunique()} images, {len(table)} rows, {table[PHRASE].nunique()} phrases: no problems")
    return 0


if __name__ == "__main__":
    sys.exit(main())
