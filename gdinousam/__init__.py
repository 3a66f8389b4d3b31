"""Text-prompted segmentation of ultrasound images with a LoRA-tuned Grounding DINO and a frozen SAM2.

>>> from gdinousam import Segmenter
>>> segmenter = Segmenter.load("small")
>>> prediction = segmenter.predict("scan.png", "thyroid nodule")
>>> for path in prediction.save("out"):
...     print(path.name)
scan_overlay.png
scan_thyroid_nodule.png

docs/predicting.md tells the rest. ``load_segmenter`` and ``read_image`` are the level below.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Threads of OpenMP that wait for work spin by default, and so take the cores from whatever else the machine runs
# (docs/performance.md has the seconds). OpenMP reads this once, when torch is loaded, and Python runs this file before
# any other module of the package: before torch in every script, in ``python -m`` and in worker processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__all__ = [
    "Detection",
    "InputError",
    "MadeBy",
    "Measurement",
    "Prediction",
    "Segmenter",
    "load_segmenter",
    "read_image",
]

if TYPE_CHECKING:
    from gdinousam.data.images import read_image
    from gdinousam.errors import InputError
    from gdinousam.findings import MadeBy, Measurement
    from gdinousam.models.segmenter import load_segmenter
    from gdinousam.prediction.results import Prediction
    from gdinousam.prediction.segmenter import Segmenter
    from gdinousam.records import Detection

_HOMES = {
    "Detection": "records",
    "InputError": "errors",
    "MadeBy": "findings",
    "Measurement": "findings",
    "Prediction": "prediction.results",
    "Segmenter": "prediction.segmenter",
    "load_segmenter": "models.segmenter",
    "read_image": "data.images",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that importing the package costs nothing (PEP 562)."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'gdinousam' has no attribute {name!r}")
    return getattr(import_module(f"gdinousam.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, whether they have been used yet or not."""
    return sorted([*__all__, "__version__"])
