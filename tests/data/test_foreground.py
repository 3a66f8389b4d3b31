"""Which pixels of a mask are foreground: black and white, labels, grey values, JPEG."""

import io
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from gdinousam.data.contract.check import check_table
from gdinousam.data.images import read_mask_file
from gdinousam.data.masks import foreground, half_of_range
from gdinousam.methods.saved_masks.folder import read_mask
from gdinousam.methods.saved_masks.settings import SavedMasksSettings

SQUARE = np.zeros((40, 40), bool)
SQUARE[10:30, 10:30] = True


@pytest.mark.parametrize("value", [1, 90, 255])
def test_one_value_beside_black_is_foreground_whatever_it_is(value):
    mask_hw, is_cut, _ = foreground(np.where(SQUARE, value, 0).astype(np.uint8), may_be_labels=False)
    assert (mask_hw == SQUARE).all() and not is_cut


def test_labels_are_foreground_down_to_the_lowest():
    labels = np.kron(np.array([[1, 2, 3, 4, 5, 128, 254, 255]]), np.ones((5, 5))).astype(np.uint8)
    assert foreground(labels)[0].all()
    many = np.arange(101, dtype=np.uint8).reshape(1, 101)  # a hundred numbered objects; nothing in the upper half
    assert foreground(many)[0].sum() == 100


def test_a_ramp_is_cut_at_half_of_its_range():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    mask_hw, is_cut, _ = foreground(ramp)
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


def disc(radius: int, value: int = 255, size: int = 120, centre: tuple[int, int] | None = None) -> np.ndarray:
    canvas = np.zeros((size, size), np.uint8)
    return cv2.circle(canvas, centre or (size // 2, size // 2), radius, value, -1)


def quantised(soft: np.ndarray, num_levels: int) -> np.ndarray:
    return (np.rint(soft / 255 * (num_levels - 1)) * (255 / (num_levels - 1))).astype(np.uint8)


def as_jpeg(mask: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    PIL.Image.fromarray(mask).save(buffer, "JPEG", quality=quality)
    return np.asarray(PIL.Image.open(buffer))


@pytest.mark.parametrize(
    "soft",
    [
        cv2.resize(disc(60, size=240), (120, 120), interpolation=cv2.INTER_AREA),
        quantised(cv2.GaussianBlur(disc(30), (0, 0), 1), 3),
        quantised(cv2.GaussianBlur(disc(30), (0, 0), 1), 5),
        quantised(cv2.GaussianBlur(disc(30), (0, 0), 2), 4),
        as_jpeg(disc(30), 100),
        as_jpeg(disc(30), 98),
        disc(30).astype(np.uint16) * 200 + disc(32, 60).astype(np.uint16),
        cv2.resize(disc(60, size=240), (120, 120), interpolation=cv2.INTER_AREA).astype(np.float32) / 255,
    ],
    ids=["supersampled", "3 levels", "5 levels", "wider", "JPEG 100", "JPEG 98", "16 bits", "floats"],
)
def test_few_grey_values_at_the_rim_are_a_soft_mask(soft: np.ndarray):
    assert 2 < len(np.unique(soft)) <= 9
    found = foreground(soft)
    assert found.is_cut and not found.is_doubtful
    assert (found.mask_hw == (soft >= half_of_range(soft))).all() and found.mask_hw.sum() < (soft > 0).sum()


def side_by_side() -> np.ndarray:
    return np.where(np.arange(120)[None] < 60, disc(30, 100), disc(30, 200)).astype(np.uint8)


@pytest.mark.parametrize(
    "labels",
    [
        disc(30, 100) + disc(9, 200, centre=(105, 105)),
        side_by_side(),
        disc(12, 85, centre=(30, 30)) + disc(12, 170, centre=(90, 30)) + disc(12, 255, centre=(60, 90)),
        disc(30, 255) + disc(2, 60, centre=(110, 10)),  # a speck, but far from the other
    ],
    ids=["apart", "side by side", "spread values", "a small one far away"],
)
def test_few_grey_values_that_have_areas_of_their_own_are_labels(labels: np.ndarray):
    found = foreground(labels)
    assert not found.is_cut and not found.is_doubtful and (found.mask_hw == (labels > 0)).all()


@pytest.mark.parametrize(
    "doubtful",
    [
        np.maximum(disc(30, 100), disc(12, 200)),
        quantised(cv2.GaussianBlur(disc(30), (0, 0), 8), 3),
        quantised(cv2.GaussianBlur(disc(30), (0, 0), 8), 8),
    ],
    ids=["one in the other", "wide blur", "wide blur of eight levels"],
)
def test_a_core_in_a_paler_ring_may_be_either_and_the_checker_asks(tmp_path: Path, doubtful: np.ndarray):
    found = foreground(doubtful)
    assert found.is_doubtful and not found.is_cut and (found.mask_hw == (doubtful > 0)).all()
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        PIL.Image.fromarray(doubtful if folder == "masks" else 255 - doubtful).save(tmp_path / folder / "a.png")
    x, y, width, height = cv2.boundingRect((doubtful > 0).astype(np.uint8))
    header = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height,dataset,mask_name"
    row = f"cyst,{x},{y},{width},{height},a.png,120,120,busi"
    csv_path = tmp_path / "test.csv"

    def problems(mask_name: str, allow_odd: bool = False) -> list[str]:
        csv_path.write_text(f"{header}\n{row},{mask_name}\n")
        folders = (tmp_path / "images", tmp_path / "masks")
        found = check_table(csv_path, *folders, progress=False, allow_odd=allow_odd)
        return [f"{one.row} {one.column} {one.expected}" for one in found]

    (problem,) = problems("")
    assert problem.startswith("2 mask_name two values, or a label named by NAME#VALUE")
    assert problems("", allow_odd=True) == []
    assert not any("two values" in one for one in problems(f"a.png#{np.unique(doubtful)[1]}"))
