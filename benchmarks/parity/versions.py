"""What a parity table was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

_PACKAGES = ("torch", "transformers", "peft", "groundingdino-py", "sam2")


def versions() -> str:
    """One line for people: Python, the packages that matter (those that are missing are left out), the processor."""
    parts = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return f"{', '.join(parts)}; float32 on {platform.machine()} CPU, {torch.get_num_threads()} threads"
