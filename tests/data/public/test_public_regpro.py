"""RegPro: the first label channel of 73 volumes, of which the challenge's eight for validation are the test split."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nifti_volumes import LARGE, SECOND, labels, noise, write_volume

from gdinousam.data.sources.public.interface import PaperRow
from gdinousam.data.sources.public.registry import recognised
from gdinousam.data.sources.public.regpro import RegPro
from gdinousam.data.splits.paper_split import paper_split
from gdinousam.data.splits.plan import SplitImage
from gdinousam.errors import InputError

EXCERPT = Path(__file__).parents[4] / "shared" / "data" / "raw" / "TRUS_volumes"
DATASET = RegPro()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Cases 0 and 10 in train and 65 in val; landmarks in a slice that holds no prostate."""
    prostate, landmark = labels({1: LARGE, 3: [LARGE, SECOND]}), labels({0: SECOND, 1: SECOND})
    for folder, number in [("train", 0), ("train", 10), ("val", 65)]:
        name = f"case{number:06d}.nii.gz"
        for modality in ("us", "mr"):
            write_volume(tmp_path / folder / f"{modality}_images" / name, noise(number))
            label = np.stack([prostate, landmark, landmark], axis=3).astype(np.float64)
            write_volume(tmp_path / folder / f"{modality}_labels" / name, label)
    return tmp_path


def test_the_volumes_for_validation_come_first_and_are_the_test_split(release: Path) -> None:
    assert [(case.name, case.official_split) for case in DATASET.cases(release)] == [
        ("case000065", "test"),
        ("case000000", None),
        ("case000010", None),
    ]


def test_a_case_is_a_volume_and_its_own_group(release: Path) -> None:
    for case in DATASET.cases(release):
        assert (case.group, case.group_kind, case.label) == (case.name, "volume", "volume")


def test_volumes_of_the_other_modality_are_left_alone(release: Path) -> None:
    cases = DATASET.cases(release)
    folders = {path.parent.name for case in cases for path in (case.image, *case.masks)}
    assert folders == {"us_images", "us_labels"}


def test_landmarks_in_further_label_channels_are_not_prostate(release: Path) -> None:
    raws = list(DATASET.read(DATASET.cases(release)[0]))
    assert [raw.name for raw in raws] == ["case000065_001", "case000065_003"]
    assert [int(one.mask_hw.sum()) for one in raws[0].instances] == [200]


def test_a_label_without_channels_is_the_prostate(release: Path) -> None:
    case = DATASET.cases(release)[0]
    write_volume(case.masks[0], labels({2: LARGE}))
    (raw,) = DATASET.read(case)
    assert int(raw.instances[0].mask_hw.sum()) == 200


def test_slices_lie_along_the_third_array_axis_whatever_the_header_says(release: Path) -> None:
    case = DATASET.cases(release)[1]
    raw = next(DATASET.read(case))
    assert nibabel.load(case.image).affine[0, 0] == 0  # the header claims other axes
    assert np.array_equal(raw.image[:, :, 0], noise(0)[:, :, 1])


def test_two_contours_of_a_slice_are_one_image_with_two_whole_masks(release: Path) -> None:
    _, raw = DATASET.read(DATASET.cases(release)[0])
    assert [int(one.mask_hw.sum()) for one in raw.instances] == [200, 36]


def test_table_1_counts_every_contour(release: Path) -> None:
    images = [
        SplitImage(raw.name, case.group, ("prostate",), case.official_split, raw.paper_rows)
        for case in DATASET.cases(release)
        for raw in DATASET.read(case)
    ]
    plan = paper_split(images, "unseen", ())  # one split holds them all
    assert (len(plan.members["test"]), plan.num_rows["test"], plan.counted["test"]) == (6, 9, 9)


def test_so_many_contours_as_the_release_has_are_split_as_published() -> None:
    rows = [(PaperRow("prostate", str(number)),) for number in range(sum(DATASET.facts.paper_counts))]
    images = [SplitImage(str(number), "volume", ("prostate",), None, row) for number, row in enumerate(rows)]
    assert tuple(paper_split(images, "seen", ()).counted.values()) == DATASET.facts.paper_counts == (2952, 843, 423)


@pytest.mark.parametrize("missing", ["train/us_labels/case000010.nii.gz", "val/us_images/case000065.nii.gz"])
def test_an_incomplete_download_lists_what_is_missing(release: Path, missing: str) -> None:
    (release / missing).unlink()
    with pytest.raises(InputError, match=f"incomplete download of RegPro.*{missing.partition('/')[0]}"):
        DATASET.cases(release)


def test_a_release_without_val_is_an_incomplete_download(release: Path) -> None:
    shutil.rmtree(release / "val")
    assert [dataset.facts.name for dataset, _ in recognised(release)] == ["RegPro"]
    with pytest.raises(InputError, match="incomplete download of RegPro, no file val/us_images/case"):
        DATASET.cases(release)


@pytest.mark.real_data
@pytest.mark.skipif(not EXCERPT.is_dir(), reason="the folder of real images is not here")
def test_real_volumes_show_the_prostate_above_the_probe(tmp_path: Path) -> None:
    for folder, number in [("train", 0), ("train", 1), ("val", 2)]:
        for kind, source in [("us_images", "fixed_images"), ("us_labels", "fixed_labels")]:
            target = tmp_path / folder / kind / f"case{number:06d}.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(EXCERPT / source / target.name)
    cases = DATASET.cases(tmp_path)
    assert [case.name for case in cases] == ["case000002", "case000000", "case000001"]
    for case in cases:
        raws = list(DATASET.read(case))
        assert 20 < len(raws) <= 41
        assert {raw.image.shape for raw in raws} == {(44, 59, 3)}
        middle = raws[len(raws) // 2]
        (one,) = middle.instances
        brightness = middle.image[:, :, 0].mean(axis=1)
        assert brightness.argmax() > np.nonzero(one.mask_hw)[0].mean()  # the echo of the probe is at the bottom
        assert one.mask_hw.mean() > 0.1
