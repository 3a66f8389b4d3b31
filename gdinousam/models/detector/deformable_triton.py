"""Multi-scale deformable attention's core as fused CUDA kernels: sample, weigh and add up in one pass, with gradients.

Plain PyTorch samples each level by ``grid_sample`` and keeps every sample until the weighted sum, C numbers for each of
query x head x level x point. Here a program owns a block of queries of one head; its samples live in registers, and
the backward pass reads them again instead of having kept them.

The kernels are written in Triton, which comes with torch's CUDA builds, and importing this module needs it.

Legend of shapes: B images, S positions of all levels, H heads, C channels of a head, Q queries, L levels, P points;
in kernels N queries of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor
from torch.autograd.function import once_differentiable

Shapes = tuple[tuple[int, int], ...]

VALUE_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
CHANNELS = (16, 32, 64)  # a block of channels is a power of two, and more would not leave room for queries
_BLOCK_NUMBERS = 1024  # numbers of a block's sum, N x C: 8 in each of the 128 threads of 4 warps


def sample_fused(value: Tensor, shapes_hw: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor) -> Tensor:
    """For every query and head the weighted sum of bilinear samples, over all levels and points.

    value: (B, S, H, C) float32 or of half precision, the levels one after the other, row by row; C is 16, 32 or 64.
    shapes_hw: (height, width) of each of the L levels; their areas add up to S.
    locations: (B, Q, H, L, P, 2) floating point, used as float32: x and y from 0, the left or upper edge of a level, to
    1, its right or lower edge. They may lie outside, where everything is zero.
    weights: (B, Q, H, L, P) floating point.
    Returns (B, Q, H * C) of value's dtype; sums are in float32. Samples and gradients are those of ``grid_sample`` at
    ``2 * locations - 1``, bilinear with zero padding and ``align_corners=False``; a gradient cannot be differentiated
    again. All tensors lie on one GPU. Raises ValueError for shapes or a dtype that do not fit.
    """
    shapes = tuple((int(height), int(width)) for height, width in shapes_hw)
    _check(value, shapes, locations, weights)
    return _SampleFused.apply(value.contiguous(), shapes, locations.float().contiguous(), weights.contiguous())


class _SampleFused(torch.autograd.Function):
    """``sample_fused`` of contiguous tensors; keeps nothing for the backward pass but its inputs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
        batch, _, num_heads, num_channels = value.shape
        ctx.save_for_backward(value, locations, weights)
        ctx.shapes = shapes
        output = value.new_empty(batch, locations.shape[1], num_heads * num_channels)
        _launch(_forward_kernel, value, shapes, locations, weights, output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor]:
        value, locations, weights = ctx.saved_tensors
        needs_value = ctx.needs_input_grad[0]
        # samples of many queries meet in a pixel, so they are added up in float32
        grad_value = torch.zeros_like(value if needs_value else value[:0], dtype=torch.float32)
        grad_locations = torch.empty_like(locations)
        grad_weights = torch.empty_like(weights, dtype=torch.float32)
        gradients = grad_output.contiguous(), grad_value, grad_locations, grad_weights
        _launch(_backward_kernel, value, ctx.shapes, locations, weights, *gradients, NEEDS_VALUE=needs_value)
        return grad_value.to(value.dtype) if needs_value else None, None, grad_locations, grad_weights.to(weights.dtype)


