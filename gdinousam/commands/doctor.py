"""``gdinousam doctor``: versions, devices, weights and folders of this machine, and what to do where one is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from gdinousam.commands.common import BAD_INPUT, run

PROGRAM = "gdinousam doctor"
EXAMPLE = "exit code: 0 where the bundled small model can run, 2 where something that it needs is broken"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(doctor_command, arguments, program))


def doctor_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Print what is here, line by line as it is found out; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Look at this machine: versions, libraries, devices, which weights are found where, folders to "
        "write to. Behind an arrow stands what to do. Nothing is fetched or changed.",
        epilog=EXAMPLE,
    )
    parser.add_argument("--run", action="store_true", help="also segment a generated image with the small model")
    options = parser.parse_args(arguments)

    from gdinousam.prediction.checkup import checkup, trial_run

    is_broken = False
    for heading, findings in checkup():
        print(f"{heading}:")
        for finding in findings:
            print(f"  {finding}", flush=True)
            is_broken |= finding.state == "broken"
    if options.run:
        found = trial_run()
        print(f"run:\n  {found}")
        is_broken |= found.state == "broken"
    verdict = "the small model cannot run: see the lines that say broken" if is_broken else "the small model can run"
    print(verdict)
    return BAD_INPUT if is_broken else 0


if __name__ == "__main__":
    main()
