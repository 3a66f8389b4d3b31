"""The core of multi-scale deformable attention without its intermediates (Zhu et al. 2021, equation 3).

transformers samples every level by ``grid_sample``, stacks the samples, multiplies and sums them: at 800 x 800 each
layer writes and reads 54 million numbers several times for an answer of 3 million. Here a query's answer is one
weighted sum over rows of a table, which torch has as ``embedding_bag``. Nothing in it adds atomically, so that equal
runs give equal numbers on a GPU too. ``deformable_choice`` says where it is used.

Shapes: B images, S positions of all levels, Q queries, H heads, C channels of a head, L levels, P points of a level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

Sampler = Callable[[torch.Tensor, Sequence[tuple[int, int]], torch.Tensor, torch.Tensor], torch.Tensor]
_CORNERS = 4  # of the pixel square round a point


def sample_by_bags(
    value: torch.Tensor, shapes_hw: Sequence[tuple[int, int]], locations: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Sum of bilinear samples, weighted.

    value: (B, S, H, C) floating point, the levels one after the other, row by row. shapes_hw: (height, width) of the L
    levels. locations: (B, Q, H, L, P, 2) float32, x and y as fractions of the level; beyond its edge there are zeros.
    weights: (B, Q, H, L, P). Returns (B, Q, H * C) in the dtype of value; sums are in float32. Has gradients.
    """
    shapes = tuple((int(height), int(width)) for height, width in shapes_hw)
    result: torch.Tensor = _SampleByBags.apply(value, shapes, locations, weights)
    return result


@dataclass(frozen=True, eq=False)
class _Bags:
    """For every query and head the rows of the table to sum: 4 corners of L * P points.

    rows: (B * Q * H * 4 * L * P,) int64. weights: the same length, float32. to_right, to_below: (B, Q, H, L, P), how
    far a point lies from the upper left corner, in pixels in [0, 1].
    """

    rows: torch.Tensor
    weights: torch.Tensor
    to_right: torch.Tensor
    to_below: torch.Tensor


