"""``gdinousam test``: score the pipeline on a test file under both protocols."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from gdinousam.commands.common import (
    INTERRUPTED,
    add_config_options,
    add_data_option,
    config_source,
    is_first_process,
    run,
)
from gdinousam.errors import InputError
from gdinousam.folders import CONFIG_COPY

PROGRAM = "gdinousam test"
DEFAULT_CONFIG = "configs/test_config.yaml"


def main(
    arguments: Sequence[str] | None = None, program: str = PROGRAM, default_config: str = DEFAULT_CONFIG
) -> NoReturn:
    """Entry point. program: how it was called. default_config: without --config; how the compared methods differ."""
    sys.exit(run(evaluate_command, arguments, program, default_config))


def evaluate_command(
    arguments: Sequence[str] | None = None, program: str = PROGRAM, default_config: str = DEFAULT_CONFIG
) -> int:
    """Parse arguments and evaluate; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program, description="Segment a test set from its phrases alone and print Dice and IoU."
    )
    add_config_options(parser, default_config, "small/test.yaml" if default_config == DEFAULT_CONFIG else None)
    add_data_option(parser, "test")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the interrupted evaluation in the output folder"
    )
    parser.add_argument(
        "--predictions",
        metavar="PATH",
        help="score masks made by any other program instead of running models: a folder with one file per image and "
        "phrase (.png, .npy, .npz, .nii), or with the paper's DATASET/NAME.npz, or a COCO results .json; name the "
        "method in evaluation.method; settings of the group saved_masks say what is allowed (docs/predictions.md)",
    )
    options = parser.parse_args(arguments)
    if options.predictions is not None:
        options.overrides.append(f"evaluation.predictions={json.dumps(options.predictions)}")
    source = config_source(options)

    from gdinousam.experiments.config import TestConfig, dump_config, load_config
    from gdinousam.experiments.evaluate import evaluate_config

    config = load_config(TestConfig, *source)
    if options.resume and options.overwrite:
        raise InputError("--resume goes on with a run and --overwrite replaces it; give one of them")
    if options.print_config:
        print(dump_config(config.resolved()), end="")
        return 0
    try:
        tables = evaluate_config(config, options.overwrite, options.resume)
    except KeyboardInterrupt:
        if is_first_process() and (config.evaluation.output_dir / CONFIG_COPY).is_file():
            again = shlex.join([*program.split(), *_without_overwrite(arguments), "--resume"])
            print(f"interrupted; what is scored is kept, go on with: {again}", file=sys.stderr)
            return INTERRUPTED
        raise
    if is_first_process():
        print(tables)
        print(f"rows, tables and pictures in {config.evaluation.output_dir}")
    return 0


def _without_overwrite(arguments: Sequence[str] | None) -> list[str]:
    given = sys.argv[1:] if arguments is None else arguments
    return [one for one in given if one not in ("--overwrite", "--resume")]


if __name__ == "__main__":
    main()
