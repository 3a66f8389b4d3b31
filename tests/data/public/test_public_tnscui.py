"""TNSCUI: what it really is, which of DDTI's folders it takes, and the paper's rows of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from miniatures import write_mask, write_picture

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.raw_masks import GREY_EDGES
from gdinousam.data.sources.public.registry import find_release
from gdinousam.data.sources.public.tnscui import Tnscui
from gdinousam.errors import InputError

LARGE, SMALL, TINY = (0, 0, 32, 32), (48, 0, 24, 24), (56, 48, 8, 8)
STAGE2 = Path("2_preprocessed_data") / "stage2"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "DDTI"
    for number, boxes in ((10, [LARGE]), (2, [LARGE, SMALL]), (1, [LARGE, TINY])):
        write_picture(root / STAGE2 / "p_image" / f"{number}.PNG", seed=number)
        write_mask(root / STAGE2 / "p_mask" / f"{number}.PNG", boxes)
    for folder in (Path("1_or_data"), Path("2_preprocessed_data") / "stage1"):
        prefix = "" if folder.name == "1_or_data" else "p_"
        write_picture(root / folder / f"{prefix}image" / "1.PNG", seed=7)
        write_mask(root / folder / f"{prefix}mask" / "1.PNG", [SMALL])
    return root


def test_only_the_crops_of_stage_2_are_taken_for_they_are_the_papers(release):
    cases = Tnscui().cases(release)
    assert [case.name for case in cases] == ["1", "2", "10"]
    assert {path.parents[1].name for case in cases for path in (case.image, *case.masks)} == {"stage2"}


def test_a_mask_is_found_in_its_own_folder_although_it_has_its_images_name(release):
    for case in Tnscui().cases(release):
        assert case.image.name == case.masks[0].name
        assert (case.image.parent.name, case.masks[0].parent.name) == ("p_image", "p_mask")


def test_it_is_known_by_its_honest_name_and_for_testing_only():
    assert "ddti_stage2" in Tnscui.facts.aliases
    assert Tnscui.facts.role == "unseen"
    assert Tnscui.facts.paper_counts == (0, 0, 637)


def test_the_groups_are_images_because_case_numbers_were_lost(release):
    assert {(case.group, case.group_kind) for case in Tnscui().cases(release)} == {
        ("1", "image"), ("2", "image"), ("10", "image")
    }  # fmt: skip


def test_second_nodules_are_paper_rows_that_table_1_does_not_count_and_small_contours_are_none(release):
    rows = {}
    for case in Tnscui().cases(release):
        (raw,) = Tnscui().read(case)
        rows[case.name] = [row.counts_as for row in raw.paper_rows]
    assert rows == {"1": ["1"], "2": ["2", None], "10": ["10"]}


@pytest.mark.parametrize("value", [1, 200, 255])
def test_a_mask_of_one_value_is_foreground_whatever_the_value(release, value):
    write_mask(release / STAGE2 / "p_mask" / "10.PNG", [LARGE], value=value)
    case = Tnscui().cases(release)[-1]
    (raw,) = Tnscui().read(case)
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [LARGE]
    assert GREY_EDGES not in raw.remarks


@pytest.mark.parametrize("lost", ["p_mask/2.PNG", "p_image/2.PNG"])
def test_a_missing_partner_of_a_crop_is_named(release, lost):
    (release / STAGE2 / lost).unlink()
    with pytest.raises(InputError, match=f"TNSCUI.*stage2/{lost}"):
        Tnscui().cases(release)


@pytest.mark.parametrize("layout", [("thyroid", "1_1.jpg"), ("image", "1.png"), ("JPEGImages", "1.jpg")])
def test_the_original_ddti_and_the_real_challenge_are_not_taken_for_it(tmp_path, layout):
    write_picture(tmp_path.joinpath(*layout))
    with pytest.raises(InputError, match="not the release of TNSCUI"):
        find_release(Tnscui(), tmp_path)
