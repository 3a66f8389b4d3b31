"""``python scripts/benchmark.py``: table 6 of a test config, or by a first word what developers measure."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from gdinousam.commands.benchmark import benchmark_command as table_command
from gdinousam.commands.common import run
from gdinousam.errors import InputError

# Loaded when asked for: most of them need torch, which the help of the others does not wait for.
COMMANDS = {
    "inference": "benchmarks.speed.command:inference_command",
    "training": "benchmarks.speed.command:training_command",
    "scaling": "benchmarks.scaling:scaling_command",
    "profile": "benchmarks.operators:profile_command",
    "waiting": "benchmarks.waiting:waiting_command",
    "captions": "benchmarks.captions.command:captions_command",
    "caption-masks": "benchmarks.captions.masks:masks_command",
    "clips": "benchmarks.clips.command:clips_command",
    "lookalikes": "benchmarks.lookalikes.command:lookalikes_command",
    "colour": "benchmarks.colour.command:colour_command",
    "clicks": "benchmarks.clicks:clicks_command",
    "serve": "benchmarks.serving:serve_command",
}


def main() -> None:
    """Entry point."""
    sys.exit(run(benchmark_command))


def benchmark_command(arguments: Sequence[str] | None = None) -> int:
    """Hand the arguments to the command that their first word names, else to table 6; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0].startswith("-"):
        return table_command(arguments, "python scripts/benchmark.py")
    if arguments[0] not in COMMANDS:
        raise InputError(
            f"{arguments[0]!r} is not a benchmark; give {', '.join(COMMANDS)}, or options only for table 6"
        )
    module, _, name = COMMANDS[arguments[0]].partition(":")
    code: int = getattr(import_module(module), name)(arguments[1:])
    return code


if __name__ == "__main__":
    main()
