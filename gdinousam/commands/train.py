"""``gdinousam train``: tune the detector (or train a small model) as a config says."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gdinousam.commands.common import (
    INTERRUPTED,
    add_config_options,
    add_data_option,
    config_source,
    is_first_process,
    run,
)
from gdinousam.folders import CONFIG_COPY

if TYPE_CHECKING:
    from gdinousam.experiments.config import TrainConfig
    from gdinousam.training.verdict import Outcome

PROGRAM = "gdinousam train"
DEFAULT_CONFIG = "configs/train_config.yaml"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(train_command, arguments, program))


def train_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments and train; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program, description="Tune Grounding DINO with LoRA on images with boxes and phrases."
    )
    add_config_options(parser, DEFAULT_CONFIG, "small/train.yaml")
    add_data_option(parser, "train")
    add_resume_option(parser)
    options = parser.parse_args(arguments)
    source = run_source(options)

    # heavy imports after parsing, so that --help answers at once
    from gdinousam.experiments.config import TrainConfig, dump_config, load_config
    from gdinousam.experiments.train import train

    config = load_config(TrainConfig, *source)
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    outcome = train(config, options.resume is not None, options.overwrite, options.other_data)
    folder = config.training.output_dir
    if outcome.end == "interrupted":
        return tell_interruption(outcome.num_epochs, f"{program}{' --small' * options.small} --resume {folder}")
    tell_end(outcome, folder / outcome.weights, config.training.stop_on)
    tell(f"next: {test_command(config, folder / outcome.weights, program, options.small)}")
    return 0


def tell_end(outcome: Outcome, weights: Path, judged_by: str) -> None:
    """Say how a run ended, where its weights are and of which epoch they are."""
    told = outcome.told(judged_by)
    tell(f"{outcome.end} after {outcome.num_epochs} epochs; weights in {weights}, of {told}")


def test_command(config: TrainConfig, weights: Path, program: str, small: bool) -> str:
    """What tests these weights, on the images that the config of the test names.

    program: how the training was called. small: whether by the example config of the small model.
    """
    from gdinousam.models.bundled import BUNDLED, SMALL
    from gdinousam.models.loading import RANDOM_SMALL

    training, model = config.training, config.model
    parts: dict[str, object]
    if training.part == "mask_head":
        parts = {"mask_head": weights}
    elif training.tune == "lora":
        parts = {"detector": model.detector, "adapter": weights}
    else:
        parts = {"detector": weights, "adapter": "null"}
    if training.part == "detector" and model.detector in (*BUNDLED, RANDOM_SMALL):
        parts["mask_head"] = model.detector if model.detector in BUNDLED else SMALL
    options = [f"--set {shlex.quote(f'model.{part}={one}')}" for part, one in parts.items()]
    return " ".join([program.replace("train", "test"), *["--small"] * small, *options])


def add_resume_option(parser: argparse.ArgumentParser) -> None:
    """Add --resume and --other-data."""
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on with an interrupted run; its own config is used, plus --set"
    )
    parser.add_argument(
        "--other-data",
        action="store_true",
        help="with --resume: go on although the data has changed; data.json keeps what it was",
    )


def run_source(options: argparse.Namespace) -> tuple[Path, list[str], Path | None]:
    """What ``load_config`` is given: of the run to go on with, or as ``config_source`` says."""
    if options.resume is None:
        return config_source(options)
    # the folder may have been moved since its config was written
    return options.resume / CONFIG_COPY, [*options.overrides, f"training.output_dir={options.resume}"], None


def tell_interruption(num_epochs: int, command: str) -> int:
    """Say how to go on and return the exit code. num_epochs: epochs done. command: what goes on."""
    tell(f"interrupted in epoch {num_epochs + 1}; go on with: {command}")
    return INTERRUPTED


def tell(message: str) -> None:
    """Print a line, of several processes in the first one only."""
    if is_first_process():
        print(message)


if __name__ == "__main__":
    main()
