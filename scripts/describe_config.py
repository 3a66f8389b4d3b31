"""Print the page docs/configuration.md, made from the settings that the program reads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gdinousam.commands.common import run
from gdinousam.experiments.config_reference import describe_config


def print_description(arguments: Sequence[str] | None = None) -> int:
    """Print the page; returns the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    print(describe_config(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run(print_description))
