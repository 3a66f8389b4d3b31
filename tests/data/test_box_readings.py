"""Boxes of another convention are told from the boxes alone; real boxes, of one place or size too, never are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gdinousam.data.contract.box_readings import (
    CENTRES,
    CORNERS,
    SMALLER_COPY,
    SizedBox,
    is_inside,
    other_reading,
    scaled,
)
from gdinousam.data.contract.reading import BOX_COLUMNS, read_table

SIZE = (400, 300)
REAL_DATA = Path(__file__).parents[3] / "shared" / "data"

Box = tuple[float, float, float, float]


def lesions(num: int, seed: int = 0, side: float = 0.5, middle: tuple[float, float] = (0.5, 0.4)) -> list[SizedBox]:
    """Boxes of 20 % of the image to ``side``, whose centres lie round a middle of it; x, y, width, height in pixels."""
    generator = np.random.default_rng(seed)
    boxes: list[SizedBox] = []
    while len(boxes) < num:
        shares = generator.uniform(0.2, side, 2)
        start = generator.normal(middle, 0.12) - shares / 2
        if (start >= 0).all() and (start + shares <= 1).all():
            x, y, width, height = np.round(np.concatenate([start, shares]) * np.array([*SIZE, *SIZE])).tolist()
            boxes.append(((x, y, min(width, SIZE[0] - x), min(height, SIZE[1] - y)), SIZE))
    return boxes


def as_corners(box: Box) -> Box:
    return box[0], box[1], box[0] + box[2], box[1] + box[3]


def as_cut_corners(box: Box) -> Box:
    return box[0], box[1], min(box[0] + box[2], SIZE[0] - box[0]), min(box[1] + box[3], SIZE[1] - box[1])


def as_centres(box: Box) -> Box:
    return box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3]


def written(boxes: list[SizedBox], convention: Callable[[Box], Box], inside_only: bool = False) -> list[SizedBox]:
    given = [(convention(box), size) for box, size in boxes]
    return [one for one in given if is_inside(*one)] if inside_only else given


def test_boxes_in_pixels_are_taken_as_they_are():
    for seed in range(20):
        for side in (0.3, 0.5, 0.9):
            assert other_reading(lesions(60, seed, side), by_place=True) is None


@pytest.mark.parametrize(
    ("convention", "name"),
    [
        (as_corners, CORNERS),
        (as_centres, CENTRES),
        (as_cut_corners, CORNERS),
        (lambda box: scaled(box, 0.5, 0.5), SMALLER_COPY),
    ],
    ids=["corners", "centres", "corners cut at the edge", "half size"],
)
def test_another_convention_is_named(convention, name: str):
    reading = other_reading(written(lesions(80), convention), by_place=True)
    assert reading is not None and reading[0] == name and reading[1]


def test_one_box_of_many_outside_is_enough():
    boxes = written(lesions(300, side=0.25), as_centres, inside_only=True)
    (box, size), *_ = written(lesions(1, middle=(0.8, 0.4)), as_centres)
    assert not is_inside(box, size)
    assert other_reading([*boxes[:25], (box, size)], by_place=False) == (CENTRES, [25])


def test_one_box_of_a_few_outside_is_a_mistake_of_its_own():
    sound = lesions(9, side=0.25)
    assert other_reading([*sound, ((390.0, 100.0, 60.0, 40.0), SIZE)], by_place=True) is None


def test_a_box_that_was_rounded_beyond_its_image_tells_nothing():
    sound = [(as_centres(box), size) for box, size in lesions(60, side=0.25)]
    rounded = [((300.0, 150.0, 101.0, 60.0), SIZE)]
    inside = [one for one in sound if is_inside(*one)]
    assert other_reading([*inside, *rounded], by_place=False) is None


def test_centres_of_boxes_that_all_stay_inside_are_named_by_their_place():
    boxes = written(lesions(400), as_centres, inside_only=True)
    reading = other_reading(boxes, by_place=True)
    assert reading is not None and reading[0] == CENTRES
    assert other_reading(boxes, by_place=False) is None
    assert other_reading(boxes[:15], by_place=True) is None


def test_corners_in_the_upper_left_are_named_by_their_place():
    generator = np.random.default_rng(0)
    starts = generator.uniform(0.05, 0.4, (60, 2))
    shares = np.hstack([starts, starts + generator.uniform(0.06, 0.1, (60, 2))])
    boxes: list[SizedBox] = [(tuple((one * np.array([*SIZE, *SIZE])).tolist()), SIZE) for one in shares]
    assert all(is_inside(*one) for one in boxes)
    reading = other_reading(boxes, by_place=True)
    assert reading is not None and reading[0] == CORNERS


def test_a_clip_of_one_patient_is_no_evidence():
    generator = np.random.default_rng(0)
    drift = generator.normal(0, 2, (200, 1)) * np.array([1, 1, 1, 1])
    boxes: list[SizedBox] = [(tuple((np.array([210, 120, 150, 100]) + one).tolist()), SIZE) for one in drift]
    assert other_reading(boxes, by_place=True) is None


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the folder of real images is not here")
@pytest.mark.parametrize("folder", ["multimodal-data", "heart-and-carotid"])
def test_boxes_of_public_datasets_are_told_from_corners_and_centres(folder: str):
    for split in ("train", "val", "test"):
        table = read_table(REAL_DATA / folder / f"{split}.CSV")
        table = table[table[BOX_COLUMNS[0]] != ""]
        for column in ("dataset", "label_name"):
            for _, rows in table.groupby(column):
                numbers = rows[[*BOX_COLUMNS, "image_width", "image_height"]].astype(float).to_numpy().tolist()
                boxes: list[SizedBox] = [(tuple(one[:4]), (int(one[4]), int(one[5]))) for one in numbers]
                assert other_reading(boxes, by_place=True) is None
                if len(boxes) >= 100:  # fewer may all stay inside
                    for convention, name in ((as_corners, CORNERS), (as_centres, CENTRES)):
                        reading = other_reading(written(boxes, convention), by_place=True)
                        assert reading is not None and reading[0] == name
