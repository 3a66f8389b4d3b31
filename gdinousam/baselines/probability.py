"""From a map of probabilities, which is what networks without boxes give, to a detection."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from gdinousam.data.tight_boxes import tight_box_xywh
from gdinousam.records import Detection


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
    if not mask_hw.any():
        return None
    x, y, width, height = tight_box_xywh(mask_hw)
    score = float(probability_hw[mask_hw].mean(dtype=np.float64))
    return Detection(phrase, (float(x), float(y), float(x + width), float(y + height)), score, mask_hw)
