"""Promises about AUL: polygons, class folders whose numbers start again, normal images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from miniatures import write_picture

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.aul import BEYOND_IMAGE, Aul
from gdinousam.data.sources.public.interface import NORMAL, RawImage
from gdinousam.data.splits.paper_split import paper_split
from gdinousam.data.splits.plan import SplitImage
from gdinousam.errors import InputError

DATASET = Aul()
SQUARE = [[10.0, 5.0], [20.4, 5.0], [20.4, 15.0], [10.0, 15.0]]
MASS = "Malignant/segmentation/mass/1.json"


def write_release(root: Path, malignant: int = 2, benign: int = 2, normal: int = 1) -> None:
    for folder, number_of in (("Malignant", malignant), ("Benign", benign), ("Normal", normal)):
        for number in range(1, number_of + 1):
            write_picture(root / folder / "image" / f"{number}.jpg", number)
            for part in ("liver", "outline", *(() if folder == "Normal" else ("mass",))):
                path = root / folder / "segmentation" / part / f"{number}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(SQUARE), encoding="utf-8")


def first(root: Path) -> RawImage:
    (image,) = DATASET.read(DATASET.cases(root)[0])
    return image


def test_equal_numbers_of_two_classes_are_two_patients_with_the_class_in_the_name(tmp_path: Path) -> None:
    write_release(tmp_path)
    cases = DATASET.cases(tmp_path)
    assert [case.name for case in cases] == ["malignant_1", "malignant_2", "benign_1", "benign_2", "normal_1"]
    assert [case.group for case in cases] == [case.name for case in cases]
    assert {case.group_kind for case in cases} == {"patient"}


def test_table_1_counts_equal_numbers_of_two_classes_once_where_they_fall_in_one_split(tmp_path: Path) -> None:
    write_release(tmp_path, malignant=10, benign=10, normal=0)
    images = [image for case in DATASET.cases(tmp_path) for image in DATASET.read(case)]
    assert [row.counts_as for image in images for row in image.paper_rows] == [*map(str, range(1, 11))] * 2
    members = [
        SplitImage(image.name, image.name, (image.instances[0].phrase,), None, image.paper_rows) for image in images
    ]
    plan = paper_split(members, "seen", DATASET.facts.class_order)
    assert plan.num_rows["train"] == 14
    assert plan.counted["train"] < 14


def test_the_polygon_of_the_mass_is_filled(tmp_path: Path) -> None:
    write_release(tmp_path)
    image = first(tmp_path)
    (one,) = image.instances
    assert one.phrase == "malignant"
    assert tight_box_xywh(one.mask_hw) == (10, 5, 11, 11)
    assert one.mask_hw.sum() == 121
    assert one.mask_hw.shape == image.image.shape[:2]
    assert image.remarks == ()


def test_normal_images_are_labelled_so_and_have_no_object(tmp_path: Path) -> None:
    write_release(tmp_path)
    case = DATASET.cases(tmp_path)[-1]
    (image,) = DATASET.read(case)
    assert case.label == NORMAL and case.masks == ()
    assert image.instances == () and image.paper_rows == ()


def test_the_normal_folder_may_be_absent(tmp_path: Path) -> None:
    write_release(tmp_path, normal=0)
    assert {case.label for case in DATASET.cases(tmp_path)} == {"malignant", "benign"}


def test_a_liver_outline_that_is_missing_or_swapped_does_not_matter(tmp_path: Path) -> None:
    write_release(tmp_path)
    expected = first(tmp_path).instances[0].mask_hw
    (tmp_path / "Malignant/segmentation/liver/1.json").unlink()
    (tmp_path / "Malignant/segmentation/outline/1.json").write_text("[[0, 0], [9, 0], [9, 9]]", encoding="utf-8")
    assert (first(tmp_path).instances[0].mask_hw == expected).all()


def test_a_polygon_beyond_the_image_is_cut_and_told(tmp_path: Path) -> None:
    write_release(tmp_path)
    (tmp_path / MASS).write_text("[[60, 40], [100, 40], [100, 50], [60, 50]]", encoding="utf-8")
    image = first(tmp_path)
    assert tight_box_xywh(image.instances[0].mask_hw) == (60, 40, 20, 11)
    assert image.remarks == (BEYOND_IMAGE,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[1, 2], [3,", "not readable as a list of points"),
        ("", "not readable as a list of points"),
        ('[["a", 2], [3, 4], [5, 6]]', "not readable as a list of points"),
        ('{"points": [[1, 2], [3, 4], [5, 6]]}', "not readable as a list of points"),
        ("[[1, 2], [3, 4, 5], [5, 6]]", "not readable as a list of points"),
        ("[[1, 2], [3, 4]]", "no polygon of at least 3 points"),
        ("[]", "no polygon of at least 3 points"),
        ("[[1, 2, 3], [4, 5, 6], [7, 8, 9]]", "no polygon of at least 3 points"),
        ("[[1, 2], [NaN, 4], [5, 6]]", "a point without a finite number"),
        ("[[1, 2], [null, 4], [5, 6]]", "a point without a finite number"),
    ],
)
def test_broken_json_is_an_input_error_that_names_the_file(tmp_path: Path, content: str, message: str) -> None:
    write_release(tmp_path)
    (tmp_path / MASS).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"mass/1\.json: .*{message}") as raised:
        first(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("missing", [MASS, "Malignant/image/1.jpg", "Benign/segmentation/mass/2.json"])
def test_a_missing_partner_is_named(tmp_path: Path, missing: str) -> None:
    write_release(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=rf"incomplete download of AUL, 1 files missing: {missing}"):
        DATASET.cases(tmp_path)
