"""Our mask heads against the official code: the same file of weights, the same image, the same boxes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from benchmarks.parity.official_sam import (
    FULL_SIZE,
    LOW_RES,
    AnswerBoxes,
    MaskLogits,
    has_official_sam,
    official_sam,
    official_sam2,
    official_sam2_version,
    sam2_answers,
    sam_answers,
)
from benchmarks.parity.rows import ParityRow, largest_difference
from gdinousam.data.sources.phantoms import PhantomSettings, make_phantom
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.sam import OriginalFrame, SamMaskHead
from gdinousam.models.mask_heads.sam2 import MaskHead, Sam2MaskHead
from gdinousam.records import Image

logger = logging.getLogger(__name__)

# Logits have a standard deviation of 2 to 4 with these weights; sums in another order differ by about 1e-5.
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Prompted:
    """An image and what is asked of it. image: (H, W, 3) uint8 RGB. boxes_xyxy: (N, 4) float32 in its pixels."""

    image: Image
    boxes_xyxy: torch.Tensor

    def __str__(self) -> str:
        height, width = self.image.shape[:2]
        num_boxes = len(self.boxes_xyxy)
        return f"{width} x {height}, {num_boxes} box{'es' * (num_boxes > 1)}"


def square_with_a_box() -> Prompted:
    """A generated square image, smaller than what the models see, and one box."""
    return Prompted(_phantom_image((480, 480)), torch.tensor([[100.0, 120.5, 260.0, 300.0]]))


def wide_with_boxes() -> Prompted:
    """A generated image that is larger than what the models see on one axis and smaller on the other; three boxes."""
    boxes = [[30.0, 20.0, 300.0, 380.5], [0.0, 0.0, 1100.0, 400.0], [640.25, 100.0, 900.0, 260.0]]
    return Prompted(_phantom_image((400, 1100)), torch.tensor(boxes))


# Name, configuration in the package, and the inputs, fewer for the slow sizes.
_SAM2_CASES: tuple[tuple[str, str, tuple[Callable[[], Prompted], ...]], ...] = (
    ("SAM2.1 tiny", "sam2.1/sam2.1_hiera_t", (square_with_a_box, wide_with_boxes)),
    ("SAM2.1 small", "sam2.1/sam2.1_hiera_s", (square_with_a_box, wide_with_boxes)),
    ("SAM2.1 base_plus", "sam2.1/sam2.1_hiera_b+", (wide_with_boxes,)),
    ("SAM2.1 large", "sam2.1/sam2.1_hiera_l", (wide_with_boxes,)),
    ("SAM2 tiny", "sam2/sam2_hiera_t", (wide_with_boxes,)),
)


def mask_head_rows() -> Iterator[ParityRow]:
    """Compare SAM2.1 in all four sizes, SAM2 in one, and SAM ViT-B where segment-anything is installed.

    Yields two rows per image: the decoder's answer, and its logits in the size of the image. Takes minutes on a CPU.
    Raises InputError where the package sam2 is missing.
    """
    against_sam2 = f"sam2 {official_sam2_version()}"
    for name, config, inputs in _SAM2_CASES:
        logger.info("%s: building the official model and ours", name)
        official = official_sam2(config)
        prompted = [one() for one in inputs]
        yield from _rows(name, against_sam2, sam2_answers(official), load_as_file(official), prompted)
    if has_official_sam():
        logger.info("SAM ViT-B: building the official model and ours")
        sam = official_sam()
        against = f"segment-anything {version('segment-anything')}"
        yield from _rows("SAM ViT-B", against, sam_answers(sam), load_as_file(sam), [wide_with_boxes()])
    else:
        logger.info("SAM ViT-B is left out: pip install segment-anything to compare it")


def load_as_file(official: nn.Module) -> MaskHead:
    """Save an official model as its authors publish it, and load that file as a user would."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "official.pt"
        torch.save({"model": official.state_dict()}, path)
        return load_mask_head(str(path))


@torch.inference_mode()
def our_logits(head: MaskHead, prompted: Prompted) -> MaskLogits:
    """What our mask head answers before the cut at 0. Not for MedSAM, which is cut as probabilities."""
    size_hw = prompted.image.shape[:2]
    (encoded,) = head.encode([prompted.image])
    low_res = head.low_res_logits(encoded, prompted.boxes_xyxy, size_hw)
    resizer = head.frame if isinstance(head, SamMaskHead) else head
    assert isinstance(resizer, Sam2MaskHead | OriginalFrame)
    return {LOW_RES: low_res, FULL_SIZE: resizer.logits_of_size(low_res, size_hw)}


def _rows(
    name: str, against: str, answer: AnswerBoxes, head: MaskHead, inputs: Sequence[Prompted]
) -> Iterator[ParityRow]:
    for prompted in inputs:
        logger.info("%s: comparing on %s", name, prompted)
        ours, official = our_logits(head, prompted), answer(prompted.image, prompted.boxes_xyxy)
        for output, logits in ours.items():
            difference = largest_difference(logits, official[output])
            yield ParityRow(name, str(prompted), output, against, difference, TOLERANCE)


def _phantom_image(size_hw: tuple[int, int]) -> Image:
    height, width = size_hw
    settings = PhantomSettings(height_range=(height, height), width_range=(width, width))
    return make_phantom(np.random.default_rng(0), settings).image
