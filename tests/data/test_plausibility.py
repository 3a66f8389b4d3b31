"""Boxes and masks that obey the contract and cannot be meant are refused with their rows and the likely cause."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.problems import Problem

WIDTH, HEIGHT = 120, 80
HEADER = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height,dataset"
BOXES = [(20, 15, 40, 30), (70, 40, 30, 24), (8, 30, 24, 36), (50, 10, 44, 20)]  # x, y, width, height

Box = tuple[float, float, float, float]


def mask_of(box: Box) -> np.ndarray:
    """A filled ellipse in its box."""
    x, y, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    centre, axes = (x + width / 2 - 0.5, y + height / 2 - 0.5), (width - 1, height - 1)
    cv2.ellipse(mask, (centre, axes, 0), 255, -1)
    return mask


def write(
    folder: Path, written: Callable[[Box], Box], drawn: Callable[[np.ndarray], np.ndarray] = lambda mask: mask
) -> Path:
    """Four images with a mask each; written: what stands in the CSV for a box, drawn: what is saved for a mask."""
    rows = []
    for name in ("images", "masks"):
        (folder / name).mkdir()
    noise = np.random.default_rng(0)
    for number, box in enumerate(BOXES):
        image = noise.integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
        PIL.Image.fromarray(image).save(folder / "images" / f"{number}.png")
        PIL.Image.fromarray(drawn(mask_of(box))).save(folder / "masks" / f"{number}.png")
        numbers = ",".join(f"{value:g}" for value in written(box))
        rows.append(f"cyst,{numbers},{number}.png,{WIDTH},{HEIGHT},busi")
    path = folder / "test.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def problems(path: Path, masks: str | None = "masks", allow_odd: bool = False) -> list[Problem]:
    folder = path.parent
    mask_dir = None if masks is None else folder / masks
    return check_table(path, folder / "images", mask_dir, progress=False, allow_odd=allow_odd)


def cause(path: Path, masks: str | None = "masks") -> str:
    """What the problem of the whole file says, which comes first; every row is named in it."""
    first = problems(path, masks)[0]
    assert first.row is None and first.expected.endswith("(rows 2, 3, 4, 5)")
    return first.value


def corners_cut_at_the_image(box: Box) -> Box:
    x, y, width, height = box
    return x, y, min(x + width, WIDTH - x), min(y + height, HEIGHT - y)


def centre(box: Box) -> Box:
    return box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3]


def fractions(box: Box) -> Box:
    return box[0] / WIDTH, box[1] / HEIGHT, box[2] / WIDTH, box[3] / HEIGHT


def test_boxes_round_their_masks_are_sound(tmp_path):
    path = write(tmp_path, lambda box: box)
    assert problems(path) == problems(path, masks=None) == []


def test_loose_boxes_are_sound(tmp_path):
    def loose(box: Box) -> Box:
        return box[0] - 6, box[1] - 6, box[2] + 12, box[3] + 12  # IoU 0.44 for the smallest

    assert problems(write(tmp_path, loose)) == []


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (corners_cut_at_the_image, "corners x0, y0, x1, y1"),
        (centre, "centre x, centre y, width, height"),
        (lambda box: tuple(value / 2 for value in box), "boxes of another image size"),
        (lambda box: tuple(100 * value for value in fractions(box)), "percent of the image"),
        (fractions, "fractions of the image"),
    ],
    ids=["corners", "centres", "half size", "percent", "fractions"],
)
def test_another_reading_of_the_boxes_is_named_by_their_masks(tmp_path, written, named):
    path = write(tmp_path, written)
    assert cause(path) == named
    breaches = ("pixels of this row inside its box", "it ends outside the image")
    allowed = problems(path, allow_odd=True)
    assert allowed == [one for one in problems(path) if any(breach in one.expected for breach in breaches)]


@pytest.mark.parametrize("masks", [None, "masks"])
def test_boxes_in_fractions_are_refused_without_masks_too(tmp_path, masks):
    path = write(tmp_path, fractions)
    assert cause(path, masks) == "fractions of the image"
    rows = [one.row for one in problems(path, None)]
    assert rows == [None, 2, 3, 4, 5]
    assert problems(path, None, allow_odd=True) == []


def test_a_single_box_in_fractions_is_named(tmp_path):
    path = write(tmp_path, lambda box: fractions(box) if box == BOXES[2] else box)
    (problem,) = problems(path, None)
    assert (problem.row, problem.value) == (4, "0.2")


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]), "corners x0, y0, x1, y1"),
        (lambda box: (box[1], box[0], box[3], box[2]), "y, x, height, width"),
    ],
    ids=["corners", "swapped axes"],
)
def test_boxes_that_leave_the_image_are_explained_without_masks(tmp_path, written, named):
    path = write(tmp_path, written)
    found = problems(path, None)
    assert (found[0].row, found[0].value) == (None, named)
    outside = sorted({one.row for one in found if one.row and "outside the image" in one.expected})
    assert found[0].expected.endswith(f"(rows {', '.join(map(str, outside))})")


def test_inverted_masks_are_named(tmp_path):
    path = write(tmp_path, lambda box: box, drawn=lambda mask: 255 - mask)
    assert cause(path) == "inverted masks"
    assert problems(path)[0].column == "mask_name"
    assert problems(path, allow_odd=True) == []


def test_inverted_masks_of_objects_that_fill_the_image_are_named(tmp_path, monkeypatch):
    large = [(4, 3, 112, 74), (2, 2, 116, 76), (5, 2, 112, 76), (3, 3, 110, 74)]
    monkeypatch.setitem(globals(), "BOXES", large)
    path = write(tmp_path, lambda box: box, drawn=lambda mask: 255 - mask)
    assert problems(path)[0].value == "inverted masks"


def test_one_box_far_from_its_mask_is_named_with_its_overlap(tmp_path):
    path = write(tmp_path, lambda box: (80, 46, 4, 6) if box == BOXES[1] else box)
    (problem,) = problems(path)
    assert (problem.row, problem.column) == (3, "mask_name")
    assert "of its pixels lie outside" in problem.expected


def test_a_mask_may_hold_objects_that_no_row_names(tmp_path):
    def with_another(mask: np.ndarray) -> np.ndarray:
        mask[70:, 100:] = 255
        return mask

    assert problems(write(tmp_path, lambda box: box, drawn=with_another)) == []


def test_several_boxes_of_one_mask_are_taken_together(tmp_path):
    path = write(tmp_path, lambda box: box)
    both = mask_of(BOXES[0]) | mask_of(BOXES[1])
    PIL.Image.fromarray(both).save(tmp_path / "masks" / "0.png")
    numbers = ",".join(map(str, BOXES[1]))
    path.write_text(path.read_text() + f"cyst,{numbers},0.png,{WIDTH},{HEIGHT},busi\n")
    assert problems(path) == []


@pytest.mark.parametrize("is_copy", [False, True])
def test_images_given_as_masks_are_refused(tmp_path, is_copy):
    path = write(tmp_path, lambda box: box)
    masks = "images"
    if is_copy:
        masks = "copies"
        (tmp_path / masks).mkdir()
        for image in (tmp_path / "images").iterdir():
            (tmp_path / masks / image.name).write_bytes(image.read_bytes())
    named = [one for one in problems(path, masks) if "is the image itself" in one.expected]
    assert [one.row for one in named] == [2, 3, 4, 5]


def test_masks_beside_the_images_under_other_names_are_sound(tmp_path):
    path = write(tmp_path, lambda box: box)
    for mask in (tmp_path / "masks").iterdir():
        mask.rename(tmp_path / "images" / f"mask_{mask.name}")
    lines = path.read_text().splitlines()
    named = [f"{line},mask_{number}.png" for number, line in enumerate(lines[1:])]
    path.write_text("\n".join([f"{lines[0]},mask_name", *named]) + "\n")
    assert problems(path, "images") == []


@pytest.mark.parametrize("masks", [None, "masks"])
def test_another_convention_of_one_dataset_in_the_file_is_named(tmp_path, masks):
    path = write(tmp_path, lambda box: box)
    rows = []
    for number, (x, y, width, height) in enumerate(BOXES):
        for folder in ("images", "masks"):
            (tmp_path / folder / f"other_{number}.png").write_bytes((tmp_path / folder / f"{number}.png").read_bytes())
        rows.append(f"mass,{x},{y},{x + width},{y + height},other_{number}.png,{WIDTH},{HEIGHT},stu\n")
    path.write_text(path.read_text() + "".join(rows))
    first = problems(path, masks)[0]
    assert (first.row, first.value) == (None, "corners x0, y0, x1, y1")
    assert first.expected.endswith("(rows 6, 7, 8, 9)" if masks else "(rows 7, 8, 9)")
