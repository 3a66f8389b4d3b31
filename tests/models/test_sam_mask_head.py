"""The mask head of SAM and MedSAM: one mask per box, and images shown to it as the authors of the weights do."""

import json
import logging
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
import transformers
from mask_checks import agreement, count_calls, small_sam

from benchmarks.parity.weights import rule_values
from gdinousam.errors import InputError
from gdinousam.models.checkpoints.sam import sam_from
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.sam import (
    NOTE,
    MedSamFrame,
    OriginalFrame,
    SamMaskHead,
    SamPreprocessing,
    frame_of,
    sam_preprocessing,
    save_sam_preprocessing,
)
from gdinousam.records import Image

GOLDENS = Path(__file__).parents[2] / ".." / "shared" / "goldens" / "medsam"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")
BOXES_XYXY = torch.tensor([[20.0, 30.0, 90.0, 100.0], [60.5, 10.0, 150.0, 80.0], [5.0, 90.0, 40.0, 140.0]])
SIDE = 256
WAYS = get_args(SamPreprocessing)
Recorded = dict[str, npt.NDArray[np.generic]]


@pytest.fixture(scope="module", params=WAYS)
def mask_head(request: pytest.FixtureRequest) -> SamMaskHead:
    return SamMaskHead(small_sam(), frame_of(request.param))


def test_every_box_gets_a_mask_of_the_size_of_its_image(mask_head: SamMaskHead, phantom_images: list[Image]) -> None:
    masks = mask_head.masks_in_boxes(phantom_images, [BOXES_XYXY[:1], BOXES_XYXY[:0], BOXES_XYXY])
    assert [len(row) for row in masks] == [1, 0, 3]
    for image, row in zip(phantom_images, masks, strict=True):
        assert all(mask.shape == image.shape[:2] and mask.dtype == np.bool_ for mask in row)


def test_random_weights_give_masks_worth_comparing(mask_head: SamMaskHead, phantom_images: list[Image]) -> None:
    masks = mask_head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY])[0]
    assert all(0.05 < mask.mean() < 0.95 for mask in masks)
    assert agreement(masks[:2], masks[1:]) < 0.99


@pytest.mark.parametrize("num_images", [0, 2])
def test_without_boxes_the_image_encoder_does_not_run(
    mask_head: SamMaskHead, phantom_images: list[Image], num_images: int
) -> None:
    with count_calls(mask_head.model.vision_encoder) as encoder, count_calls(mask_head.model.mask_decoder) as decoder:
        masks = mask_head.masks_in_boxes(phantom_images[:num_images], [torch.zeros(0, 4)] * num_images)
    assert masks == [[]] * num_images
    assert encoder == decoder == []


def test_all_boxes_of_an_image_take_one_decoder_call(mask_head: SamMaskHead, phantom_images: list[Image]) -> None:
    with count_calls(mask_head.model.vision_encoder) as encoder, count_calls(mask_head.model.mask_decoder) as decoder:
        mask_head.masks_in_boxes(phantom_images, [BOXES_XYXY, BOXES_XYXY[:0], BOXES_XYXY[:2]])
    assert len(encoder) == 1
    assert len(decoder) == 2


def test_a_box_does_not_change_the_mask_of_another(mask_head: SamMaskHead, phantom_images: list[Image]) -> None:
    together = mask_head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY])[0]
    alone = [mask_head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY[row : row + 1]])[0][0] for row in range(3)]
    assert agreement(together, alone) > 0.9999


def test_a_batch_gives_the_masks_of_single_images(mask_head: SamMaskHead, phantom_images: list[Image]) -> None:
    boxes_xyxy = [BOXES_XYXY, BOXES_XYXY[:2], BOXES_XYXY[1:]]
    batch = mask_head.masks_in_boxes(phantom_images, boxes_xyxy)
    for image, boxes, masks in zip(phantom_images, boxes_xyxy, batch, strict=True):
        assert agreement(masks, mask_head.masks_in_boxes([image], [boxes])[0]) > 0.9999


def test_boxes_stay_as_they_were_given(mask_head: SamMaskHead, phantom_images: list[Image]) -> None:
    boxes_xyxy = BOXES_XYXY.clone()
    mask_head.masks_in_boxes(phantom_images[:1], [boxes_xyxy])
    assert torch.equal(boxes_xyxy, BOXES_XYXY)


@pytest.mark.parametrize("size_hw", [(90, 120), (300, 200), (128, 128), (511, 77)])
def test_sam_sees_and_answers_as_in_the_processor_of_transformers(size_hw: tuple[int, int]) -> None:
    # transformers 5 keeps the processor that resizes with Pillow, as the original code does, under another name
    processor_class = getattr(transformers, "SamImageProcessorPil", transformers.SamImageProcessor)
    processor = processor_class(
        size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE}, mask_pad_size={"height": 64, "width": 64}
    )
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    inputs = processor(image, return_tensors="pt")
    frame = OriginalFrame(SIDE)
    assert (frame.pixel_values(image) - inputs["pixel_values"][0]).abs().max() < 1e-5

    height, width = inputs["reshaped_input_sizes"][0].tolist()
    whole = torch.tensor([[0.0, 0.0, size_hw[1], size_hw[0]]])
    assert torch.allclose(frame.boxes_in_square(whole, size_hw), torch.tensor([[0.0, 0.0, width, height]]))

    low_res = torch.from_numpy(generator.normal(size=(2, 1, 64, 64))).float()
    expected = processor.post_process_masks([low_res], inputs["original_sizes"], inputs["reshaped_input_sizes"])[0]
    assert torch.equal(frame.masks_of_size(low_res, size_hw), expected[:, 0])


