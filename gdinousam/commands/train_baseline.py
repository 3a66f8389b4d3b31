"""``gdinousam train-baseline --config FILE``: train a compared method as a config says, once or once per dataset."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from gdinousam.commands.common import add_config_options, add_data_option, run
from gdinousam.commands.train import add_resume_option, run_source, tell, tell_end, tell_interruption

PROGRAM = "gdinousam train-baseline"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM, default_config: str | None = None) -> NoReturn:
    """Entry point. program: how it was called. default_config: without --config; ``None`` where one must be named."""
    sys.exit(run(train_baseline_command, arguments, program, default_config))


def train_baseline_command(
    arguments: Sequence[str] | None = None, program: str = PROGRAM, default_config: str | None = None
) -> int:
    """Parse arguments and train; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program, description="Train a compared method on images with masks and phrases."
    )
    add_config_options(parser, default_config)
    add_data_option(parser, "train")
    add_resume_option(parser)
    parser.add_argument(
        "--per-dataset",
        action="store_true",
        help="train one model for each dataset of the training file, each in a folder of its own below "
        "training.output_dir; with --resume, finished ones stay as they are",
    )
    options = parser.parse_args(arguments)
    source = run_source(options)

    # heavy imports after parsing, so that --help answers at once
    from gdinousam.experiments.config import BaselineTrainConfig, dump_config, load_config
    from gdinousam.experiments.train import train
    from gdinousam.experiments.train_per_dataset import train_per_dataset

    config = load_config(BaselineTrainConfig, *source)
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    folder, resume = config.training.output_dir, options.resume is not None
    go_on = f"{program} --resume {folder}{' --per-dataset' * options.per_dataset}"
    if options.per_dataset:
        outcomes = train_per_dataset(config, resume, options.overwrite, options.other_data)
    else:
        outcomes = {"": train(config, resume, options.overwrite, options.other_data)}
    for name, outcome in outcomes.items():
        if outcome.end == "interrupted":
            return tell_interruption(outcome.num_epochs, go_on)
        tell_end(outcome, folder / name / outcome.weights, config.training.stop_on)
    tested = folder if options.per_dataset else folder / outcomes[""].weights
    tell(f"next: {what_tests(program, config.baseline.name)} --set {shlex.quote(f'baseline.weights={tested}')}")
    return 0


def what_tests(program: str, method: str) -> str:
    """What tests the method: the script beside the one that trained it, or the command with the method's config."""
    if program.endswith(".py"):
        return program.replace("train", "test")
    return f"{program.removesuffix('train-baseline')}test --config configs/baselines/test_{method}.yaml"


if __name__ == "__main__":
    main()
