"""``python scripts/benchmark.py serve``: how long clients wait for a server, and whether its memory stays flat.

The server is a process of its own, as users start it. Every answer is compared with that of the same call here, bit for
bit: a wrong one under load would be worse than a slow one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.inputs import draw_phantoms
from benchmarks.machine import machine_facts, resident_bytes, versions
from benchmarks.record import Record, add_output_options, command_text, publish, record_path
from gdinousam.client import Client
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table import Table, count_cell, number_cell, number_columns
from gdinousam.findings import Findings
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Image

NAME = "serve"
PHRASE = "benign breast lesion"
NUM_IMAGES = 16  # distinct ones, which take turns
SIDE = 320  # pixels
_START_S = 300.0  # that a server may take to load its models
_CPU = torch.device("cpu")
_SERVE = "from gdinousam.commands.serve import main; main()"


@dataclass(frozen=True)
class Load:
    """Requests from so many clients at once, each of which sends its next when it has its answer.

    seconds: of every request, as the client sees it. wall_s: of all of them. num_wrong: answers that were not those of
    the local call.
    """

    num_clients: int
    seconds: tuple[float, ...]
    wall_s: float
    num_wrong: int


@dataclass(frozen=True)
class Memory:
    """Resident bytes of the server after so many requests."""

    num_requests: int
    bytes: int


@dataclass(frozen=True)
class Serving(Record):
    """loads: one for each number of clients. memory: during a long run of one client. peak_bytes: the most of all."""

    loads: tuple[Load, ...]
    memory: tuple[Memory, ...]
    peak_bytes: int
    together: int


@dataclass(frozen=True, eq=False)
class _Question:
    """An image and the answer of the local call, of which every part is compared."""

    image: Image
    expected: Findings


def serve_command(arguments: Sequence[str]) -> int:
    """Parse arguments, measure and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Start gdinousam serve with the bundled small model, ask it from several clients at once, compare "
        "every answer with that of the local call, and watch its memory over a long run. About 10 minutes on 2 cores.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument(
        "--clients", type=int, nargs="+", default=[1, 8, 50], metavar="N", help="clients at once (default: 1 8 50)"
    )
    parser.add_argument("--requests", type=int, default=200, help="for each number of them (default: %(default)s)")
    parser.add_argument("--long", type=int, default=1000, help="requests of the long run (default: %(default)s)")
    parser.add_argument("--together", type=int, default=1, help="as for gdinousam serve (default: %(default)s)")
    add_output_options(parser, f"a folder {NAME} with the numbers as JSON and the tables")
    options = parser.parse_args(arguments)
    path = record_path(options.out / NAME, NAME, options.overwrite)
    command = command_text(NAME, arguments)
    serving = measure_serving(options.clients, options.requests, options.long, options.together, command)
    publish(serving, {"loads": load_table(serving), "memory": memory_table(serving)}, path)
    return 0


