"""The mask head: one mask per box in the size of its image, as transformers' own pipeline makes them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mask_checks import agreement, count_calls
from torch import nn
from transformers import Sam2ImageProcessorFast, Sam2Processor

from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.preprocessing import image_to_tensor, normalize_image
from gdinousam.records import Image

BOXES_XYXY = torch.tensor([[20.0, 30.0, 90.0, 100.0], [60.5, 10.0, 150.0, 80.0], [5.0, 90.0, 40.0, 140.0]])


@pytest.fixture(scope="module")
def mask_head(small_mask_head: Path) -> Sam2MaskHead:
    return load_mask_head(str(small_mask_head))


def test_every_box_gets_a_mask_of_the_size_of_its_image(mask_head: Sam2MaskHead, phantom_images: list[Image]) -> None:
    masks = mask_head.masks_in_boxes(phantom_images, [BOXES_XYXY[:1], BOXES_XYXY[:0], BOXES_XYXY])
    assert [len(row) for row in masks] == [1, 0, 3]
    for image, row in zip(phantom_images, masks, strict=True):
        assert all(mask.shape == image.shape[:2] and mask.dtype == np.bool_ for mask in row)


def test_random_weights_give_masks_worth_comparing(mask_head: Sam2MaskHead, phantom_images: list[Image]) -> None:
    masks = mask_head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY])[0]
    assert all(0.05 < mask.mean() < 0.95 for mask in masks)
    assert agreement(masks[:2], masks[1:]) < 0.99


@pytest.mark.parametrize("num_images", [0, 2])
def test_without_boxes_the_image_encoder_does_not_run(
    mask_head: Sam2MaskHead, phantom_images: list[Image], num_images: int
) -> None:
    with count_calls(mask_head.model.vision_encoder) as encoder, count_calls(mask_head.model.mask_decoder) as decoder:
        masks = mask_head.masks_in_boxes(phantom_images[:num_images], [torch.zeros(0, 4)] * num_images)
    assert masks == [[]] * num_images
    assert encoder == decoder == []


def test_all_boxes_of_an_image_take_one_decoder_call(mask_head: Sam2MaskHead, phantom_images: list[Image]) -> None:
    with count_calls(mask_head.model.vision_encoder) as encoder, count_calls(mask_head.model.mask_decoder) as decoder:
        mask_head.masks_in_boxes(phantom_images, [BOXES_XYXY, BOXES_XYXY[:0], BOXES_XYXY[:2]])
    assert len(encoder) == 1
    assert len(decoder) == 2


def test_masks_are_those_of_the_processor_of_transformers(mask_head: Sam2MaskHead, phantom_images: list[Image]) -> None:
    image = phantom_images[0]
    side = mask_head.side
    processor = Sam2Processor(Sam2ImageProcessorFast(size={"height": side, "width": side}))
    # given 8-bit pixels, the processor resizes to 8-bit pixels, unlike the official predictor
    fractions = image_to_tensor(image) / 255
    inputs = processor(images=fractions, input_boxes=[BOXES_XYXY.tolist()], do_rescale=False, return_tensors="pt")
    with torch.no_grad():
        output = mask_head.model(**inputs, multimask_output=False)
    expected = processor.post_process_masks(output.pred_masks, inputs["original_sizes"])[0][:, 0].numpy()
    found = mask_head.masks_in_boxes([image], [BOXES_XYXY])[0]
    # they differ in the last bits of the normalisation, so at most in a few border pixels
    assert agreement(found, list(expected)) > 0.9999


def test_forward_gives_the_logits_behind_the_masks(mask_head: Sam2MaskHead) -> None:
    side = mask_head.side
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    pixel_values = normalize_image(torch.from_numpy(image).permute(2, 0, 1))[None]
    with torch.no_grad():
        logits = mask_head(pixel_values, BOXES_XYXY[None])
    assert logits.shape == (1, 3, side // 4, side // 4) and logits.dtype == torch.float32
    full_size = nn.functional.interpolate(logits, (side, side), mode="bilinear")[0]
    masks = mask_head.masks_in_boxes([image], [BOXES_XYXY])[0]
    assert agreement(masks, list((full_size > 0).numpy())) > 0.9999


def test_the_boxes_given_are_not_changed(mask_head: Sam2MaskHead, phantom_images: list[Image]) -> None:
    boxes_xyxy = BOXES_XYXY.clone()
    side = mask_head.side
    with torch.no_grad():
        mask_head(torch.zeros(1, 3, side, side), boxes_xyxy[None])
    mask_head.masks_in_boxes(phantom_images[:1], [boxes_xyxy])
    assert torch.equal(boxes_xyxy, BOXES_XYXY)


def test_permuting_boxes_permutes_masks(mask_head: Sam2MaskHead, phantom_images: list[Image]) -> None:
    order = [2, 0, 1]
    masks = mask_head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY])[0]
    permuted = mask_head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY[order]])[0]
    assert agreement(permuted, [masks[index] for index in order]) > 0.9999


def test_a_box_does_not_change_the_mask_of_another(mask_head: Sam2MaskHead, phantom_images: list[Image]) -> None:
    together = mask_head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY])[0]
    alone = [mask_head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY[row : row + 1]])[0][0] for row in range(3)]
    assert agreement(together, alone) > 0.9999


def test_a_batch_gives_the_masks_of_single_images(mask_head: Sam2MaskHead, phantom_images: list[Image]) -> None:
    boxes_xyxy = [BOXES_XYXY, BOXES_XYXY[:2], BOXES_XYXY[1:]]
    batch = mask_head.masks_in_boxes(phantom_images, boxes_xyxy)
    for image, boxes, masks in zip(phantom_images, boxes_xyxy, batch, strict=True):
        assert agreement(masks, mask_head.masks_in_boxes([image], [boxes])[0]) > 0.9999
