"""``gdinousam export-adapter ADAPTER OUT``: a tuned detector as one plain folder, its adapter merged."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import run

EXAMPLE = (
    "example: %(prog)s runs/train/best tuned, then model.detector: tuned in a config, without "
    "an adapter. exit code: 0 where it is written, 2 where not"
)
PROGRAM = "gdinousam export-adapter"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(export_adapter_command, arguments, program))


def export_adapter_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, write the merged detector and report it in a line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Write a detector with its LoRA adapter merged, as a folder in transformers' format that opens "
        "without peft. Answers are the same, apart from the sixth digit.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "adapter", type=Path, metavar="ADAPTER", help="folder of train.py or peft, or published LoRA file"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; must not be in use")
    parser.add_argument("--detector", metavar="BASE", help="the detector below it (default: the one the folder names)")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier conversion at OUT")
    options = parser.parse_args(arguments)

    from gdinousam.models.weights.conversion import export_adapter

    print(export_adapter(options.adapter, options.out, options.detector, options.overwrite))
    return 0


if __name__ == "__main__":
    main()
