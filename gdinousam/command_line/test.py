"""``python test.py``: score the pipeline on a test file under both protocols."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from gdinousam.command_line.common import add_config_options, run

DEFAULT_CONFIG = "configs/test_config.yaml"


def main(default_config: str = DEFAULT_CONFIG) -> None:
    """Entry point. default_config: the config where the user names none; what the compared methods differ in."""
    sys.exit(run(partial(evaluate_command, default_config=default_config)))


def evaluate_command(arguments: Sequence[str] | None = None, default_config: str = DEFAULT_CONFIG) -> int:
    """Parse arguments and evaluate; returns the exit code."""
    parser = argparse.ArgumentParser(description="Segment a test set from its phrases alone and print Dice and IoU.")
    add_config_options(parser, default_config)
    options = parser.parse_args(arguments)

    from gdinousam.config import TestConfig, dump_config, load_config
    from gdinousam.runs import evaluate_config

    config = load_config(TestConfig, options.config, options.overrides)
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    print(evaluate_config(config, overwrite=options.overwrite))
    print(f"rows, tables and pictures in {config.evaluation.output_dir}")
    return 0
