"""``gdinousam operating-point``: choose box threshold and number of detections on validation images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import add_config_options, add_data_option, config_source, run

PROGRAM = "gdinousam operating-point"
DEFAULT_CONFIG = "configs/test_config.yaml"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(operating_point_command, arguments, program))


def operating_point_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, choose and report; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Choose from which score boxes count, and how many, for the best strict Dice on the validation "
        "images of a config of test.py (its group validation). The result is written beside the adapter, or the "
        "detector where there is none; test.py, predict.py and load_segmenter use it from then on, unless they are "
        "told other values. Images of the test are refused.",
    )
    add_config_options(parser, DEFAULT_CONFIG, "small/test.yaml")
    add_data_option(parser, "test")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of beside the weights")
    parser.add_argument(
        "--per-phrase", action="store_true", help="look for own values of phrases with 50 queries or more too"
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="turn scores into probabilities that the phrase is there, by the absent phrases that are asked",
    )
    options = parser.parse_args(arguments)
    source = config_source(options)

    from gdinousam.experiments.config import TestConfig, dump_config, load_config
    from gdinousam.experiments.studies.operating_point import choose_operating_point

    config = load_config(TestConfig, *source)
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    print(choose_operating_point(config, options.out, options.per_phrase, options.calibrate, options.overwrite), end="")
    return 0


if __name__ == "__main__":
    main()
