"""Promises about BUS-UCLM: colours as classes, several frames of one woman."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from miniatures import box_mask, write_picture, write_pixels

from gdinousam.data.images import read_image
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.busuclm import (
    BLACK_OF_OTHER_SIZE,
    BOTH_CLASSES,
    COMBINED,
    DOPPLER,
    OTHER_LABEL,
    Busuclm,
)
from gdinousam.data.sources.public.interface import NORMAL, RawCase, RawImage
from gdinousam.data.sources.public.raw_masks import RESIZED, SPECKS
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH

RAW = Path(__file__).parents[4] / "shared" / "data" / "raw" / "BUS-UCLM"
DATASET = Busuclm()
GREEN, RED = 1, 0  # channels of RGB
FIRST, SECOND, THIRD = (5, 5, 10, 8), (30, 20, 20, 12), (60, 40, 10, 10)


def write_frame(
    root: Path,
    name: str,
    green: list[BoxXYWH] | None = None,
    red: list[BoxXYWH] | None = None,
    label: str = "Benign",
    flags: str = "No;No;No",
    factor: int = 1,
) -> None:
    """Add an image, its mask of the given boxes, enlarged, and its row to a miniature of the release."""
    table = root / "INFO.csv"
    header = "" if table.exists() else "\N{BYTE ORDER MARK}Image;Resolution;Label;Doppler;Marks;Combined\n"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("a", encoding="utf-8") as file:
        file.write(f"{header}{name}.png;80x60;{label};{flags}\n")
    mask = np.zeros((60, 80, 3), dtype=np.uint8)
    mask[:, :, GREEN] = box_mask(green or [])
    mask[:, :, RED] = box_mask(red or [])
    write_picture(root / "images" / f"{name}.png")
    write_pixels(root / "masks" / f"{name}.png", mask.repeat(factor, axis=0).repeat(factor, axis=1))


def only(root: Path) -> tuple[RawCase, RawImage]:
    (case,) = DATASET.cases(root)
    (image,) = DATASET.read(case)
    return case, image


def boxes(image: RawImage) -> list[tuple[str, BoxXYWH]]:
    return [(one.phrase, tight_box_xywh(one.mask_hw)) for one in image.instances]


def test_green_is_benign_and_red_is_malignant(tmp_path: Path) -> None:
    write_frame(tmp_path / "green", "ALWI_000", green=[FIRST])
    write_frame(tmp_path / "red", "ALWI_000", red=[FIRST], label="Malignant")
    assert boxes(only(tmp_path / "green")[1]) == [("benign", FIRST)]
    case, image = only(tmp_path / "red")
    assert boxes(image) == [("malignant", FIRST)]
    assert case.label == "malignant"
    assert image.remarks == ()


def test_an_image_of_both_colours_keeps_both_and_the_paper_row_is_benign(tmp_path: Path) -> None:
    write_frame(tmp_path, "ALWI_000", green=[FIRST], red=[SECOND])
    _, image = only(tmp_path)
    assert boxes(image) == [("benign", FIRST), ("malignant", SECOND)]
    assert [(row.phrase, row.counts_as) for row in image.paper_rows] == [("benign", "ALWI_000")]
    assert image.remarks == (BOTH_CLASSES,)


def test_every_component_is_an_object_but_the_script_keeps_two_the_second_as_a_copy(tmp_path: Path) -> None:
    write_frame(tmp_path, "ALWI_000", green=[FIRST, SECOND, THIRD])
    _, image = only(tmp_path)
    assert sorted(boxes(image)) == [("benign", box) for box in (FIRST, SECOND, THIRD)]
    assert [row.counts_as for row in image.paper_rows] == ["ALWI_000", None]


def test_the_group_is_the_patient_code_before_the_underscore(tmp_path: Path) -> None:
    for name in ("COPE_010", "ALWI_010", "ALWI_009"):
        write_frame(tmp_path, name, green=[FIRST])
    cases = DATASET.cases(tmp_path)
    assert [(case.name, case.group, case.group_kind) for case in cases] == [
        ("ALWI_009", "ALWI", "patient"),
        ("ALWI_010", "ALWI", "patient"),
        ("COPE_010", "COPE", "patient"),
    ]


def test_a_black_mask_makes_a_normal_image_without_objects(tmp_path: Path) -> None:
    write_frame(tmp_path, "ALWI_000", label="Normal")
    case, image = only(tmp_path)
    assert case.label == NORMAL
    assert image.instances == () and image.paper_rows == () and image.remarks == ()


def test_a_mask_of_twice_the_size_comes_back_by_nearest_neighbour(tmp_path: Path) -> None:
    write_frame(tmp_path, "ALWI_000", green=[FIRST], red=[SECOND], factor=2)
    _, image = only(tmp_path)
    assert boxes(image) == [("benign", FIRST), ("malignant", SECOND)]
    assert RESIZED in image.remarks


def test_a_mask_of_a_larger_picture_than_the_cut_out_image_is_an_error_unless_black(tmp_path: Path) -> None:
    write_frame(tmp_path, "HESN_000", label="Normal")
    write_picture(tmp_path / "images" / "HESN_000.png", size_hw=(45, 77), mode="RGBA")
    _, image = only(tmp_path)
    assert image.image.shape == (45, 77, 3)
    assert image.remarks == (BLACK_OF_OTHER_SIZE,)
    write_pixels(tmp_path / "masks" / "HESN_000.png", np.stack([box_mask([FIRST]), *[box_mask([])] * 2], axis=2))
    with pytest.raises(InputError, match=r"HESN_000\.png: mask of 80 x 60 for an image of 77 x 45"):
        only(tmp_path)


def test_a_blended_colour_is_an_error_that_names_it(tmp_path: Path) -> None:
    write_frame(tmp_path, "ALWI_000", green=[FIRST])
    mask = read_image(tmp_path / "masks" / "ALWI_000.png")
    mask[5, 4] = (0, 127, 0)
    write_pixels(tmp_path / "masks" / "ALWI_000.png", mask)
    with pytest.raises(InputError, match=r"ALWI_000\.png: 1 pixels are neither.*\(0, 127, 0\)"):
        only(tmp_path)


@pytest.mark.parametrize(("flags", "remarks"), [("Yes;Yes;No", (DOPPLER,)), ("No;No;Yes", (COMBINED,))])
def test_doppler_and_combined_frames_are_flagged_from_the_table(
    tmp_path: Path, flags: str, remarks: tuple[str, ...]
) -> None:
    write_frame(tmp_path, "ALWI_000", green=[FIRST], flags=flags)
    assert only(tmp_path)[1].remarks == remarks


def test_a_table_that_contradicts_the_colour_is_told_and_the_colour_stands(tmp_path: Path) -> None:
    write_frame(tmp_path, "ALWI_000", red=[FIRST], label="Benign")
    _, image = only(tmp_path)
    assert boxes(image) == [("malignant", FIRST)]
    assert image.remarks == (OTHER_LABEL,)


def test_specks_are_dropped_and_told(tmp_path: Path) -> None:
    write_frame(tmp_path, "ALWI_000", green=[FIRST, (70, 50, 1, 1)])
    _, image = only(tmp_path)
    assert boxes(image) == [("benign", FIRST)]
    assert image.remarks == (SPECKS,)


@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_missing_partner_is_named(tmp_path: Path, part: str) -> None:
    for name in ("ALWI_000", "ALWI_001"):
        write_frame(tmp_path, name, green=[FIRST])
    (tmp_path / part / "ALWI_001.png").unlink()
    with pytest.raises(InputError, match=rf"incomplete download .* 1 files missing: {part}/ALWI_001\.png"):
        DATASET.cases(tmp_path)


def test_an_image_without_a_row_and_an_unknown_label_are_errors(tmp_path: Path) -> None:
    write_frame(tmp_path, "ALWI_000", green=[FIRST])
    for part in ("images", "masks"):
        write_picture(tmp_path / part / "ALWI_001.png")
    with pytest.raises(InputError, match=r"INFO\.csv: 1 images have no row, the first is ALWI_001\.png"):
        DATASET.cases(tmp_path)
    write_frame(tmp_path, "ALWI_001", label="Cyst")
    with pytest.raises(InputError, match=r"ALWI_001\.png is labelled 'Cyst'"):
        DATASET.cases(tmp_path)


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the excerpt of BUS-UCLM is not here")
def test_the_excerpt_has_the_labels_sizes_and_flags_of_its_table() -> None:
    cases = DATASET.cases(RAW)
    images = [image for case in cases for image in DATASET.read(case)]
    assert Counter(case.label for case in cases) == {"benign": 9, "malignant": 3, NORMAL: 10}
    assert {case.group for case in cases} == {"ALWI", "CAWI", "COPE", "HESN", "PAGY"}
    for case, image in zip(cases, images, strict=True):
        assert {one.phrase for one in image.instances} == {case.label} - {NORMAL}
        assert all(one.mask_hw.shape == image.image.shape[:2] and one.mask_hw.any() for one in image.instances)
        assert len({row.counts_as for row in image.paper_rows}) == (case.label != NORMAL)
    assert {image.name: image.remarks for image in images if image.remarks} == {
        "COPE_016": (DOPPLER,),
        "COPE_018": (DOPPLER,),
        "HESN_000": (BLACK_OF_OTHER_SIZE,),
        "HESN_001": (BLACK_OF_OTHER_SIZE,),
    }
