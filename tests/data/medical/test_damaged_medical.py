"""Damaged medical files: read, or refused in one line that names the file; one of them does not end a conversion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from damage import FEW_OR_MANY, damaged, num_refused
from dicom_files import region, write_dicom, write_jpeg_dicom
from pydicom.uid import RLELossless

from gdinousam.data.sources.medical.conversion import convert_medical
from gdinousam.data.sources.medical.dicom import has_picture
from gdinousam.data.sources.medical.dicom_opening import is_dicom
from gdinousam.data.sources.medical.formats import read_frames

pytestmark = pytest.mark.filterwarnings("ignore")  # decoders warn of what they make do with
CLIP = np.random.default_rng(0).integers(0, 256, (3, 12, 16), dtype=np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
WINDOW = {"WindowCenter": 2000, "WindowWidth": 1500, "RescaleSlope": 2, "RescaleIntercept": -5}


def write_rle(path: Path) -> Path:
    dataset = pydicom.dcmread(write_dicom(path, CLIP, num_frames=3))
    dataset.compress(RLELossless)
    dataset.save_as(path)
    return path


def write_nifti(path: Path, values: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, np.diag([0.5, 0.25, 2, 1])), path)
    return path


def write_metaimage(path: Path, values: np.ndarray, compressed: bool = False, colour: bool = False) -> Path:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values, isVector=colour), str(path), useCompression=compressed)
    return path


FILES: dict[str, Callable[[Path], Path]] = {
    "clip.dcm": lambda path: write_dicom(path, CLIP, num_frames=3),
    "deep.dcm": lambda path: write_dicom(path, CLIP[0].astype(np.uint16) * 16, **WINDOW, PixelPaddingValue=0),
    "regions.dcm": lambda path: write_dicom(path, CLIP[0], SequenceOfUltrasoundRegions=[region(0, 0, 8, 8)]),
    "colour.dcm": lambda path: write_dicom(path, COLOURS, "RGB", num_frames=2),
    "jpeg.dcm": lambda path: write_jpeg_dicom(path, COLOURS),
    "rle.dcm": write_rle,
    "volume.nii": lambda path: write_nifti(path, CLIP.astype(np.int16)),
    "volume.nii.gz": lambda path: write_nifti(path, CLIP),
    "floats.nii": lambda path: write_nifti(path, CLIP.astype(np.float32) / 7),
    "volume.mha": lambda path: write_metaimage(path, CLIP),
    "packed.mha": lambda path: write_metaimage(path, CLIP, compressed=True),
    "colour.mha": lambda path: write_metaimage(path, COLOURS, colour=True),
    "volume.mhd": lambda path: write_metaimage(path, CLIP),
}


def read_all(path: Path) -> None:
    frames = read_frames(path)
    for frame in frames:
        assert frame.shape == (frames.height, frames.width, 3)


@pytest.mark.parametrize("count", FEW_OR_MANY)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_medical_file_is_read_or_refused_in_one_line(tmp_path: Path, name: str, count: int) -> None:
    assert num_refused(FILES[name](tmp_path / name), read_all, count)


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_whether_a_damaged_dicom_holds_a_picture_is_told_or_refused(tmp_path: Path, count: int) -> None:
    path = FILES["regions.dcm"](tmp_path / "regions.dcm")
    num_refused(path, lambda one: is_dicom(one) and has_picture(one), count)


def test_damaged_files_are_skipped_and_counted_and_the_others_converted(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    num_cut = 0
    for name, write in FILES.items():
        content = write(raw / name).read_bytes()
        for number, copy in enumerate(damaged(content, 10, seed=number_of(name))):
            if number % 5 == 0:  # cut off, which every format notices
                (raw / f"bad{number}_{name}").write_bytes(copy)
                num_cut += name != "volume.mhd"  # its pixels lie in another file
    converted = convert_medical([raw], tmp_path / "out", skip_bad=True, progress=False)
    assert converted.num_files >= len(FILES)
    assert 0 < converted.num_bad <= num_cut + 2
    assert len(list((tmp_path / "out").glob("*.png"))) == converted.num_images


def number_of(name: str) -> int:
    return list(FILES).index(name)
