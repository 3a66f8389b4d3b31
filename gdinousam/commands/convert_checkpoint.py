"""``gdinousam convert SOURCE OUT``: an official weight file as a folder of our formats."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import run

EXAMPLE = (
    "example: %(prog)s weights/sam2.1_hiera_large.pt weights/sam2. A config may also name "
    "the file itself; the folder opens in transformers and peft too. exit code: 0 where it is written, 2 where not"
)
PROGRAM = "gdinousam convert"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(convert_checkpoint_command, arguments, program))


def convert_checkpoint_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, convert the file and report it in a line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Write a weight file as a folder: official Grounding DINO, SAM2, SAM and MedSAM files in "
        "transformers' format, the published LoRA file in peft's. What SOURCE is, is seen from its content.",
        epilog=EXAMPLE,
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="weight file (.pth, .pt, .bin or .safetensors)")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; must not be in use")
    parser.add_argument("--detector", metavar="BASE", help="the detector that a LoRA file was trained on")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier conversion at OUT")
    options = parser.parse_args(arguments)

    from gdinousam.models.weights.conversion import convert_checkpoint

    print(convert_checkpoint(options.source, options.out, options.detector, options.overwrite))
    return 0


if __name__ == "__main__":
    main()
