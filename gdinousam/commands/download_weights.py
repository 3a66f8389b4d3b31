"""``gdinousam download NAME...``: known weights, each into a folder of its own, checked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import run

EXAMPLE = "examples: %(prog)s paper; %(prog)s paper-lora. exit code: 0 where all is there and sound, 2 where not"
PROGRAM = "gdinousam download"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(download_weights_command, arguments, program))


def download_weights_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, fetch what is named and report each in a line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Fetch pretrained weights. Each NAME goes to OUT/NAME, with its checksums in SHA256SUMS. After an "
        "interruption the same command goes on; what is there already is checked, not fetched again. paper-lora is the "
        "LoRA repository of the paper's authors, which was never seen here: its files are listed, and the one that is "
        "taken is told by its content.",
        epilog=EXAMPLE,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fetch; 'paper' is the paper's configuration")
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder to write to (%(default)s)")
    parser.add_argument(
        "--list", action="store_true", help="show every name with origin, licence and size, fetch nothing"
    )
    options = parser.parse_args(arguments)

    from gdinousam.models.weights.registry import find_weights, list_weights

    if options.list:
        print(list_weights())
        return 0
    if not options.names:
        parser.error("name what to fetch, or give --list")
    chosen = find_weights(options.names)

    from gdinousam.models.weights.fetch import fetch_weights

    for weights in chosen:
        fetch = fetch_weights
        if weights.hub is not None and weights.hub.holds_adapter:
            from gdinousam.models.adapters.download import fetch_adapter as fetch
        print(fetch(weights, options.out), flush=True)
    return 0


if __name__ == "__main__":
    main()
