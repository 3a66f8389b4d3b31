"""``python scripts/benchmark.py``: how long the pipeline of a test config takes, or what takes how long beside others.

Without a subcommand: seconds per image of a test config's pipeline and the paper's table 6. ``inference`` and
``training``: generated inputs and random or bundled weights, alone or against the official code.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdinousam.commands.benchmark_lookalikes import lookalikes_command
from gdinousam.commands.benchmark_profile import profile_command
from gdinousam.commands.benchmark_scaling import scaling_command
from gdinousam.commands.benchmark_waiting import waiting_command
from gdinousam.commands.common import add_config_options, run
from gdinousam.errors import InputError

if TYPE_CHECKING:
    from benchmarks.speed.comparison import Agreement, Timing

DEFAULT_CONFIG = "configs/test_config.yaml"
INFERENCE, TRAINING = "inference", "training"
OTHERS = {
    "scaling": scaling_command,
    "profile": profile_command,
    "waiting": waiting_command,
    "lookalikes": lookalikes_command,
}
DEFAULT_FOLDER = Path("results/benchmark")
SMALLEST_IMAGE = 64  # pixels; generated images cannot be smaller
MASK_HEADS = ("tiny", "small", "base_plus", "large")
EPILOG = (
    "scripts/benchmark.py inference and scripts/benchmark.py training time generated inputs instead, alone or "
    "--against official; profile shows where the time goes; scaling evaluates more and more images; waiting evaluates "
    "beside busy programs; lookalikes alters images and looks for the copies; each has its own --help. exit code: 0, "
    "or 2 where it cannot be timed"
)


def main() -> None:
    """Entry point."""
    sys.exit(run(benchmark_command))


def benchmark_command(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, time what they ask for and print the tables; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in (INFERENCE, TRAINING):
        return _comparison_command(arguments)
    if arguments and arguments[0] in OTHERS:
        return OTHERS[arguments[0]](arguments[1:])
    return _table_command(arguments)


def _table_command(arguments: Sequence[str]) -> int:
    """Time the pipeline of a test config and print the table of all methods timed so far."""
    parser = argparse.ArgumentParser(
        description="Time the pipeline of a test config on its test images, stage by stage, and print the paper's "
        "table 6 of all methods timed so far. The first call is reported apart, a warm-up is not counted.",
        epilog=EPILOG,
    )
    add_config_options(parser, DEFAULT_CONFIG)
    parser.add_argument("--table", type=int, choices=(6,), default=6, help="the paper's table (default: %(default)s)")
    parser.add_argument("--images", type=_positive, default=50, help="images to time (default: %(default)s)")
    parser.add_argument("--batch-size", type=_positive, default=1, help="images per call (default: %(default)s)")
    parser.add_argument("--warm-up", type=_positive, default=3, help="batches before it counts (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="FOLDER",
        help="gets one JSON file per method and the table of all that lie there (default: %(default)s)",
    )
    options = parser.parse_args(arguments)

    from gdinousam.evaluation.timing.measurement import measure, measurement_path, write_measurement
    from gdinousam.evaluation.timing.table import read_measurements, seconds_table
    from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
    from gdinousam.experiments.config import TestConfig, dump_config, load_config

    config = load_config(TestConfig, options.config, options.overrides)
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


def _comparison_command(arguments: Sequence[str]) -> int:
    """Time our programs on generated inputs, alone or in turns with the official one, and print the tables."""
    mode = arguments[0]
    parser = _inference_parser() if mode == INFERENCE else _training_parser()
    options = parser.parse_args(arguments[1:])
    if options.against and options.size == "small":
        raise InputError("the official code has no small size; leave out --against official or give --size full")

    from benchmarks.speed.comparison import Comparison, record_path, write_record
    from benchmarks.speed.tables import comparison_tables, write_tables
    from benchmarks.machine import machine_facts, versions
    from gdinousam.evaluation.reporting.table_files import as_plain
    from gdinousam.models.loading import pick_device

    device = pick_device(options.device)
    against = "_against_official" if options.against else ""
    folder = options.out / f"{mode}_{options.size}_{device.type}{against}"
    record_path(folder, options.overwrite)  # before the long part
    timings, agreements, remarks = (_time_inference if mode == INFERENCE else _time_training)(options)
    comparison = Comparison(
        title=f"Seconds of {mode}, {options.size} size, on {device.type.upper()}",
        command=f"python scripts/benchmark.py {shlex.join(arguments)}",
        machine=machine_facts(device),
        libraries=versions(),
        timings=tuple(timings),
        agreements=tuple(agreements),
        remarks=tuple(remarks),
    )
    path = write_record(comparison, folder, overwrite=True)
    print("\n".join(as_plain(table) for table in comparison_tables(comparison).values()))
    paths = write_tables(comparison, folder)
    print(f"{', '.join(one.name for one in (path, *paths))} in {folder}")
    return 0


def _time_inference(options: argparse.Namespace) -> tuple[list[Timing], list[Agreement], list[str]]:
    from benchmarks.speed.inference import InferenceWork, time_inference

    mask_head = options.mask_head or ("large" if options.against else "tiny")
    if not options.against and mask_head != "tiny":
        raise InputError("--mask-head chooses among official models; add --against official --size full")
    if (options.official_images or 1) > options.images:
        raise InputError(f"--official-images {options.official_images} is more than --images {options.images}")
    return time_inference(
        InferenceWork(
            size=options.size,
            against_official=bool(options.against),
            precisions=tuple(dict.fromkeys(options.precision)),
            num_prompts=tuple(dict.fromkeys(options.prompts)),
            num_images=options.images,
            num_official_images=options.official_images or options.images,
            num_warm_up=options.warm_up,
            batch_size=options.batch_size,
            side=options.side,
            mask_head=mask_head,
            device=options.device,
            seed=options.seed,
        )
    )


def _time_training(options: argparse.Namespace) -> tuple[list[Timing], list[Agreement], list[str]]:
    from benchmarks.speed.training import TrainingWork, time_training

    return time_training(
        TrainingWork(
            size=options.size,
            against_official=bool(options.against),
            precisions=tuple(dict.fromkeys(options.precision)),
            batch_size=options.batch_size,
            num_steps=options.steps,
            num_warm_up=options.warm_up,
            side=options.side,
            device=options.device,
            gradient_checkpointing=options.gradient_checkpointing,
            seed=options.seed,
        )
    )


def _inference_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py inference",
        description="Time the pipeline from image file to masks on generated images, one box and one mask per prompt, "
        "stage by stage. Against the official code both take turns image by image and their answers are compared.",
        epilog="exit code: 0, or 2 where it cannot be timed",
    )
    _add_common_options(parser)
    parser.add_argument(
        "--prompts",
        type=_positive,
        nargs="+",
        default=[1, 4, 20],
        metavar="N",
        help="prompts per image, each number timed apart (default: 1 4 20)",
    )
    parser.add_argument("--images", type=_positive, default=3, help="images to time (default: %(default)s)")
    parser.add_argument(
        "--official-images", type=_positive, help="the official code, which is slower, runs so many of them only"
    )
    parser.add_argument("--batch-size", type=_positive, default=4, help="prompts in our detector at once (default: 4)")
    parser.add_argument("--mask-head", choices=MASK_HEADS, help="official SAM2.1 (default: large; alone tiny)")
    return parser


def _training_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py training",
        description="Time steps of LoRA training on one generated batch: forward pass, loss, backward pass, optimizer. "
        "Against the official code both take turns step by step and their first losses are compared.",
        epilog="exit code: 0, or 2 where it cannot be timed",
    )
    _add_common_options(parser)
    parser.add_argument("--batch-size", type=_positive, default=4, help="images per step (default: %(default)s)")
    parser.add_argument("--steps", type=_positive, default=3, help="steps to time (default: %(default)s)")
    parser.add_argument(
        "--gradient-checkpointing", action="store_true", help="of ours; the official code always has it"
    )
    return parser


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", choices=("official",), help="also time groundingdino-py (and sam2), in float32")
    parser.add_argument(
        "--size", choices=("small", "full"), default="full", help="of the models (default: %(default)s)"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        nargs="+",
        default=["float32", "bfloat16"],
        help="of our matrix products, each timed apart (default: both)",
    )
    parser.add_argument(
        "--side", type=_image_side, help="side of the images in pixels (default: what the detector sees)"
    )
    parser.add_argument("--warm-up", type=_positive, default=1, help="runs before it counts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of images and prompts (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier comparison of this kind")
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="FOLDER",
        help="gets a folder with comparison.json and its tables (default: %(default)s)",
    )


def _image_side(text: str) -> int:
    number = int(text)
    if number < SMALLEST_IMAGE:
        raise argparse.ArgumentTypeError(f"{number} is not {SMALLEST_IMAGE} or more")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number
