"""Carrying by SAM2's memory: its video model looks back at what an object was, and draws it in the next frame."""

from __future__ import annotations

from dataclasses import replace

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.models.mask_heads.sam2_memory import Sam2Memory
from gdinousam.prediction.clips.flow import Carried
from gdinousam.records import Detection, Image


class MemoryCarrier:
    """A ``Carrier`` with SAM2's memory, which starts empty. Boxes are those round the masks."""

    def __init__(self, memory: Sam2Memory) -> None:
        self._memory = memory.fresh()
        self._known: dict[int, Detection] = {}
        self._image: Image | None = None

    def carry(self, image: Image) -> dict[int, Carried]:
        """Draw every object in the next frame; one that is not to be seen keeps its box and has an empty mask."""
        self._image = image
        carried = {}
        for number, (mask_hw, probability) in self._memory.advance(image).items():
            known, box_xyxy = self._known[number], tight_box_xyxy(mask_hw)
            self._known[number] = replace(known, box_xyxy=box_xyxy or known.box_xyxy)
            seen = replace(self._known[number], mask_hw=mask_hw)
            carried[number] = Carried(seen, 0.0 if box_xyxy is None else probability)
        return carried

    def anchor(self, number: int, detection: Detection) -> Detection:
        """Show the memory what the detector and the mask head found."""
        assert self._image is not None and detection.mask_hw is not None
        self._memory.show(number, self._image, detection.mask_hw)
        self._known[number] = replace(detection, mask_hw=None)
        return detection

    def drop(self, number: int) -> None:
        """Forget an object."""
        del self._known[number]
        self._memory.forget(number)
