"""``gdinousam audit DATA``: what the splits of a prepared folder share, and what they hold."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import run
from gdinousam.errors import InputError
from gdinousam.files import write_text

LEAKS_FOUND = 1
PATIENTS_NOT_CHECKED = 3
EXAMPLE = (
    "example: %(prog)s multimodal-data --json audit.json. exit code: 0 where no two splits share "
    "anything, 1 where they do, 2 where the folder cannot be read, 3 where nothing was found but the patients of some "
    "images are not known"
)
PROGRAM = "gdinousam audit"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(audit_splits_command, arguments, program))


def audit_splits_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, audit the folder and print the report; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Look for the same image, near-duplicates and the same patient or other group in two splits, and "
        "count images and boxes by dataset, phrase and split.",
        epilog=EXAMPLE,
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with train.CSV, val.CSV, test.CSV and images")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there too")
    parser.add_argument(
        "--limit", type=_count, default=10, metavar="N", help="entries shown of each kind (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.json is not None and not options.json.absolute().parent.is_dir():
        raise InputError(f"--json {options.json}: its folder does not exist; make it first")

    from gdinousam.data.audit.audit import audit_data
    from gdinousam.data.audit.report import format_report

    report = audit_data(options.data)
    if options.json is not None:
        write_text(options.json, json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n")
    print(format_report(report, options.limit))
    if report.num_leaks:
        return LEAKS_FOUND
    return 0 if report.checks_patients else PATIENTS_NOT_CHECKED


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


if __name__ == "__main__":
    main()