def _check(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> None:
    if value.dtype not in VALUE_DTYPES:
        raise ValueError(f"value is {value.dtype}: expected one of {VALUE_DTYPES}")
    if value.ndim != 4 or value.shape[-1] not in CHANNELS:
        raise ValueError(f"value has shape {tuple(value.shape)}: expected (B, S, H, C) with C one of {CHANNELS}")
    batch, num_positions, num_heads, _ = value.shape
    if sum(height * width for height, width in shapes) != num_positions:
        raise ValueError(f"levels of {shapes} do not add up to the {num_positions} positions of value")
    expected = (batch, *locations.shape[1:2], num_heads, len(shapes), *locations.shape[4:5], 2)
    if tuple(locations.shape) != expected or weights.shape != locations.shape[:-1]:
        raise ValueError(
            f"locations {tuple(locations.shape)} and weights {tuple(weights.shape)}: expected (B, Q, H, L, P, 2) and "
            f"(B, Q, H, L, P) with B = {batch}, H = {num_heads}, L = {len(shapes)}"
        )


def _launch(
    kernel: Any,
    value: Tensor,
    shapes: Shapes,
    locations: Tensor,
    weights: Tensor,
    *others: Tensor,
    **options: bool,
) -> None:
    """Run a kernel, one program for each block of queries of each head of each image."""
    batch, num_positions, num_heads, num_channels = value.shape
    num_queries, num_points = locations.shape[1], locations.shape[4]
    block = _BLOCK_NUMBERS // num_channels
    if not batch * num_heads * num_queries:
        return  # a GPU refuses to start no program at all
    levels = _level_table(shapes, value.device)
    with torch.cuda.device_of(value):  # Triton starts kernels on the current GPU, whichever the tensors lie on
        kernel[triton.cdiv(num_queries, block), batch * num_heads](
            value,
            levels,
            locations,
            weights,
            *others,
            num_queries,
            num_positions,
            NUM_HEADS=num_heads,
            NUM_CHANNELS=num_channels,
            NUM_LEVELS=len(shapes),
            NUM_POINTS=num_points,
            BLOCK=block,
            **options,
            num_warps=4,
        )


@lru_cache(maxsize=64)
def _level_table(shapes: Shapes, device: torch.device) -> Tensor:
    """(L, 3) int32: height and width of each level and its first position. Kept, because a copy to a GPU waits for it.

    A table and not arguments of the kernels: they would be compiled anew for images of other sizes.
    """
    table, start = [], 0
    for height, width in shapes:
        table.append((height, width, start))
        start += height * width
    return torch.tensor(table, dtype=torch.int32, device=device)


@triton.jit
def _forward_kernel(
    value: tl.tensor,  # pointers: see sample_fused
    levels: tl.tensor,
    locations: tl.tensor,
    weights: tl.tensor,
    output: tl.tensor,
    num_queries: tl.tensor,
    num_positions: tl.tensor,
    NUM_HEADS: tl.constexpr,  # noqa: N803 (Triton's manner for what is compiled in)
    NUM_CHANNELS: tl.constexpr,  # noqa: N803
    NUM_LEVELS: tl.constexpr,  # noqa: N803
    NUM_POINTS: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
) -> None:
    value, entry, is_query = _own_share(value, num_queries, num_positions, NUM_HEADS, NUM_CHANNELS, BLOCK)
    channel = tl.arange(0, NUM_CHANNELS)
    total = tl.zeros((BLOCK, NUM_CHANNELS), tl.float32)
    for level in range(NUM_LEVELS):
        height, width, start = _level(levels, level)
        for point in tl.static_range(NUM_POINTS):
            place = (entry * NUM_LEVELS + level) * NUM_POINTS + point
            weight = tl.load(weights + place, mask=is_query, other=0.0).to(tl.float32)
            left, x_share = _pixel(locations + 2 * place, is_query, width)
            top, y_share = _pixel(locations + 2 * place + 1, is_query, height)
            for corner in tl.static_range(4):
                position, is_inside, x_part, y_part = _corner(corner, left, top, x_share, y_share, height, width)
                pixel = value + _offset(start + position, channel, NUM_HEADS, NUM_CHANNELS)
                sample = tl.load(pixel, mask=(is_inside & is_query)[:, None], other=0.0).to(tl.float32)
                total += (weight * x_part * y_part)[:, None] * sample
    tl.store(output + entry[:, None] * NUM_CHANNELS + channel, total.to(output.dtype.element_ty), is_query[:, None])


@triton.jit
def _backward_kernel(
    value: tl.tensor,
    levels: tl.tensor,
    locations: tl.tensor,
    weights: tl.tensor,
    grad_output: tl.tensor,
    grad_value: tl.tensor,  # float32, zeros that are added to; the next two are written
    grad_locations: tl.tensor,
    grad_weights: tl.tensor,
    num_queries: tl.tensor,
    num_positions: tl.tensor,
    NUM_HEADS: tl.constexpr,  # noqa: N803
    NUM_CHANNELS: tl.constexpr,  # noqa: N803
    NUM_LEVELS: tl.constexpr,  # noqa: N803
    NUM_POINTS: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
    NEEDS_VALUE: tl.constexpr,  # noqa: N803
) -> None:
    value, entry, is_query = _own_share(value, num_queries, num_positions, NUM_HEADS, NUM_CHANNELS, BLOCK)
    grad_value, _, _ = _own_share(grad_value, num_queries, num_positions, NUM_HEADS, NUM_CHANNELS, BLOCK)
    channel = tl.arange(0, NUM_CHANNELS)
    above = tl.load(grad_output + entry[:, None] * NUM_CHANNELS + channel, mask=is_query[:, None], other=0.0)
    above = above.to(tl.float32)
    for level in range(NUM_LEVELS):
        height, width, start = _level(levels, level)
        for point in tl.static_range(NUM_POINTS):
            place = (entry * NUM_LEVELS + level) * NUM_POINTS + point
            weight = tl.load(weights + place, mask=is_query, other=0.0).to(tl.float32)
            left, x_share = _pixel(locations + 2 * place, is_query, width)
            top, y_share = _pixel(locations + 2 * place + 1, is_query, height)
            by_weight = tl.zeros((BLOCK,), tl.float32)
            by_x = tl.zeros((BLOCK,), tl.float32)
            by_y = tl.zeros((BLOCK,), tl.float32)
            for corner in tl.static_range(4):
                position, is_inside, x_part, y_part = _corner(corner, left, top, x_share, y_share, height, width)
                offset = _offset(start + position, channel, NUM_HEADS, NUM_CHANNELS)
                is_read = (is_inside & is_query)[:, None]
                sample = tl.load(value + offset, mask=is_read, other=0.0).to(tl.float32)
                along = tl.sum(above * sample, axis=1)
                by_weight += along * x_part * y_part
                # a corner's share of a sample grows with x where it is a right one, else it shrinks; so with y
                by_x += along * y_part * (2 * (corner % 2) - 1)
                by_y += along * x_part * (2 * (corner // 2) - 1)
                if NEEDS_VALUE:
                    grown = (weight * x_part * y_part)[:, None] * above
                    tl.atomic_add(grad_value + offset, grown, mask=is_read, sem="relaxed")
            tl.store(grad_weights + place, by_weight, is_query)
            tl.store(grad_locations + 2 * place, by_x * weight * width, is_query)
            tl.store(grad_locations + 2 * place + 1, by_y * weight * height, is_query)


@triton.jit
def _own_share(
    value: tl.tensor,
    num_queries: tl.tensor,
    num_positions: tl.tensor,
    NUM_HEADS: tl.constexpr,  # noqa: N803
    NUM_CHANNELS: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Where this program's head starts in value, and for its N queries their entries in (B, Q, H) and which exist."""
    image_and_head = tl.program_id(1).to(tl.int64)  # large batches have more numbers than int32 can count
    image, head = image_and_head // NUM_HEADS, image_and_head % NUM_HEADS
    query = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    first = (image * num_positions * NUM_HEADS + head) * NUM_CHANNELS
    return value + first, (image * num_queries + query) * NUM_HEADS + head, query < num_queries


@triton.jit
def _level(levels: tl.tensor, level: tl.tensor) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Height, width and first position of a level."""
    row = levels + 3 * level
    return tl.load(row), tl.load(row + 1), tl.load(row + 2)


@triton.jit
def _pixel(location: tl.tensor, is_query: tl.tensor, length: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """Along one axis, the pixel whose centre lies before each location, and the share in [0, 1) of the next one.

    Locations far outside, infinite ones and nan are put beside the level, where every sample is zero, because no whole
    number stands for them.
    """
    place = tl.load(location, mask=is_query, other=0.0) * length - 0.5
    place = tl.minimum(tl.maximum(place, -2.0), length + 1.0)
    before = tl.floor(place)
    return before.to(tl.int32), place - before


@triton.jit
def _corner(
    CORNER: tl.constexpr,  # noqa: N803
    left: tl.tensor,
    top: tl.tensor,
    x_share: tl.tensor,
    y_share: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """One of the four pixels round each location: 0 top left, 1 top right, 2 bottom left, 3 bottom right.

    Returns its position in the level, whether it lies inside, and its shares along x and y.
    """
    x, y = left + CORNER % 2, top + CORNER // 2
    x_part = x_share if CORNER % 2 else 1.0 - x_share
    y_part = y_share if CORNER // 2 else 1.0 - y_share
    return y * width + x, (x >= 0) & (x < width) & (y >= 0) & (y < height), x_part, y_part


@triton.jit
def _offset(
    position: tl.tensor,
    channel: tl.tensor,
    NUM_HEADS: tl.constexpr,  # noqa: N803
    NUM_CHANNELS: tl.constexpr,  # noqa: N803
) -> tl.tensor:
    """Where the channels of positions lie, (N, C), from a head's start in value."""
    return position[:, None] * (NUM_HEADS * NUM_CHANNELS) + channel
