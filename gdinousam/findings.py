"""What is told of whatever was found in an image: what found it, and how large it is. Needs numpy alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gdinousam.records import BoxXYXY, Detection

Unit = Literal["mm", "pixels"]


@dataclass(frozen=True)
class MadeBy:
    """What made a result, so that it can be traced and made again.

    model, adapter, mask_head: short names; a file or folder by the last parts of its path. thresholds:
    ``box_threshold``, ``further_threshold`` and ``max_detections`` as they held, ``None`` where the method has none.
    weights: sha256 of the weights of each part (``detector``, ``adapter``, ``mask_head``); random ones have none.
    versions: of gdinousam, torch and transformers. shown: what of an image the models saw, see ``ViewSettings``.
    """

    model: str
    adapter: str | None
    mask_head: str
    thresholds: Mapping[str, float | int | None]
    weights: Mapping[str, str]
    versions: Mapping[str, str]
    shown: Mapping[str, bool | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """The size of one detection.

    phrase, score, box_xyxy: of the detection; the box stays in pixels of the image. unit: of all lengths; the area is
    in its square. longest_diameter: between the two points of the outline that are farthest apart.
    perpendicular_diameter: the longest straight line across the object at a right angle to that one; dents are bridged.
    ellipse_major, ellipse_minor: whole axes of the ellipse with the same centre and second moments. ellipse_angle: of
    its major axis, in degrees in [0, 180), clockwise from the horizontal as seen on the screen, in the unit's
    proportions; 0 for a round one. num_parts: separate parts of the mask; pixels that touch at a corner are one part.
    An empty mask has zeros throughout.
    """

    phrase: str
    score: float
    unit: Unit
    area: float
    longest_diameter: float
    perpendicular_diameter: float
    ellipse_major: float
    ellipse_minor: float
    ellipse_angle: float
    num_parts: int
    box_xyxy: BoxXYXY


class Findings(ABC):
    """What all predictions can tell, made here or by a server."""

    detections: tuple[Detection, ...]
    source: str

    @property
    @abstractmethod
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""

    def __repr__(self) -> str:
        """Without pixels, of which there are too many to read."""
        found = ", ".join(f"{one.phrase} {one.score:.2f}" for one in self.detections) or "nothing found"
        height, width = self.size_hw
        return f"{type(self).__name__}({self.source!r}, {width} x {height} pixels, {found})"

    def to_dicts(self) -> list[dict[str, Any]]:
        """Score, label and box of every detection, as zero-shot pipelines of transformers give them.

        The box is a dictionary of whole pixels, ``xmin``, ``ymin``, ``xmax``, ``ymax``, cut off as there; the exact one
        is in ``detections``.
        """
        return [
            {
                "score": one.score,
                "label": one.phrase,
                "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), map(int, one.box_xyxy), strict=True)),
            }
            for one in self.detections
        ]
