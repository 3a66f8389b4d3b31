"""From what networks without boxes give, a map of probabilities or a mask, to a detection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.records import Detection, Hint, Mask


def detection_of(
    phrase: str, probability_hw: npt.NDArray[np.floating] | torch.Tensor, threshold: float = 0.5
) -> Detection | None:
    """All pixels that a phrase probably names, as one detection.

    phrase: passed on. probability_hw: (H, W) floating point in [0, 1] of the original image, a tensor on any device.
    threshold: in [0, 1]; pixels above it, not at it, make the mask.
    Returns the mask with the smallest box of whole pixels round it, x1 and y1 just beyond its last pixels, and as score
    the mean probability inside it, hence above the threshold; ``None`` where no pixel is above the threshold. Objects
    that do not touch are one detection. Raises ValueError for an array that is not (H, W).
    """
    if isinstance(probability_hw, torch.Tensor):
        probability_hw = probability_hw.detach().float().cpu().numpy()
    if probability_hw.ndim != 2:
        raise ValueError(f"probabilities of shape {tuple(probability_hw.shape)}; give those of one image, (H, W)")
    mask_hw = np.asarray(probability_hw > threshold)
    box_xyxy = tight_box_xyxy(mask_hw)
    if box_xyxy is None:
        return None
    return Detection(phrase, box_xyxy, float(probability_hw[mask_hw].mean(dtype=np.float64)), mask_hw)


def detections_of(hints: Sequence[Hint], masks: Iterable[Mask]) -> list[Detection]:
    """What was made of the hints of one image, each with its (H, W) bool mask.

    A hint without a box gets the one round its mask, and no detection where that is empty.
    """
    pairs = [
        (hint, mask_hw, hint.box_xyxy or tight_box_xyxy(mask_hw)) for hint, mask_hw in zip(hints, masks, strict=True)
    ]
    return [Detection(hint.phrase, box, hint.score, mask_hw) for hint, mask_hw, box in pairs if box is not None]
