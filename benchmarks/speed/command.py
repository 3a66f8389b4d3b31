"""``python scripts/benchmark.py inference`` and ``training``: ours alone, or in turns with the official code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from benchmarks.machine import machine_facts, versions
from benchmarks.record import add_output_options, command_text, publish, record_path
from benchmarks.speed.comparison import Agreement, Comparison, ProgramTiming
from benchmarks.speed.inference import InferenceWork, time_inference
from benchmarks.speed.official import SAM2_CONFIGS
from benchmarks.speed.tables import comparison_tables
from benchmarks.speed.training import TrainingWork, time_training
from gdinousam.commands.benchmark import positive
from gdinousam.errors import InputError
from gdinousam.models.loading import pick_device

SMALLEST_IMAGE = 64  # pixels; generated images cannot be smaller
Found = tuple[list[ProgramTiming], list[Agreement], list[str]]  # the last: remarks


def inference_command(arguments: Sequence[str]) -> int:
    """Parse arguments, time the pipeline and print the tables; returns the exit code."""
    return _compare("inference", _inference_parser(), _time_inference, arguments)


def training_command(arguments: Sequence[str]) -> int:
    """Parse arguments, time training steps and print the tables; returns the exit code."""
    return _compare("training", _training_parser(), _time_training, arguments)


def _compare(
    mode: str,
    parser: argparse.ArgumentParser,
    time_work: Callable[[argparse.Namespace], Found],
    arguments: Sequence[str],
) -> int:
    """Time our programs on generated inputs, alone or in turns with the official one, and print the tables."""
    options = parser.parse_args(arguments)
    if options.against and options.size == "small":
        raise InputError("the official code has no small size; leave out --against official or give --size full")
    device = pick_device(options.device)
    against = "_against_official" if options.against else ""
    folder = options.out / f"{mode}_{options.size}_{device.type}{against}"
    path = record_path(folder, "comparison", options.overwrite)  # before the long part
    timings, agreements, remarks = time_work(options)
    comparison = Comparison(
        command=command_text(mode, arguments),
        machine=machine_facts(device),
        versions=versions(),
        title=f"Seconds of {mode}, {options.size} size, on {device.type.upper()}",
        timings=tuple(timings),
        agreements=tuple(agreements),
        remarks=tuple(remarks),
    )
    publish(comparison, comparison_tables(comparison), path)
    return 0


def _time_inference(options: argparse.Namespace) -> Found:
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


def _time_training(options: argparse.Namespace) -> Found:
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
        type=positive,
        nargs="+",
        default=[1, 4, 20],
        metavar="N",
        help="prompts per image, each number timed apart (default: 1 4 20)",
    )
    parser.add_argument("--images", type=positive, default=3, help="images to time (default: %(default)s)")
    parser.add_argument(
        "--official-images", type=positive, help="the official code, which is slower, runs so many of them only"
    )
    parser.add_argument("--batch-size", type=positive, default=4, help="prompts in our detector at once (default: 4)")
    parser.add_argument("--mask-head", choices=tuple(SAM2_CONFIGS), help="official SAM2.1 (default: large; alone tiny)")
    return parser


def _training_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py training",
        description="Time steps of LoRA training on one generated batch: forward pass, loss, backward pass, optimizer. "
        "Against the official code both take turns step by step and their first losses are compared.",
        epilog="exit code: 0, or 2 where it cannot be timed",
    )
    _add_common_options(parser)
    parser.add_argument("--batch-size", type=positive, default=4, help="images per step (default: %(default)s)")
    parser.add_argument("--steps", type=positive, default=3, help="steps to time (default: %(default)s)")
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
    parser.add_argument("--warm-up", type=positive, default=1, help="runs before it counts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of images and prompts (default: %(default)s)")
    add_output_options(parser, "a folder with comparison.json and its tables")


def _image_side(text: str) -> int:
    number = int(text)
    if number < SMALLEST_IMAGE:
        raise argparse.ArgumentTypeError(f"{number} is not {SMALLEST_IMAGE} or more")
    return number
