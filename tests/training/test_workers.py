"""Processes that read images and fail: the run ends with one line, at once."""

import os
import re
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from gdinousam.data.dataset import Batch, Example, collate
from gdinousam.data.images import read_image
from gdinousam.errors import InputError
from gdinousam.training.loading import begin_worker, worker_faults


class Failing(Dataset[Example]):
    """Two examples of 64 x 64 pixels; before the second the process that reads it does something."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Example:
        if index == 1 and get_worker_info() is not None:
            self.act()
        return Example(torch.ones(3, 64, 64), torch.zeros(0, 4), ("cyst",), torch.zeros(0, dtype=torch.int64), None)


def read_all(act: Callable[[], object], num_workers: int) -> list[Batch]:
    with worker_faults():
        return list(
            DataLoader(Failing(act), 1, num_workers=num_workers, collate_fn=collate, worker_init_fn=begin_worker)
        )


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_shared_memory() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))


def open_many_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())), 10_000))


@pytest.mark.parametrize("act", [die, fill_shared_memory, open_many_files])
def test_a_process_that_cannot_go_on_ends_the_reading_with_the_remedy(act: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=r"^a process that reads images died; .*--shm-size=8g.*num_workers=0\)$"):
        read_all(act, num_workers=1)


def test_a_file_that_is_wrong_is_named_in_one_line_by_workers_too(tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    expected = f"{path}: no such image file; check the name and the folder"
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        read_all(lambda: read_image(path), num_workers=1)


def test_an_error_of_the_program_stays_one() -> None:
    with pytest.raises(RuntimeError, match="a bug"), worker_faults():
        raise RuntimeError("a bug")
