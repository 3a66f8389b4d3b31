"""Which pixels of a mask are foreground: black and white, labels, grey values, JPEG."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gdinousam.data.contract.check import check_table
from gdinousam.data.images import read_mask_file
from gdinousam.data.masks import foreground, half_of_range
from gdinousam.methods.saved_masks.formats import read_mask
from gdinousam.methods.saved_masks.settings import SavedMasksSettings

SQUARE = np.zeros((40, 40), bool)
SQUARE[10:30, 10:30] = True


@pytest.mark.parametrize("value", [1, 90, 255])
def test_one_value_beside_black_is_foreground_whatever_it_is(value):
    mask_hw, is_cut = foreground(np.where(SQUARE, value, 0).astype(np.uint8), may_be_labels=False)
    assert (mask_hw == SQUARE).all() and not is_cut


def test_labels_are_foreground_down_to_the_lowest():
    labels = np.zeros((4, 8), np.uint8)
    labels[1] = [1, 2, 3, 4, 5, 128, 254, 255]
    assert foreground(labels)[0].sum() == 8
    many = np.arange(101, dtype=np.uint8).reshape(1, 101)  # a hundred numbered objects; nothing in the upper half
    assert foreground(many)[0].sum() == 100


def test_a_ramp_is_cut_at_half_of_its_range():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    mask_hw, is_cut = foreground(ramp)
    assert is_cut and mask_hw.sum() == 128 and (mask_hw == (ramp >= 128)).all()


@pytest.mark.parametrize(
    ("pixels", "half"),
    [
        (np.array([[0, 255]], np.uint8), 128),
        (np.array([[0, 3]], np.uint8), 128),
        (np.array([[0, 255]], np.uint16), 128),
        (np.array([[0, 4095]], np.uint16), 2048),
        (np.array([[0, 65535]], np.uint16), 32768),
        (np.array([[0.0, 0.9]], np.float32), 0.5),
        (np.array([[0.0, 255.0]], np.float32), 128),
    ],
)
def test_the_range_is_that_of_the_bits_in_use(pixels, half):
    assert half_of_range(pixels) == half


def test_nothing_is_foreground_of_black():
    assert not foreground(np.zeros((3, 3), np.uint8))[0].any()


def test_a_jpeg_mask_is_the_mask_that_was_saved(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for name in ("a.jpg", "b.jpg"):
        PIL.Image.fromarray(np.where(SQUARE, 255, 0).astype(np.uint8)).save(tmp_path / name, quality=60)
    stored = np.asarray(PIL.Image.open(tmp_path / "a.jpg"))
    assert (stored > 0).sum() > SQUARE.sum()  # the noise that non-zero would count
    assert (read_mask_file(tmp_path / "a.jpg").foreground == SQUARE).all()
    read_mask_file(tmp_path / "b.jpg")
    assert [record.getMessage().count("cut at half") for record in caplog.records] == [1]


def test_a_named_value_is_exact_in_a_grey_mask(tmp_path: Path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    PIL.Image.fromarray(ramp).save(tmp_path / "a.png")
    assert np.argwhere(read_mask_file(tmp_path / "a.png").select(7)).tolist() == [[0, 7]]


def test_checker_and_saved_predictions_follow_the_same_rule(tmp_path: Path):
    soft = np.where(SQUARE, 255, 0).astype(np.uint8)
    soft[:, :9] = np.arange(1, 10)  # faint values far from the object
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        PIL.Image.fromarray(soft if folder == "masks" else 255 - soft).save(tmp_path / folder / "a.png")
    csv_path = tmp_path / "test.csv"
    header = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height,dataset"
    csv_path.write_text(f"{header}\ncyst,0,0,9,40,a.png,40,40,busi\n")
    (problem,) = check_table(csv_path, tmp_path / "images", tmp_path / "masks", progress=False)
    assert problem.expected == "pixels of this row inside its box; a.png has none"
    assert (read_mask(tmp_path / "masks" / "a.png", SavedMasksSettings()) == SQUARE).all()
