"""``gdinousam study``: the paper's table 5, how much the wording of a prompt matters."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import NoReturn

from gdinousam.commands.common import add_config_options, add_data_option, config_source, is_first_process, run

PROGRAM = "gdinousam study"
DEFAULT_CONFIG = "configs/prompt_study.yaml"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(prompt_study_command, arguments, program))


def prompt_study_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, ask every prompt and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Ask the detector for each phrase of a test set in several wordings, score every wording as its "
        "phrase, and print them side by side as table 5 of the paper. Every prompt gets a folder of its own.",
        epilog="exit code: 0, or 2 where something in the input needs fixing",
    )
    add_config_options(parser, DEFAULT_CONFIG)
    add_data_option(parser, "test")
    parser.add_argument(
        "--prompts",
        nargs="+",
        metavar="FILE",
        help="YAML of phrases of the data with prompts to ask instead, or a list of prompts to ask of every phrase; or "
        "'held-out wordings': other words for each phrase from the phrase book (default: those of the config)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the study in the output folder")
    options = parser.parse_args(arguments)
    if options.prompts is not None:
        options.overrides.append(f"prompts={json.dumps(options.prompts)}")
    source = config_source(options)

    from gdinousam.errors import InputError
    from gdinousam.experiments.config import dump_config, load_config
    from gdinousam.experiments.studies.prompt_study import PromptStudyConfig, run_prompt_study

    config = load_config(PromptStudyConfig, *source)
    if options.resume and options.overwrite:
        raise InputError("--resume goes on with a study and --overwrite replaces it; give one of them")
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    tables = run_prompt_study(config, options.overwrite, options.resume)
    if is_first_process():
        print(tables)
        print(f"tables and a folder of results per prompt in {config.evaluation.output_dir}")
    return 0


if __name__ == "__main__":
    main()
