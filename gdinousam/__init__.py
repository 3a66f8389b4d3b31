"""Text-prompted segmentation of ultrasound images with a LoRA-tuned Grounding DINO and a frozen SAM2.

``load_segmenter`` and ``read_image`` are the shortest way from an image and a phrase to a mask; see README.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Threads of OpenMP that wait for work spin by default, and so take the cores from whatever else the machine runs
# (docs/performance.md has the seconds). OpenMP reads this once, when torch is loaded, and Python runs this file before
# any other module of the package: before torch in every script, in ``python -m`` and in worker processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__all__ = ["Detection", "load_segmenter", "read_image"]

if TYPE_CHECKING:
    from gdinousam.data.images import read_image
    from gdinousam.models.segmenter import load_segmenter
    from gdinousam.records import Detection


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that importing the package costs nothing (PEP 562)."""
    from importlib import import_module

    homes = {
        "Detection": "gdinousam.records",
        "load_segmenter": "gdinousam.models.segmenter",
        "read_image": "gdinousam.data.images",
    }
    if name not in homes:
        raise AttributeError(f"module 'gdinousam' has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)
