"""SAM-MedUS (approximation): it is SAM at first, then the branch matters; shapes, frames, sizes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sam_medus_files import TINY, sam_head, tiny_sam_medus

from gdinousam.errors import InputError
from gdinousam.methods.sam_medus.config import SMALL, SamMedUsConfig
from gdinousam.methods.sam_medus.encoder import JointBlock
from gdinousam.methods.sam_medus.network import SamMedUs
from gdinousam.methods.sam_medus.weights import sam_medus_from_sam
from gdinousam.preprocessing import ResizeSettings, build_resize, image_to_tensor, normalize_image
from gdinousam.records import Hint, Image


def pictures(side: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_before_training_it_is_sam_at_256_pixels_exactly() -> None:
    head = sam_head(256)
    model = sam_medus_from_sam(head, "sam", replace(TINY, image_size=256))
    squares, boxes_xyxy = pictures(256), torch.tensor([[[20.0, 30.0, 200.0, 180.0]]]).repeat(2, 1, 1)
    features = head.model.get_image_embeddings(squares)
    assert features.shape == (2, 32, 16, 16) and features.std() > 0.1
    assert torch.equal(model.model.get_image_embeddings(squares), features)
    assert torch.equal(model(squares, boxes_xyxy), head(squares, boxes_xyxy))


@torch.inference_mode()
@pytest.mark.parametrize("stage", range(4))
def test_every_stage_of_the_branch_reaches_the_tokens(stage: int) -> None:
    model, squares = sam_medus_from_sam(sam_head(64), "sam", TINY), pictures(64)
    before = model.model.get_image_embeddings(squares)
    torch.nn.init.ones_(model.model.vision_encoder.joints[stage].to_tokens.weight)
    joined = model.model.get_image_embeddings(squares)
    assert not torch.equal(joined, before)
    torch.nn.init.zeros_(model.model.vision_encoder.joints[stage].from_branch.weight)
    assert not torch.equal(model.model.get_image_embeddings(squares), joined)


def test_a_joint_takes_maps_of_any_size_and_keeps_the_tokens_shape() -> None:
    joint = JointBlock(width=6, channels=5, joint_width=4)
    tokens = torch.randn(2, 4, 4, 6)
    for side in (2, 4, 16):
        assert torch.equal(joint(tokens, torch.randn(2, 5, side, side)), tokens)  # starts at zero


@torch.inference_mode()
def test_logits_have_a_quarter_of_the_side_and_objects_do_not_see_each_other() -> None:
    model, squares = tiny_sam_medus(), pictures(64)
    boxes_xyxy = torch.tensor([[[5.0, 5.0, 30.0, 40.0], [20.0, 10.0, 60.0, 50.0]]]).repeat(2, 1, 1)
    logits = model(squares, boxes_xyxy)
    assert logits.shape == (2, 2, 16, 16) and logits.dtype == torch.float32
    torch.testing.assert_close(model(squares, boxes_xyxy[:, 1:]), logits[:, 1:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model(squares[:1], boxes_xyxy[:1]), logits[:1], atol=1e-5, rtol=1e-5)


def test_images_are_shown_in_tests_as_in_training(phantom_images: list[Image]) -> None:
    image = phantom_images[0][:50]
    seen = tiny_sam_medus().frame.pixel_values(image)
    in_training = normalize_image(build_resize(ResizeSettings(size=64))(image_to_tensor(image)))
    assert torch.equal(seen, in_training)


def test_boxes_follow_the_stretched_image_and_masks_come_back_to_its_size(phantom_images: list[Image]) -> None:
    model, image = tiny_sam_medus(), phantom_images[0][:50]
    height, width = image.shape[:2]
    frame = model.frame
    whole = frame.boxes_in_square(torch.tensor([[0.0, 0.0, width, height]]), (height, width))
    assert whole.tolist() == [[0, 0, 64, 64]]
    logits = torch.full((1, 1, 16, 16), -1.0)
    logits[..., 8:] = 1.0
    (mask_hw,) = frame.masks_of_size(logits, (height, width)).numpy()
    assert mask_hw.shape == (height, width)
    assert np.array_equal(mask_hw, np.arange(width)[None].repeat(height, 0) >= width // 2)
    (found,) = model.segment_hints([image], [[Hint("cyst", (4.0, 5.0, 40.0, 35.0))]])[0]
    assert found.mask_hw is not None and found.mask_hw.shape == (height, width)


def test_a_hint_without_a_box_is_refused(phantom_images: list[Image]) -> None:
    with pytest.raises(InputError, match="has no box"):
        tiny_sam_medus().segment_hints(phantom_images[:1], [[Hint("cyst")]])


def test_random_positions_are_drawn_as_sam_draws_them() -> None:
    sam = SamMedUs(SMALL).model
    frequencies = sam.shared_image_embedding.positional_embedding
    assert torch.equal(frequencies, sam.prompt_encoder.shared_embedding.positional_embedding)
    assert 0.7 < float(frequencies.std()) < 1.3 and not frequencies.requires_grad


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"image_size": 250}, "image_size = 250 must be a multiple of 16"),
        ({"num_heads": 7}, "width = 768 must be a multiple of num_heads = 7"),
        ({"global_blocks": (2, 5)}, "must be 4 different ones of 0 .. 11"),
        ({"global_blocks": (2, 5, 8, 12)}, "must be 4 different ones of 0 .. 11"),
        ({"branch": "resnet18"}, "branch = 'resnet18' must be a ConvNeXt V2"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SamMedUsConfig(**sizes)  # type: ignore[arg-type]


def test_a_branch_that_timm_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="knows no convnextv2_of_tomorrow"):
        SamMedUs(replace(TINY, branch="convnextv2_of_tomorrow"))
