"""What it costs, and what it saves, that waiting threads sleep: an evaluation with and without other programs beside.

The package sets OMP_WAIT_POLICY to PASSIVE, see ``gdinousam/__init__.py``. Here both ways of waiting take turns, each
evaluation in a process of its own, because OpenMP reads its variables once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.machine import machine_facts, versions
from gdinousam.data.sources.phantoms import FAMILIES, write_phantoms
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table_files import (
    Column,
    Table,
    count_cell,
    interval_cell,
    number_cell,
    text_cell,
    text_column,
    write_table_files,
)
from gdinousam.experiments.config import EvaluationSettings, ModelSettings, TestConfig, TestData, dump_config
from gdinousam.models.loading import SMALL, pick_device

WAITING_FILE = "waiting.json"
SPINNING, SLEEPING = "spinning", "sleeping"
# What GNU's OpenMP does where nothing is set: about 3 ms of spinning before a thread sleeps (its env.c). Said in its
# own variable, because the package would set the other one.
_WAYS = {SPINNING: {"GOMP_SPINCOUNT": "300000"}, SLEEPING: {"OMP_WAIT_POLICY": "PASSIVE"}}
_SET_BY_US = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "KMP_BLOCKTIME")
_TEST = "from gdinousam.commands.test import main; main()"
_BUSY = "while True: pass"


@dataclass(frozen=True)
class Timed:
    """Whole seconds of evaluations, in the order in which they ran. num_others: busy programs beside each."""

    num_others: int
    way: str
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Waiting:
    """All evaluations and what they depend on. machine, versions: as from ``hardware``."""

    timed: tuple[Timed, ...]
    num_images: int
    num_threads: int
    machine: dict[str, str]
    versions: dict[str, str]


def measure_waiting(
    folder: Path, others: Sequence[int], num_images: int = 64, repeats: int = 3, num_threads: int | None = None
) -> Waiting:
    """Evaluate the bundled small model on generated images with threads that spin and that sleep, in turns.

    folder: gets images and evaluations; new or empty. others: numbers of busy programs beside, each measured apart.
    repeats: evaluations for each number and way. num_threads: of an evaluation; ``None``: one for each core.
    Raises InputError where a number is too low or an evaluation fails.
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
        timed += [Timed(num_others, way, tuple(of_way)) for way, of_way in seconds.items()]
    machine = machine_facts(pick_device("cpu")) | {"cores": str(os.cpu_count()), "threads": str(num_threads)}
    return Waiting(tuple(timed), num_images, num_threads, machine, versions())


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
                count_cell(len(one.seconds)),
                number_cell(median(one.seconds), 1),
                interval_cell(min(one.seconds), max(one.seconds), 1),
                number_cell(median(spinning.seconds) / median(one.seconds)),
            )
        )
    facts = ", ".join(f"{name} {fact}" for name, fact in waiting.machine.items())
    return Table(
        "Threads that wait: seconds of an evaluation beside busy programs",
        (
            Column("other programs", ("other programs",)),
            text_column("waiting threads"),
            Column("n", ("n",)),
            Column("median s", ("median s",)),
            Column("range s", ("lowest s", "highest s")),
            Column("spinning / this", ("spinning / this",)),
        ),
        tuple(lines),
        (
            f"Whole run of test.py with the bundled small model on {waiting.num_images} generated images, from start "
            f"to tables; {facts}. Other programs: endless loops of Python.",
            "spinning: what OpenMP does where nothing is set. sleeping: OMP_WAIT_POLICY=PASSIVE, as this package sets.",
        ),
    )


def write_waiting(waiting: Waiting, folder: Path) -> list[Path]:
    """Write ``waiting.json`` and the table as Markdown, LaTeX and CSV; returns the paths. Earlier ones are replaced."""
    paths = write_table_files({"waiting": waiting_table(waiting)}, folder, Path(WAITING_FILE).stem)
    path = folder / WAITING_FILE
    path.write_text(json.dumps(asdict(waiting), indent=2) + "\n", encoding="utf-8")
    return [path, *paths]


def _write_work(folder: Path, num_images: int) -> Path:
    """Draw the images and write the config of their evaluation."""
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; give a new folder")
    data = folder / "data"
    write_phantoms(data, 0, 0, num_images, families=tuple(FAMILIES))
    config = TestConfig(
        data=TestData(test_dir=data / "test_image", test_ann=data / "test.CSV", test_masks=data / "test_mask"),
        model=ModelSettings(detector=SMALL, mask_head=SMALL),
        evaluation=EvaluationSettings(output_dir=folder / "results", num_pictures=0, device="cpu"),
    )
    path = folder / "config.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    return path


def _seconds(config: Path, variables: dict[str, str]) -> float:
    """Seconds of one evaluation from the start of its process to the end."""
    environment = {name: value for name, value in os.environ.items() if name not in _SET_BY_US} | variables
    command = [sys.executable, "-c", _TEST, "--config", str(config), "--overwrite"]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise InputError(f"the evaluation ended with exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    return seconds


@contextmanager
def _busy_programs(number: int) -> Iterator[None]:
    """Programs that take all of a core each, ended on leaving."""
    with ExitStack() as stack:
        for _ in range(number):
            process = subprocess.Popen([sys.executable, "-c", _BUSY])
            stack.callback(process.wait)
            stack.callback(process.kill)  # called before the wait: the last callback comes first
        yield
