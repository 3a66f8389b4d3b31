"""What a comparison notes about the machine, the most memory that work takes and how long it was kept waiting."""

from __future__ import annotations

import ctypes
import gc
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from gdinousam import __version__

_PACKAGES = ("torch", "torchvision", "transformers", "peft", "accelerate", "groundingdino-py", "sam2", "triton")
# Instructions for products of bfloat16 numbers; a processor with neither computes them as float32.
_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
_CPU_FACTS = Path("/proc/cpuinfo")
_PROCESSES = Path("/proc")
_THREADS = Path("/proc/self/task")
_RESET_PEAK = Path("/proc/self/clear_refs")
_RESET_PEAK_CODE = "5"  # proc(5): set the peak resident size to the present one


def machine_facts(device: torch.device) -> dict[str, str]:
    """The device and what its speed depends on, as words: kind of processor or GPU, threads, bfloat16."""
    facts = {"processor": _cpu_name(), "threads": str(torch.get_num_threads())}
    if device.type == "cuda":
        facts["GPU"] = str(torch.cuda.get_device_name(device))
        facts["bfloat16"] = "yes" if torch.cuda.is_bf16_supported() else "no"
        facts["TF32 in matrix products"] = str(torch.backends.cuda.matmul.allow_tf32)
        facts["TF32 in convolutions"] = str(torch.backends.cudnn.allow_tf32)
    else:
        found = [flag for flag in _BFLOAT16_FLAGS if re.search(rf"\b{flag}\b", _cpu_text())]
        facts["bfloat16"] = ", ".join(found) or "no instructions for it"
    return facts


def versions() -> dict[str, str]:
    """Versions of this package and of all that both sides build on; packages that are missing are left out."""
    found = {"gdinousam": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass
class Peak:
    """extra_bytes: the most memory taken above what was held before; ``None`` where it cannot be told."""

    extra_bytes: int | None = None


@contextmanager
def watched_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the block: on a GPU what torch took, on a CPU the resident memory of the process (Linux)."""
    peak = Peak()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak.extra_bytes = torch.cuda.max_memory_allocated(device) - before
        return
    resident = _reset_resident()
    yield peak
    highest = resident_bytes("VmHWM")
    if resident is not None and highest is not None:
        peak.extra_bytes = highest - resident


def resident_bytes(kind: str, process: int | None = None) -> int | None:
    """Resident memory of a process: now (``VmRSS``) or the most so far (``VmHWM``); ``None`` where not on Linux.

    process: its number; ``None``: this one.

    Not getrusage: its maximum is handed on to a started program, so a child would report the peak of its parent.
    """
    try:
        status = _PROCESSES / ("self" if process is None else str(process)) / "status"
        found = re.search(rf"^{kind}:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def seconds_kept_waiting() -> float:
    """Seconds so far that threads of this process were ready to run while others had the processor, added up.

    The difference of two readings tells whether a time can be trusted. 0.0 where the system does not say (no Linux).
    """
    nanoseconds = 0
    for path in _THREADS.glob("*/schedstat"):
        try:
            # proc(5): time on the processor, time waiting for it, number of turns
            nanoseconds += int(path.read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):  # the thread has ended, or the kernel does not count
            continue
    return nanoseconds / 1e9


def weights_bytes(*modules: torch.nn.Module) -> int:
    """Bytes of all distinct parameters and buffers."""
    tensors = {
        id(tensor): tensor for module in modules for part in (module.parameters(), module.buffers()) for tensor in part
    }
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _reset_resident() -> int | None:
    """Give freed memory back, set the peak to the present resident size and return that in bytes."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _RESET_PEAK.write_text(_RESET_PEAK_CODE, encoding="ascii")
    except OSError:  # not Linux, or a kernel that does not count
        return None
    return resident_bytes("VmRSS")


def _cpu_name() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _cpu_text(), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cpu_text() -> str:
    return _CPU_FACTS.read_text(encoding="utf-8", errors="replace") if _CPU_FACTS.is_file() else ""
