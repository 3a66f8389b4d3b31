"""SAMUS as a compared method: images and clicks shown as its test code does, and masks of the images' own sizes.

Shapes: B images, S side of the square image (256 as published), G = S / 8, E channels of the encoded image, M hints.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F

from gdinousam.errors import InputError
from gdinousam.inputs import as_hints, as_images
from gdinousam.methods.detections import detections_of
from gdinousam.methods.samus.network import Samus
from gdinousam.prediction.correcting import point_in_square
from gdinousam.records import Detection, Hint, Image, Need

_THRESHOLD = 0.5  # of probabilities, in the official test code


class SamusSegmenter:
    """SAMUS as a ``gdinousam.records.HintedSegmenter`` that looks at nothing of a hint but its clicks, at all of
    them. model: in eval mode.
    """

    needs: frozenset[Need] = frozenset({"point"})

    def __init__(self, model: Samus) -> None:
        self.model = model

    def to(self, device: torch.device | str) -> SamusSegmenter:
        """Move the model to a device; returns this object."""
        self.model.to(device)
        return self

    @torch.inference_mode()
    def segment_hints(self, images: Sequence[Image], hints: Sequence[Sequence[Hint]]) -> list[list[Detection]]:
        """Segment the object of each hint; see ``gdinousam.records.HintedSegmenter``.

        Each image is encoded once, and one without hints costs nothing. A detection's mask may be empty where the
        hint has a box. Raises InputError for a hint without clicks.
        """
        images = as_images(images)
        hints = as_hints(hints, len(images))
        for hint in (hint for row in hints for hint in row):
            if not hint.clicks:
                raise InputError(f"the hint for {hint.phrase!r} has no click, which SAMUS needs; give one")
        answers: list[list[Detection]] = [[] for _ in images]
        wanted = [place for place, row in enumerate(hints) if row]
        if not wanted:
            return answers
        side = self.model.config.image_size
        squares = torch.stack([square_of(images[place], side) for place in wanted]).to(self.model.device)
        for place, encoded in zip(wanted, self.model.encode(squares).split(1), strict=True):
            probabilities = self.probabilities(encoded, hints[place], images[place].shape[:2])
            masks = np.asarray((probabilities > _THRESHOLD).cpu(), dtype=bool)
            answers[place] = detections_of(hints[place], masks)
        return answers

    def probabilities(self, encoded: torch.Tensor, hints: Sequence[Hint], size_hw: tuple[int, int]) -> torch.Tensor:
        """How likely each pixel is inside, (M, H, W) float32 in [0, 1], for the hints of one image of size (H, W).

        encoded: (1, E, G, G). The logits are brought to the square and made probabilities there, as published. The
        official code cuts those at 0.5 and scores them on the square; here they are resized bilinearly to the image
        before anybody cuts them, which loses less than resizing the mask.
        """
        logits = self.low_res_logits(encoded, hints, size_hw)
        return F.interpolate(self.square_logits(logits).sigmoid(), size_hw, mode="bilinear")[:, 0]

    def low_res_logits(self, encoded: torch.Tensor, hints: Sequence[Hint], size_hw: tuple[int, int]) -> torch.Tensor:
        """The network's answer to the hints of one image of size (H, W), (M, 1, S/2, S/2) float32.

        Hints with as many clicks as each other go through the decoder together.
        """
        side = self.model.config.image_size
        order: list[int] = []
        parts: list[torch.Tensor] = []
        for count in sorted({len(hint.clicks) for hint in hints}):
            places = [place for place, hint in enumerate(hints) if len(hint.clicks) == count]
            clicks = [hints[place].clicks for place in places]
            points_xy = torch.tensor([[point_in_square(click, size_hw, side) for click in row] for row in clicks])
            labels = torch.tensor([[int(click.is_foreground) for click in row] for row in clicks])
            logits = self.model.decode(encoded, points_xy[None].to(encoded.device), labels[None].to(encoded.device))
            order += places
            parts.append(logits[0])
        return torch.cat(parts)[torch.tensor(order).argsort(), None]

    def square_logits(self, low_res_logits: torch.Tensor) -> torch.Tensor:
        """(M, 1, S/2, S/2) logits to (M, 1, S, S)."""
        side = self.model.config.image_size
        return F.interpolate(low_res_logits, (side, side), mode="bilinear")


def square_of(image: Image, side: int) -> torch.Tensor:
    """Turn an (H, W, 3) uint8 RGB image into the (3, S, S) float32 in [0, 1] that the network sees.

    Made gray by Pillow's luminance (ITU-R 601; three equal channels stay what they are, exactly), stretched to S x S
    with Pillow's bilinear filter, which smooths where it shrinks, divided by 255, and repeated to three channels. There
    is not a further normalisation: the official network keeps SAM's statistics but does not use them.
    """
    gray = PIL.Image.fromarray(image).convert("L").resize((side, side), PIL.Image.Resampling.BILINEAR)
    return (torch.from_numpy(np.array(gray)).float() / 255).expand(3, side, side)
