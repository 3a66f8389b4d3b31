"""Masks that are drawn outlines are told from objects, found by the checker, and filled on request."""

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.outlines import is_outline, write_filled
from gdinousam.data.images import read_mask_file
from gdinousam.errors import InputError

SIZE = 80


def circle(radius: int, thickness: int, value: int = 255, centre: tuple[int, int] = (40, 40)) -> np.ndarray:
    """A drawn circle; thickness -1: filled."""
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    return cv2.circle(canvas, centre, radius, value, thickness)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (circle(25, 1), True),
        (circle(25, 3), True),
        (circle(25, -1), False),
        (circle(25, 14), False),  # a thick wall
        (circle(3, 1), False),  # encloses little
        (np.zeros((SIZE, SIZE), np.uint8), False),
        (np.eye(SIZE, dtype=np.uint8), False),  # a line that encloses nothing
    ],
    ids=["thin", "three pixels", "filled", "wall", "small", "empty", "open"],
)
def test_thin_closed_curves_are_outlines(mask: np.ndarray, expected: bool):
    assert is_outline(mask > 0) is expected


def write(folder: Path, mask: np.ndarray, name: str = "a.png") -> Path:
    folder.mkdir(exist_ok=True)
    PIL.Image.fromarray(mask).save(folder / name)
    return folder


def test_the_checker_names_an_outline_and_the_filled_copy_is_sound(tmp_path: Path):
    masks = write(tmp_path / "masks", circle(25, 2))
    images = write(tmp_path / "images", np.random.default_rng(0).integers(0, 255, (SIZE, SIZE), dtype=np.uint8))
    x, y, width, height = cv2.boundingRect(circle(25, 2))
    table = tmp_path / "a.csv"
    table.write_text(
        "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height,dataset\n"
        f"cyst,{x},{y},{width},{height},a.png,{SIZE},{SIZE},busi\n"
    )
    (problem,) = check_table(table, images, masks, progress=False)
    assert (problem.row, problem.column) == (2, "mask_name") and "a drawn outline" in problem.expected
    assert check_table(table, images, masks, progress=False, allow_odd=True) == []
    assert write_filled(masks, tmp_path / "filled") == (1, 0)
    assert check_table(table, images, tmp_path / "filled", progress=False) == []
    whole = circle(25, 2) | circle(25, -1)
    assert (read_mask_file(tmp_path / "filled" / "a.png").foreground == (whole > 0)).all()


def test_outlines_of_labels_are_filled_by_themselves_and_objects_are_copied(tmp_path: Path):
    both = circle(30, 1, value=2)
    both[circle(12, 1) > 0] = 1
    folder = write(tmp_path / "masks", both)
    write(folder, circle(20, -1), "whole.png")
    assert write_filled(folder, tmp_path / "filled") == (1, 1)
    filled = read_mask_file(tmp_path / "filled" / "a.png").values
    assert filled is not None and (filled[40, 40], filled[40, 18], filled[0, 0]) == (1, 2, 0)
    assert (tmp_path / "filled" / "whole.png").read_bytes() == (folder / "whole.png").read_bytes()


def test_an_outline_in_a_jpeg_becomes_a_png(tmp_path: Path):
    folder = tmp_path / "masks"
    folder.mkdir()
    PIL.Image.fromarray(circle(25, 2)).save(folder / "a.jpg", quality=95)
    assert write_filled(folder, tmp_path / "filled") == (1, 0)
    assert [path.name for path in (tmp_path / "filled").iterdir()] == ["a.png"]
    assert read_mask_file(tmp_path / "filled" / "a.png").foreground[40, 40]


def test_a_folder_in_use_is_refused(tmp_path: Path):
    masks = write(tmp_path / "masks", circle(25, 2))
    with pytest.raises(InputError, match="is in use"):
        write_filled(masks, masks)
