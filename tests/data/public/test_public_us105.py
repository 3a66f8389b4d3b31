"""105US: folders under both names, masks with grey edges, and a signature that fits no other release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from miniatures import box_mask, write_mask, write_picture, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.raw_masks import GREY_EDGES
from gdinousam.data.sources.public.registry import find_release, recognised
from gdinousam.data.sources.public.us105 import PHRASE, Us105
from gdinousam.errors import InputError

BOX = (10, 16, 24, 24)
RELEASED, RENAMED = ("105 US Images", "105 US Masks"), ("Images", "Masks")


def write_release(root: Path, names: tuple[str, str], numbers=(1, 2, 10)) -> Path:
    for number in numbers:
        write_picture(root / names[0] / f"{number:03d}.png", seed=number, mode="RGB")
        write_mask(root / names[1] / f"{number:03d} G man.png", [BOX])
    (root / names[0] / "readme.txt").write_text("how the images were taken")
    return root


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "release", RELEASED)


def read_one(root: Path, name: str):
    case = next(case for case in Us105().cases(root) if case.name == name)
    (raw,) = Us105().read(case)
    return raw


@pytest.mark.parametrize("names", [RELEASED, RENAMED])
def test_folders_are_taken_as_released_and_as_the_papers_script_wants_them(tmp_path, names):
    root = write_release(tmp_path / "release", names)
    assert find_release(Us105(), tmp_path) == root
    cases = Us105().cases(root)
    assert [case.name for case in cases] == ["001", "002", "010"]
    assert {case.label for case in cases} == {PHRASE}


def test_released_folders_come_before_renamed_ones(release):
    write_release(release, RENAMED, numbers=(7,))
    assert [case.name for case in Us105().cases(release)] == ["001", "002", "010"]


def test_image_and_mask_are_paired_by_number(release):
    for case in Us105().cases(release):
        (mask,) = case.masks
        assert mask.name == f"{case.image.stem} G man.png"


def test_grey_edges_do_not_inflate_the_box(release):
    grey = np.maximum(box_mask([BOX]), box_mask([(8, 14, 28, 28)], value=60))
    write_pixels(release / "105 US Masks" / "001 G man.png", grey)
    raw = read_one(release, "001")
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [BOX]
    assert raw.remarks == (GREY_EDGES,)
    assert [(row.phrase, row.counts_as) for row in raw.paper_rows] == [(PHRASE, "001")]


@pytest.mark.parametrize("lost", ["105 US Masks/002 G man.png", "105 US Images/002.png"])
def test_a_missing_partner_is_named(release, lost):
    (release / lost).unlink()
    with pytest.raises(InputError, match=f"incomplete download of 105US.*{lost}"):
        Us105().cases(release)


@pytest.mark.parametrize("names", [RELEASED, RENAMED])
def test_the_release_looks_like_no_other_dataset(tmp_path, names):
    root = write_release(tmp_path / "release", names)
    assert [dataset.facts.name for dataset, _ in recognised(root)] == ["105US"]


def test_other_releases_with_folders_of_images_and_masks_are_not_taken_for_it(tmp_path):
    write_picture(tmp_path / "Images" / "bus_0001-l.png")
    write_mask(tmp_path / "Masks" / "mask_0001-l.png", [BOX])
    with pytest.raises(InputError, match="not the release of 105US"):
        find_release(Us105(), tmp_path)
