"""TG3K: frames are grouped by runs of one size, the masks show the gland whatever the paper calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from miniatures import write_mask, write_picture

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.tg3k import Tg3k
from gdinousam.errors import InputError

WIDE, TALL = (60, 80), (80, 60)
LARGE, SMALL, THIRD = (0, 0, 32, 32), (36, 0, 24, 24), (0, 36, 24, 20)  # THIRD: below the floor of 500 pixels
SIZES = [WIDE, WIDE, WIDE, TALL, TALL, WIDE]


def write_frame(root: Path, number: int, size_hw, boxes=(LARGE,)) -> None:
    write_picture(root / "thyroid-image" / f"{number:04d}.jpg", seed=number, size_hw=size_hw)
    write_mask(root / "thyroid-mask" / f"{number:04d}.jpg", boxes, size_hw=size_hw)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "tg3k"
    for number, size_hw in enumerate(SIZES):
        write_frame(root, number, size_hw)
    return root


def read_one(root: Path, name: str):
    case = next(case for case in Tg3k().cases(root) if case.name == name)
    (raw,) = Tg3k().read(case)
    return raw


def test_frames_of_one_video_share_a_group_and_a_size_that_returns_starts_another(release):
    cases = Tg3k().cases(release)
    assert [case.group for case in cases] == ["run_0000"] * 3 + ["run_0003"] * 2 + ["run_0005"]
    assert {case.group_kind for case in cases} == {"video"}


def test_runs_follow_numbers_not_the_alphabet(tmp_path):
    for number in (9998, 9999, 10000, 10001):
        write_frame(tmp_path, number, WIDE if number < 10000 else TALL)
    cases = Tg3k().cases(tmp_path)
    assert [case.group for case in cases] == ["run_9998"] * 2 + ["run_10000"] * 2


def test_the_shipped_split_that_cuts_inside_a_video_is_not_used(release):
    (release / "tg3k-trainval.json").write_text(json.dumps({"train": [0, 3, 4, 5], "val": [1, 2]}))
    assert {case.official_split for case in Tg3k().cases(release)} == {None}


def test_the_gland_is_offered_under_its_own_name_beside_the_papers_tumour():
    assert Tg3k.facts.phrases == {"thyroid tumor": "thyroid gland"}


def test_jpeg_noise_does_not_grow_the_gland(release):
    assert [tight_box_xywh(one.mask_hw) for one in read_one(release, "0000").instances] == [LARGE]


def test_a_frame_with_two_lobes_has_a_second_paper_row_that_table_1_does_not_count(release):
    write_frame(release, 1, WIDE, [LARGE, SMALL])
    raw = read_one(release, "0001")
    assert [row.counts_as for row in raw.paper_rows] == ["0001", None]
    assert len(raw.instances) == 2


def test_a_frame_without_a_contour_above_the_floor_keeps_its_object_but_has_no_paper_row(release):
    write_frame(release, 2, WIDE, [THIRD])
    raw = read_one(release, "0002")
    assert raw.paper_rows == ()
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [THIRD]


@pytest.mark.parametrize("lost", ["thyroid-mask/0001.jpg", "thyroid-image/0001.jpg"])
def test_a_missing_partner_of_a_frame_is_named(release, lost):
    (release / lost).unlink()
    with pytest.raises(InputError, match=f"TG3K.*{lost}"):
        Tg3k().cases(release)


def test_a_frame_that_is_no_picture_is_named(release):
    (release / "thyroid-image" / "0003.jpg").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"0003\.jpg"):
        Tg3k().cases(release)
