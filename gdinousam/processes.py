"""Several processes that work together: who they are, and waiting for each other.

torchrun and accelerate launch tell each process its place in the environment. Neither scoring nor looking through files
needs an exchange of tensors, so a group on the CPU is enough; what it adds over files in the results folder is that a
process that dies is noticed at once by those that wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch.distributed as dist

from gdinousam.errors import InputError

Value = TypeVar("Value")

# A dead process is noticed at once; this is for one that lives and takes longer than the others.
LONGEST_WAIT = timedelta(days=2)


@dataclass(frozen=True)
class Processes:
    """rank: number of this process, from 0. count: how many there are. group: of theirs, ``None`` for torch's default
    one. The default is a process on its own.
    """

    rank: int = 0
    count: int = 1
    group: dist.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes what belongs to all."""
        return self.rank == 0

    def from_first(self, value: Value) -> Value:
        """The value that the first process gives; all wait for it, and what the others give is ignored.

        Raises InputError where a process stopped.
        """
        if self.count == 1:
            return value
        box = [value]
        try:
            dist.broadcast_object_list(box, src=0, group=self.group)
        except RuntimeError as error:
            raise InputError(_STOPPED) from error
        return box[0]

    def first_alone(self, work: Callable[[], Value]) -> Value:
        """What ``work`` returns, which the first process does while the others wait.

        Raises InputError where it does, in the others with the first line of its message.
        """
        if not self.is_first:
            value, said = self.from_first((None, None))
            if said is not None:
                raise InputError(f"the first process stopped: {said}")
            return cast(Value, value)
        try:
            value = work()
        except InputError as error:
            self.from_first((None, str(error).partition("\n")[0]))
            raise
        self.from_first((value, None))
        return value

    def wait(self) -> None:
        """Return when all processes have called this. Raises InputError where one stopped."""
        if self.count == 1:
            return
        try:
            dist.monitored_barrier(self.group, timeout=LONGEST_WAIT)
        except RuntimeError as error:
            raise InputError(_STOPPED) from error


ALONE = Processes()

_STOPPED = (
    "another of the processes stopped before it had done its share; its message is above or in its log. What is scored "
    "is kept: go on with --resume"
)


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """The processes that a launcher started, joined until the block ends; without a launcher this one alone.

    Where they have been joined already, as Accelerate does it for training, that stays as it is.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    if dist.is_initialized():
        # a group of its own: the one for gradients on GPUs takes a wait of ten minutes for a fault
        group: Any = dist.new_group(backend="gloo", timeout=LONGEST_WAIT)
        try:
            yield Processes(dist.get_rank(), count, group)
        finally:
            dist.destroy_process_group(group)
        return
    dist.init_process_group("gloo")
    try:
        yield Processes(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
