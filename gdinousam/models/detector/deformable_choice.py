"""Which code samples in deformable attention, and the check that a fused kernel has to pass before it does.

On a processor it is ``sample_by_bags``. On CUDA it is transformers' own code, ``grid_sample`` level by level, unless
the Triton kernel has just given the same values and gradients on that very device: a compiler or driver of another
version may break a kernel without a word.

Shapes: B images, S positions of all levels, Q queries, H heads, C channels of a head, L levels, P points of a level.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Literal, cast

import torch
from torch import Tensor

from gdinousam.errors import InputError
from gdinousam.models.detector.deformable import Sampler, sample_by_bags
from gdinousam.models.weights.pretrained import first_line

logger = logging.getLogger(__name__)

Kernel = Literal["auto", "triton", "plain"]
Code = Literal["bags", "triton", "plain"]

# Of the largest number. float32: sums in another order; half precision: one unit of bfloat16's eight bits.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2.0**-7, torch.float16: 2.0**-7}
_CHECKED_SHAPES = ((9, 12), (5, 6), (3, 3), (2, 1))  # levels of a picture that is not square, as the model has
_PARTS = ("values", "gradient of the values", "gradient of the locations", "gradient of the weights")


@dataclass
class _Process:
    """What this process wants, and what it has found out. chosen: by device, number type, channels and wishes."""

    kernel: Kernel
    chosen: dict[tuple[object, ...], Sampler | None]


_process = _Process("auto", {})


def want_kernel(kernel: Kernel, device: torch.device) -> None:
    """Say what the detectors of this process are to sample with, from now on.

    auto: see the module's docstring; triton: the kernel or nothing; plain: transformers' own code, on any device.
    device: where they will run. Raises InputError for ``triton`` where it cannot be; where the kernel fails its check,
    the first image raises it.
    """
    if kernel == "triton" and device.type != "cuda":
        raise InputError(f"deformable_kernel is triton, which runs on CUDA only, not on {device.type}; set it to auto")
    if kernel == "triton" and find_spec("triton") is None:
        raise InputError("deformable_kernel is triton, which is not installed; install it, or set it to auto")
    _process.kernel = kernel


def choose_code(
    kernel: Kernel, device_type: str, deterministic: bool, problem: Callable[[], str | None]
) -> tuple[Code, str]:
    """What samples, and why.

    deterministic: equal runs must give equal numbers, which atomic additions in gradients of kernel and ``grid_sample``
    do not: then bags do it on a GPU too. problem: what speaks against the Triton kernel here, ``None`` where nothing
    does; only asked where it matters. Raises InputError where the kernel is asked for and something does.
    """
    if device_type == "cpu":
        return ("plain", "as set") if kernel == "plain" else ("bags", "on a processor")
    if device_type == "cuda" and deterministic:
        return "bags", "deterministic"
    if kernel == "plain" or device_type != "cuda":
        return "plain", "as set" if kernel == "plain" else f"no kernel for {device_type}"
    against = problem()
    if against is None:
        return "triton", "it has just passed its check"
    if kernel == "triton":
        raise InputError(f"deformable_kernel is triton, but {against}; set it to plain")
    return "plain", against


def sampler_for(value: Tensor, own: Callable[..., Tensor]) -> Sampler | None:
    """What samples values (B, S, H, C) like these; ``None``: transformers' own code. Told once, in the log."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    key = (value.device, value.dtype, value.shape[-1], deterministic, _process.kernel)
    if key not in _process.chosen:
        code, why = choose_code(_process.kernel, value.device.type, deterministic, lambda: _problem(value, own))
        # a processor has one way unless told otherwise, which needs no line in every log
        level = logging.DEBUG if value.device.type == "cpu" and _process.kernel == "auto" else logging.INFO
        logger.log(level, "deformable attention on %s in %s: %s (%s)", value.device, value.dtype, code, why)
        samplers = {"bags": lambda: sample_by_bags, "triton": _fused, "plain": lambda: None}
        _process.chosen[key] = samplers[code]()
    return _process.chosen[key]


def _fused() -> Sampler:
    return cast(Sampler, import_module("gdinousam.models.detector.deformable_triton").sample_fused)


def _problem(value: Tensor, own: Callable[..., Tensor]) -> str | None:
    """What speaks against the Triton kernel for values like these, on their device."""
    if find_spec("triton") is None:
        return "Triton is not installed"
    kernel = import_module("gdinousam.models.detector.deformable_triton")
    if value.shape[-1] not in kernel.CHANNELS or value.dtype not in kernel.VALUE_DTYPES:
        return f"its kernel takes no {value.shape[-1]} channels of {value.dtype}"
    found = disagreement(kernel.sample_fused, own, value.device, value.dtype, value.shape[-1])
    versions = f"Triton {version('triton')}, torch {torch.__version__}"
    return None if found is None else f"its kernel fails the check on this GPU with {versions}: {found}"


def disagreement(
    sampler: Sampler, own: Callable[..., Tensor], device: torch.device, dtype: torch.dtype, channels: int
) -> str | None:
    """What a sampler gives otherwise than transformers' forward in float32, on a small case; ``None``: nothing.

    Its values and all gradients are compared, for points inside and outside of the picture, on values of this number
    type. May be called while inference or autocast is under way; draws nothing from torch's generators.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        *inputs, above = _case(device, dtype, channels)
        try:
            found = _with_gradients(lambda *leaves: sampler(leaves[0], _CHECKED_SHAPES, *leaves[1:]), inputs, above)
        # whatever a compiler, a driver or a kernel may raise: the answer is the same, not to use it
        except Exception as error:
            return f"{type(error).__name__}: {first_line(error)}"
        expected = _with_gradients(partial(_own, own), [one.float() for one in inputs], above.float())
    for part, one, other in zip(_PARTS, found, expected, strict=True):
        difference = float((one.float() - other).abs().max() / other.abs().max())
        if not difference <= _TOLERANCE[dtype]:  # nor is nan
            return f"{part} differ by {difference:.1g} of the largest"
    return None


def _with_gradients(sample: Callable[..., Tensor], inputs: Sequence[Tensor], above: Tensor) -> tuple[Tensor, ...]:
    """The output of a sampler for its inputs, and their gradients. above: the gradient of the output."""
    leaves = [one.detach().requires_grad_() for one in inputs]
    output = sample(*leaves)
    return (output, *torch.autograd.grad(output, leaves, above.to(output.dtype)))


def _own(own: Callable[..., Tensor], value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    """transformers' forward, called as it calls it itself."""
    sizes = torch.tensor(_CHECKED_SHAPES, device=value.device)
    areas = sizes.prod(dim=1)
    starts = areas.cumsum(0) - areas
    return own(value, sizes, list(_CHECKED_SHAPES), starts, locations, weights, 64)


def _case(device: torch.device, dtype: torch.dtype, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Value, locations, weights, and the gradient of the output, on the device."""
    generator = torch.Generator().manual_seed(0)
    batch_size, num_queries, num_heads, num_points = 2, 70, 2, 4  # more queries than a block of the kernel has
    num_positions = sum(height * width for height, width in _CHECKED_SHAPES)
    shape = (batch_size, num_queries, num_heads, len(_CHECKED_SHAPES), num_points)
    value = torch.randn(batch_size, num_positions, num_heads, channels, generator=generator)
    locations = torch.rand(*shape, 2, generator=generator) * 1.6 - 0.3  # some outside, where everything is zero
    weights = torch.rand(shape, generator=generator)
    above = torch.randn(batch_size, num_queries, num_heads * channels, generator=generator)
    return value.to(device, dtype), locations.to(device), weights.to(device), above.to(device, dtype)
