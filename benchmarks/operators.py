"""``python scripts/benchmark.py profile``: where the time of our pipeline goes, operator by operator.

Beside it, what arithmetic and memory alone would take.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.inputs import (
    SizeName,
    detector_side,
    detector_weights,
    distinct_phrases,
    mask_head_weights,
    write_images,
)
from benchmarks.machine import machine_facts, versions
from benchmarks.parity.official_sam import official_sam2, official_sam2_version
from benchmarks.record import Record, add_output_options, command_text, publish, record_path, refuse_earlier
from benchmarks.speed.official import SAM2_CONFIGS
from benchmarks.speed.programs import Precision, load_ours
from gdinousam.data.images import read_image
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table import (
    Table,
    count_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)
from gdinousam.evaluation.timing.clock import Clock
from gdinousam.models.loading import pick_device
from gdinousam.preprocessing import ResizeSettings
from gdinousam.runtime import keep_freed_memory

NAME = "profile"
logger = logging.getLogger(__name__)

_NUM_SHOWN = 15
_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "scaled_dot_product")
_PRODUCT_SIDE = 4096  # of the square matrices whose product shows how fast the machine multiplies
_COPIED_BYTES = 2**28  # more than a processor's cache holds


@dataclass(frozen=True)
class OperatorTime:
    """An operator of torch. calls: in one run. seconds: of its own, without the operators that it calls."""

    name: str
    calls: int
    seconds: float


@dataclass(frozen=True)
class Floor:
    """What a run cannot be faster than with the same operators.

    products: floating-point operations of matrix products. product_rate: those a second of one large product. moved:
    bytes that all other operators read and write. move_rate: bytes a second of a large copy, read and written.
    """

    products: float
    product_rate: float
    moved: float
    move_rate: float

    @property
    def seconds(self) -> float:
        """Products at their rate, and after them everything else at its."""
        return self.products / self.product_rate + self.moved / self.move_rate


@dataclass(frozen=True)
class Profile(Record):
    """One run, profiled. about: size, precision and prompts. operators: all, the slowest first. seconds: of a run
    without the profiler.
    """

    about: str
    operators: tuple[OperatorTime, ...]
    floor: Floor
    seconds: float


def profile_command(arguments: Sequence[str]) -> int:
    """Parse arguments, profile and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Run our pipeline on one generated image under torch's profiler and print the slowest operators, "
        "and how long the arithmetic and the memory traffic alone would take on this machine.",
        epilog="exit code: 0, or 2 where it cannot be profiled",
    )
    parser.add_argument("--size", choices=("small", "full"), default="full", help="default: %(default)s")
    parser.add_argument(
        "--mask-head", choices=tuple(SAM2_CONFIGS), default="large", help="SAM2.1 of the full size (default: large)"
    )
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="default: %(default)s")
    parser.add_argument("--prompts", type=int, default=1, metavar="N", help="prompts of the image (default: 1)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    add_output_options(parser, "a folder for each size, precision, device and number of prompts")
    options = parser.parse_args(arguments)
    if options.prompts < 1:
        raise InputError(f"--prompts is {options.prompts}; give 1 or more")
    device = pick_device(options.device).type
    folder = options.out / f"{NAME}_{options.size}_{options.precision}_{device}_{options.prompts}"
    refuse_earlier(folder, options.overwrite)
    profiled = profile_pipeline(
        options.size,
        options.mask_head,
        options.precision,
        options.prompts,
        options.device,
        command_text(NAME, arguments),
    )
    publish(profiled, profile_tables(profiled), record_path(folder, NAME, options.overwrite))
    return 0


def profile_pipeline(
    size: SizeName, mask_head: str, precision: Precision, num_prompts: int, device_name: str, command: str = ""
) -> Profile:
    """Profile one run on a generated image, after one that is not counted.

    mask_head: size of SAM2.1 where size is ``full``. command: for the record. Raises InputError where the package sam2
    or the device is missing.
    """
    device = pick_device(device_name)
    if device.type == "cpu":
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        official = None
        if size == "full":
            official_sam2_version()
            official = official_sam2(SAM2_CONFIGS[mask_head])
        side = detector_side(size)
        weights = detector_weights(size, folder), mask_head_weights(size, folder, official)
        ours = load_ours(*weights, ResizeSettings(size=side), num_prompts, precision, device_name)
        image = read_image(write_images(folder, 1, side)[0])
    phrases = distinct_phrases(num_prompts)

    def run() -> None:
        ours.segment(image, phrases)

    logger.info("profiling %s, %d prompts", ours.name, num_prompts)
    run()
    seconds = _seconds(run, device)
    operators = _operator_times(run, device)
    with FlopCounterMode(display=False) as flops, _BytesMoved() as moved:
        run()
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    floor = Floor(flops.get_total_flops(), _product_rate(dtype, device), moved.total, _move_rate(device))
    about = f"{size} size, {precision}, {num_prompts} prompt{'s' * (num_prompts > 1)}"
    return Profile(command, machine_facts(device), versions(), about, operators, floor, seconds)


def profile_tables(profiled: Profile) -> dict[str, Table]:
    """By name: ``operators``, the slowest, and ``floor``."""
    return {"operators": _operator_table(profiled), "floor": _floor_table(profiled)}


def _operator_times(run: Callable[[], None], device: torch.device) -> tuple[OperatorTime, ...]:
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
    with profile(activities=activities) as profiler:
        run()
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = [OperatorTime(one.key, one.count, getattr(one, kind) / 1e6) for one in profiler.key_averages()]
    return tuple(sorted(times, key=lambda one: -one.seconds))


class _BytesMoved(TorchDispatchMode):
    """Adds up the bytes that operators read and write, but for matrix products and views."""

    total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), options: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        is_product = any(function._schema.name.removeprefix("aten::").startswith(name) for name in _PRODUCTS)
        if not is_product and not function.is_view:
            tensors = [leaf for leaf in tree_leaves((arguments, options, result)) if isinstance(leaf, torch.Tensor)]
            self.total += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


