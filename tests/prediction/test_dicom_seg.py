"""DICOM SEG: other programs read the same masks, named and coded by their phrases, and no patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import PATIENT, write_dicom
from highdicom.seg import segread
from pydicom.sr.codedict import codes
from pydicom.uid import EnhancedUSVolumeStorage, UltrasoundMultiFrameImageStorage, generate_uid

from gdinousam.errors import InputError
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.sources import Clip, Picture, open_source
from gdinousam.prediction.writing.coded_terms import FINDING, ORGAN, TISSUE, Term, read_coded_terms
from gdinousam.prediction.writing.dicom_seg import write_dicom_seg
from gdinousam.prediction.writing.masks import FrameMasks, objects_of
from gdinousam.records import Detection

HEIGHT, WIDTH, NUM_FRAMES = 13, 11, 6  # a frame is no whole number of bytes
RETIRED_STILL = "1.2.840.10008.5.1.4.1.1.6"
MADE_BY = MadeBy("small", None, "small", {"box_threshold": 0.3}, {"detector": "ab" * 32}, {"gdinousam": "0.9.0"})
UIDS = ("StudyInstanceUID", "SeriesInstanceUID")


def source(path: Path, num_frames: int | None = None, **elements: object) -> Picture | Clip:
    """A still or clip of a study, with everything that tells whose it is."""
    shape = (HEIGHT, WIDTH) if num_frames is None else (num_frames, HEIGHT, WIDTH)
    told = {**{name: generate_uid() for name in UIDS}, "StudyDate": "20250102", "PatientSex": "F", **elements}
    write_dicom(path, np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8), num_frames=num_frames, **told)
    return open_source(path)


def moving_masks() -> dict[int, np.ndarray]:
    """Object number -> (T, H, W): 3 is there throughout and moves, 7 comes late and lies over it for a while."""
    masks = {number: np.zeros((NUM_FRAMES, HEIGHT, WIDTH), dtype=bool) for number in (3, 7)}
    for frame in range(NUM_FRAMES):
        masks[3][frame, 2:7, frame : frame + 4] = True
        if frame in (2, 3, 5):
            masks[7][frame, 5:12, 4:9] = True
    return masks


def by_frame(masks: dict[int, np.ndarray]) -> list[FrameMasks]:
    return [{number: stack[frame] for number, stack in masks.items()} for frame in range(NUM_FRAMES)]


def unpacked(dataset: Any) -> np.ndarray:
    """(N, H, W) by pydicom alone."""
    return dataset.pixel_array.reshape(-1, HEIGHT, WIDTH).astype(bool)


def test_a_clip_gives_the_same_masks_to_pydicom_and_to_highdicom(tmp_path: Path) -> None:
    clip = source(tmp_path / "a.dcm", NUM_FRAMES)
    masks = moving_masks()
    written = write_dicom_seg(
        tmp_path / "seg.dcm", clip, by_frame(masks), {3: "benign breast lesion", 7: "cyst"}, MADE_BY
    )
    assert (written.num_segments, written.num_frames, written.notes) == (2, NUM_FRAMES + 3, ())
    original = pydicom.dcmread(tmp_path / "a.dcm")
    seg = segread(tmp_path / "seg.dcm")
    frames = list(range(1, NUM_FRAMES + 1))
    stacked = seg.get_pixels_by_source_frame(
        original.SOPInstanceUID, frames, segment_numbers=[1, 2], assert_missing_frames_are_empty=True
    )
    assert (stacked[..., 0].astype(bool) == masks[3]).all()
    assert (stacked[..., 1].astype(bool) == masks[7]).all()
    plain = pydicom.dcmread(tmp_path / "seg.dcm")
    assert (plain.SOPClassUID, plain.Modality, plain.SegmentationType) == (codes_of_seg(), "SEG", "BINARY")
    assert plain.SegmentsOverlap == "YES"
    for group, pixels in zip(plain.PerFrameFunctionalGroupsSequence, unpacked(plain), strict=True):
        number = {1: 3, 2: 7}[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert (pixels == masks[number][image.ReferencedFrameNumber - 1]).all()
        assert image.ReferencedSOPInstanceUID == original.SOPInstanceUID
        assert image.ReferencedSOPClassUID == UltrasoundMultiFrameImageStorage
        assert group.FrameContentSequence[0].TemporalPositionIndex == image.ReferencedFrameNumber


def codes_of_seg() -> str:
    return str(pydicom.uid.SegmentationStorage)


def test_a_still_gives_the_same_masks_and_belongs_to_its_study(tmp_path: Path) -> None:
    still = source(tmp_path / "a.dcm", FrameOfReferenceUID=generate_uid())
    masks = moving_masks()
    found = [Detection("ovary", (0, 0, 1, 1), 0.9, masks[3][2]), Detection("ovary", (0, 0, 1, 1), 0.4, masks[7][2])]
    objects, of_frame = objects_of(found)
    write_dicom_seg(tmp_path / "seg.dcm", still, [of_frame], objects, MADE_BY)
    original, seg = pydicom.dcmread(tmp_path / "a.dcm"), segread(tmp_path / "seg.dcm")
    stacked = seg.get_pixels_by_source_instance([original.SOPInstanceUID])
    assert (stacked[0].transpose(2, 0, 1).astype(bool) == [masks[3][2], masks[7][2]]).all()
    for name in ("StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[name].value == original[name].value
    assert seg.SeriesInstanceUID != original.SeriesInstanceUID


def test_no_patient_is_in_the_file_unless_it_is_asked_for(tmp_path: Path) -> None:
    clip = source(tmp_path / "a.dcm", NUM_FRAMES)
    frames = by_frame(moving_masks())
    write_dicom_seg(tmp_path / "seg.dcm", clip, frames, {3: "cyst", 7: "cyst"}, MADE_BY)
    content = (tmp_path / "seg.dcm").read_bytes()
    secrets = ("weistein", "20250102", *PATIENT.values())  # four digits alone stand in a UID now and then
    assert not [secret for secret in secrets if secret.encode() in content]
    plain = pydicom.dcmread(tmp_path / "seg.dcm")
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "ContentCreatorName"):
        assert keyword in plain and not plain[keyword].value  # type 2: there and empty
    write_dicom_seg(tmp_path / "seg.dcm", clip, frames, {3: "cyst", 7: "cyst"}, MADE_BY, keep_patient=True)
    kept = pydicom.dcmread(tmp_path / "seg.dcm")
    assert {name: kept.get(name) for name in PATIENT if name != "StudyDescription"} == {
        name: value for name, value in PATIENT.items() if name != "StudyDescription"
    }
    assert (kept.StudyDate, kept.PatientSex) == ("20250102", "F")
    assert "StudyDescription" not in kept


def test_a_name_in_letters_of_another_set_is_kept_as_it_reads(tmp_path: Path) -> None:
    name = "Zweistein^Jörg"
    clip = source(tmp_path / "a.dcm", NUM_FRAMES, SpecificCharacterSet="ISO_IR 100", PatientName=name)
    frames = by_frame(moving_masks())
    write_dicom_seg(tmp_path / "seg.dcm", clip, frames, {3: "cyst", 7: "cyst"}, MADE_BY, keep_patient=True)
    kept = pydicom.dcmread(tmp_path / "seg.dcm")
    assert (kept.SpecificCharacterSet, str(kept.PatientName)) == ("ISO_IR 192", name)


def test_segments_are_named_coded_and_traced(tmp_path: Path) -> None:
    clip = source(tmp_path / "a.dcm", NUM_FRAMES)
    long = "a very long phrase about a carotid artery that goes on and on beyond all measure"
    write_dicom_seg(tmp_path / "seg.dcm", clip, by_frame(moving_masks()), {3: "Zyste 肝 \\ x", 7: long}, MADE_BY)
    first, second = pydicom.dcmread(tmp_path / "seg.dcm").SegmentSequence
    assert first.SegmentLabel == "Zyste 肝 / x"
    assert second.SegmentLabel == long[:61] + "..."
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == TISSUE[0]
    assert second.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Carotid Artery"
    assert second.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Anatomical Structure"
    assert (first.SegmentAlgorithmType, first.SegmentAlgorithmName) == ("AUTOMATIC", "gdinousam")
    assert first.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "0.9.0"
    assert first.TrackingUID != second.TrackingUID


@pytest.mark.parametrize("keyword", [*UIDS, "PatientID"])
def test_what_a_source_lacks_is_filled_and_said(tmp_path: Path, keyword: str) -> None:
    source(tmp_path / "a.dcm", NUM_FRAMES)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    del dataset[keyword]
    dataset.save_as(tmp_path / "a.dcm")
    clip = open_source(tmp_path / "a.dcm")
    for keep_patient in (False, True):
        written = write_dicom_seg(
            tmp_path / "seg.dcm", clip, by_frame(moving_masks()), {3: "a", 7: "b"}, MADE_BY, keep_patient
        )
        expected = (
            () if keyword == "PatientID" else (f"the source has no {keyword}: viewers cannot lay the result over it",)
        )
        assert written.notes == expected
        assert segread(tmp_path / "seg.dcm").NumberOfFrames == NUM_FRAMES + 3


@pytest.mark.parametrize("value", [["1.2", "1.3"], "1.2x", "1." * 40 + "1"])
def test_what_is_no_uid_counts_as_missing(tmp_path: Path, value: object) -> None:
    clip = source(tmp_path / "a.dcm", NUM_FRAMES, StudyInstanceUID=value, FrameOfReferenceUID=value)
    written = write_dicom_seg(tmp_path / "seg.dcm", clip, by_frame(moving_masks()), {3: "a", 7: "b"}, MADE_BY)
    assert written.notes == ("the source has no StudyInstanceUID: viewers cannot lay the result over it",)
    seg = segread(tmp_path / "seg.dcm")
    assert "FrameOfReferenceUID" not in seg and seg.StudyInstanceUID != value


def test_a_source_of_a_retired_class_is_named_as_it_is(tmp_path: Path) -> None:
    still = source(tmp_path / "a.dcm", SOPClassUID=RETIRED_STILL)
    write_dicom_seg(tmp_path / "seg.dcm", still, [{1: moving_masks()[3][0]}], {1: "cyst"}, MADE_BY)
    seg = segread(tmp_path / "seg.dcm")
    assert RETIRED_STILL in str(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPClassUID)
    assert (unpacked(seg)[0] == moving_masks()[3][0]).all()
    assert seg.SegmentsOverlap == "NO"


def test_slices_of_a_volume_are_numbered_in_space_not_in_time(tmp_path: Path) -> None:
    source(tmp_path / "a.dcm", NUM_FRAMES, SpacingBetweenSlices="0.5")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = EnhancedUSVolumeStorage
    dataset.save_as(tmp_path / "a.dcm")
    volume = open_source(tmp_path / "a.dcm")
    assert isinstance(volume, Clip) and (volume.is_volume, volume.slice_mm) == (True, 0.5)
    masks = moving_masks()
    write_dicom_seg(tmp_path / "seg.dcm", volume, by_frame(masks), {3: "cyst", 7: "cyst"}, MADE_BY)
    seg = segread(tmp_path / "seg.dcm")
    first = seg.PerFrameFunctionalGroupsSequence[0]
    assert first.FrameContentSequence[0].InStackPositionNumber == 1
    assert "TemporalPositionIndex" not in first.FrameContentSequence[0]
    assert first.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPClassUID == EnhancedUSVolumeStorage
    numbers = [1, NUM_FRAMES]
    stacked = seg.get_pixels_by_source_frame(
        dataset.SOPInstanceUID, numbers, segment_numbers=[1], assert_missing_frames_are_empty=True
    )
    assert (stacked[..., 0].astype(bool) == masks[3][[0, NUM_FRAMES - 1]]).all()


def test_where_nothing_was_found_no_file_is_written(tmp_path: Path) -> None:
    clip = source(tmp_path / "a.dcm", NUM_FRAMES)
    written = write_dicom_seg(tmp_path / "seg.dcm", clip, [{}] * NUM_FRAMES, {}, MADE_BY)
    assert (written.num_segments, written.num_frames) == (0, 0)
    assert not (tmp_path / "seg.dcm").exists()


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    clip = source(tmp_path / "a.dcm", NUM_FRAMES)
    with pytest.raises(InputError, match=r"a\.dcm: masks of 2 frames for 6"):
        write_dicom_seg(tmp_path / "seg.dcm", clip, [{}] * 2, {}, MADE_BY)
    with pytest.raises(InputError, match="give masks of their size"):
        write_dicom_seg(tmp_path / "seg.dcm", clip, [{1: np.ones((4, 4), dtype=bool)}], {1: "a"}, MADE_BY)
    picture = Picture(np.zeros((4, 4, 3), dtype=np.uint8), "a.png", None, ())
    with pytest.raises(InputError, match=r"a\.png: is no DICOM file"):
        write_dicom_seg(tmp_path / "seg.dcm", picture, [{}], {}, MADE_BY)


@pytest.mark.parametrize(
    ("phrase", "term"),
    [
        ("benign breast lesion", Term(FINDING, ("52988006", "Lesion"), ("76752008", "Breast"))),
        ("Kidney cysts", Term(FINDING, ("367643001", "Cyst"), ("64033007", "Kidney"))),
        ("simple ovarian cyst", Term(FINDING, ("367643001", "Cyst"), ("15497006", "Ovary"))),
        ("thyroid nodule", Term(FINDING, ("237495005", "Thyroid Nodule"), ("69748006", "Thyroid"))),
        ("left ventricular myocardium", Term(ORGAN, ("49848007", "Left Ventricle Myocardium"))),
        ("fetal head", Term(ORGAN, ("69536005", "Head"))),
        ("gallbladder", Term(ORGAN, ("28231008", "Gallbladder"))),
        ("needle", Term(TISSUE, TISSUE)),
    ],
)
def test_phrases_are_coded_by_their_words(phrase: str, term: Term) -> None:
    assert read_coded_terms().term_of(phrase) == term


def test_every_code_of_the_table_is_one_that_dicom_knows_by_that_meaning() -> None:
    known = {getattr(codes.SCT, keyword)[::2] for keyword in codes.SCT.dir()}
    table = read_coded_terms()
    used = {*table.findings.values(), *table.organs.values(), TISSUE, ORGAN, FINDING}
    assert used <= known
    assert set(table.adjectives.values()) <= table.organs.keys()


def test_a_table_of_another_form_is_named(tmp_path: Path) -> None:
    (tmp_path / "codes.yaml").write_text("findings: {cyst: 367643001}\n")
    with pytest.raises(InputError, match=r"codes\.yaml: findings\.cyst: .*write it like"):
        read_coded_terms(tmp_path / "codes.yaml")
    with pytest.raises(InputError, match=r"gone\.yaml: no such table"):
        read_coded_terms(tmp_path / "gone.yaml")
