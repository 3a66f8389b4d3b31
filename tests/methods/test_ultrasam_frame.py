"""How UltraSam's images, boxes and clicks get into its square and masks out of it, against recorded outputs."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gdinousam.errors import InputError
from gdinousam.methods.ultrasam.frame import UltraSamFrame
from gdinousam.records import Click

GOLDENS = Path(__file__).parents[2] / ".." / "shared" / "goldens" / "ultrasam"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")
Recorded = dict[str, npt.NDArray[Any]]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Inputs and outputs of UltraSam's own code."""
    with np.load(GOLDENS / "predict.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def recorded_masks() -> Recorded:
    """Logits made by hand and the masks that UltraSam's own code makes of them."""
    with np.load(GOLDENS / "postprocess.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    ("size_hw", "scaled_hw"), [((49, 30), (1023, 626)), ((30, 98), (313, 1023)), ((64, 100), (655, 1024))]
)
def test_sides_are_cut_off_in_mmdets_order_of_operations(size_hw: tuple[int, int], scaled_hw: tuple[int, int]) -> None:
    height, width = size_hw
    corner = UltraSamFrame(1024).boxes_in_square(torch.tensor([[0.0, 0.0, width, height]]), size_hw)[0, 2:]
    assert corner.tolist() == pytest.approx(scaled_hw[::-1], abs=1e-3)


def test_a_small_image_leaves_zeros_at_the_right_or_bottom() -> None:
    pixel_values = UltraSamFrame(64).pixel_values(np.full((30, 60, 3), 255, dtype=np.uint8))
    assert pixel_values.shape == (3, 64, 64) and pixel_values.dtype == torch.float32
    assert pixel_values[:, :32].all() and not pixel_values[:, 32:].any()
    assert pixel_values[0, 0, 0].item() == pytest.approx((255 - 123.675) / 58.395, abs=1e-5)
    assert pixel_values[2, 0, 0].item() == pytest.approx((255 - 103.53) / 57.375, abs=1e-5)


def test_an_image_that_is_too_thin_is_refused() -> None:
    with pytest.raises(InputError, match=r"^an image of 2000 x 1 pixels is too thin for UltraSam.*crop it$"):
        UltraSamFrame(1024).pixel_values(np.zeros((1, 2000, 3), dtype=np.uint8))


def test_the_centre_of_the_first_pixel_is_the_origin_of_clicks() -> None:
    clicks = [Click(0.5, 0.5), Click(60.5, 45.5)]
    found = UltraSamFrame(1024).clicks_in_square(clicks, (90, 120))
    assert torch.allclose(found, torch.tensor([[0.0, 0.0], [512.0, 384.0]]), atol=1e-3)


@needs_goldens
def test_ultrasam_sees_what_its_pipeline_shows_it(recorded: Recorded) -> None:
    frame = UltraSamFrame(1024)
    pixel_values = frame.pixel_values(recorded["image_u8"])
    assert np.abs(pixel_values[:, ::32, ::32].numpy() - recorded["input_probe"]).max() < 1e-6
    std, mean = np.float32(58.395), np.float32(123.675)
    red = (pixel_values[0, :768:16, ::16].numpy() * std + mean).round()
    assert np.array_equal(red, recorded["resized_probe"])
    box = frame.boxes_in_square(torch.from_numpy(recorded["gt_box_xyxy"]), (90, 120)) + 0.5
    assert np.abs(box.reshape(1, 2, 2).numpy() - recorded["box_corners_1024"]).max() < 1e-4
    # the click is the mean of the mask's pixels
    rows, columns = np.nonzero(recorded["gt_mask"])
    click = frame.clicks_in_square([Click(columns.mean() + 0.5, rows.mean() + 0.5)], (90, 120)) + 0.5
    assert np.abs(click.numpy() - recorded["point_xy_1024"][0]).max() < 1e-4


@needs_goldens
def test_images_are_scaled_to_the_sizes_of_mmdet(recorded: Recorded) -> None:
    frame = UltraSamFrame(1024)
    for height, width, new_height, new_width, x_scale, y_scale in recorded["resize_table_h_w_newh_neww_sx_sy"]:
        size_hw = (int(height), int(width))
        image = np.full((*size_hw, 3), 255, dtype=np.uint8)
        rows, columns = torch.nonzero(frame.pixel_values(image)[0], as_tuple=True)
        assert (int(rows.max()) + 1, int(columns.max()) + 1) == (new_height, new_width)
        scaled = frame.boxes_in_square(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), size_hw)[0, 2:]
        assert scaled.tolist() == pytest.approx([x_scale, y_scale], rel=1e-6)


@needs_goldens
@pytest.mark.parametrize("case", [0, 1, 2])
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_masks_are_exactly_the_published_ones(recorded_masks: Recorded, case: int, kind: str) -> None:
    logits = torch.from_numpy(recorded_masks[f"case{case}_logits"])
    channel = 0 if kind == "single" else int(recorded_masks[f"case{case}_iou"].argmax())
    height, width, *_ = map(int, recorded_masks[f"case{case}_geom_H_W_ih_iw"])
    frame, low_res = UltraSamFrame(1024), logits[:, channel : channel + 1]
    mask_hw = frame.masks_of_size(low_res, (height, width))[0].numpy()
    assert np.array_equal(mask_hw, recorded_masks[f"case{case}_{kind}_mask"][0])
    # as the facts have it, masks that are thresholded first are 4 to 9 % larger
    plain = frame.plain_masks_of_size(low_res, (height, width))[0].numpy()
    assert 1.03 < mask_hw.sum() / plain.sum() < 1.10