def _product_rate(dtype: torch.dtype, device: torch.device) -> float:
    matrix = torch.randn(_PRODUCT_SIDE, _PRODUCT_SIDE, device=device).to(dtype)
    return 2 * _PRODUCT_SIDE**3 / _least_seconds(lambda: matrix @ matrix, device)


def _move_rate(device: torch.device) -> float:
    source = torch.zeros(_COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return 2 * _COPIED_BYTES / _least_seconds(lambda: target.copy_(source), device)


def _least_seconds(work: Callable[[], object], device: torch.device, times: int = 5) -> float:
    return min(_seconds(work, device) for _ in range(times))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    clock = Clock(device)
    with clock.running("work"):
        work()
    return clock.take()["work"]


def _operator_table(profiled: Profile) -> Table:
    operators = profiled.operators
    total = sum(one.seconds for one in operators)
    columns = (text_column("operator"), *number_columns("calls", "own s", "share %"))
    lines = tuple(
        (
            text_cell(one.name),
            count_cell(one.calls),
            number_cell(one.seconds, 3),
            number_cell(100 * one.seconds / total, 1),
        )
        for one in operators[:_NUM_SHOWN]
    )
    shown = sum(one.seconds for one in operators[:_NUM_SHOWN])
    remarks = (
        f"One image and its prompts, from the decoded image to the masks. {total:.2f} s in all, of which the other "
        f"operators took {total - shown:.2f} s; the profiler itself costs some.",
        f"Machine: {profiled.machine_text}.",
    )
    return Table(f"Where the time goes: {profiled.about}", columns, lines, remarks)


def _floor_table(profiled: Profile) -> Table:
    floor, seconds = profiled.floor, profiled.seconds
    names = ("TFLOP", "TFLOP/s", "GB moved", "GB/s", "floor s", "measured s", "measured / floor")
    columns = (text_column("run"), *number_columns(*names))
    values = (
        floor.products / 1e12,
        floor.product_rate / 1e12,
        floor.moved / 1e9,
        floor.move_rate / 1e9,
        floor.seconds,
        seconds,
        seconds / floor.seconds,
    )
    remarks = (
        f"TFLOP: of matrix products; TFLOP/s: of one product of two {_PRODUCT_SIDE} x {_PRODUCT_SIDE} matrices, the "
        "best of five. GB moved: what all other operators read and write; GB/s: of a large copy, the best of five. "
        "What stays in a cache moves faster than that, and small products are slower than large ones.",
    )
    line = (text_cell(profiled.about), *(number_cell(value, 2) for value in values))
    return Table("The floor", columns, (line,), remarks)
