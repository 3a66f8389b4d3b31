"""MicroSeg: expert annotations of 75 volumes, whose numbers start again in the test folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nifti_volumes import LARGE, SECOND, SPECK, labels, noise, write_volume

from gdinousam.data.sources.public.microseg import MicroSeg
from gdinousam.data.sources.public.registry import recognised
from gdinousam.data.splits.paper_split import paper_split
from gdinousam.data.splits.plan import SplitImage
from gdinousam.errors import InputError

DATASET = MicroSeg()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Volume 1 in both folders and volume 10 in train, each with two slices of prostate."""
    root = tmp_path / "Micro_Ultrasound_Prostate_Segmentation_Dataset"
    for seed, (folder, number) in enumerate([("train", "01"), ("train", "10"), ("test", "01")]):
        scans, annotations = root / folder / "micro_ultrasound_scans", root / folder / "expert_annotations"
        write_volume(scans / f"microUS_{folder}_{number}.nii.gz", noise(seed))
        expert = labels({1: LARGE, 3: [LARGE, SECOND]})
        write_volume(annotations / f"expert_annotation_{folder}_{number}.nii.gz", expert)
        others = {"train": ["non_expert"], "test": ["medical_student", "master_student", "clinician"]}[folder]
        for other in others:
            path = root / folder / f"{other}_annotations" / f"{other}_annotation_{folder}_{number}.nii.gz"
            write_volume(path, labels({0: SECOND}))
    return root


def test_test_volumes_come_first_and_are_the_test_split(release: Path) -> None:
    cases = DATASET.cases(release)
    assert [(case.name, case.official_split) for case in cases] == [
        ("test_01", "test"),
        ("train_01", None),
        ("train_10", None),
    ]
    assert {case.label for case in cases} == {"volume"} == set(DATASET.facts.expected)


def test_volumes_of_equal_number_in_train_and_test_stay_apart(release: Path) -> None:
    cases = DATASET.cases(release)
    assert [(case.group, case.group_kind) for case in cases] == [(case.name, "volume") for case in cases]
    names = [raw.name for case in cases for raw in DATASET.read(case)]
    assert names[:4] == ["test_01_001", "test_01_003", "train_01_001", "train_01_003"]
    assert len(set(names)) == len(names) == 6
    test, train = (next(DATASET.read(case)) for case in cases[:2])
    assert np.array_equal(test.image[:, :, 0], noise(2)[:, :, 1].T)
    assert np.array_equal(train.image[:, :, 0], noise(0)[:, :, 1].T)


def test_only_the_expert_annotations_are_read(release: Path) -> None:
    cases = DATASET.cases(release)
    assert {path.parent.name for case in cases for path in case.masks} == {"expert_annotations"}
    assert "test_01_000" not in [raw.name for raw in DATASET.read(cases[0])]


def test_slices_are_laid_with_x_across_as_on_a_display(release: Path) -> None:
    raw = next(DATASET.read(DATASET.cases(release)[0]))
    assert raw.image.shape == (30, 40, 3)
    (one,) = raw.instances
    assert one.phrase == "prostate"
    rows, columns = np.nonzero(one.mask_hw)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (5, 24, 4, 13)


def test_two_components_of_a_slice_are_two_objects_and_two_rows_of_one_counted_name(release: Path) -> None:
    _, raw = DATASET.read(DATASET.cases(release)[0])
    assert len(raw.instances) == len(raw.paper_rows) == 2
    assert len({row.counts_as for row in raw.paper_rows}) == 1


def test_the_scripts_names_of_test_and_train_collide(release: Path) -> None:
    test, train, other = ([raw for raw in DATASET.read(case)] for case in DATASET.cases(release))
    counted = [[row.counts_as for raw in raws for row in raw.paper_rows] for raws in (test, train, other)]
    assert counted[0] == counted[1] == ["0_t_1", "0_t_3", "0_t_3"]
    assert not set(counted[0]) & set(counted[2])


def test_table_1_counts_colliding_names_of_a_split_once(release: Path) -> None:
    images = [
        SplitImage(raw.name, case.group, ("prostate",), case.official_split, raw.paper_rows)
        for case in DATASET.cases(release)
        for raw in DATASET.read(case)
    ]
    plan = paper_split(images, "unseen", ())  # one split holds them all
    assert len(plan.members["test"]) == 6
    assert plan.num_rows["test"] == 9
    assert plan.counted["test"] == 4


def test_a_slice_with_hardly_any_prostate_keeps_its_row_but_has_no_object(release: Path) -> None:
    case = DATASET.cases(release)[0]
    write_volume(case.masks[0], labels({0: SPECK, 1: LARGE}))
    first, second = DATASET.read(case)
    assert (first.instances, len(first.paper_rows)) == ((), 1)
    assert len(second.instances) == 1


def test_an_incomplete_download_lists_what_is_missing(release: Path) -> None:
    (release / "train" / "expert_annotations" / "expert_annotation_train_10.nii.gz").unlink()
    with pytest.raises(InputError, match=r"incomplete download.*train/expert_annotations/expert_annotation_train_10"):
        DATASET.cases(release)


def test_an_annotation_without_its_scan_is_an_incomplete_download(release: Path) -> None:
    (release / "test" / "micro_ultrasound_scans" / "microUS_test_01.nii.gz").rename(
        release / "test" / "micro_ultrasound_scans" / "microUS_test_02.nii.gz"
    )
    with pytest.raises(InputError, match=r"2 files missing: .*expert_annotation_test_02.*microUS_test_01"):
        DATASET.cases(release)


def test_a_release_without_its_test_folder_is_an_incomplete_download(release: Path) -> None:
    (release / "test").rename(release.parent / "elsewhere")
    assert [dataset.facts.name for dataset, _ in recognised(release)] == ["MicroSeg"]
    with pytest.raises(InputError, match=r"incomplete download of MicroSeg, no file test/micro_ultrasound_scans"):
        DATASET.cases(release)