def test_medsam_stretches_the_values_of_each_image() -> None:
    image = np.random.default_rng(0).integers(90, 120, (40, 50, 3), dtype=np.uint8)
    pixel_values = MedSamFrame(SIDE).pixel_values(image)
    assert (pixel_values.min(), pixel_values.max()) == (0, 1)


def test_medsam_takes_an_image_of_one_grey() -> None:
    assert not MedSamFrame(SIDE).pixel_values(np.full((40, 50, 3), 7, dtype=np.uint8)).any()


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Inputs and outputs of the official MedSAM code with weights of the rule."""
    with np.load(GOLDENS / "forward.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def medsam() -> SamMaskHead:
    """ViT-B with the weights that the outputs were recorded with."""
    keys = json.loads((GOLDENS / "state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    tensors = {name: torch.from_numpy(rule_values(name, tuple(shape))) for name, (shape, _) in keys.items()}
    return SamMaskHead(sam_from(tensors, Path("medsam_vit_b.pth")), MedSamFrame)


def recorded_image(recorded: Recorded, case: str) -> Image:
    name = {"official_gray": "image_gray_u8", "official_rgb": "image_rgb_u8", "official_big": "official_big_u8"}[case]
    image = recorded[name]
    return np.asarray(image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2), dtype=np.uint8)


@needs_goldens
@pytest.mark.parametrize("case", ["official_gray", "official_rgb", "official_big"])
def test_medsam_sees_exactly_what_its_script_shows_it(recorded: Recorded, case: str) -> None:
    pixel_values = MedSamFrame(1024).pixel_values(recorded_image(recorded, case))
    probe = recorded[f"{case}_pre_probe"]
    seen = pixel_values[:, ::32, ::32].permute(1, 2, 0).numpy()
    assert np.array_equal(seen[:, :, 0] if probe.ndim == 2 else seen, probe.astype(np.float32))


@needs_goldens
@pytest.mark.slow
@pytest.mark.parametrize("case", ["official_gray", "official_rgb"])
def test_medsam_answers_as_its_script_does(medsam: SamMaskHead, recorded: Recorded, case: str) -> None:
    image, boxes_xyxy = recorded_image(recorded, case), torch.from_numpy(recorded["box_xyxy"]).reshape(1, 4)
    size_hw = image.shape[:2]
    assert isinstance(medsam.frame, MedSamFrame)
    boxes_1024 = medsam.frame.boxes_in_square(boxes_xyxy.float(), size_hw).numpy()
    assert np.abs(boxes_1024 - recorded["box_1024"]).max() < 1e-3
    with torch.inference_mode():
        (encoded,) = medsam.encode([image])
        low_res = medsam.low_res_logits(encoded, boxes_xyxy, size_hw)
    probabilities = medsam.frame.probabilities_of_size(low_res, size_hw)[0]
    assert np.abs(encoded[0, ::8, ::4, ::4].numpy() - recorded[f"{case}_embed_probe"].squeeze()).max() < 1e-4
    assert np.abs(low_res.numpy() - recorded[f"{case}_low_res"]).max() < 5e-5
    assert np.abs(probabilities.numpy() - recorded[f"{case}_prob"].squeeze()).max() < 2e-4
    mask = medsam.masks_of_size(low_res, size_hw)[0].numpy()
    assert np.array_equal(mask, recorded[f"{case}_seg"].squeeze().astype(bool))


@pytest.mark.parametrize(
    ("name", "preprocessing"),
    [
        ("medsam_vit_b.pth", "medsam"),
        ("weights/MedSAM.pth", "medsam"),
        ("wanglab/medsam-vit-base", "medsam"),
        ("medsam/sam_vit_b.pth", "medsam"),
        ("sam_vit_b_01ec64.pth", "sam"),
        ("facebook/sam-vit-base", "sam"),
        ("medsam/weights/sam_vit_b_01ec64.pth", "sam"),
    ],
)
def test_without_a_note_the_name_tells_medsam_from_sam(name: str, preprocessing: str) -> None:
    assert sam_preprocessing(name) == preprocessing


@pytest.mark.parametrize("preprocessing", WAYS)
@pytest.mark.parametrize("folder_name", ["sam", "medsam"])
def test_a_note_beside_the_weights_overrules_the_name(
    tmp_path: Path, folder_name: str, preprocessing: SamPreprocessing
) -> None:
    folder = tmp_path / folder_name
    small_sam().save_pretrained(folder)
    save_sam_preprocessing(folder, preprocessing)
    head = load_mask_head(str(folder))
    assert isinstance(head, SamMaskHead) and type(head.frame) is frame_of(preprocessing)


@pytest.mark.parametrize("content", ["{}", '{"preprocessing": "sam2"}', '{"preprocessing": ["sam"]}'])
def test_a_note_that_says_neither_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / NOTE).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"{NOTE}: preprocessing = .*; set it to 'sam' or 'medsam'$"):
        sam_preprocessing(str(tmp_path))


def test_the_choice_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        sam_preprocessing("weights/medsam_vit_b.pth")
    (line,) = caplog.messages
    assert "prepared as for medsam" in line and "'medsam'" in line


def test_a_saved_head_gives_the_same_masks(tmp_path: Path, phantom_images: list[Image]) -> None:
    small_sam().save_pretrained(tmp_path)
    expected = SamMaskHead(small_sam(), OriginalFrame).masks_in_boxes(phantom_images[:1], [BOXES_XYXY])[0]
    found = load_mask_head(str(tmp_path)).masks_in_boxes(phantom_images[:1], [BOXES_XYXY])[0]
    assert agreement(found, expected) == 1
