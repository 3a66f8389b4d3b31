"""What callers may pass: taken where it can mean one thing only, else refused with what is wanted."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from gdinousam import load_segmenter, read_image
from gdinousam.data.images import image_size, read_mask_file
from gdinousam.errors import InputError
from gdinousam.inputs import as_boxes, as_hints, as_images, as_phrases, as_settings
from gdinousam.methods.medsam.segmenter import load_medsam
from gdinousam.methods.ours.references import WholeImageSegmenter
from gdinousam.methods.ultrasam.segmenter import load_ultrasam
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import load_mask_head, pick_device
from gdinousam.models.precision import pick_precision
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.prediction.files import predict_files
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Click, Detection, Hint, Image

# a row of four greys and a row of colours
PIXELS = np.array([[[0, 0, 0], [51, 51, 51], [102, 102, 102], [255, 255, 255]], [[1, 2, 3]] * 4], dtype=np.uint8)
GREY = np.array([[0, 51], [102, 255]], dtype=np.uint8)
BOX = (1.0, 2.0, 3.0, 4.0)


@pytest.fixture(scope="module")
def segmenter() -> TextSegmenter[Any]:
    with_threshold = PredictionSettings(box_threshold=0.01)
    return load_segmenter("random-small", "random-small", resize=ResizeSettings(size=96), prediction=with_threshold)


@pytest.mark.parametrize(
    "given",
    [
        PIXELS,
        PIXELS.astype(np.int64),
        PIXELS.astype(np.uint16),
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        PIL.Image.fromarray(PIXELS),
    ],
    ids=["uint8", "int64", "uint16", "float64", "float32", "pillow"],
)
def test_one_picture_is_the_same_in_every_form_that_is_taken(given: Any) -> None:
    (taken,) = as_images([given])
    assert taken.dtype == np.uint8
    np.testing.assert_array_equal(taken, PIXELS)


@pytest.mark.parametrize(
    "given",
    [GREY, GREY[:, :, None], GREY / 255, PIL.Image.fromarray(GREY), PIL.Image.fromarray(GREY).convert("P")],
    ids=["(H, W)", "(H, W, 1)", "float", "pillow", "palette"],
)
def test_grey_becomes_three_equal_channels(given: Any) -> None:
    np.testing.assert_array_equal(as_images([given])[0], np.stack([GREY] * 3, axis=-1))


def test_black_and_white_pictures_have_the_values_0_and_255() -> None:
    (taken,) = as_images([PIL.Image.fromarray(np.array([[False, True]]))])
    assert taken.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_what_is_right_already_is_not_copied() -> None:
    assert as_images([PIXELS])[0] is PIXELS
    stacked = np.stack([PIXELS, PIXELS])
    assert all(np.shares_memory(one, stacked) for one in as_images(stacked))
    assert as_images([]) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (PIXELS, r"one image; put it into a list"),
        (PIL.Image.fromarray(PIXELS), r"one image; put it into a list"),
        ("image.png", r"images is 'image.png' \(str\); give a list of images"),
        (None, r"images is None; give a list"),
        ([None], r"images\[0\] is None"),
        ([PIXELS, "b.png"], r"images\[1\] is the path 'b.png'; read it with gdinousam.read_image"),
        ([PIXELS.transpose(2, 0, 1)], r"3 x 2 x 4, channels first; .* image.transpose\(1, 2, 0\)"),
        ([np.zeros((4, 5, 4), np.uint8)], r"4 x 5 x 4, four channels; .* without an alpha channel"),
        ([np.zeros((4, 5, 2), np.uint8)], r"has shape 4 x 5 x 2; give \(H, W, 3\) uint8 RGB"),
        ([np.zeros((0, 5, 3), np.uint8)], r"has shape 0 x 5 x 3"),
        ([np.zeros(5, np.uint8)], r"has shape 5;"),
        ([np.ones((4, 5), bool)], r"has dtype bool"),
        ([np.full((4, 5), 200.0)], r"float64 and values in \[200, 200\]; floats are taken in \[0, 1\]"),
        ([np.full((4, 5), -0.5)], r"values in \[-0.5, -0.5\]"),
        ([np.full((4, 5), np.nan)], r"values in \[nan, nan\]"),
        ([np.full((4, 5), 4000, np.uint16)], r"whole numbers are taken in \[0, 255\]"),
        ([torch.zeros(3, 4, 5)], r"images\[0\] is a Tensor of shape \(3, 4, 5\)"),
        ([PIL.Image.new("I;16", (4, 5))], r"PIL image of mode I;16"),
        ([PIL.Image.new("RGBA", (4, 5))], r"PIL image with transparent parts"),
    ],
)
def test_other_images_are_refused_with_what_is_wanted(given: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        as_images(given)
    assert "\n" not in str(caught.value)


def test_phrases_are_lists_of_texts_one_for_each_image() -> None:
    assert as_phrases([["cyst", "cyst"], (), np.array(["liver"])], 3) == [("cyst", "cyst"), (), ("liver",)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["cyst"], r"phrases\[0\] is the text 'cyst', not a list of phrases; .*\[\['cyst'\], "),
        ("cyst", r"phrases is the text 'cyst'"),
        (None, r"phrases is None"),
        ([None], r"phrases\[0\] is None"),
        ([[None]], r"phrases\[0\]\[0\] is None, not a text"),
        ([[b"cyst"]], r"phrases\[0\]\[0\] is b'cyst' \(bytes\), not a text"),
        ([{"cyst"}], r"phrases\[0\] is \{'cyst'\} \(set\); give a list of phrases"),
        ([["cyst"], ["cyst"]], r"1 images but phrases of 2"),
    ],
)
def test_a_text_in_place_of_a_list_of_phrases_is_refused(given: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_phrases(given, 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([["cyst"]], r"hints\[0\]\[0\] is 'cyst' \(str\); give gdinousam.records.Hint"),
        (
            [[Hint("cyst", (5, 6, 3, 4))]],
            r"hints\[0\]\[0\] has the box \(5, 6, 3, 4\); .*not \(x, y, width, height\)",
        ),
        ([[Hint("cyst", (1, 2, np.nan, 4))]], r"has the box \(1, 2, nan, 4\)"),
        ([[Hint("cyst", (1, 2, 3))]], r"has shape \(1, 3\)"),  # type: ignore[arg-type]
        ([[Hint("cyst", clicks=((3, 4),))]], r"has the click \(3, 4\); give gdinousam.records.Click"),  # type: ignore[arg-type]
        ([[Hint("cyst", clicks=(Click(np.inf, 1),))]], r"has the click Click\(x=inf"),
        ([], r"1 images but hints of 0"),
    ],
)
def test_hints_are_checked(given: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_hints(given, 1)


def test_boxes_come_as_tensors_arrays_or_lists() -> None:
    for given in (torch.tensor([BOX]), np.array([BOX]), [BOX], [list(BOX)]):
        (boxes,) = as_boxes([given], 1)
        assert boxes.dtype == np.float32 and boxes.tolist() == [list(BOX)]
    assert as_boxes([[]], 1)[0].shape == (0, 4)
    assert as_hints([[Hint("cyst", list(BOX))]], 1)[0][0].box_xyxy == BOX  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"boxes_xyxy\[0\] has shape \(4,\)"):
        as_boxes([BOX], 1)


def test_settings_may_be_a_mapping() -> None:
    assert as_settings({"size": 96}, ResizeSettings, "resize") == ResizeSettings(size=96)
    assert as_settings(None, ResizeSettings, "resize") is None
    for given, words in (
        ({"sise": 96}, "resize.sise = 96"),
        ({"size": "x"}, "resize.size = 'x'"),
        (96, "resize is 96"),
    ):
        with pytest.raises(InputError, match=words):
            as_settings(given, ResizeSettings, "resize")


def test_a_device_or_precision_of_another_name_is_refused() -> None:
    for device in ("gpu", "cuda:99", "meta", 0, None):
        with pytest.raises(InputError, match=f"device is '{device}'"):
            pick_device(device)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="precision is 'bf16'; set it to one of float32, bfloat16, auto"):
        pick_precision("bf16", torch.device("cpu"))  # type: ignore[arg-type]


def pixels_of(found: list[list[Detection]]) -> list[tuple[str, int]]:
    return [(one.phrase, int(one.mask_hw.sum())) for row in found for one in row if one.mask_hw is not None]


def test_the_pipeline_gives_every_form_of_an_image_the_same_masks(
    segmenter: TextSegmenter[Any], phantom_images: list[Image]
) -> None:
    image = phantom_images[0]
    expected = pixels_of(segmenter.segment([image], [["cyst"]]))
    assert expected and expected[0][1] > 0
    for given in (image / 255, (image / 255).astype(np.float32), PIL.Image.fromarray(image), image.astype(int)):
        assert pixels_of(segmenter.segment([given], [["cyst"]])) == expected
    grey = image[:, :, 0]
    as_colour = pixels_of(segmenter.segment([np.stack([grey] * 3, axis=-1)], [["cyst"]]))
    assert pixels_of(segmenter.segment([grey], [["cyst"]])) == as_colour


def callers(segmenter: TextSegmenter[Any]) -> dict[str, Callable[[Any, Any], Any]]:
    whole = WholeImageSegmenter(segmenter.mask_head)
    return {
        "segment": segmenter.segment,
        "segment_and_choose": lambda images, phrases: segmenter.segment_and_choose(images, phrases, [[]]),
        "find": segmenter.box_finder.find,
        "whole image": whole.segment,
    }


def test_no_method_answers_for_the_letters_of_a_phrase(
    segmenter: TextSegmenter[Any], phantom_images: list[Image]
) -> None:
    for name, call in callers(segmenter).items():
        with pytest.raises(InputError, match=r"phrases\[0\] is the text 'cyst'"):
            call(phantom_images[:1], ["cyst"])
        with pytest.raises(InputError, match=r"images\[0\] has dtype float64"):
            call([phantom_images[0] * 1.0], [["cyst"]])
        assert call([phantom_images[0] / 255], [["cyst"]]) is not None, name


@pytest.mark.parametrize("load", [load_mask_head, load_medsam, load_ultrasam])
def test_no_mask_head_takes_what_is_no_image_or_hint(load: Callable[[str], Any], phantom_images: list[Image]) -> None:
    head = load("random-small")
    box = [Hint("cyst", (10.0, 10.0, 60.0, 50.0))]
    expected = pixels_of(head.segment_hints(phantom_images[:1], [box]))
    assert pixels_of(head.segment_hints([phantom_images[0] / 255], [box])) == expected
    with pytest.raises(InputError, match=r"images\[0\] has dtype float64"):
        head.segment_hints([phantom_images[0] * 1.0], [box])
    with pytest.raises(InputError, match="not \\(x, y, width, height\\)"):
        head.segment_hints(phantom_images[:1], [[Hint("cyst", (60, 50, 20, 10))]])


@pytest.mark.parametrize("read", [read_image, image_size, read_mask_file])
@pytest.mark.parametrize("given", [PIXELS, PIL.Image.fromarray(PIXELS), None, 3, b"image.png"])
def test_files_are_read_by_their_path_alone(read: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(InputError, match=re.escape("a path is wanted")):
        read(given)


def test_prediction_does_not_ask_for_the_letters_of_a_phrase(
    segmenter: TextSegmenter[Any], phantom_data: Path, tmp_path: Path
) -> None:
    path = phantom_data / "test_image" / "test_00000.png"
    made_by = MadeBy("random", None, "random", {}, {}, {})
    with pytest.raises(InputError, match="phrases is the text 'cyst'"):
        list(predict_files(Segmenter.of(segmenter, made_by), [path], "cyst", tmp_path))
    assert not list(tmp_path.iterdir())
