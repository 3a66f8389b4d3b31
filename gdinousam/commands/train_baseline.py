"""``python baselines/train...py``: train a compared method as a config says, once or once per dataset."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from gdinousam.commands.common import add_config_options, run
from gdinousam.commands.train import add_resume_option, config_source, tell, tell_end, tell_interruption


def main(script: str, default_config: str) -> None:
    """Entry point. script: the file that was started. default_config: the config without --config."""
    sys.exit(run(lambda arguments: train_baseline_command(arguments, script, default_config)))


def train_baseline_command(arguments: Sequence[str] | None, script: str, default_config: str) -> int:
    """Parse arguments and train; returns the exit code."""
    parser = argparse.ArgumentParser(description="Train a compared method on images with masks and phrases.")
    add_config_options(parser, default_config)
    add_resume_option(parser)
    parser.add_argument(
        "--per-dataset",
        action="store_true",
        help="train one model for each dataset of the training file, each in a folder of its own below "
        "training.output_dir; with --resume, finished ones stay as they are",
    )
    options = parser.parse_args(arguments)

    # heavy imports after parsing, so that --help answers at once
    from gdinousam.experiments.config import BaselineTrainConfig, dump_config, load_config
    from gdinousam.experiments.train import train
    from gdinousam.experiments.train_per_dataset import train_per_dataset

    config = load_config(BaselineTrainConfig, *config_source(options))
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    folder, resume = config.training.output_dir, options.resume is not None
    go_on = f"python {script} --resume {folder}{' --per-dataset' * options.per_dataset}"
    if options.per_dataset:
        outcomes = train_per_dataset(config, resume, options.overwrite, options.other_data)
    else:
        outcomes = {"": train(config, resume, options.overwrite, options.other_data)}
    for name, outcome in outcomes.items():
        if outcome.end == "interrupted":
            return tell_interruption(outcome.num_epochs, go_on)
        tell_end(outcome, folder / name / outcome.weights, config.training.stop_on)
    tested = folder if options.per_dataset else folder / outcomes[""].weights
    tell(f"next: python {script.replace('train', 'test')} --set {shlex.quote(f'baseline.weights={tested}')}")
    return 0
