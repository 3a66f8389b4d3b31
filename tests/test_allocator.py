"""Keeping freed memory: takes effect with glibc, and blocks of a training step are then handed out again unfaulted."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# counts page faults of taking, filling and freeing 64 MB twenty times over
COUNT_FAULTS = """
import resource, sys
import torch
from gdinousam.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):  # until the heap has grown
    torch.ones(2**24)
before = faults()
for _ in range(20):
    torch.ones(2**24)
print(faults() - before)
"""


def faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library manages its memory in its own way")
def test_memory_that_was_freed_is_used_again_without_page_faults() -> None:
    assert faults("keep") < faults("leave") / 10
