"""``gdinousam benchmark --table 6``: seconds per image of a test config's method, the paper's table 6."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import add_config_options, config_source, run
from gdinousam.errors import InputError

PROGRAM = "gdinousam benchmark"
DEFAULT_CONFIG = "configs/test_config.yaml"
DEFAULT_FOLDER = Path("results/benchmark")
EPILOG = (
    "In a checkout, scripts/benchmark.py inference and scripts/benchmark.py training time generated inputs instead, "
    "alone or --against official; profile shows where the time goes; scaling evaluates more and more images; waiting "
    "evaluates beside busy programs; lookalikes alters images and looks for the copies; each has its own --help. exit "
    "code: 0, or 2 where it cannot be timed"
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(benchmark_command, arguments, program))


def benchmark_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, time the method of a test config and print the table of all methods timed so far."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and not arguments[0].startswith("-"):
        raise InputError(
            f"{arguments[0]!r} is not an option; benchmarks other than table 6 are not installed: in a checkout, run "
            f"python scripts/benchmark.py {arguments[0]}"
        )
    parser = argparse.ArgumentParser(
        prog=program,
        description="Time the method of a test config on its test images, our pipeline stage by stage, and print the "
        "paper's table 6 of all methods timed so far. The first call is reported apart, a warm-up is not counted.",
        epilog=EPILOG,
    )
    add_config_options(parser, DEFAULT_CONFIG, "small/test.yaml")
    parser.add_argument("--table", type=int, choices=(6,), default=6, help="the paper's table (default: %(default)s)")
    parser.add_argument("--images", type=positive, default=50, help="images to time (default: %(default)s)")
    parser.add_argument("--batch-size", type=positive, default=1, help="images per call (default: %(default)s)")
    parser.add_argument("--warm-up", type=positive, default=3, help="batches before it counts (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="FOLDER",
        help="gets one JSON file per method and the table of all that lie there (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    source = config_source(options)

    from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
    from gdinousam.evaluation.timing.measurement import measurement_path, write_measurement
    from gdinousam.evaluation.timing.table import read_measurements, seconds_table
    from gdinousam.experiments.config import TestConfig, dump_config, load_config
    from gdinousam.experiments.timing import measure

    config = load_config(TestConfig, *source)
    if options.print_config:
        print(dump_config(config), end="")
        return 0
    path = measurement_path(options.out, config.evaluation.method)
    if path.exists() and not options.overwrite:
        raise InputError(f"{path} exists; name another method with --set evaluation.method=NAME or add --overwrite")
    write_measurement(measure(config, options.images, options.batch_size, options.warm_up), path)
    table = seconds_table(read_measurements(options.out))
    print(as_plain(table))
    paths = write_table_files({"seconds": table}, options.out, f"table{options.table}")
    print(f"{', '.join(one.name for one in (path, *paths))} in {options.out}")
    return 0


def positive(text: str) -> int:
    """A whole number for argparse, 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


if __name__ == "__main__":
    main()
