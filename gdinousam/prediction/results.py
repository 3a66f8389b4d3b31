"""What comes out of a prediction: what was found in an image, and what found it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gdinousam.data.sources.medical.frames import Spacing
from gdinousam.prediction.measuring import Measurement, measure
from gdinousam.records import Detection, Image


@dataclass(frozen=True)
class MadeBy:
    """What made a result, so that it can be traced and made again.

    model, adapter, mask_head: short names; a file or folder by the last parts of its path. thresholds:
    ``box_threshold``, ``further_threshold`` and ``max_detections`` as they held, ``None`` where the method has none.
    weights: sha256 of the weights of each part (``detector``, ``adapter``, ``mask_head``); random ones have none.
    versions: of gdinousam, torch and transformers.
    """

    model: str
    adapter: str | None
    mask_head: str
    thresholds: Mapping[str, float | int | None]
    weights: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was found in one image.

    image: (H, W, 3) uint8 RGB, as the model was given it. phrases: what was asked, each as it was written; of those
    that read alike the first. detections: in the order of the phrases, then by falling score; empty where nothing was
    found. made_by: what found them. source: the name of the file without its folder, or ``image 3``. spacing_mm:
    (across, down) millimetres from one pixel to the next, ``None`` where the file does not tell. notes: what a reader
    of the result should know, a sentence each.
    """

    image: Image
    phrases: tuple[str, ...]
    detections: tuple[Detection, ...]
    made_by: MadeBy
    source: str
    spacing_mm: Spacing | None = None
    notes: tuple[str, ...] = ()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        height, width = self.image.shape[:2]
        return height, width

    def measurements(self) -> tuple[Measurement, ...]:
        """The size of every detection, in the order of ``detections``; in mm where ``spacing_mm`` is known.

        Raises InputError for a detection without a mask.
        """
        return tuple(measure(one, self.spacing_mm) for one in self.detections)

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

    def to_coco(self, image_id: int = 1, category_ids: Mapping[str, int] | None = None) -> dict[str, Any]:
        """Image, categories and results with run lengths, as ``gdinousam.prediction.coco.coco_of`` says.

        That function takes several predictions at once.
        """
        from gdinousam.prediction.coco import coco_of

        return coco_of([self], [image_id], category_ids)

    def to_supervision(self) -> Any:
        """The detections as ``supervision.Detections``, see ``gdinousam.prediction.supervision``."""
        from gdinousam.prediction.supervision import supervision_of

        return supervision_of(self)
