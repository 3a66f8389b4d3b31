"""``python train.py``: tune the detector (or train a small model) as a config says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gdinousam.command_line.common import INTERRUPTED, add_config_options, is_first_process, run

DEFAULT_CONFIG = "configs/train_config.yaml"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    sys.exit(run(train_command, arguments))


def train_command(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments and train; returns the exit code."""
    parser = argparse.ArgumentParser(description="Tune Grounding DINO with LoRA on images with boxes and phrases.")
    add_config_options(parser, DEFAULT_CONFIG)
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on with an interrupted run; its own config is used, plus --set"
    )
    options = parser.parse_args(arguments)

    # heavy imports after parsing, so that --help answers at once
    from gdinousam.config import TrainConfig, dump_config, load_config
    from gdinousam.folders import CONFIG_COPY
    from gdinousam.runs.training import train

    path, overrides = options.config, options.overrides
    if options.resume is not None:  # the folder may have been moved since its config was written
        path, overrides = options.resume / CONFIG_COPY, [*overrides, f"training.output_dir={options.resume}"]
    config = load_config(TrainConfig, path, overrides)
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    outcome = train(config, resume=options.resume is not None, overwrite=options.overwrite)
    folder = config.training.output_dir
    if outcome.end == "interrupted":
        message = f"interrupted in epoch {outcome.num_epochs + 1}; go on with: python train.py --resume {folder}"
    else:
        message = f"{outcome.end} after {outcome.num_epochs} epochs; weights in {folder / outcome.weights}"
    if is_first_process():
        print(message)
    return INTERRUPTED if outcome.end == "interrupted" else 0
