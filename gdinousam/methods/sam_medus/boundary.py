"""The boundary loss (Kervadec and others, Boundary loss for highly unbalanced segmentation, MIDL 2019).

Of a mask, with p the probability of a pixel and d its distance to the true outline, negative inside the object:

    loss = mean over pixels of d * p

It falls where probability moves from outside to inside, the more so the further from the outline, and may be negative.
Distances are fractions of the side of the mask, so that the loss means the same at any size; in the paper they are
pixels, and its weight of 0.01 on 64 pixels is one of 0.64 here.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt


def signed_distances(truth: torch.Tensor) -> torch.Tensor:
    """Distances of pixels to the outlines of N masks: (N, H, W) float32, as fractions of W, on the device of the truth.

    truth: (N, H, W), zeros and ones. Outside an object: from the centre of the pixel to that of the next one inside.
    Inside: 1 pixel less than to the next one outside, and negative, so that the pixels at the outline have 0, as in the
    authors' code. A mask that is empty or full has no outline: zeros.
    """
    inside = truth.cpu().numpy() > 0.5
    distances = np.zeros(inside.shape, dtype=np.float32)
    for place, mask_hw in enumerate(inside):
        if mask_hw.any() and not mask_hw.all():
            outwards, inwards = distance_transform_edt(~mask_hw), distance_transform_edt(mask_hw)
            distances[place] = np.where(mask_hw, 1 - inwards, outwards)
    return torch.from_numpy(distances).to(truth.device) / truth.shape[-1]


def boundary_sum(mask_logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The loss summed over N masks, a scalar; 0 for N = 0. mask_logits, truth: (N, H, W), truth zeros and ones."""
    return (signed_distances(truth) * mask_logits.float().sigmoid()).mean(dim=(1, 2)).sum()
