"""The fused kernels of deformable attention against plain ``grid_sample``, forward and backward.

Triton reads TRITON_INTERPRET when it is imported, so the kernels run in a process of their own, this file as a program:
interpreted on a CPU, and compiled where there is a GPU. It prints, as JSON, what the tests look at.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton", reason="Triton comes with torch's CUDA builds only")

FLOAT32_TOLERANCE = 1e-5  # of the largest number
# of the largest number: bfloat16 has eight bits, of whose last a GPU may miss half a unit; Triton 3.8's interpreter
# does not round but cuts bits off, and may miss a whole one
HALF_TOLERANCE = {"interpreter": 2**-7, "cuda": 2**-8}


@dataclass(frozen=True)
class Case:
    """What is sampled. margin: how far locations lie outside of [0, 1]. transposed: tensors are not contiguous."""

    shapes_hw: tuple[tuple[int, int], ...] = ((5, 7), (3, 4), (1, 2))
    batch_size: int = 1
    num_queries: int = 37  # a block has 1024 / C
    num_heads: int = 2
    num_points: int = 2
    num_channels: int = 32
    dtype: torch.dtype = torch.float32
    weights_dtype: torch.dtype = torch.float32
    margin: float = 0.3
    transposed: bool = False


FLOAT32_CASES = {
    "several levels of odd sizes": Case(batch_size=2),
    "one level": Case(shapes_hw=((6, 5),), num_points=4, batch_size=3, num_queries=5),
    "fewer queries than a block": Case(num_queries=3, num_channels=16),
    "blocks that are full": Case(num_queries=32, num_channels=64),
    "one head, one point": Case(num_heads=1, num_points=1),
    "mostly outside": Case(margin=3),
    "not contiguous": Case(transposed=True),
}
HALF_CASES = {
    "bfloat16": Case(dtype=torch.bfloat16, weights_dtype=torch.bfloat16),
    "bfloat16 with float32 weights": Case(dtype=torch.bfloat16, num_channels=64, num_queries=20),
    "float16": Case(dtype=torch.float16, weights_dtype=torch.float16, num_queries=5),
}
NAMES = ("output", "value", "locations", "weights")
DEVICES = ("interpreter", "cuda")


def inputs_of(case: Case, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Value, locations, weights and the gradient of the output; the first three want gradients."""
    generator = torch.Generator().manual_seed(1)
    shape = (case.batch_size, case.num_queries, case.num_heads, len(case.shapes_hw), case.num_points)
    num_positions = sum(height * width for height, width in case.shapes_hw)
    value = torch.randn(case.batch_size, num_positions, case.num_heads, case.num_channels, generator=generator)
    locations = torch.rand(*shape, 2, generator=generator) * (1 + 2 * case.margin) - case.margin
    weights = torch.randn(shape, generator=generator)
    grad_output = torch.randn(*shape[:2], case.num_heads * case.num_channels, generator=generator)
    if case.transposed:
        value, locations, weights, grad_output = (
            one.transpose(0, 1).contiguous().transpose(0, 1) for one in (value, locations, weights, grad_output)
        )
    leaves = value.to(device, case.dtype), locations.to(device), weights.to(device, case.weights_dtype)
    return *(leaf.requires_grad_() for leaf in leaves), grad_output.to(device, case.dtype)


