"""Clinical files from the command line: each kind in, masks out in the format that belongs to it, nobody named."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from brightest import Brightest
from dicom_files import PATIENT, region, write_dicom
from highdicom.seg import segread
from pydicom.uid import generate_uid

from gdinousam.errors import InputError
from gdinousam.prediction.files import Outcome, predict_files
from gdinousam.prediction.results import MadeBy, Prediction
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.prediction.views import ViewSettings

HEIGHT, WIDTH = 40, 100
MADE_BY = MadeBy("bright", None, "bright", {"box_threshold": 0.1}, {"detector": "ab"}, {"gdinousam": "0"})
TABLES = {"predictions.jsonl", "coco_images.json", "coco_results.json", "measurements.csv"}


def segmenter() -> Segmenter:
    return Segmenter.of(Brightest(score=0.75), MADE_BY)


def screen() -> tuple[np.ndarray, np.ndarray]:
    """A screen with text above its two images, and (2, H, W) the target in each image."""
    targets = np.zeros((2, HEIGHT, WIDTH), dtype=bool)
    targets[0, 12:18, 20:32] = True
    targets[1, 20:30, 60:80] = True
    pixels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    pixels[targets.any(axis=0)] = 200
    pixels[:3] = 255
    return pixels, targets


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A DICOM still with two regions of one scale and a name that tells nothing."""
    regions = [region(5, 4, 44, 35), region(55, 4, 94, 35), region(0, 36, 99, 39, RegionSpatialFormat=2)]
    return write_dicom(
        tmp_path / "scan.dcm",
        screen()[0],
        SequenceOfUltrasoundRegions=regions,
        StudyInstanceUID=generate_uid(),
        SeriesInstanceUID=generate_uid(),
    )


def run(path: Path, output: Path, by: Segmenter | None = None, **options: bool) -> Outcome:
    (outcome,) = predict_files(by or segmenter(), [path], ["benign breast lesion"], output, **options)
    return outcome


def test_a_still_gives_a_segmentation_of_its_views_in_the_whole_picture(scan: Path, tmp_path: Path) -> None:
    outcome = run(scan, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == TABLES | {
        "scan_overlay.png",
        "scan_benign_breast_lesion.png",
        "scan_seg.dcm",
    }
    seg = segread(tmp_path / "out" / "scan_seg.dcm")
    stacked = seg.get_pixels_by_source_instance([pydicom.dcmread(scan).SOPInstanceUID])
    assert (stacked[0].transpose(2, 0, 1).astype(bool) == screen()[1]).all()  # and not the text
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["benign breast lesion"] * 2
    assert outcome.lines[-3:] == (
        f"{scan}: all masks -> {tmp_path}/out/scan_seg.dcm",
        f"{scan}: 2 views, segmented one by one",
        f"{scan}: not segmented: m-mode region",
    )
    record = json.loads((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()[-1])
    assert record["notes"] == ["2 views, segmented one by one", "not segmented: m-mode region"]
    assert record["spacing_mm"] == pytest.approx([0.2, 0.3])
    assert record["detections"][0]["measurement"]["unit"] == "mm"


def test_no_tag_of_the_patient_is_in_any_output_name_or_line(scan: Path, tmp_path: Path) -> None:
    outcome = run(scan, tmp_path / "out")
    written = [path.read_bytes() for path in (tmp_path / "out").iterdir()]
    said = " ".join(outcome.lines).encode() + " ".join(path.name for path in (tmp_path / "out").iterdir()).encode()
    for secret in ("weistein", *PATIENT.values()):  # four digits alone stand in a UID now and then
        assert not any(secret.encode() in content for content in (*written, said))
    run(scan, tmp_path / "kept", keep_patient=True)
    assert pydicom.dcmread(tmp_path / "kept" / "scan_seg.dcm").PatientName == PATIENT["PatientName"]


def test_views_can_be_switched_off_and_results_say_how_they_were_made(scan: Path, tmp_path: Path) -> None:
    run(scan, tmp_path / "out")
    whole = segmenter().showing(ViewSettings(by_regions=False))
    with pytest.raises(InputError, match=r"made otherwise \(shown\)"):
        run(scan, tmp_path / "out", whole)
    (found,) = whole.predict(scan, "lesion").detections
    assert found.mask_hw is not None and found.mask_hw[0, 50]  # the text


@pytest.mark.parametrize(("name", "expected"), [("a.nii.gz", "a_seg.nii.gz"), ("a.mha", "a_seg.mha")])
def test_a_plane_of_a_volume_gives_a_label_map_of_its_geometry(tmp_path: Path, name: str, expected: str) -> None:
    pixels, _ = screen()
    if name.endswith(".mha"):
        picture = SimpleITK.GetImageFromArray(pixels)
        picture.SetSpacing((0.2, 0.3))
        SimpleITK.WriteImage(picture, str(tmp_path / name))
    else:
        nibabel.save(nibabel.Nifti1Image(pixels.T.copy(), np.diag([0.2, 0.3, 1, 1])), tmp_path / name)
    run(tmp_path / name, tmp_path / "out")
    labels = SimpleITK.ReadImage(str(tmp_path / "out" / expected))
    assert (SimpleITK.GetArrayFromImage(labels) == (pixels > 127)).all()
    assert labels.GetSpacing()[:2] == pytest.approx((0.2, 0.3))
    table = json.loads((tmp_path / "out" / "a_seg_labels.json").read_text())
    assert table["labels"] == {"1": "benign breast lesion"}


def test_where_nothing_is_found_no_segmentation_is_left_over(tmp_path: Path) -> None:
    pixels = np.full((HEIGHT, WIDTH), 20, dtype=np.uint8)
    pixels[0, 0] = 0
    outcome = run(write_dicom(tmp_path / "dark.dcm", pixels), tmp_path / "out")
    assert not (tmp_path / "out" / "dark_seg.dcm").exists()
    assert "not found" in outcome.lines[0]
    assert any("no StudyInstanceUID" in line for line in outcome.lines)


def test_a_file_object_and_a_path_of_a_scan_give_the_same(scan: Path) -> None:
    def masks(prediction: Prediction) -> list[list[list[bool]]]:
        return [one.mask_hw.tolist() for one in prediction.detections if one.mask_hw is not None]

    by_path = segmenter().predict(scan, "lesion")
    with scan.open("rb") as file:
        by_file = segmenter().predict(file, "lesion")
    assert masks(by_path) == masks(by_file) and len(masks(by_path)) == 2
    assert (by_file.source, by_file.spacing_mm, by_file.notes) == (by_path.source, by_path.spacing_mm, by_path.notes)