def measure_serving(
    clients: Sequence[int], num_requests: int, num_long: int, together: int = 1, command: str = ""
) -> Serving:
    """Ask a server of its own process, which is started and stopped here.

    clients: numbers of clients, each measured apart with num_requests requests. num_long: requests of the long run.
    together: see ``ServeSettings``. Raises InputError for numbers below 1 and where the server does not start.
    """
    if not clients or min(*clients, num_requests, num_long, together) < 1:
        raise InputError("give clients, requests, the length of the long run and together of 1 or more")
    segmenter = Segmenter.load("small", device="cpu")
    images = [phantom.image for phantom in draw_phantoms(NUM_IMAGES, SIDE, seed=0)]
    questions = [_Question(image, segmenter.predict(image, PHRASE)) for image in images]
    loads: list[Load] = []
    memory: list[Memory] = []
    with _server(together, max(clients)) as (address, process):
        _load(address, questions, 1, NUM_IMAGES)  # not counted: the first requests load libraries
        with ProgressBar(len(clients) * num_requests + num_long, "asking", "request") as bar:
            for number in clients:
                loads.append(_load(address, questions, number, num_requests, bar))
            for done in range(0, num_long + 1, max(1, num_long // 10)):
                memory.append(Memory(done, resident_bytes("VmRSS", process) or 0))
                _load(address, questions, 1, min(max(1, num_long // 10), num_long - done), bar)
        # Linux counts pages for each processor, so its maximum may lag behind what it told at another time
        peak_bytes = max(resident_bytes("VmHWM", process) or 0, *(one.bytes for one in memory))
    return Serving(command, machine_facts(_CPU), versions(), tuple(loads), tuple(memory), peak_bytes, together)


@contextmanager
def _server(together: int, num_clients: int) -> Iterator[tuple[str, int]]:
    """A server on a free port of this machine; yields its address and the number of its process."""
    arguments = ["--port", "0", "--device", "cpu", "--together", str(together), "--queue", str(num_clients + 14)]
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    stopper = threading.Timer(_START_S, process.kill)
    try:
        stopper.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        stopper.cancel()
        if not line.startswith("http"):
            raise InputError("the server did not start; try 'gdinousam serve' by itself")
        yield line.split()[0], process.pid
    finally:
        stopper.cancel()
        process.terminate()
        process.wait()


def _load(
    address: str, questions: Sequence[_Question], num_clients: int, num_requests: int, bar: ProgressBar | None = None
) -> Load:
    """Send requests from so many clients at once."""
    numbers = iter(range(num_requests))
    lock = threading.Lock()
    asked: list[tuple[float, bool]] = []

    def work(_: int) -> None:
        with Client(address, patience_s=600, timeout_s=600) as client:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                question = questions[number % len(questions)]
                start = time.perf_counter()
                found = client.segment(question.image, PHRASE)
                seconds = time.perf_counter() - start
                with lock:
                    asked.append((seconds, _are_same(found, question.expected)))
                    if bar is not None:
                        bar.update()

    start = time.perf_counter()
    with ThreadPoolExecutor(num_clients) as pool:
        list(pool.map(work, range(num_clients)))
    wall_s = time.perf_counter() - start
    return Load(num_clients, tuple(seconds for seconds, _ in asked), wall_s, sum(not right for _, right in asked))


def _are_same(found: Findings, expected: Findings) -> bool:
    """Whether two answers are the same in every bit."""
    return len(found.detections) == len(expected.detections) and all(
        (one.phrase, one.score, one.box_xyxy, one.quality) == (other.phrase, other.score, other.box_xyxy, other.quality)
        and np.array_equal(np.asarray(one.mask_hw), np.asarray(other.mask_hw))
        for one, other in zip(found.detections, expected.detections, strict=True)
    )


def load_table(serving: Serving) -> Table:
    """A line for each number of clients."""
    lines = [
        (
            count_cell(one.num_clients),
            count_cell(len(one.seconds)),
            number_cell(float(np.percentile(one.seconds, 50)), 3),
            number_cell(float(np.percentile(one.seconds, 95)), 3),
            number_cell(len(one.seconds) / one.wall_s, 1),
            count_cell(one.num_wrong),
        )
        for one in serving.loads
    ]
    together = f", {serving.together} images through the model at once" if serving.together > 1 else ""
    return Table(
        "A server under load",
        number_columns("clients", "requests", "median s", "95th percentile s", "requests per s", "wrong answers"),
        tuple(lines),
        (
            f"Bundled small model{together}, pictures of {SIDE} x {SIDE}, one phrase; each client sends its next "
            f"request when it has its answer. Clients run on the same machine: {serving.machine_text}.",
            "Wrong: not the same as the local call in every bit of score, box and mask.",
        ),
    )


def memory_table(serving: Serving) -> Table:
    """A line for each time the memory was looked at."""
    lines = [(count_cell(one.num_requests), number_cell(one.bytes / 2**20, 0)) for one in serving.memory]
    return Table(
        "Memory of the server",
        number_columns("requests", "resident MiB"),
        tuple(lines),
        (f"After the requests of the first table. Most at any time: {serving.peak_bytes / 2**20:.0f} MiB.",),
    )