def sample_plainly(value: Tensor, shapes_hw: tuple[tuple[int, int], ...], locations: Tensor, weights: Tensor) -> Tensor:
    """The same by ``grid_sample``, level by level, in float64."""
    value, locations, weights = value.double(), locations.double(), weights.double()
    batch_size, _, num_heads, num_channels = value.shape
    total = torch.zeros((), dtype=torch.float64, device=value.device)
    of_levels = value.split([height * width for height, width in shapes_hw], dim=1)
    for level, (of_level, (height, width)) in enumerate(zip(of_levels, shapes_hw, strict=True)):
        picture = of_level.permute(0, 2, 3, 1).reshape(-1, num_channels, height, width)
        grid = 2 * locations[:, :, :, level].transpose(1, 2).flatten(0, 1) - 1
        samples = F.grid_sample(picture, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        total = total + (samples * weights[:, :, :, level].transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
    return total.view(batch_size, num_heads * num_channels, -1).transpose(1, 2)


def differences(case: Case, device: torch.device) -> dict[str, float]:
    """The largest difference from the plain way, as a share of the largest number, of the output and each gradient."""
    from gdinousam.models.detector.deformable_triton import sample_fused

    *leaves, grad_output = inputs_of(case, device)
    answers = []
    for sample in (sample_fused, sample_plainly):
        output = sample(leaves[0], case.shapes_hw, *leaves[1:])
        answers.append((output, *torch.autograd.grad(output, leaves, grad_output.to(output.dtype))))
    for fused, leaf in zip(answers[0], (leaves[0], *leaves), strict=True):
        assert fused.dtype == leaf.dtype
    return {
        name: float((fused.double() - plain).abs().max() / plain.abs().max())
        for name, fused, plain in zip(NAMES, *answers, strict=True)
    }


def numbers_kept(device: torch.device) -> list[int]:
    """How many numbers each tensor has that the forward pass keeps for the backward one."""
    from gdinousam.models.detector.deformable_triton import sample_fused

    case, kept = Case(), []
    value, locations, weights, _ = inputs_of(case, device)

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        sample_fused(value, case.shapes_hw, locations, weights)
    return sorted(kept)


def gradients_without_values(device: torch.device) -> bool:
    """Whether the other gradients stay the same where value needs none."""
    from gdinousam.models.detector.deformable_triton import sample_fused

    case = Case()
    value, locations, weights, grad_output = inputs_of(case, device)
    gradients = []
    for one in (value, value.detach()):
        output = sample_fused(one, case.shapes_hw, locations, weights)
        gradients.append(torch.autograd.grad(output, (locations, weights), grad_output))
    return all(torch.equal(first, second) for first, second in zip(*gradients, strict=True))


def far_outside(device: torch.device) -> list[float]:
    """The largest number of the output and each gradient where every location is nowhere near the image."""
    from gdinousam.models.detector.deformable_triton import sample_fused

    case = Case()
    *leaves, grad_output = inputs_of(case, device)
    with torch.no_grad():
        places = torch.tensor([1e30, -1e30, math.inf, -math.inf, math.nan], device=device)
        leaves[1].copy_(places[torch.arange(leaves[1].numel(), device=device) % len(places)].view_as(leaves[1]))
    output = sample_fused(leaves[0], case.shapes_hw, *leaves[1:])
    return [float(one.abs().max()) for one in (output, *torch.autograd.grad(output, leaves, grad_output))]


def without_queries(device: torch.device) -> list[int]:
    """The shape of the output for no query; its gradient is asked for as well."""
    from gdinousam.models.detector.deformable_triton import sample_fused

    case = Case(num_queries=0)
    *leaves, grad_output = inputs_of(case, device)
    output = sample_fused(leaves[0], case.shapes_hw, *leaves[1:])
    assert not torch.autograd.grad(output, leaves, grad_output)[0].any()
    return list(output.shape)


def self_check(device: torch.device) -> list[str | None]:
    """What the check before the kernel is used finds, by number type; ``None``: nothing."""
    from transformers.models.grounding_dino.modeling_grounding_dino import MultiScaleDeformableAttention

    from gdinousam.models.detector.deformable_choice import disagreement
    from gdinousam.models.detector.deformable_triton import sample_fused

    own = MultiScaleDeformableAttention().forward
    return [disagreement(sample_fused, own, device, dtype, 32) for dtype in (torch.float32, torch.bfloat16)]


def main() -> None:
    """Print what the kernels give on the device that the first argument names."""
    device = torch.device(sys.argv[1])
    cases = FLOAT32_CASES | HALF_CASES
    print(
        json.dumps(
            {
                "differences": {name: differences(case, device) for name, case in cases.items()},
                "numbers kept": numbers_kept(device),
                "same without values": gradients_without_values(device),
                "far outside": far_outside(device),
                "without queries": without_queries(device),
                "self-check": self_check(device),
            }
        )
    )


@pytest.fixture(scope="module", params=DEVICES)
def seen(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the kernels gave on a device."""
    interpreted = request.param == "interpreter"
    if not interpreted and not torch.cuda.is_available():
        pytest.skip("no GPU here; the kernels run in Triton's interpreter only")
    environment = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    if interpreted:
        environment["TRITON_INTERPRET"] = "1"
    command = [sys.executable, __file__, "cpu" if interpreted else "cuda"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {"device": request.param, **json.loads(done.stdout)}


@pytest.mark.parametrize("name", FLOAT32_CASES)
def test_output_and_gradients_are_those_of_grid_sample(seen: dict[str, Any], name: str) -> None:
    assert seen["differences"][name].keys() == set(NAMES)
    assert max(seen["differences"][name].values()) < FLOAT32_TOLERANCE


@pytest.mark.parametrize("name", HALF_CASES)
def test_half_precision_is_rounded_once(seen: dict[str, Any], name: str) -> None:
    assert max(seen["differences"][name].values()) < HALF_TOLERANCE[seen["device"]]
    assert seen["differences"][name]["locations"] < FLOAT32_TOLERANCE  # which stay in float32


def test_nothing_but_the_inputs_is_kept_for_the_backward_pass(seen: dict[str, Any]) -> None:
    *leaves, _ = inputs_of(Case(), torch.device("cpu"))
    assert seen["numbers kept"] == sorted(leaf.numel() for leaf in leaves)


def test_a_gradient_of_value_that_nobody_needs_changes_no_other(seen: dict[str, Any]) -> None:
    assert seen["same without values"]


def test_nothing_is_found_far_outside(seen: dict[str, Any]) -> None:
    assert seen["far outside"] == [0, 0, 0, 0]


def test_the_kernel_passes_the_check_that_it_has_to_pass_before_it_is_used(seen: dict[str, Any]) -> None:
    assert seen["self-check"] == [None, None]


def test_no_query_gives_no_row(seen: dict[str, Any]) -> None:
    assert seen["without queries"] == [1, 0, 64]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"value": torch.zeros(1, 6, 2, 32, dtype=torch.float64)}, "float64"),
        ({"value": torch.zeros(1, 6, 2, 24)}, "C one of"),
        ({"shapes_hw": ((2, 2),)}, "6 positions"),
        ({"shapes_hw": ((2, 2), (1, 2))}, "L = 2"),
        ({"weights": torch.zeros(1, 5, 2, 1, 3)}, "expected"),
        ({"locations": torch.zeros(1, 5, 2, 1, 4, 3)}, "expected"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], words: str) -> None:
    from gdinousam.models.detector.deformable_triton import sample_fused

    given = {
        "value": torch.zeros(1, 6, 2, 32),
        "shapes_hw": ((2, 3),),
        "locations": torch.zeros(1, 5, 2, 1, 4, 2),
        "weights": torch.zeros(1, 5, 2, 1, 4),
    }
    with pytest.raises(ValueError, match=words):
        sample_fused(**(given | wrong))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_kernels_compile_for_a_gpu_that_is_not_here(
    precision: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the interpreter runs, the compiler may still refuse."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from gdinousam.models.detector.deformable_triton import _backward_kernel, _forward_kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    number = f"*{precision}"
    given = {"value": number, "levels": "*i32", "locations": "*fp32", "weights": number}
    sizes = {"num_queries": "i32", "num_positions": "i32"}
    fixed = {"NUM_HEADS": 8, "NUM_CHANNELS": 32, "NUM_LEVELS": 4, "NUM_POINTS": 4, "BLOCK": 32}
    gradients = {"grad_output": number} | dict.fromkeys(("grad_value", "grad_locations", "grad_weights"), "*fp32")
    for kernel, others, options in (
        (_forward_kernel, {"output": number}, {}),
        (_backward_kernel, gradients, {"NEEDS_VALUE": True}),
    ):
        constants = fixed | options
        signature = given | others | sizes | dict.fromkeys(constants, "constexpr")
        compiled = triton.compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 90, 32))
        assert "cubin" in compiled.asm


if __name__ == "__main__":
    main()
