"""Slices of labelled volumes: the same grey scale throughout, tight masks, no slice that only traces an organ."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from nifti_volumes import LARGE, SECOND, SPECK, labels, noise, write_volume

from gdinousam.data.sources.public.raw_masks import SPECKS
from gdinousam.data.sources.public.registry import find_dataset
from gdinousam.data.sources.public.volumes import GREY_EDGES, TOO_SMALL, Slice, mask_slices, slice_instances
from gdinousam.errors import InputError


def slices(tmp_path: Path, image: np.ndarray, label: np.ndarray, transposed: bool = True, **more: bool) -> list[Slice]:
    image_path = write_volume(tmp_path / "image.nii.gz", image)
    label_path = write_volume(tmp_path / "label.nii.gz", label)
    return list(mask_slices(image_path, label_path, transposed, **more))


def test_slices_without_any_mask_are_skipped(tmp_path: Path) -> None:
    found = slices(tmp_path, noise(), labels({1: LARGE, 3: LARGE}))
    assert [one.index for one in found] == [1, 3]


@pytest.mark.parametrize("transposed", [True, False])
def test_image_and_mask_are_laid_alike(tmp_path: Path, transposed: bool) -> None:
    image, label = noise(), labels({2: LARGE})
    (one,) = slices(tmp_path, image, label, transposed)
    pixels, mask = image[:, :, 2], label[:, :, 2] > 0
    assert np.array_equal(one.image[:, :, 0], pixels.T if transposed else pixels)
    assert np.array_equal(one.mask_hw, mask.T if transposed else mask)


def test_the_slices_of_a_volume_keep_their_brightness(tmp_path: Path) -> None:
    image = np.zeros(noise().shape, dtype=np.int16)
    image[..., 0], image[..., 1] = 30, 240
    dark, bright = slices(tmp_path, image, labels({0: LARGE, 1: LARGE}))
    assert (dark.image.max(), bright.image.max()) == (30, 240)  # stretched on its own, each would be black or white


def test_a_slice_with_hardly_any_mask_has_no_object(tmp_path: Path) -> None:
    first, whole = slices(tmp_path, noise(), labels({0: SPECK, 1: LARGE}))
    assert first.too_small and not whole.too_small
    assert slice_instances(first, "prostate") == ((), (TOO_SMALL,))
    assert len(slice_instances(whole, "prostate")[0]) == 1


def test_specks_beside_the_object_are_dropped_and_told(tmp_path: Path) -> None:
    (one,) = slices(tmp_path, noise(), labels({1: [LARGE, SECOND, SPECK]}))
    objects, remarks = slice_instances(one, "prostate")
    assert [int(each.mask_hw.sum()) for each in objects] == [200, 36]
    assert remarks == (SPECKS,)


@pytest.mark.parametrize(("value", "dtype"), [(1, np.float64), (255, np.uint8), (2, np.int16)])
def test_whatever_value_stands_for_the_object_it_is_the_object(tmp_path: Path, value: int, dtype: type) -> None:
    label = labels({1: LARGE}).astype(dtype) * dtype(value)
    (one,) = slices(tmp_path, noise(), label)
    assert (int(one.mask_hw.sum()), one.remarks) == (200, ())


def test_labels_with_shares_of_an_object_are_cut_at_half_and_told(tmp_path: Path) -> None:
    label = labels({1: LARGE}).astype(np.float32)
    label[5, 4:14, 1], label[24, 4:14, 1] = 0.4, 0.6
    (one,) = slices(tmp_path, noise(), label)
    assert int(one.mask_hw.sum()) == 190
    assert int(one.script_mask_hw.sum()) == 200  # the paper's scripts take every value above 0
    assert one.remarks == (GREY_EDGES,)


@pytest.mark.parametrize(("value", "expected"), [(2, "holds the values 0, 1, 2"), (-1, "below 0"), (np.nan, "nan")])
def test_labels_of_other_values_are_refused(tmp_path: Path, value: float, expected: str) -> None:
    label = labels({1: LARGE}).astype(np.float32)
    label[0, 0, 0] = value
    with pytest.raises(InputError, match=rf"label\.nii\.gz: .*{expected}"):
        slices(tmp_path, noise(), label)


def test_labels_without_any_object_give_no_slice(tmp_path: Path) -> None:
    assert slices(tmp_path, noise(), labels({})) == []


def test_image_and_labels_must_have_the_same_voxels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"label\.nii\.gz: labels of 40 x 30 x 4 voxels for a volume of 40 x 30 x 5"):
        slices(tmp_path, noise(), labels({1: LARGE})[:, :, :4])


def test_several_label_channels_are_refused_where_there_should_be_one(tmp_path: Path) -> None:
    label = np.stack([labels({1: LARGE})] * 2, axis=3)
    with pytest.raises(InputError, match=r"label\.nii\.gz: has 4 axes"):
        slices(tmp_path, noise(), label)
    assert len(slices(tmp_path, noise(), label, channels=True)) == 1


def test_a_picture_is_no_volume(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"image\.nii\.gz: has 2 axes"):
        slices(tmp_path, noise()[:, :, 0], labels({1: LARGE}))


@pytest.mark.parametrize("name", ["MicroSeg", "RegPro"])
def test_without_nibabel_it_is_said_how_to_install_it_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(InputError, match=r'run pip install "gdinousam\[medical\]"'):
        find_dataset(name).cases(tmp_path)
