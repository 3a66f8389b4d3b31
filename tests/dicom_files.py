"""DICOM files that the tests write, with a patient whose name and numbers must never be seen again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage, generate_uid

PATIENT = {
    "PatientName": "Zweistein^Frieda",
    "PatientID": "MRN-4711",
    "PatientBirthDate": "19530229",
    "AccessionNumber": "ACC-0815",
    "StudyDescription": "Zweistein follow-up",
}
SECRETS = ("weistein", "4711", "0815", "19530229")


def write_dicom(
    path: Path,
    pixels: npt.NDArray[Any],
    photometric: str = "MONOCHROME2",
    num_frames: int | None = None,
    pixel_data: bytes | None = None,
    **elements: object,
) -> Path:
    """Write frames as they are.

    pixels: (H, W), (H, W, 3), or with ``num_frames`` these after one more axis. pixel_data: bytes to store instead of
    those of ``pixels``, which then only tell size and type. elements: further ones, or others than the usual, by
    keyword; ``TransferSyntaxUID`` too.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.TransferSyntaxUID = elements.pop("TransferSyntaxUID", ExplicitVRLittleEndian)
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    frame = pixels if num_frames is None else pixels[0]
    num_bits = pixels.dtype.itemsize * 8
    described = {
        **PATIENT,
        "Modality": "US",
        "Rows": frame.shape[0],
        "Columns": frame.shape[1],
        "SamplesPerPixel": 1 if frame.ndim == 2 else 3,
        "PhotometricInterpretation": photometric,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "BitsAllocated": num_bits,
        "BitsStored": num_bits,
        "HighBit": num_bits - 1,
    }
    if frame.ndim == 3:
        described["PlanarConfiguration"] = 0
    if num_frames is not None:
        described["NumberOfFrames"] = num_frames
    for keyword, value in {**described, **elements}.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes() if pixel_data is None else pixel_data
    dataset["PixelData"].VR = "OW" if num_bits == 16 else "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_jpeg_dicom(path: Path, frames: Sequence[npt.NDArray[np.uint8]], **elements: object) -> Path:
    """Write frames, (H, W) or (H, W, 3) RGB, each compressed as JPEG, colours as YCbCr like every camera does."""
    encoded = []
    for frame in frames:
        buffer = io.BytesIO()
        PIL.Image.fromarray(frame).save(buffer, format="JPEG", quality=95, subsampling=0)
        encoded.append(buffer.getvalue())
    photometric = "MONOCHROME2" if frames[0].ndim == 2 else "YBR_FULL"
    return write_dicom(
        path,
        np.stack(frames),
        photometric,
        len(frames),
        encapsulate(encoded),
        TransferSyntaxUID=JPEGBaseline8Bit,
        **elements,
    )


def region(x0: int, y0: int, x1: int, y1: int, **elements: object) -> Dataset:
    """A two-dimensional ultrasound region to its last pixel (x1, y1), of 0.02 cm across and 0.03 cm down."""
    item = Dataset()
    usual = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 0,
        "RegionLocationMinX0": x0,
        "RegionLocationMinY0": y0,
        "RegionLocationMaxX1": x1,
        "RegionLocationMaxY1": y1,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.02,
        "PhysicalDeltaY": 0.03,
    }
    for keyword, value in {**usual, **elements}.items():
        setattr(item, keyword, value)
    return item
