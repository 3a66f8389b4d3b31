"""Folders of masks: written by a run, made by other programs, and wrong."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from coloured_images import HEIGHT, WIDTH, Alarmist, LargeOnly, LeftHalf, Silent, write_mixed

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.kept import mask_names
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.methods.saved_masks.method import SavedMasks
from gdinousam.records import ImageRecord

NEEDS = frozenset({"text"})


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    return write_mixed(tmp_path)


@pytest.fixture
def masks(records: list[ImageRecord], tmp_path: Path) -> Path:
    """The masks of a run."""
    evaluate(LeftHalf(), records, tmp_path / "run", num_pictures=0, save_masks=True)
    return tmp_path / "run" / "masks"


def refusal(folder: Path, records: list[ImageRecord]) -> str:
    with pytest.raises(InputError) as caught:
        SavedMasks(folder, records, NEEDS)
    assert "\n" not in str(caught.value)
    return str(caught.value).split(". One mask per image")[0]


def test_a_mask_is_named_for_its_image_and_where_there_are_several_for_its_phrase(records: list[ImageRecord]) -> None:
    names = mask_names(records)
    assert names[records[0].path] == {"liver": "mixed0.liver.png", "cyst": "mixed0.cyst.png"}
    assert names[records[6].path] == {"stone": "normal.png"}


@pytest.mark.parametrize("method", [LeftHalf, LargeOnly, Silent, Alarmist])
def test_a_run_scored_again_from_its_masks_has_the_same_scores(
    records: list[ImageRecord], tmp_path: Path, method: type
) -> None:
    first = evaluate(method(), records, tmp_path / "run", num_pictures=0, save_masks=True)
    saved = SavedMasks(tmp_path / "run" / "masks", records, NEEDS)
    again = evaluate(saved, records, tmp_path / "again", num_pictures=2)
    kept = {"score": 0.0, "seconds": 0.0, "detected_boxes": ()}  # a mask has no score of its own and took no time
    assert repr([replace(row, **kept) for row in again]) == repr([replace(row, **kept) for row in first])
    assert all(row.seconds != row.seconds for row in again)
    assert {row.score for row in again if row.found} <= {1.0}


def test_a_black_mask_says_that_nothing_was_found_and_the_box_is_that_of_the_mask(
    masks: Path, records: list[ImageRecord]
) -> None:
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.imwrite(str(masks / "mixed0.liver.png"), picture)
    picture[5:9, 50:60] = 7  # any value but black
    cv2.imwrite(str(masks / "mixed0.cyst.png"), picture)
    (found,) = SavedMasks(masks, records, NEEDS).detections(records[0])
    assert (found.phrase, found.box_xyxy, found.score) == ("cyst", (50.0, 5.0, 60.0, 9.0), 1.0)
    assert found.mask_hw is not None and found.mask_hw.sum() == 40


def test_missing_masks_are_listed_and_counted(masks: Path, records: list[ImageRecord]) -> None:
    for path in masks.glob("*.liver.png"):
        path.unlink()
    assert refusal(masks, records).endswith(
        "6 missing: mixed0.liver.png, mixed1.liver.png, mixed2.liver.png, mixed3.liver.png, mixed4.liver.png and 1 more"
    )


def test_masks_of_nothing_asked_for_are_listed(masks: Path, records: list[ImageRecord]) -> None:
    (masks / "mixed0.liver.png").rename(masks / "mixed0.lever.png")
    (masks / "notes.txt").write_text("no mask", encoding="utf-8")
    assert refusal(masks, records).endswith(
        "1 missing: mixed0.liver.png; 1 of no image and phrase of the test file: mixed0.lever.png"
    )


def test_masks_of_another_size_are_listed_with_both_sizes(masks: Path, records: list[ImageRecord]) -> None:
    cv2.imwrite(str(masks / "normal.png"), np.zeros((WIDTH, HEIGHT), np.uint8))
    assert refusal(masks, records).endswith("1 of another size than the image: normal.png (40 x 60 instead of 60 x 40)")


def test_a_mask_that_is_no_picture_is_refused(masks: Path, records: list[ImageRecord]) -> None:
    (masks / "normal.png").write_text("no picture", encoding="utf-8")
    assert "normal.png: not readable as an image" in refusal(masks, records)


def test_a_missing_folder_is_refused(tmp_path: Path, records: list[ImageRecord]) -> None:
    assert "no such folder" in refusal(tmp_path / "none", records)


def test_images_whose_masks_would_share_a_name_are_refused_before_anything_is_written(
    records: list[ImageRecord], tmp_path: Path
) -> None:
    twin = replace(records[6], path=records[6].path.with_suffix(".JPG"))
    with pytest.raises(InputError, match=r"would share the mask normal\.png"):
        evaluate(Silent(), [*records, twin], tmp_path / "out", save_masks=True)
    assert not (tmp_path / "out").exists()
