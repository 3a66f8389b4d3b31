"""What a run does to its process and notes of it: seeds, freed memory, the machine and the libraries."""

from __future__ import annotations

import ctypes
import hashlib
import platform
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(seed: int, deterministic: bool = False) -> None:
    """Seed Python, NumPy and torch. deterministic: also forbid operations without a deterministic form."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(deterministic)


def derived_seed(*parts: int | str) -> int:
    """A seed in [0, 2**63) that depends on all parts, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Inside, torch draws from ``seed``; outside, its CPU generator goes on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which would reseed the GPU for good
        yield


# names and numbers of glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = 2**31 - 1  # bytes free at the end of the heap before they are given back
_LARGE = 2**30  # bytes from which a block comes from the kernel on its own


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to keep what the process frees; true where that took effect (Linux with glibc)."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, _NEVER))


LIBRARIES = ("torch", "torchvision", "transformers", "peft", "accelerate", "timm")


def device_name(device: torch.device) -> str:
    """The name of the GPU, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
