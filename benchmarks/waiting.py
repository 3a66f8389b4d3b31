"""``python scripts/benchmark.py waiting``: what it costs, and what it saves, that waiting threads sleep.

The package sets OMP_WAIT_POLICY to PASSIVE, see ``gdinousam/__init__.py``. Here both ways of waiting take turns, each
evaluation in a process of its own, because OpenMP reads its variables once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.inputs import write_test_set
from benchmarks.machine import machine_facts, versions
from benchmarks.record import Record, add_output_options, command_text, publish, record_path
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table import (
    Column,
    Table,
    count_cell,
    interval_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)
from gdinousam.evaluation.timing.clock import Clock
from gdinousam.evaluation.timing.measurement import Timing
from gdinousam.experiments.config import EvaluationSettings, ModelSettings, TestConfig, TestData, dump_config
from gdinousam.files import write_text
from gdinousam.models.bundled import SMALL

NAME = "waiting"
SPINNING, SLEEPING = "spinning", "sleeping"
# What GNU's OpenMP does where nothing is set: about 3 ms of spinning before a thread sleeps (its env.c). Said in its
# own variable, because the package would set the other one.
_WAYS = {SPINNING: {"GOMP_SPINCOUNT": "300000"}, SLEEPING: {"OMP_WAIT_POLICY": "PASSIVE"}}
_SET_BY_US = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "KMP_BLOCKTIME")
_TEST = "from gdinousam.commands.test import main; main()"
_BUSY = "while True: pass"
_EVALUATION = "evaluation"  # the one stage of a run
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class BesideOthers(Timing):
    """Whole evaluations, in the order in which they ran. num_others: busy programs beside each. way: of waiting."""

    num_others: int
    way: str


@dataclass(frozen=True)
class Waiting(Record):
    """All evaluations, each of num_images images with num_threads threads."""

    timed: tuple[BesideOthers, ...]
    num_images: int
    num_threads: int


def waiting_command(arguments: Sequence[str]) -> int:
    """Parse arguments, evaluate and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Evaluate the bundled small model on generated images alone and beside busy programs, each with "
        "threads that spin while they wait, as OpenMP does unless told otherwise, and with threads that sleep, as this "
        "package tells it by OMP_WAIT_POLICY=PASSIVE. The two take turns. About 5 minutes on 2 cores.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument(
        "--others", type=int, nargs="+", default=[0, 3], metavar="N", help="busy programs beside (default: 0 3)"
    )
    parser.add_argument("--images", type=int, default=64, help="images of an evaluation (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="evaluations of each kind (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of an evaluation (default: one for each core)")
    add_output_options(parser, f"a folder {NAME} with the numbers as JSON and the table")
    options = parser.parse_args(arguments)
    path = record_path(options.out / NAME, NAME, options.overwrite)
    with tempfile.TemporaryDirectory() as working:
        waiting = measure_waiting(
            Path(working),
            options.others,
            options.images,
            options.repeats,
            options.threads,
            command_text(NAME, arguments),
        )
    publish(waiting, {NAME: waiting_table(waiting)}, path)
    return 0


def measure_waiting(
    folder: Path,
    others: Sequence[int],
    num_images: int = 64,
    repeats: int = 3,
    num_threads: int | None = None,
    command: str = "",
) -> Waiting:
    """Evaluate the bundled small model on generated images with threads that spin and that sleep, in turns.

    folder: gets images and evaluations; new or empty. others: numbers of busy programs beside, each measured apart.
    repeats: evaluations for each number and way. num_threads: of an evaluation; ``None``: one for each core. command:
    for the record. Raises InputError where a number is too low or an evaluation fails.
    """
    num_threads = num_threads or os.cpu_count() or 1
    if not others or min(others) < 0 or min(num_images, repeats, num_threads) < 1:
        raise InputError("give numbers of other programs of 0 or more, and images, repeats and threads of 1 or more")
    config = _write_work(folder, num_images)
    threads = {"OMP_NUM_THREADS": str(num_threads)}
    _seconds(config, threads)  # not counted: the first reads libraries and weights from the disk
    timed = []
    for num_others in others:
        seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
        with _busy_programs(num_others):
            for _ in range(repeats):
                for way, of_way in seconds.items():
                    of_way.append(_seconds(config, threads | _WAYS[way]))
        timed += [
            BesideOthers("float32", None, tuple({_EVALUATION: one} for one in of_way), num_others, way)
            for way, of_way in seconds.items()
        ]
    machine = machine_facts(_CPU) | {"cores": str(os.cpu_count()), "threads": str(num_threads)}
    return Waiting(command, machine, versions(), tuple(timed), num_images, num_threads)


def waiting_table(waiting: Waiting) -> Table:
    """A line for each number of other programs and way of waiting."""
    lines = []
    for one in waiting.timed:
        spinning = next(
            other for other in waiting.timed if other.num_others == one.num_others and other.way == SPINNING
        )
        lines.append(
            (
                count_cell(one.num_others),
                text_cell(one.way),
                count_cell(len(one.runs)),
                number_cell(one.percentile(50), 1),
                interval_cell(min(one.totals), max(one.totals), 1),
                number_cell(spinning.percentile(50) / one.percentile(50)),
            )
        )
    return Table(
        "Threads that wait: seconds of an evaluation beside busy programs",
        (
            *number_columns("other programs"),
            text_column("waiting threads"),
            *number_columns("n", "median s"),
            Column("range s", ("lowest s", "highest s")),
            *number_columns("spinning / this"),
        ),
        tuple(lines),
        (
            f"Whole run of test.py with the bundled small model on {waiting.num_images} generated images, from start "
            f"to tables; {waiting.machine_text}. Other programs: endless loops of Python.",
            "spinning: what OpenMP does where nothing is set. sleeping: OMP_WAIT_POLICY=PASSIVE, as this package sets.",
        ),
    )


def _write_work(folder: Path, num_images: int) -> Path:
    """Draw the images and write the config of their evaluation."""
    data = write_test_set(folder, num_images)
    config = TestConfig(
        data=TestData(test_dir=data / "test_image", test_ann=data / "test.CSV", test_masks=data / "test_mask"),
        model=ModelSettings(detector=SMALL, mask_head=SMALL),
        evaluation=EvaluationSettings(output_dir=folder / "results", num_pictures=0, device="cpu"),
    )
    path = folder / "config.yaml"
    write_text(path, dump_config(config))
    return path


def _seconds(config: Path, variables: dict[str, str]) -> float:
    """Seconds of one evaluation from the start of its process to the end."""
    environment = {name: value for name, value in os.environ.items() if name not in _SET_BY_US} | variables
    command = [sys.executable, "-c", _TEST, "--config", str(config), "--overwrite"]
    clock = Clock(_CPU)
    with clock.running(_EVALUATION):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"the evaluation ended with exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    return clock.take()[_EVALUATION]


@contextmanager
def _busy_programs(number: int) -> Iterator[None]:
    """Programs that take all of a core each, ended on leaving."""
    with ExitStack() as stack:
        for _ in range(number):
            process = subprocess.Popen([sys.executable, "-c", _BUSY])
            stack.callback(process.wait)
            stack.callback(process.kill)  # called before the wait: the last callback comes first
        yield
