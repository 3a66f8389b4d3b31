"""Promises about LUMINOUS: one or both muscles of an image, a side word that comes from the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from miniatures import write_mask, write_picture

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.interface import RawImage
from gdinousam.data.sources.public.luminous import LEFT, ONE_MUSCLE, RIGHT, TWO_MUSCLES, Luminous
from gdinousam.data.sources.public.raw_masks import SPECKS
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH

DATASET = Luminous()
LEFT_BOX, RIGHT_BOX = (10, 20, 20, 20), (50, 20, 20, 20)
SPECK = (75, 5, 1, 1)


def write_case(root: Path, name: str, **masks: list[BoxXYWH]) -> None:
    """An image and its masks by their ending, such as ``Mask1``."""
    write_picture(root / "B-mode" / f"{name}_Bmode.tif")
    for ending, boxes_xywh in masks.items():
        write_mask(root / "Masks" / f"{name}_{ending}.tif", boxes_xywh)


def first(root: Path) -> RawImage:
    (image,) = DATASET.read(DATASET.cases(root)[0])
    return image


@pytest.mark.parametrize(("box", "phrase"), [(LEFT_BOX, LEFT), (RIGHT_BOX, RIGHT), ((10, 20, 62, 9), RIGHT)])
def test_the_paper_phrase_tells_the_half_in_which_the_centre_of_the_box_lies(
    tmp_path: Path, box: BoxXYWH, phrase: str
) -> None:
    write_case(tmp_path, "64_29", Mask=[box])
    image = first(tmp_path)
    assert [one.phrase for one in image.instances] == [phrase]
    assert [(row.phrase, row.counts_as) for row in image.paper_rows] == [(phrase, "64_29")]


def test_the_written_phrase_does_not_tell_the_side() -> None:
    assert set(DATASET.facts.phrases.values()) == {"lumbar multifidus muscle"}


def test_an_image_of_two_mask_files_is_one_record_with_both_muscles(tmp_path: Path) -> None:
    write_case(tmp_path, "64_29", Mask1=[RIGHT_BOX], Mask2=[LEFT_BOX])
    (case,) = DATASET.cases(tmp_path)
    image = first(tmp_path)
    assert case.label == TWO_MUSCLES
    assert [(one.phrase, tight_box_xywh(one.mask_hw)) for one in image.instances] == [
        (RIGHT, RIGHT_BOX),
        (LEFT, LEFT_BOX),
    ]


def test_the_paper_makes_no_row_of_an_image_with_two_mask_files(tmp_path: Path) -> None:
    write_case(tmp_path, "64_29", Mask1=[RIGHT_BOX], Mask2=[LEFT_BOX])
    assert first(tmp_path).paper_rows == ()


def test_parts_and_specks_of_one_mask_file_are_one_muscle_but_rows_of_the_script(tmp_path: Path) -> None:
    write_case(tmp_path, "64_29", Mask=[LEFT_BOX, (32, 20, 8, 8), SPECK])
    image = first(tmp_path)
    (one,) = image.instances
    assert tight_box_xywh(one.mask_hw) == (10, 20, 30, 20)
    assert image.remarks == (SPECKS,)
    assert [row.counts_as for row in image.paper_rows] == ["64_29", "64_29"]


def test_the_group_is_the_subject_of_all_its_sessions(tmp_path: Path) -> None:
    for name in ("10_2", "9_30", "9_4"):
        write_case(tmp_path, name, Mask=[LEFT_BOX])
    cases = DATASET.cases(tmp_path)
    assert [(case.name, case.group) for case in cases] == [("9_4", "9"), ("9_30", "9"), ("10_2", "10")]
    assert {case.group_kind for case in cases} == {"subject"}
    assert {case.label for case in cases} == {ONE_MUSCLE}


@pytest.mark.parametrize("missing", ["B-mode/9_4_Bmode.tif", "Masks/9_4_Mask.tif", "Masks/9_5_Mask2.tif"])
def test_a_missing_partner_is_named(tmp_path: Path, missing: str) -> None:
    write_case(tmp_path, "9_3", Mask=[LEFT_BOX])
    write_case(tmp_path, "9_4", Mask=[LEFT_BOX])
    write_case(tmp_path, "9_5", Mask1=[RIGHT_BOX], Mask2=[LEFT_BOX])
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=rf"incomplete download of LUMINOUS, 1 files missing: {missing}"):
        DATASET.cases(tmp_path)


def test_one_mask_beside_those_of_both_muscles_is_an_error(tmp_path: Path) -> None:
    write_case(tmp_path, "9_5", Mask=[LEFT_BOX], Mask1=[RIGHT_BOX], Mask2=[LEFT_BOX])
    with pytest.raises(InputError, match=r"9_5_Mask\.tif: one mask too many"):
        DATASET.cases(tmp_path)


def test_an_empty_mask_gives_no_object(tmp_path: Path) -> None:
    write_case(tmp_path, "9_5", Mask=[])
    image = first(tmp_path)
    assert image.instances == () and image.paper_rows == ()
