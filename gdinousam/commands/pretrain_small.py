"""``gdinousam pretrain``: train the small model that comes with the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from gdinousam.commands.common import INTERRUPTED, add_config_choice, config_source, run

PROGRAM = "gdinousam pretrain"
DEFAULT_CONFIG = "configs/small/pretrain.yaml"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(pretrain_command, arguments, program))


def pretrain_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, train what is not trained yet and bundle it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Train a small Grounding DINO and a small SAM2 in full, on endless phantoms and on "
        "real images where a folder of them is given. Ctrl-C saves; the same command goes on where it stopped.",
    )
    add_config_choice(parser, DEFAULT_CONFIG)
    parser.add_argument(
        "--images", metavar="FOLDER", help="real images in the CSV layout; its test images are left out"
    )
    parser.add_argument("--stage", help="only this stage, and no bundling (several can run at the same time)")
    parser.add_argument("--print-config", action="store_true", help="print the resolved config and do nothing else")
    options = parser.parse_args(arguments)
    if options.images:
        options.overrides.insert(0, f"images={options.images}")
    source = config_source(options)

    # heavy imports after parsing, so that --help answers at once
    from gdinousam.experiments.config import dump_config, load_config
    from gdinousam.experiments.pretraining import PretrainConfig, bundle, write_start
    from gdinousam.experiments.train import train_or_go_on

    config = load_config(PretrainConfig, *source)
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    stages = [options.stage] if options.stage else list(config.stages)
    if (start := config.start_of(stages)) is not None:
        write_start(start)
    for name in stages:
        if train_or_go_on(config.stage(name)).end == "interrupted":
            print(f"interrupted in stage {name}; go on with the same command")
            return INTERRUPTED
        print(f"stage {name} is done: {config.stages[name].training.output_dir}")
    if not options.stage:
        bundle(config.bundle)
        print(f"small model in {config.bundle.output_dir}")
    return 0


if __name__ == "__main__":
    main()
