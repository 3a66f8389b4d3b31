"""``gdinousam learning-curve``: what tuning on few patients gives, beside zero-shot and a U-Net from scratch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import INTERRUPTED, add_config_options, config_source, run

PROGRAM = "gdinousam learning-curve"
DEFAULT_CONFIG = "configs/small/heart_curve.yaml"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(learning_curve_command, arguments, program))


def learning_curve_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, train and evaluate every run, and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Tune the detector with LoRA on few, more and all training patients or images, train a U-Net from "
        "random weights on the same images, score both and the untuned detector on the test images, and write the "
        "learning curve as tables and a figure.",
        epilog="exit code: 0, 130 where Ctrl-C stopped it (go on with --resume), or 2 where something in the input "
        "needs fixing",
    )
    add_config_options(parser, DEFAULT_CONFIG)
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="prepared data in the place of images in the config"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the curve in the output folder")
    options = parser.parse_args(arguments)
    if options.data is not None:
        options.overrides.insert(0, f"images={json.dumps(str(options.data))}")
        options.data = None  # the folder is one setting here
    source = config_source(options)

    # heavy imports after parsing, so that --help answers at once
    from gdinousam.errors import InputError
    from gdinousam.experiments.config import dump_config, load_config
    from gdinousam.experiments.studies.curve_config import LearningCurveConfig
    from gdinousam.experiments.studies.learning_curve import run_learning_curve

    config = load_config(LearningCurveConfig, *source)
    if options.resume and options.overwrite:
        raise InputError("--resume goes on with a curve and --overwrite replaces it; give one of them")
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    tables = run_learning_curve(config, options.overwrite, options.resume)
    if tables is None:
        print("interrupted and saved; go on with the same command and --resume")
        return INTERRUPTED
    print(tables)
    print(f"tables, learning_curve.png and a folder of results per run in {config.curve.output_dir}")
    return 0


if __name__ == "__main__":
    main()
