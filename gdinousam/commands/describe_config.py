"""``gdinousam config``: every setting of every config on one page, or the example configs to start from."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.assets import example_configs
from gdinousam.commands.common import EXAMPLES_PLACE, run
from gdinousam.errors import InputError
from gdinousam.folders import replaced_folder

PROGRAM = "gdinousam config"
EXAMPLE = (
    f"example: %(prog)s --examples {EXAMPLES_PLACE}. The commands look for their default configs in that folder, and "
    "the examples for data in multimodal-data beside it. exit code: 0, or 2 where the folder cannot be written"
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(describe_config_command, arguments, program))


def describe_config_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, print the page or copy the examples; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Print every setting with type, default, range and meaning, as docs/configuration.md.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--examples", type=Path, metavar="FOLDER", help="copy the example configs to this new folder instead"
    )
    parser.add_argument("--names", action="store_true", help="print the names of the settings alone")
    options = parser.parse_args(arguments)
    if options.examples is not None:
        _copy_examples(options.examples)
        print(f"example configs in {options.examples}")
        return 0

    # a heavy import after parsing, so that --help answers at once
    from gdinousam.experiments.config_reference import all_setting_names, describe_config

    print(all_setting_names() if options.names else describe_config(), end="")
    return 0


def _copy_examples(folder: Path) -> None:
    if folder.exists():
        raise InputError(f"--examples {folder}: exists already; name a new folder")
    with replaced_folder(folder) as new:
        shutil.copytree(example_configs(), new, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
