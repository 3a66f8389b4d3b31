"""Masks in the format of the source, for the programs that its kind of file is opened with.

DICOM gives a DICOM SEG, NIfTI and MetaImage a label map of the same geometry, and so do clips without one of their own,
such as videos; a plain picture has its mask PNG already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gdinousam.data.sources.medical.dicom_opening import is_dicom
from gdinousam.data.sources.medical.formats import DICOM_SUFFIXES
from gdinousam.data.sources.video import SUFFIXES as VIDEO_SUFFIXES
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.sources import METAIMAGE_SUFFIXES, NIFTI_SUFFIXES, Clip, Picture
from gdinousam.prediction.writing.dicom_seg import write_dicom_seg
from gdinousam.prediction.writing.masks import FrameMasks, Objects
from gdinousam.prediction.writing.nifti import write_label_map

DICOM_SEG, NIFTI, METAIMAGE, LABELS = "_seg.dcm", "_seg.nii.gz", "_seg.mha", "_seg_labels.json"


@dataclass(frozen=True)
class MedicalFiles:
    """paths: of the files, in the order of ``medical_names``; none where nothing was found. notes: a sentence each."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def medical_names(path: Path, name: str) -> tuple[str, ...]:
    """The files that ``write_medical`` may write for a source, told before it is opened; none for a plain picture.

    name: what they begin with.
    """
    kind = path.name.lower()
    if path.is_dir() or kind.endswith((*VIDEO_SUFFIXES, *NIFTI_SUFFIXES)):
        return f"{name}{NIFTI}", f"{name}{LABELS}"
    if kind.endswith(METAIMAGE_SUFFIXES):
        return f"{name}{METAIMAGE}", f"{name}{LABELS}"
    return (f"{name}{DICOM_SEG}",) if kind.endswith(DICOM_SUFFIXES) or is_dicom(path) else ()


def write_medical(
    source: Picture | Clip,
    folder: Path,
    name: str,
    frames: Iterable[FrameMasks],
    objects: Objects,
    made_by: MadeBy,
    keep_patient: bool = False,
) -> MedicalFiles:
    """Write masks into an existing folder, in the format that goes with the source.

    frames, objects: as for ``write_dicom_seg`` and ``write_label_map``, whose errors are raised. keep_patient: see
    ``write_dicom_seg``. A label map is written where nothing was found too, a DICOM SEG then is not.
    """
    if source.format == "DICOM":
        path = folder / f"{name}{DICOM_SEG}"
        written = write_dicom_seg(path, source, frames, objects, made_by, keep_patient)
        return MedicalFiles((path,) if written.num_segments else (), written.notes)
    if source.format == "picture":
        return MedicalFiles(())
    path = folder / f"{name}{METAIMAGE if source.format == 'MetaImage' else NIFTI}"
    return MedicalFiles((path, write_label_map(path, source, frames, objects)))