class _SampleByBags(torch.autograd.Function):
    """``sample_by_bags``; keeps nothing for the backward pass but its inputs."""

    @staticmethod
    def forward(
        ctx: Any,
        value: torch.Tensor,
        shapes: tuple[tuple[int, int], ...],
        locations: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        ctx.save_for_backward(value, locations, weights)
        ctx.shapes = shapes
        bags = _bags(value, shapes, locations, weights)
        summed = _sum_bags(bags, _table(value, shapes))
        return summed.view(*locations.shape[:2], -1).to(value.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        value, locations, weights = ctx.saved_tensors
        bags = _bags(value, ctx.shapes, locations, weights)
        gradient = gradients[0].float().reshape(-1, value.shape[3])  # (B * Q * H, C)
        of_value = _table_gradient(bags, gradient, value, ctx.shapes) if ctx.needs_input_grad[0] else None
        of_locations, of_weights = _point_gradients(
            bags, gradient, _table(value, ctx.shapes), locations, weights, ctx.shapes
        )
        return of_value, None, of_locations, of_weights


def _padded_starts(shapes: Sequence[tuple[int, int]]) -> list[int]:
    """Where each level starts in a table with a border of one pixel round every level, and the length of all."""
    starts = [0]
    for height, width in shapes:
        starts.append(starts[-1] + (height + 2) * (width + 2))
    return starts


def _table(value: torch.Tensor, shapes: Sequence[tuple[int, int]]) -> torch.Tensor:
    """The values with a border of zeros round each level, so that no corner of a point needs a test: (rows, C)."""
    batch_size, _, num_heads, channels = value.shape
    starts = _padded_starts(shapes)
    table = value.new_zeros(batch_size, starts[-1], num_heads, channels, dtype=torch.float32)
    for start, (height, width), level in zip(starts, shapes, _levels(value, shapes), strict=False):
        bordered = table[:, start : start + (height + 2) * (width + 2)]
        inside = bordered.view(batch_size, height + 2, width + 2, num_heads, channels)[:, 1:-1, 1:-1]
        inside.copy_(level.view(batch_size, height, width, num_heads, channels))
    return table.view(-1, channels)


def _levels(value: torch.Tensor, shapes: Sequence[tuple[int, int]]) -> tuple[torch.Tensor, ...]:
    return value.split([height * width for height, width in shapes], dim=1)


def _bags(
    value: torch.Tensor, shapes: Sequence[tuple[int, int]], locations: torch.Tensor, weights: torch.Tensor
) -> _Bags:
    batch_size, num_queries, num_heads, num_levels, num_points, _ = locations.shape
    device = locations.device
    sides = torch.tensor(shapes, dtype=torch.float32, device=device)
    heights, widths = sides[:, :1], sides[:, 1:]  # (L, 1)
    left, to_right = _from_corner(locations[..., 0], widths)
    upper, to_below = _from_corner(locations[..., 1], heights)
    starts = torch.tensor(_padded_starts(shapes), device=device)
    # exact in float32: a level has far less than 2 ** 24 pixels
    corner = upper.mul_(widths + 2).add_(left).to(torch.int32)
    strides = (widths.int() + 2) * num_heads  # from one row of pixels to the next; (L, 1)
    # the border shifts every pixel by one row and one column
    offsets = starts[:-1, None] * num_heads + strides + num_heads
    num_rows = _padded_starts(shapes)[-1] * num_heads  # of one image
    heads = torch.arange(num_heads, device=device)[:, None, None]
    images = (torch.arange(batch_size, device=device) * num_rows).view(-1, 1, 1, 1, 1)
    last_row = batch_size * num_rows
    dtype = torch.int32 if max(last_row, locations.numel() * 2) < 2**31 else torch.int64
    first = corner.to(dtype).mul_(num_heads).add_((offsets + heads + images).to(dtype))
    shape = (batch_size, num_queries, num_heads, _CORNERS, num_levels, num_points)
    rows, shares = torch.empty(shape, dtype=dtype, device=device), torch.empty(shape, device=device)
    steps: tuple[Any, ...] = (0, num_heads, strides, strides + num_heads)
    for place, step in enumerate(steps):
        torch.add(first, step, out=rows[:, :, :, place])
    lower = weights * to_below
    for place, share in ((0, weights - lower), (2, lower)):
        torch.mul(share, to_right, out=shares[:, :, :, place + 1])
        torch.sub(share, shares[:, :, :, place + 1], out=shares[:, :, :, place])
    return _Bags(rows.view(-1), shares.view(-1), to_right, to_below)


def _from_corner(fractions: torch.Tensor, sides: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The pixel at or before each point, in [-1, side - 1], and the distance from it, in [0, 1].

    A point beyond the border is moved onto it: it sees zeros there as well.
    """
    points = (fractions.float() * sides).sub_(0.5).clamp_(min=-1).minimum(sides)
    corner = points.floor().minimum(sides - 1)
    return corner, points.sub_(corner)


def _sum_bags(bags: _Bags, table: torch.Tensor) -> torch.Tensor:
    """(B * Q * H, C) float32: the weighted rows of each bag, summed."""
    size = bags.to_right.shape[-2] * bags.to_right.shape[-1] * _CORNERS
    starts = torch.arange(0, len(bags.rows), size, dtype=bags.rows.dtype, device=bags.rows.device)
    return F.embedding_bag(bags.rows, table, starts, mode="sum", per_sample_weights=bags.weights)


def _table_gradient(
    bags: _Bags, gradient: torch.Tensor, value: torch.Tensor, shapes: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """The gradient of the values: for every row of the table a bag again, of the answers that the row went into."""
    batch_size, _, num_heads, channels = value.shape
    num_rows = _padded_starts(shapes)[-1] * num_heads  # of one image
    answers = gradient.view(batch_size, -1, channels)
    summed = answers.new_empty(batch_size, num_rows, channels)
    every_row = zip(bags.rows.view(batch_size, -1), bags.weights.view(batch_size, -1), strict=True)
    for image, (rows, weights) in enumerate(every_row):  # one by one: what is looked up stays in the cache
        rows, order = (rows - image * num_rows).sort(stable=True)
        starts = torch.bincount(rows, minlength=num_rows).cumsum(0).roll(1)
        starts[0] = 0
        weights = weights[order]
        into = order.div_(len(rows) // answers.shape[1], rounding_mode="floor")
        summed[image] = F.embedding_bag(into, answers[image], starts, mode="sum", per_sample_weights=weights)
    bordered = summed.view(batch_size, -1, num_heads, channels)
    levels = []
    for start, (height, width) in zip(_padded_starts(shapes), shapes, strict=False):
        level = bordered[:, start : start + (height + 2) * (width + 2)]
        inside = level.view(batch_size, height + 2, width + 2, num_heads, channels)[:, 1:-1, 1:-1]
        levels.append(inside.reshape(batch_size, height * width, num_heads, channels))
    return torch.cat(levels, dim=1).to(value.dtype)


def _point_gradients(
    bags: _Bags,
    gradient: torch.Tensor,
    table: torch.Tensor,
    locations: torch.Tensor,
    weights: torch.Tensor,
    shapes: Sequence[tuple[int, int]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of locations and weights, from those of the shares of the four corners."""
    with torch.enable_grad():
        shares = bags.weights.requires_grad_()
        size = len(bags.rows) // len(gradient)
        starts = torch.arange(0, len(bags.rows), size, dtype=bags.rows.dtype, device=bags.rows.device)
        summed = F.embedding_bag(bags.rows, table, starts, mode="sum", per_sample_weights=shares)
    (of_shares,) = torch.autograd.grad(summed, shares, gradient)
    num_points = weights.shape
    corners = of_shares.view(*num_points[:3], _CORNERS, *num_points[3:]).unbind(dim=3)
    upper = torch.lerp(corners[0], corners[1], bags.to_right)  # of the two upper corners together
    lower = torch.lerp(corners[2], corners[3], bags.to_right)
    of_weights = torch.lerp(upper, lower, bags.to_below)
    of_x = torch.lerp(corners[1] - corners[0], corners[3] - corners[2], bags.to_below)
    sides = torch.tensor(shapes, dtype=torch.float32, device=locations.device)
    heights, widths = sides[:, :1], sides[:, 1:]
    of_locations = torch.stack([of_x * widths, (lower - upper) * heights], dim=-1) * weights[..., None]
    # a point beyond the border sees zeros wherever it moves
    points = locations * sides.flip(1)[:, None] - 0.5
    of_locations *= (points > -1) & (points < sides.flip(1)[:, None])
    return of_locations.to(locations.dtype), of_weights.to(weights.dtype)
