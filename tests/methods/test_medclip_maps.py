"""gScoreCAM and the information bottleneck: the recorded maps, and what their answers may and may not depend on."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from medclip_files import TINY, needs_goldens, recorded, recorded_image_tower, recorded_tensors, with_epsilon

from gdinousam.methods.medclip_sam.biomedclip import BiomedClip
from gdinousam.methods.medclip_sam.bottleneck import BottleneckSettings, bottleneck_map
from gdinousam.methods.medclip_sam.gscorecam import gscorecam
from gdinousam.methods.medclip_sam.weights import biomedclip_from
from gdinousam.runtime import torch_seed


@pytest.fixture(scope="module")
def tiny() -> BiomedClip:
    with torch_seed(0):
        return BiomedClip(TINY).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pixel_values() -> torch.Tensor:
    return torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def text_feature() -> torch.Tensor:
    return torch.randn(32, generator=torch.Generator().manual_seed(2))


@needs_goldens
@pytest.mark.parametrize("num_channels", [10, 40])
def test_gscorecam_is_the_recorded_one(num_channels: int) -> None:
    model, table = recorded_image_tower()
    arrays = recorded("gscorecam_tiny")
    pixel_values, text = torch.from_numpy(arrays["pixel_values"])[0], table[int(arrays["text_index"][0])]
    found = gscorecam(model, pixel_values, text, num_channels, batch_size=7)
    on_image = cv2.resize(found.numpy(), (57, 43))
    on_image = (on_image - on_image.min()) / (on_image.max() - on_image.min())
    assert np.abs(on_image - arrays[f"top{num_channels}_cam_43x57"]).max() < 1e-5


@needs_goldens
@pytest.mark.parametrize(
    ("name", "layer", "beta"),
    [("l1_b0.1_v1", 1, 0.1), ("l1_b1_v2", 1, 1.0), ("l2_b1_v1", 2, 1.0), ("l1_b0.1_v0.1", 1, 0.1)],
)
def test_the_bottleneck_is_the_recorded_one_whatever_the_variance(name: str, layer: int, beta: float) -> None:
    model = with_epsilon(biomedclip_from(recorded_tensors("biomedclip_tiny"), Path("pytorch_model.bin"), TINY), 1e-12)
    arrays = recorded("m2ib_tiny")
    text = torch.from_numpy(arrays["text_features"])[0]
    found, steps = bottleneck_map(
        model, torch.from_numpy(arrays["pixel_values"])[0], text, BottleneckSettings(layer, beta, seed=7)
    )
    costs = np.array([[step.compression, step.fit, step.loss] for step in steps])
    assert np.abs(costs - arrays[f"{name}_losses"]).max() < 1e-5
    square = F.interpolate(found[None, None], (224, 224), mode="bilinear")[0, 0, ::4, ::4].numpy()
    full = F.interpolate(found[None, None], (224, 224), mode="bilinear")
    square = (square - full.min().item()) / (full.max() - full.min()).item()
    assert np.abs(square - arrays[f"{name}_saliency224"]).max() < 1e-5


def test_the_number_of_darkened_images_at_once_changes_nothing(
    tiny: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor
) -> None:
    one, all_at_once = (gscorecam(tiny, pixel_values, text_feature, 20, size) for size in (1, 20))
    assert torch.allclose(one, all_at_once, atol=1e-6) and one.max() > 0


def test_more_channels_than_there_are_means_all(
    tiny: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor
) -> None:
    every, more, few = (gscorecam(tiny, pixel_values, text_feature, number, 64) for number in (64, 300, 5))
    assert torch.equal(every, more) and not torch.allclose(every, few, atol=1e-3)
    assert every.shape == (4, 4) and every.min() >= 0 and not every.requires_grad


def test_a_bottleneck_s_noise_comes_from_its_seed_alone(
    tiny: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor
) -> None:
    def found(seed: int, drawn_before: int) -> torch.Tensor:
        with torch_seed(drawn_before):
            return bottleneck_map(tiny, pixel_values, text_feature, BottleneckSettings(2, 0.1, seed))[0]

    assert torch.equal(found(1, 0), found(1, 5))
    assert not torch.equal(found(1, 0), found(2, 0))


def test_a_bottleneck_lets_less_through_where_it_costs_more(
    tiny: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor
) -> None:
    cheap, dear = (
        bottleneck_map(tiny, pixel_values, text_feature, BottleneckSettings(2, beta, 1)) for beta in (0.01, 10.0)
    )
    assert dear[1][-1].compression < cheap[1][-1].compression
    assert dear[1][0].compression == cheap[1][0].compression  # before the first step nothing has changed
    assert cheap[0].shape == (4, 4) and not cheap[0].requires_grad


def test_weights_stay_as_they_are(tiny: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    gscorecam(tiny, pixel_values, text_feature, 4, 4)
    bottleneck_map(tiny, pixel_values, text_feature, BottleneckSettings(1))
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny.state_dict().items())
    assert all(parameter.grad is None for parameter in tiny.parameters())
