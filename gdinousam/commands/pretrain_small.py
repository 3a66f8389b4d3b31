"""``python scripts/pretrain_small.py``: train the small model that comes with the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gdinousam.commands.common import INTERRUPTED, add_override_option, run

DEFAULT_CONFIG = "configs/small/pretrain.yaml"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    sys.exit(run(pretrain_command, arguments))


def pretrain_command(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, train what is not trained yet and bundle it; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Train a small Grounding DINO and a small SAM2 from random weights, on endless phantoms and on "
        "real images where a folder of them is given. Ctrl-C saves; the same command goes on where it stopped."
    )
    parser.add_argument("--config", type=Path, default=Path(DEFAULT_CONFIG), help="YAML file (default: %(default)s)")
    parser.add_argument(
        "--images", metavar="FOLDER", help="real images in the CSV layout; its test images are left out"
    )
    parser.add_argument("--stage", help="only this stage, and no bundling (several can run at the same time)")
    parser.add_argument("--print-config", action="store_true", help="print the resolved config and do nothing else")
    add_override_option(parser)
    options = parser.parse_args(arguments)

    # heavy imports after parsing, so that --help answers at once
    from gdinousam.experiments.config import dump_config, load_config
    from gdinousam.experiments.pretraining import PretrainConfig, bundle, run_stage

    images = [f"images={options.images}"] if options.images else []
    config = load_config(PretrainConfig, options.config, [*images, *options.overrides])
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    for name in [options.stage] if options.stage else config.stages:
        if run_stage(config.stage(name)).end == "interrupted":
            print(f"interrupted in stage {name}; go on with the same command")
            return INTERRUPTED
        print(f"stage {name} is done: {config.stages[name].training.output_dir}")
    if not options.stage:
        bundle(config.bundle)
        print(f"small model in {config.bundle.output_dir}")
    return 0
