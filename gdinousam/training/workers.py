"""Faults of the processes that read images, as one line: they die, find no room, or meet a file that is wrong."""

from __future__ import annotations

import logging
import multiprocessing.queues
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from gdinousam.errors import InputError
from gdinousam.reading import one_line

logger = logging.getLogger(__name__)

_DEATHS = ("is killed by signal", "exited unexpectedly")  # as torch tells them
_DIED = (
    "a process that reads images died; as a rule memory, shared memory (/dev/shm) or the number of open files ran out: "
    "give a container more (docker run --shm-size=8g), raise ulimit -n, lower data.batch_size, or let the main process "
    "read (--set data.num_workers=0)"
)
_FROM_WORKER = "in DataLoader worker process"


def begin_worker(_: int) -> None:
    """What a process that reads images does first, as ``worker_init_fn``: leave Ctrl-C, which reaches every process of
    a terminal, to the main process, and die where a batch cannot be passed on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Batches are passed on by a thread of the queue. Its error, such as a full /dev/shm, reaches nobody, and the batch
    # would be waited for without end; that a process is gone is noticed.
    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_die)  # type: ignore[attr-defined]


def _die(error: Exception, _: object) -> None:
    logger.error("a batch cannot be passed on: %s", " ".join(str(error).split()) or type(error).__name__)
    os._exit(1)


@contextmanager
def worker_faults() -> Iterator[None]:
    """Raise InputError for a fault of a process that reads images, wherever in the block torch notices it."""
    try:
        yield
    except (RuntimeError, OSError, InputError) as error:
        text = str(error)
        if isinstance(error, RuntimeError) and any(sign in text for sign in _DEATHS):
            raise InputError(_DIED) from error
        if isinstance(error, InputError | OSError) and _FROM_WORKER in text:
            # torch puts the traceback in front of the message
            raise InputError(one_line(text.rpartition(f"{type(error).__name__}: ")[2])) from error
        raise
