"""What a result says of the DICOM file that it belongs to: which one it is, and whose only where that is wanted."""

from __future__ import annotations

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


def read_reference(path: Path, keep_patient: bool = False) -> tuple[Any, tuple[str, ...]]:
    """The elements by which a derived file refers to its source, as pydicom's dataset, and what was missing.

    keep_patient: whether elements that name the patient and the study are read; without it they are there and empty.
    A UID that is missing is made anew. The second value has a sentence for what that means, or none. Raises
    ``InputError`` for a file that cannot be read.
    """
    uid = library("pydicom.uid")
    with reading(path, "DICOM"):
        header = read_header(path, (*ELEMENTS, "SpecificCharacterSet", *(PATIENT if keep_patient else ())))
        reference = library("pydicom.dataset").Dataset()
        for keyword in ELEMENTS:
            if header.get(keyword):
                setattr(reference, keyword, header.get(keyword))
        for keyword in PATIENT:
            setattr(reference, keyword, None)
            if keyword in header:  # read for keep_patient only
                reference[keyword] = header[keyword]
    if "SOPInstanceUID" not in reference and header.file_meta.get("MediaStorageSOPInstanceUID"):
        reference.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID
    if "SOPClassUID" not in reference:
        reference.SOPClassUID = header.file_meta.get("MediaStorageSOPClassUID") or uid.UltrasoundImageStorage
    missing = [keyword for keyword in UIDS if keyword not in reference or len(reference[keyword].value) > LONGEST_UID]
    for keyword in missing:
        setattr(reference, keyword, uid.generate_uid())
    if not missing:
        return reference, ()
    return reference, (f"the source has no {' and no '.join(missing)}: viewers cannot lay the result over it",)
