"""What a result says of the DICOM file that it belongs to: which one it is, and whose only where that is wanted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gdinousam.data.sources.medical.dicom_opening import read_header
from gdinousam.data.sources.medical.libraries import library
from gdinousam.reading import reading

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
ELEMENTS = (
    *UIDS, "SOPClassUID", "FrameOfReferenceUID", "Rows", "Columns", "Modality", "LossyImageCompression",
    "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
# PS3.3, patient and study modules, type 2: every file of a study has them, with or without a value
PATIENT = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "StudyID", "ReferringPhysicianName",
)  # fmt: skip
LONGEST_UID = 64
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def read_reference(path: Path, keep_patient: bool = False) -> tuple[Any, tuple[str, ...]]:
    """The elements by which a derived file refers to its source, as pydicom's dataset, and what was missing.

    keep_patient: whether elements that name the patient and the study are read; without it they are there and empty.
    A UID that is missing or none is made anew. The second value has a sentence for what that means, or none. Raises
    ``InputError`` for a file that cannot be read.
    """
    uid = library("pydicom.uid")
    with reading(path, "DICOM"):
        header = read_header(path, (*ELEMENTS, "SpecificCharacterSet", *(PATIENT if keep_patient else ())))
        reference = library("pydicom.dataset").Dataset()
        for keyword in ELEMENTS:
            value = header.get(keyword)
            if value and (_is_uid(value) or not keyword.endswith("UID")):
                setattr(reference, keyword, value)
        for keyword in PATIENT:
            setattr(reference, keyword, None)
            if keyword in header:  # read for keep_patient only
                reference[keyword] = header[keyword]
        if "SOPInstanceUID" not in reference and header.file_meta.get("MediaStorageSOPInstanceUID"):
            reference.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID
        if "SOPClassUID" not in reference:
            reference.SOPClassUID = header.file_meta.get("MediaStorageSOPClassUID", uid.UltrasoundImageStorage)
        missing = [name for name in UIDS if name not in reference]
        for keyword in missing:
            setattr(reference, keyword, uid.generate_uid())
    if not missing:
        return reference, ()
    return reference, (f"the source has no {' and no '.join(missing)}: viewers cannot lay the result over it",)


def _is_uid(value: object) -> bool:
    """Whether a value is one UID; some files hold several, or text."""
    return isinstance(value, str) and bool(_UID.fullmatch(value)) and len(value) <= LONGEST_UID
