"""The models that come with the package: ``small``, and the edition before it, whose numbers stay repeatable."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gdinousam.assets import ASSETS

SMALL, SMALL_V1 = "small", "small-v1"
BUNDLED = (SMALL, SMALL_V1)
# of the detector, as adapters note it (``weights_sha256``): it was called small when they were made
SMALL_V1_SHA256 = "adb7ccf65626020fd99bfe58033b45a9c8fc8959ba98d1cbbd7854d558091e75"
Part = Literal["detector", "mask_head"]


def bundled_folder(name: str) -> Path:
    """The folder of a bundled model."""
    return ASSETS / name.replace("-", "_")


def bundled_part(name: str | Path, part: Part) -> Path | None:
    """The folder of a part of a bundled model, ``None`` where the name is not one's."""
    return bundled_folder(str(name)) / part if name in BUNDLED else None


SMALL_DETECTOR = bundled_folder(SMALL) / "detector"
SMALL_MASK_HEAD = bundled_folder(SMALL) / "mask_head"
