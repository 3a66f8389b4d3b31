"""The batches of a run: which images, in which order, read by processes that stay from one epoch to the next."""

from __future__ import annotations

import logging
import multiprocessing.queues
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, DistributedSampler, Sampler, Subset

from gdinousam.data.dataset import Batch, Example, JoinedExamples, collate
from gdinousam.errors import InputError
from gdinousam.reading import one_line


class _Batches(Sampler[list[int]]):
    """Batches by the places of their images, which may be replaced between two passes over them."""

    def __init__(self, batches: Sequence[list[int]] = ()) -> None:
        self.batches = list(batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class RunBatches:
    """The training and validation batches of one process of several.

    rank, num_processes: which share of the images is this process's. num_workers: processes that read training images,
    and as many that read validation images; 0: this one reads. seed: of the order of the training images. pinned: lay
    batches where a GPU fetches them faster.
    """

    def __init__(
        self,
        train_set: JoinedExamples,
        val_set: JoinedExamples | None,
        batch_size: int,
        num_workers: int,
        seed: int,
        rank: int,
        num_processes: int,
        pinned: bool,
    ) -> None:
        self._train_set, self._batch_size, self._num_workers, self._pinned = train_set, batch_size, num_workers, pinned
        self._order: DistributedSampler = DistributedSampler(train_set, num_processes, rank, seed=seed)
        self._batches = _Batches()
        self._train = self._loader(train_set, self._batches)
        self._val: DataLoader | None = None
        if val_set is not None:
            part = Subset(val_set, range(rank, len(val_set), num_processes))
            self._val = self._loader(part, _Batches(self._cut(range(len(part)))))

    def train(self, epoch: int, num_done: int) -> Iterator[Batch]:
        """The batches of an epoch behind the first so many; their order depends on seed and epoch alone."""
        self._train_set.epoch = epoch
        self._order.set_epoch(epoch)
        self._batches.batches = self._cut(self._order)[num_done:]
        yield from self._train

    def val(self) -> Iterator[Batch]:
        """The validation batches, the same every time; none without validation images."""
        if self._val is not None:
            yield from self._val

    def close(self) -> None:
        """End the processes that read; nothing can be read any more."""
        del self._train, self._val

    def _cut(self, places: Sampler[int] | Sequence[int]) -> list[list[int]]:
        return list(BatchSampler(places, self._batch_size, drop_last=False))

    def _loader(self, dataset: Dataset[Example], batches: _Batches) -> DataLoader:
        return DataLoader(
            dataset,
            batch_sampler=batches,
            collate_fn=collate,
            num_workers=self._num_workers,
            persistent_workers=self._num_workers > 0,
            pin_memory=self._pinned,
            # a generator of its own: the loader draws a number per epoch, which would shift dropout after a resume
            generator=torch.Generator(),
            worker_init_fn=begin_worker,
        )


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
