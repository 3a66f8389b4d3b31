"""Resizing, normalisation, padding and box forms."""

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gdinousam.data.samples import to_sample
from gdinousam.preprocessing import (
    ResizeSettings,
    boxes_cxcywh_norm,
    boxes_xyxy_pixels,
    build_resize,
    image_to_tensor,
    normalize_image,
    pad_images,
)


def painted(height: int, width: int, box_xywh: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A black image with a white rectangle, and the mask of that."""
    x, y, box_width, box_height = box_xywh
    mask = np.zeros((height, width), dtype=bool)
    mask[y : y + box_height, x : x + box_width] = True
    return np.repeat(mask[..., None] * np.uint8(255), 3, axis=2), mask


@pytest.mark.parametrize(
    ("height", "width", "square", "shortest"),
    [
        (433, 469, (800, 800), (800, 866)),
        (469, 433, (800, 800), (866, 800)),
        (101, 99, (800, 800), (816, 800)),
        (300, 901, (800, 800), (444, 1333)),
        (901, 300, (800, 800), (1333, 444)),
        (400, 1000, (800, 800), (533, 1332)),
        (800, 800, (800, 800), (800, 800)),
        (1601, 1999, (800, 800), (800, 998)),
    ],
)
def test_resized_sizes(height: int, width: int, square: tuple[int, int], shortest: tuple[int, int]) -> None:
    sample = to_sample(np.zeros((height, width, 3), np.uint8), [(1, 2, 3, 4)])
    for resized, size_hw in (
        (build_resize(ResizeSettings())(sample), square),
        (build_resize(ResizeSettings(mode="shortest_edge"))(sample), shortest),
    ):
        assert tuple(resized.image.shape[-2:]) == size_hw == resized.boxes_xyxy.canvas_size
        scale = torch.tensor([size_hw[1] / width, size_hw[0] / height]).repeat(2)
        torch.testing.assert_close(
            resized.boxes_xyxy.as_subclass(torch.Tensor), torch.tensor([[1.0, 2.0, 4.0, 6.0]]) * scale
        )


@pytest.mark.parametrize("mode", ["square", "shortest_edge"])
def test_a_resized_rectangle_fills_its_resized_box(mode: str) -> None:
    image, mask = painted(91, 137, (31, 22, 40, 33))
    resized = build_resize(ResizeSettings(mode=mode, size=160, longest_edge=200))(
        to_sample(image, [(31, 22, 40, 33)], [mask])
    )
    x0, y0, x1, y1 = (round(value) for value in resized.boxes_xyxy[0].tolist())
    for layer, bright in ((resized.image[0], 128), (resized.masks_nhw[0], 1)):
        assert (layer[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] >= bright).all()
        outside = layer.as_subclass(torch.Tensor).clone()
        outside[y0 - 1 : y1 + 1, x0 - 1 : x1 + 1] = 0
        assert (outside < bright).all()


def test_impossible_resizes_are_refused() -> None:
    for values, message in (
        ({"size": 0}, "greater than or equal to 2"),
        ({"mode": "shortest_edge", "size": 800, "longest_edge": 800}, "longest_edge = 800"),
        ({"mode": "crop"}, "'square' or 'shortest_edge'"),
    ):
        with pytest.raises(ValidationError, match=message):
            ResizeSettings(**values)


def test_normalize_image_uses_the_imagenet_statistics() -> None:
    image = torch.tensor([0, 255], dtype=torch.uint8).repeat(3, 1, 1)
    normalized = normalize_image(image)
    assert normalized.shape == (3, 1, 2) and normalized.dtype == torch.float32
    expected = torch.tensor([[-2.1179, 2.2489], [-2.0357, 2.4286], [-1.8044, 2.6400]])
    torch.testing.assert_close(normalized[:, 0], expected, atol=1e-4, rtol=0)
    assert type(normalize_image(to_sample(np.zeros((4, 4, 3), np.uint8), []).image)) is torch.Tensor


def test_box_forms_by_hand_and_back() -> None:
    boxes_xyxy = torch.tensor([[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 200.0, 100.0]])
    normalized = boxes_cxcywh_norm(boxes_xyxy, (100, 200))
    torch.testing.assert_close(normalized, torch.tensor([[0.1, 0.4, 0.1, 0.4], [0.5, 0.5, 1.0, 1.0]]))
    torch.testing.assert_close(boxes_xyxy_pixels(normalized, (100, 200)), boxes_xyxy)
    assert boxes_cxcywh_norm(torch.zeros(0, 4), (100, 200)).shape == (0, 4)


def test_images_of_one_size_are_stacked_without_a_pixel_mask() -> None:
    stacked, pixel_mask = pad_images([torch.ones(3, 4, 5), torch.zeros(3, 4, 5)])
    assert stacked.shape == (2, 3, 4, 5) and pixel_mask is None


def test_smaller_images_are_padded_at_the_right_and_bottom() -> None:
    stacked, pixel_mask = pad_images([torch.ones(3, 4, 5), torch.ones(3, 6, 2)])
    assert stacked.shape == (2, 3, 6, 5) and pixel_mask is not None
    assert stacked[0, :, :4, :].min() == 1 and stacked[0, :, 4:].max() == 0
    assert stacked[1, :, :, :2].min() == 1 and stacked[1, :, :, 2:].max() == 0
    torch.testing.assert_close(pixel_mask.float(), stacked[:, 0])


def test_a_tensor_made_of_an_image_has_its_own_memory() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    tensor = image_to_tensor(image)
    image[:] = 0
    assert tensor.shape == (3, 2, 4) and tensor[2, 1, 3] == 23


def test_shortest_edge_is_the_official_resize() -> None:
    transforms = pytest.importorskip("groundingdino.datasets.transforms", reason="needs groundingdino-py")
    official = transforms.RandomResize([200], max_size=333)
    ours = build_resize(ResizeSettings(mode="shortest_edge", size=200, longest_edge=333))
    generator = np.random.default_rng(0)
    for height, width in ((90, 90), (101, 99), (60, 150), (150, 61), (43, 72), (433, 469), (300, 901), (500, 700)):
        image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        theirs = np.asarray(official(PIL.Image.fromarray(image), None)[0])
        resized = ours(image_to_tensor(image)).permute(1, 2, 0).numpy()
        assert resized.shape == theirs.shape
        # Pillow and torchvision round the same filter at different places
        assert np.abs(resized.astype(int) - theirs).max() <= 1


@given(
    size_hw=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    side=st.integers(16, 150),
    box=st.tuples(st.floats(0, 0.6), st.floats(0, 0.6), st.floats(0.25, 0.4), st.floats(0.25, 0.4)),
)
@settings(max_examples=60, deadline=None)
def test_image_mask_and_box_move_together_whatever_the_sizes(
    size_hw: tuple[int, int], side: int, box: tuple[float, float, float, float]
) -> None:
    """Centroid of the bright pixels, of the mask and of the box, to a fraction of a pixel of the result."""
    height, width = size_hw
    x, y = int(box[0] * width), int(box[1] * height)
    box_xywh = (x, y, max(4, int(box[2] * width)), max(4, int(box[3] * height)))
    image, mask = painted(height, width, box_xywh)
    resized = build_resize(ResizeSettings(size=side))(to_sample(image, [box_xywh], [mask]))
    x0, y0, x1, y1 = resized.boxes_xyxy[0].tolist()
    of_box = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    of_mask = _centroid(resized.masks_nhw[0].float())
    of_image = _centroid(resized.image[0].float())
    # a mask has whole pixels only, on each side up to half of one off, the larger of the two grids deciding
    coarse = max(1.0, side / min(size_hw))
    assert np.abs(of_mask - of_box).max() <= 0.5 * coarse
    assert np.abs(of_image - of_box).max() <= 0.35 * coarse


def _centroid(values: torch.Tensor) -> np.ndarray:
    """x and y of the mean of all pixels by value, at their centres."""
    weights = values.as_subclass(torch.Tensor).numpy()
    rows, columns = np.indices(weights.shape) + 0.5
    return np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()


def test_masks_are_not_moved_by_resizing_on_average() -> None:
    """Over many places the rounding of outlines cancels out; a convention of its own would not (0.3 to 0.5 pixels)."""
    moved = []
    for place in range(40):
        box_xywh = (20 + place, 30 + place, 61, 47)
        image, mask = painted(201, 187, box_xywh)
        resized = build_resize(ResizeSettings(size=128))(to_sample(image, [box_xywh], [mask]))
        x0, y0, x1, y1 = resized.boxes_xyxy[0].tolist()
        moved.append(_centroid(resized.masks_nhw[0].float()) - [(x0 + x1) / 2, (y0 + y1) / 2])
    assert np.abs(np.mean(moved, axis=0)).max() < 0.05


def test_masks_of_no_object_are_resized_too() -> None:
    resized = build_resize(ResizeSettings(size=8))(to_sample(np.zeros((4, 6, 3), np.uint8), [], []))
    assert resized.masks_nhw.shape == (0, 8, 8) and resized.masks_nhw.dtype == torch.bool
