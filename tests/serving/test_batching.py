"""The line before the models: order, batches, and who pays for an error."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError

import pytest

from gdinousam.serving.batching import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(together=3)
    yield worker
    worker.close()


class Recorder:
    """Notes which batches it was given, and answers ten times as much as each; 13 is bad luck."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.thread = 0

    def __call__(self, given: Sequence[int]) -> list[int]:
        self.batches.append(list(given))
        self.thread = threading.get_ident()
        if 13 in given:
            raise ValueError("bad luck")
        return [10 * one for one in given]


def held(worker: Worker) -> threading.Event:
    """Keep the worker busy until the event is set, so that what is submitted meanwhile waits in line."""
    busy, free = threading.Event(), threading.Event()

    def hold(_: Sequence[None]) -> list[None]:
        busy.set()
        free.wait(10)
        return [None]

    worker.submit(hold, None)
    busy.wait(10)
    return free


def test_jobs_of_a_group_run_together_and_others_keep_their_order(worker: Worker) -> None:
    run, free = Recorder(), held(worker)
    groups = [(1, "a"), (2, "b"), (3, "a"), (4, None), (5, "a"), (6, "a"), (7, "b"), (8, None)]
    futures = [worker.submit(run, number, group) for number, group in groups]
    free.set()
    assert [future.result(10) for future in futures] == [10, 20, 30, 40, 50, 60, 70, 80]
    assert run.batches == [[1, 3, 5], [2, 7], [4], [6], [8]]
    assert run.thread not in (0, threading.get_ident())


def test_an_error_is_that_of_the_job_that_made_it(worker: Worker) -> None:
    run, free = Recorder(), held(worker)
    futures = [worker.submit(run, number, "a") for number in (1, 13, 2)]
    free.set()
    assert (futures[0].result(10), futures[2].result(10)) == (10, 20)
    with pytest.raises(ValueError, match="bad luck"):
        futures[1].result(10)
    assert worker.submit(run, 4).result(10) == 40


def test_what_is_cancelled_while_it_waits_never_runs(worker: Worker) -> None:
    run, free = Recorder(), held(worker)
    futures = [worker.submit(run, number, "a") for number in (1, 2)]
    assert futures[0].cancel()
    free.set()
    assert futures[1].result(10) == 20 and run.batches == [[2]]


def test_a_first_job_waits_a_moment_for_others() -> None:
    worker, run = Worker(together=2, wait_s=5), Recorder()
    futures = [worker.submit(run, 1, "a"), worker.submit(run, 2, "a")]
    assert [future.result(3) for future in futures] == [10, 20]  # as soon as the batch is full
    assert run.batches == [[1, 2]]
    worker.close()


def test_closing_cancels_what_waits_and_what_comes_later() -> None:
    worker, run = Worker(), Recorder()
    free = held(worker)
    waiting = worker.submit(run, 1)
    closing = threading.Thread(target=worker.close)
    closing.start()
    with pytest.raises(CancelledError):
        waiting.result(10)
    free.set()
    closing.join(10)
    assert worker.submit(run, 2).cancelled() and run.batches == []
