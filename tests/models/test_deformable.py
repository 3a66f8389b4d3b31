"""Deformable attention as bags of a table: the samples of ``grid_sample``, with their gradients."""

import pytest
import torch
import torch.nn.functional as F

from gdinousam.models.detector.deformable import sample_by_bags
from gdinousam.runtime import torch_seed

SHAPES = ((7, 9), (4, 5), (1, 3))
Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def plain_samples(value: torch.Tensor, locations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The sum written out, level by level, query by query."""
    batch_size, _, num_heads, channels = value.shape
    levels = value.split([height * width for height, width in SHAPES], dim=1)
    total = value.new_zeros(batch_size, locations.shape[1], num_heads, channels)
    for number, ((height, width), level) in enumerate(zip(SHAPES, levels, strict=True)):
        maps = level.permute(0, 2, 3, 1).reshape(batch_size * num_heads, channels, height, width)
        grid = (2 * locations[:, :, :, number] - 1).transpose(1, 2).flatten(0, 1)  # (B * H, Q, P, 2)
        samples = F.grid_sample(maps, grid, align_corners=False).view(batch_size, num_heads, channels, *grid.shape[1:3])
        total = total + torch.einsum("bhcqp,bqhp->bqhc", samples, weights[:, :, :, number])
    return total.flatten(2)


def make_inputs(outside: float = 0.3, batch_size: int = 2, num_queries: int = 11) -> Inputs:
    """Values, locations of which some lie outside by up to that fraction, and weights; H 2, C 8, P 3."""
    with torch_seed(3):
        value = torch.randn(batch_size, sum(height * width for height, width in SHAPES), 2, 8)
        locations = torch.rand(batch_size, num_queries, 2, len(SHAPES), 3, 2) * (1 + 2 * outside) - outside
        weights = torch.rand(locations.shape[:-1])
    return value, locations, weights


def gradients_of(answer: torch.Tensor, inputs: Inputs) -> tuple[torch.Tensor, ...]:
    with torch_seed(5):
        above = torch.randn_like(answer)
    return torch.autograd.grad(answer, inputs, above)


@pytest.mark.parametrize("outside", [0.0, 0.3, 3.0])
def test_samples_are_those_of_grid_sample(outside: float) -> None:
    value, locations, weights = make_inputs(outside)
    expected = plain_samples(value, locations, weights)
    torch.testing.assert_close(sample_by_bags(value, SHAPES, locations, weights), expected, atol=1e-5, rtol=1e-5)


def test_pixels_corners_and_edges_are_sampled_exactly() -> None:
    value, locations, weights = make_inputs()
    # centres of pixels, corners between them, the edge, half a pixel and a whole one beyond it
    locations[..., 0] = (torch.arange(locations[..., 0].numel()) % 22).view(locations.shape[:-1]) / 18 - 2 / 18
    expected = plain_samples(value, locations, weights)
    torch.testing.assert_close(sample_by_bags(value, SHAPES, locations, weights), expected, atol=1e-4, rtol=1e-4)


def test_gradients_are_those_of_grid_sample() -> None:
    inputs = tuple(tensor.requires_grad_() for tensor in make_inputs())
    value, locations, weights = inputs
    expected = gradients_of(plain_samples(value, locations, weights), inputs)
    found = gradients_of(sample_by_bags(value, SHAPES, locations, weights), inputs)
    for name, one, other in zip(("value", "locations", "weights"), found, expected, strict=True):
        assert other.abs().max() > 0.1
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_points_far_outside_have_no_gradient() -> None:
    value, locations, weights = (tensor.requires_grad_() for tensor in make_inputs())
    far = (locations.detach() + 5).requires_grad_()
    found = gradients_of(sample_by_bags(value, SHAPES, far, weights), (value, far, weights))
    assert not any(gradient.any() for gradient in found)


def test_values_of_low_precision_are_summed_in_float32() -> None:
    value, locations, weights = make_inputs()
    low = value.bfloat16()
    expected = plain_samples(low.float(), locations, weights).bfloat16()
    found = sample_by_bags(low, SHAPES, locations, weights)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.01)


def test_gradients_keep_the_dtype_of_their_inputs() -> None:
    value, locations, weights = make_inputs()
    inputs = value.bfloat16().requires_grad_(), locations.requires_grad_(), weights.bfloat16().requires_grad_()
    found = gradients_of(sample_by_bags(inputs[0], SHAPES, *inputs[1:]), inputs)
    assert [gradient.dtype for gradient in found] == [torch.bfloat16, torch.float32, torch.bfloat16]


def test_images_of_a_batch_do_not_mix() -> None:
    value, locations, weights = make_inputs()
    together = sample_by_bags(value, SHAPES, locations, weights)
    for row in range(len(value)):
        alone = sample_by_bags(value[row : row + 1], SHAPES, locations[row : row + 1], weights[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)
