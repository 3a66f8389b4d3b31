"""S1: classes named only after both sets of labels agree, two folders with the same numbers, mixed images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from miniatures import SIZE_HW, box_mask, write_picture, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.raw_masks import RESIZED
from gdinousam.data.sources.public.registry import find_release, recognised
from gdinousam.data.sources.public.s1 import (
    EXPANDED_LABELS,
    GENERAL_LABELS,
    OTHER_WORD,
    S1,
    TEST_IMAGES,
    TEST_LABELS,
    TRAINING_IMAGES,
)
from gdinousam.errors import InputError

BOX, OTHER_BOX = (10, 16, 24, 24), (50, 4, 16, 16)
BENIGN, MALIGNANT = 127, 255  # of the Expanded labels
SCRIPT_IS_RIGHT = {1: MALIGNANT, 2: BENIGN}
SCRIPT_IS_WRONG = {1: BENIGN, 2: MALIGNANT}
IMAGES = {"1": {1: BOX}, "2": {2: BOX}, "10": {1: BOX, 2: OTHER_BOX}}  # boxes by General value


def label_map(box_of_value: dict[int, tuple[int, int, int, int]]) -> np.ndarray:
    return sum((box_mask([box], value) for value, box in box_of_value.items()), np.zeros(SIZE_HW, dtype=np.uint8))


def write_pair(root: Path, name: str, boxes: dict, expanded_of: dict[int, int]) -> None:
    write_pixels(root / GENERAL_LABELS / f"{name}.png", label_map(boxes))
    expanded = label_map({expanded_of[value]: box for value, box in boxes.items()})
    write_pixels(root / EXPANDED_LABELS / f"{name}.png", np.repeat(expanded[:, :, None], 3, axis=2))


def write_release(root: Path, expanded_of: dict[int, int]) -> Path:
    for seed, (name, boxes) in enumerate(IMAGES.items()):
        write_picture(root / TRAINING_IMAGES / f"{name}.jpg", seed=seed)
        write_pair(root, name, boxes, expanded_of)
    for name in ("1", "2"):
        write_picture(root / TEST_IMAGES / f"{name}.jpg", seed=10 + int(name))
        write_pixels(root / TEST_LABELS / f"{name}.png", label_map({int(name): OTHER_BOX}))
    write_picture(root / "TestingDataSet" / "Test-Expanded-BreastTumourImages" / "5.jpg", seed=20)
    write_pixels(root / "TestingDataSet" / "Test-Expanded-3-channel-Labels" / "5.png", label_map({127: BOX}))
    write_picture(root / "Segmentation_Results" / "1.jpg", seed=21)
    return root


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "Data", SCRIPT_IS_WRONG)


def read_one(root: Path, name: str):
    case = next(case for case in S1().cases(root) if case.name == name)
    (raw,) = S1().read(case)
    return raw


def objects(raw) -> list:
    return [(one.phrase, tight_box_xywh(one.mask_hw)) for one in raw.instances]


def test_swapped_class_values_are_named_by_the_expanded_labels(release):
    assert objects(read_one(release, "training_1")) == [("benign", BOX)]
    assert objects(read_one(release, "training_2")) == [("malignant", BOX)]
    assert OTHER_WORD in read_one(release, "training_1").remarks


def test_class_values_as_the_papers_script_reads_them_are_kept_where_the_expanded_labels_say_so(tmp_path):
    root = write_release(tmp_path / "Data", SCRIPT_IS_RIGHT)
    assert objects(read_one(root, "training_1")) == [("malignant", BOX)]
    assert objects(read_one(root, "training_2")) == [("benign", BOX)]
    assert read_one(root, "training_1").remarks == ()


def test_test_images_are_named_by_the_reading_of_the_training_labels(release):
    assert objects(read_one(release, "testing_1")) == [("benign", OTHER_BOX)]
    assert objects(read_one(release, "testing_2")) == [("malignant", OTHER_BOX)]


def test_labels_of_two_images_that_contradict_each_other_are_refused(release):
    write_pair(release, "2", IMAGES["2"], SCRIPT_IS_RIGHT)
    for name in ("training_1", "training_2", "testing_1"):
        with pytest.raises(InputError, match=r"benign in .*1\.png and malignant in .*2\.png") as error:
            read_one(release, name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "expanded",
    [
        {BENIGN: OTHER_BOX},  # another place
        {BENIGN: (30, 16, 24, 24)},  # hardly any overlap
        {},  # nothing
        {BENIGN: BOX, MALIGNANT: OTHER_BOX},  # one more lesion
    ],
)
def test_labels_of_one_image_that_show_different_objects_are_refused(release, expanded):
    write_pixels(release / EXPANDED_LABELS / "1.png", label_map(expanded))
    with pytest.raises(InputError, match=r"General-1-channel-Labels/1\.png: outlines other objects"):
        read_one(release, "training_1")
    assert objects(read_one(release, "training_2")) == [("malignant", BOX)]


def test_a_mixed_image_whose_classes_the_expanded_label_does_not_tell_apart_is_refused(release):
    write_pixels(release / EXPANDED_LABELS / "10.png", label_map({BENIGN: BOX}) + box_mask([OTHER_BOX], BENIGN))
    with pytest.raises(InputError, match=r"10\.png: outlines other objects or classes"):
        read_one(release, "training_10")


def test_outlines_that_differ_by_a_few_pixels_still_agree(release):
    x, y, width, height = BOX
    write_pixels(release / EXPANDED_LABELS / "1.png", label_map({BENIGN: (x - 1, y - 1, width + 2, height + 2)}))
    assert objects(read_one(release, "training_1")) == [("benign", BOX)]


def test_a_changed_label_is_noticed_in_one_run(release):
    read_one(release, "training_1")
    for name, boxes in IMAGES.items():
        write_pair(release, name, boxes, SCRIPT_IS_RIGHT)
        os.utime(release / GENERAL_LABELS / f"{name}.png", (0, 2**33))  # clocks of file systems may be coarse
    assert objects(read_one(release, "training_1")) == [("malignant", BOX)]


def test_a_mixed_image_keeps_both_classes(release):
    assert objects(read_one(release, "training_10")) == [("benign", BOX), ("malignant", OTHER_BOX)]


@pytest.mark.parametrize(("expanded_of", "phrase"), [(SCRIPT_IS_WRONG, "malignant"), (SCRIPT_IS_RIGHT, "benign")])
def test_paper_rows_of_a_mixed_image_all_have_the_class_of_the_largest_value(tmp_path, expanded_of, phrase):
    raw = read_one(write_release(tmp_path / "Data", expanded_of), "training_10")
    assert [(row.phrase, row.counts_as) for row in raw.paper_rows] == [(phrase, "training_10")] * 2


def test_paper_rows_lead_to_the_objects_that_the_script_means(release):
    for name in ("training_1", "training_2"):
        raw = read_one(release, name)
        assert [row.phrase for row in raw.paper_rows] == [one.phrase for one in raw.instances]


def test_an_image_without_a_lesion_has_no_objects_and_no_paper_rows(release):
    write_pair(release, "1", {}, SCRIPT_IS_WRONG)
    raw = read_one(release, "training_1")
    assert raw.instances == raw.paper_rows == ()


def test_numbers_that_come_again_in_the_test_folder_give_two_cases(release):
    cases = S1().cases(release)
    assert [case.name for case in cases] == ["training_1", "training_2", "training_10", "testing_1", "testing_2"]
    assert len({case.group for case in cases}) == 5
    assert not (read_one(release, "training_1").image == read_one(release, "testing_1").image).all()


def test_test_images_are_the_official_test_split_and_no_rows_of_the_paper(release):
    splits = {case.name: case.official_split for case in S1().cases(release)}
    assert {name for name, split in splits.items() if split == "test"} == {"testing_1", "testing_2"}
    assert {split for name, split in splits.items() if name.startswith("training")} == {None}
    assert read_one(release, "testing_1").paper_rows == ()


def test_a_label_of_another_size_is_brought_to_its_image_without_new_values(release):
    height, width = SIZE_HW
    write_picture(release / TRAINING_IMAGES / "10.jpg", size_hw=(2 * height, 2 * width))
    raw = read_one(release, "training_10")
    doubled = [tuple(2 * number for number in box) for box in (BOX, OTHER_BOX)]
    assert objects(raw) == [("benign", doubled[0]), ("malignant", doubled[1])]
    assert RESIZED in raw.remarks


@pytest.mark.parametrize(("folder", "value"), [(GENERAL_LABELS, 3), (EXPANDED_LABELS, 200)])
def test_a_value_that_the_labels_should_not_hold_is_named(release, folder, value):
    write_pixels(release / folder / "1.png", label_map({value: BOX}))
    with pytest.raises(InputError, match=rf"1\.png: holds the value {value}"):
        read_one(release, "training_1")


def test_a_colour_label_is_refused(release):
    write_picture(release / EXPANDED_LABELS / "1.png", mode="RGB")
    with pytest.raises(InputError, match=r"1\.png: is in colour"):
        read_one(release, "training_1")


def test_without_any_pair_that_agrees_no_class_is_named(release):
    for name in IMAGES:
        write_pair(release, name, {}, SCRIPT_IS_WRONG)
    with pytest.raises(InputError, match="no class of S1 is known"):
        read_one(release, "testing_1")


@pytest.mark.parametrize(
    "lost",
    [
        f"{TRAINING_IMAGES}/2.jpg",
        f"{GENERAL_LABELS}/2.png",
        f"{EXPANDED_LABELS}/2.png",
        f"{TEST_IMAGES}/2.jpg",
        f"{TEST_LABELS}/2.png",
    ],
)
def test_a_missing_partner_is_named(release, lost):
    (release / lost).unlink()
    with pytest.raises(InputError, match=f"incomplete download of S1.*{lost}"):
        S1().cases(release)


def test_a_download_without_the_test_folder_is_incomplete(release):
    shutil.rmtree(release / "TestingDataSet")
    with pytest.raises(InputError, match=r"incomplete download of S1.*Test-General-1"):
        S1().cases(release)


def test_the_release_looks_like_no_other_dataset(release):
    assert [dataset.facts.name for dataset, _ in recognised(release)] == ["S1"]
    assert find_release(S1(), release.parent) == release
