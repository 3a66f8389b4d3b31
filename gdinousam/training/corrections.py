"""Training of a mask head that can be corrected: shown a box or a click, then clicks where its mask was wrong.

SAM was trained in this way (Kirillov and others 2023, appendix A); the paper's mask head is frozen. Shapes: K objects
of a batch, S side of the square that the model sees.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from gdinousam.data.dataset import Batch
from gdinousam.models.mask_heads.sam2 import Clicks, Sam2MaskHead
from gdinousam.preprocessing import boxes_xyxy_pixels
from gdinousam.settings import Settings
from gdinousam.training.losses import Term, mask_sums
from gdinousam.training.phrase_masks import QUALITY, overlaps
from gdinousam.training.tasks import MASK_TERMS, MASKS, Task, jittered

_NEIGHBOURHOOD = 5  # pixels of the low-resolution mask, in which an error is a large one


class CorrectionSettings(Settings):
    """How a mask head learns to be corrected."""

    clicks: int = Field(
        2,
        ge=1,
        description="Clicks after the first mask of an object, one by one, each where the mask before was wrong.",
    )
    by_click: float = Field(
        0.2,
        ge=0.0,
        le=1.0,
        description="Share of the batches that begin with a click on the object in place of its box.",
    )


class CorrectedForTraining(nn.Module):
    """The mask head as the loop calls it: every object is asked for several times, with one click more each time."""

    def __init__(self, mask_head: Sam2MaskHead) -> None:
        super().__init__()
        self.mask_head = mask_head

    def forward(
        self,
        pixel_values: torch.Tensor,
        images: torch.Tensor,
        boxes_xyxy: torch.Tensor | None,
        truth: torch.Tensor,
        num_clicks: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(R, K, S, S) logits and (R, K) expected overlaps in [0, 1] of R = 1 + num_clicks rounds.

        pixel_values: (B, 3, S, S), normalised. images: (K,) int64, the image of each object. boxes_xyxy: (K, 4) in
        pixels of the square; ``None`` begins with a click on each object. truth: (K, S, S) zeros and ones.
        """
        levels = [level[images] for level in self.mask_head.learnable_levels(pixel_values)]
        small = F.interpolate(truth[:, None], scale_factor=0.25, mode="area")[:, 0] > 0.5
        clicks = None if boxes_xyxy is not None else click_where(small, small)
        rounds = []
        for left in range(num_clicks, -1, -1):
            answer = self.mask_head.shown(levels, boxes_xyxy, clicks)
            rounds.append(answer)
            if left:
                wrong = (answer.low_res_logits[:, 0].detach() > 0) != small
                clicks = _and(clicks, click_where(wrong, small))
        logits = torch.stack([F.interpolate(one.low_res_logits, truth.shape[-2:], mode="bilinear") for one in rounds])
        return logits[:, :, 0], torch.stack([one.quality for one in rounds if one.quality is not None])


class CorrectedMaskTask(Task):
    """Cross-entropy and soft Dice at the size of the input, where masks are cut, and the squared error of the expected
    overlap, each the mean over the rounds. In validation every object is shown by its own box alone.

    box_jitter: by how much of its size an edge of a box moves at most, in training alone.
    """

    terms = MASK_TERMS | {QUALITY: Term(1.0, MASKS)}

    def __init__(self, mask_head: Sam2MaskHead, settings: CorrectionSettings, box_jitter: float) -> None:
        self.mask_head = mask_head
        self.model = CorrectedForTraining(mask_head)
        self.settings, self.box_jitter = settings, box_jitter

    def counts(self, batch: Batch) -> dict[str, int]:
        return {MASKS: batch.num_boxes}

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        images, boxes_xyxy, truth = self._objects(batch)
        is_training = self.model.training
        begins_with_box = not is_training or float(torch.rand(())) >= self.settings.by_click
        num_clicks = self.settings.clicks if is_training else 0
        logits, quality = model(batch.pixel_values, images, boxes_xyxy if begins_with_box else None, truth, num_clicks)
        real = batch.num_boxes  # an object stands in where a batch has none, since the loop wants a gradient
        sums: dict[str, torch.Tensor] = {name: logits.new_zeros(()) for name in self.terms}
        for of_round, expected in zip(logits[:, :real], quality[:, :real], strict=True):
            overlap = overlaps(of_round.detach() > 0, truth[:real] > 0)
            of_this = {**mask_sums(of_round, truth[:real]), QUALITY: F.mse_loss(expected, overlap, reduction="sum")}
            sums = {name: value + of_this[name] / len(logits) for name, value in sums.items()}
        if not real:
            sums["mask_bce"] = sums["mask_bce"] + 0 * logits.sum()
        return sums

    def _objects(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Image (K,), box (K, 4) in pixels of the square, and mask (K, S, S) of every object, K at least 1."""
        side = self.mask_head.side
        images, boxes, masks = [], [], []
        for row, example in enumerate(batch.examples):
            if not len(example.boxes_cxcywh_norm):
                continue
            if example.masks is None:
                raise ValueError("the mask head learns from masks; build its dataset with with_masks=True")
            own = boxes_xyxy_pixels(example.boxes_cxcywh_norm, (side, side))
            boxes.append(jittered(own, self.box_jitter, side) if self.model.training else own)
            masks.append(example.masks.float())
            images += [row] * len(own)
        if not images:
            whole = batch.pixel_values.new_tensor([[0.0, 0.0, side, side]])
            return torch.zeros(1, dtype=torch.long), whole, batch.pixel_values.new_ones(1, side, side)
        return torch.tensor(images, device=masks[0].device), torch.cat(boxes), torch.cat(masks)

    def save(self, folder: Path) -> None:
        self.mask_head.save(folder)


def click_where(wanted: torch.Tensor, truth: torch.Tensor) -> Clicks:
    """One click for each of K objects, on a random pixel of ``wanted``, rather inside a large part of it than at its
    edge; on a pixel of the object where nothing is wanted, anywhere where that is too small to be seen.

    wanted, truth: (K, S/4, S/4) bool.
    """
    num, _, width = wanted.shape
    region = torch.where(wanted.flatten(1).any(dim=1)[:, None, None], wanted, truth).float()
    region = torch.where(region.flatten(1).any(dim=1)[:, None, None], region, torch.ones_like(region))
    large = F.avg_pool2d(region[:, None], _NEIGHBOURHOOD, stride=1, padding=_NEIGHBOURHOOD // 2)[:, 0]
    place = torch.multinomial((region * large**2).flatten(1), 1)
    row, column = place // width, place % width
    scale = 4.0  # from its pixels to those of the square; centres fall between four of them
    points_xy = torch.stack([column, row], dim=-1) * scale + (scale - 1) / 2
    labels = truth[torch.arange(num, device=truth.device)[:, None], row, column].long()
    return Clicks(points_xy, labels)


def _and(clicks: Clicks | None, more: Clicks) -> Clicks:
    if clicks is None:
        return more
    return Clicks(torch.cat([clicks.points_xy, more.points_xy], dim=1), torch.cat([clicks.labels, more.labels], dim=1))
