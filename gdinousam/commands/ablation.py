"""``gdinousam ablation``: the paper's table 2, what each part of the pipeline gives."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from gdinousam.commands.common import add_config_options, add_data_option, config_source, is_first_process, run

PROGRAM = "gdinousam ablation"
DEFAULT_CONFIG = "configs/ablation.yaml"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(ablation_command, arguments, program))


def ablation_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, evaluate the columns and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Evaluate the detector before and after tuning, MedSAM in the place of SAM2, and two references, "
        "the true box and the whole image as box of SAM2, on one test set, and put them side by side as table 2 of the "
        "paper. Every column gets a folder of its own.",
        epilog="exit code: 0, or 2 where something in the input needs fixing",
    )
    add_config_options(parser, DEFAULT_CONFIG, "small/ablation.yaml")
    add_data_option(parser, "test", without=["validation"])
    parser.add_argument("--resume", action="store_true", help="go on with the ablation in the output folder")
    options = parser.parse_args(arguments)
    source = config_source(options)

    from gdinousam.errors import InputError
    from gdinousam.experiments.config import dump_config, load_config
    from gdinousam.experiments.studies.ablation import AblationConfig, run_ablation

    config = load_config(AblationConfig, *source)
    if options.resume and options.overwrite:
        raise InputError("--resume goes on with an ablation and --overwrite replaces it; give one of them")
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    tables = run_ablation(config, options.overwrite, options.resume)
    if is_first_process():
        print(tables)
        print(f"tables and a folder of results per column in {config.ablation.output_dir}")
    return 0


if __name__ == "__main__":
    main()
