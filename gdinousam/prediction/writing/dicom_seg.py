"""DICOM SEG: the masks of a DICOM still or clip as a file of the same study, which viewers lay over the source.

highdicom writes everything about the file but its frames. It holds a mask only for frames with a place in the patient,
which ultrasound clips do not have; so frames are laid into the file here, each named by the frame of the source that it
belongs to, and packed one at a time, so that a long clip need not fit into memory.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.files import replaced_file
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.sources import Clip, Picture
from gdinousam.prediction.writing.coded_terms import TABLE, Code, CodedTerms, Term, read_coded_terms
from gdinousam.prediction.writing.dicom_source import PATIENT, read_reference
from gdinousam.prediction.writing.masks import FrameMasks, Objects
from gdinousam.reading import reading
from gdinousam.records import Mask

SERIES_NUMBER = 1000  # behind the series of the scanner
LONGEST_LABEL = 64  # characters, PS3.5, table 6.2-1: LO
# what a frame is numbered by, in its Frame Content (PS3.3, C.7.6.16.2.2), by whether frames are slices
FRAME_NUMBERS = {False: ("TemporalPositionIndex", "Temporal Position"), True: ("InStackPositionNumber", "Slice")}


@dataclass(frozen=True)
class Written:
    """num_segments, num_frames: masks of all segments together; both are 0 where nothing was found and no file written.

    notes: what the source lacked, a sentence each.
    """

    num_segments: int
    num_frames: int
    notes: tuple[str, ...] = ()


@dataclass
class _Frames:
    """Masks that are packed as they come. places: of each mask its object and the number of its frame, from 1."""

    size_hw: tuple[int, int]
    places: list[tuple[int, int]] = field(default_factory=list)
    overlap: bool = False
    _packed: list[bytes] = field(default_factory=list)
    _rest: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def add(self, frame: int, masks: FrameMasks) -> None:
        shown = {number: mask_hw for number, mask_hw in sorted(masks.items()) if mask_hw.any()}
        for number, mask_hw in shown.items():
            self._add(mask_hw)
            self.places.append((number, frame))
        if len(shown) > 1 and not self.overlap:
            self.overlap = bool((np.sum(list(shown.values()), axis=0) > 1).any())

    def _add(self, mask_hw: Mask) -> None:
        if mask_hw.shape != self.size_hw:
            raise InputError(f"a mask of {mask_hw.shape} for frames of {self.size_hw} (H, W); give masks of their size")
        # PS3.5, 8.1.1: one bit follows another, also from frame to frame, the first one being the lowest of its byte
        bits = np.concatenate([self._rest, mask_hw.ravel()])
        num_whole = len(bits) // 8 * 8
        self._packed.append(np.packbits(bits[:num_whole], bitorder="little").tobytes())
        self._rest = bits[num_whole:]

    def content(self) -> bytes:
        """All bits, to an even number of bytes."""
        content = b"".join([*self._packed, np.packbits(self._rest, bitorder="little").tobytes()])
        return content + b"\0" * (len(content) % 2)


def write_dicom_seg(
    path: Path,
    source: Picture | Clip,
    frames: Iterable[FrameMasks],
    objects: Objects,
    made_by: MadeBy,
    keep_patient: bool = False,
    coded_terms: Path = TABLE,
) -> Written:
    """Write masks as a binary DICOM SEG with one segment for each object, named by its phrase.

    source: read from a DICOM file. frames: the masks of each frame in the order of the source, taken one at a time; one
    item for a still. objects: may grow until the last frame is taken. keep_patient: copy the elements that name patient
    and study from the source; without it only UIDs tell where the file belongs, and the others are empty. coded_terms:
    see ``read_coded_terms``. Where no mask has a pixel no file is written, because a SEG without segments is none.
    Raises ``InputError`` for a source of another kind, masks of another size, and another number of frames.
    """
    if source.format != "DICOM" or source.path is None:
        raise InputError(
            f"{source.name}: is no DICOM file, so that a DICOM SEG cannot refer to it; write masks as NIfTI"
        )
    terms = read_coded_terms(coded_terms)
    reference, notes = read_reference(source.path, keep_patient)
    packed = _Frames(source.size_hw)
    num_frames = len(source) if isinstance(source, Clip) else 1
    num_taken = 0
    for num_taken, masks in enumerate(frames, start=1):
        packed.add(num_taken, masks)
    if num_taken != num_frames:
        raise InputError(f"{source.name}: masks of {num_taken} frames for {num_frames} frames; give those of every one")
    used = sorted({number for number, _ in packed.places})
    if not used:
        return Written(0, 0, notes)
    segment_of = {number: segment for segment, number in enumerate(used, start=1)}
    described = [_description(segment_of[number], objects[number], terms, made_by) for number in used]
    with reading(source.path, "DICOM"):  # highdicom refuses values of the source that the standard does not know
        dataset = _template(reference, source, described, made_by)
        for keyword in PATIENT:
            dataset[keyword] = reference[keyword]
        dataset.ContentCreatorName = None  # PS3.3, table 10-12, type 2: no person has made it
        _lay_in(dataset, packed, segment_of, source)
        _refer_to(dataset, reference.SOPClassUID)
    with replaced_file(path) as new:
        dataset.save_as(new, enforce_file_format=True)
    return Written(len(used), len(packed.places), notes)


def _description(segment: int, phrase: str, terms: CodedTerms, made_by: MadeBy) -> Any:
    highdicom = library("highdicom")
    term: Term = terms.term_of(phrase)
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="gdinousam",
        family=library("pydicom.sr.codedict").codes.DCM.ArtificialIntelligence,
        version=made_by.versions["gdinousam"],
        parameters={name: str(value) for name, value in made_by.thresholds.items()} or None,
    )
    label = phrase.replace("\\", "/")  # which DICOM takes for the border between two values
    return highdicom.seg.SegmentDescription(
        segment_number=segment,
        segment_label=label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 3]}...",
        segmented_property_category=_coded(term.category),
        segmented_property_type=_coded(term.kind),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=highdicom.UID(),
        tracking_id=f"{label[: LONGEST_LABEL - 8]} {segment}",
        anatomic_regions=None if term.place is None or term.place == term.kind else [_coded(term.place)],
    )


def _coded(code: Code) -> Any:
    return library("highdicom").sr.CodedConcept(value=code[0], scheme_designator="SCT", meaning=code[1])


def _template(reference: Any, source: Picture | Clip, described: list[Any], made_by: MadeBy) -> Any:
    """The file with one full frame for each segment, as highdicom writes it of a still of the same study.

    It has no spacing: highdicom (0.28) does not read a spacing without a thickness of slices, which ultrasound has not.
    The source has it.
    """
    highdicom = library("highdicom")
    still = copy.deepcopy(reference)
    still.SOPClassUID = library("pydicom.uid").UltrasoundImageStorage
    still.Rows, still.Columns = source.size_hw
    still.Modality = reference.get("Modality") or "US"
    for keyword in PATIENT:
        setattr(still, keyword, None)  # files hold what highdicom refuses, such as dates that do not exist
    return highdicom.seg.Segmentation(
        source_images=[still],
        pixel_array=np.ones((1, *source.size_hw, len(described)), dtype=np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=described,
        series_instance_uid=highdicom.UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="gdinousam",
        manufacturer_model_name=made_by.model[:LONGEST_LABEL],
        software_versions=made_by.versions["gdinousam"],
        device_serial_number="none",
        content_label="SEGMENTATION",
        content_description="segmented by phrases",
        specific_character_set="ISO_IR 192",  # UTF-8: phrases are of any script
    )


def _lay_in(dataset: Any, packed: _Frames, segment_of: dict[int, int], source: Picture | Clip) -> None:
    """Put the masks in place of the template's frames."""
    first = dataset.PerFrameFunctionalGroupsSequence[0]
    is_clip = isinstance(source, Clip)
    keyword, label = FRAME_NUMBERS[isinstance(source, Clip) and source.is_volume]
    groups = []
    for number, frame in packed.places:
        group = copy.deepcopy(first)
        if "SegmentIdentificationSequence" in group:  # else all frames share theirs
            group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = segment_of[number]
        content = group.FrameContentSequence[0]
        content.DimensionIndexValues = [segment_of[number], frame] if is_clip else [segment_of[number]]
        if is_clip:
            setattr(content, keyword, frame)
            group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = frame
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    if is_clip:
        index = copy.deepcopy(dataset.DimensionIndexSequence[0])
        tags = library("pydicom.datadict")
        index.DimensionIndexPointer = tags.tag_for_keyword(keyword)
        index.FunctionalGroupPointer = tags.tag_for_keyword("FrameContentSequence")
        index.DimensionDescriptionLabel = label
        dataset.DimensionIndexSequence.append(index)
    dataset.SegmentsOverlap = "YES" if packed.overlap else "NO"
    dataset.NumberOfFrames = len(groups)
    dataset.PixelData = packed.content()


def _refer_to(dataset: Any, sop_class: str) -> None:
    """Name the class of the source as it is: retired ones, and those of clips, highdicom would not take."""
    for series in dataset.ReferencedSeriesSequence:
        for instance in series.ReferencedInstanceSequence:
            instance.ReferencedSOPClassUID = sop_class
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPClassUID = sop_class
    for image in dataset.get("SourceImageSequence") or ():
        image.ReferencedSOPClassUID = sop_class
