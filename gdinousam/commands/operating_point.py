"""``python scripts/operating_point.py``: choose box threshold and number of detections on validation images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gdinousam.commands.common import add_config_options, run

DEFAULT_CONFIG = "configs/test_config.yaml"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    sys.exit(run(operating_point_command, arguments))


def operating_point_command(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, choose and report; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Choose from which score boxes count, and how many, for the best strict Dice on the validation "
        "images of a config of test.py (its group validation). The result is written beside the adapter, or the "
        "detector where there is none; test.py, predict.py and load_segmenter use it from then on, unless they are "
        "told other values. Images of the test are refused."
    )
    add_config_options(parser, DEFAULT_CONFIG)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of beside the weights")
    parser.add_argument(
        "--per-phrase", action="store_true", help="look for own values of phrases with 50 queries or more too"
    )
    options = parser.parse_args(arguments)

    from gdinousam.experiments.config import TestConfig, dump_config, load_config
    from gdinousam.experiments.studies.operating_point import choose_operating_point

    config = load_config(TestConfig, options.config, options.overrides)
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    print(choose_operating_point(config, options.out, options.per_phrase, options.overwrite), end="")
    return 0
