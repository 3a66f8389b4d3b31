"""What every command shares: config options, logging, and one line with exit code 2 for what the user can mend."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gdinousam.commands.environment import complete_environment
from gdinousam.commands.faults import fault_line
from gdinousam.commands.streams import make_streams_lasting
from gdinousam.errors import InputError

BAD_INPUT = 2
INTERRUPTED = 130  # what shells report for Ctrl-C


def run(command: Callable[[Sequence[str] | None], int], arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; errors of the user and the system become one line on stderr."""
    make_streams_lasting()
    complete_environment()
    start_logging()
    try:
        code = command(arguments)
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        line = fault_line(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
    return BAD_INPUT


def is_first_process() -> bool:
    """False in all but the first of several processes that torchrun or accelerate launched."""
    return int(os.environ.get("RANK", "0")) == 0


def start_logging() -> None:
    """Send the package's messages to stderr; of several processes only the first one's."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("gdinousam").setLevel(logging.INFO if is_first_process() else logging.ERROR)


def add_config_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --config, --set, --print-config and --overwrite."""
    parser.add_argument("--config", type=Path, default=Path(default), help="YAML file (default: %(default)s)")
    add_override_option(parser)
    parser.add_argument("--print-config", action="store_true", help="print the resolved config and do nothing else")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier run in the output folder")


def add_override_option(parser: argparse.ArgumentParser) -> None:
    """Add --set."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="GROUP.KEY=VALUE",
        help="replace one setting of the config; may be given several times",
    )
