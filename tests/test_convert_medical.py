"""Medical files become images under counted names, all of them or none, and nobody can be told from the output."""

from __future__ import annotations

import csv
import errno
import os
import sys
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.dataset import Dataset

from gdinousam.commands.common import run
from gdinousam.commands.convert_medical import convert_medical_command
from gdinousam.data.images import read_image

CLIP = np.arange(4 * 6 * 8, dtype=np.uint8).reshape(4, 6, 8)
PATIENT = "Zweistein"


@pytest.fixture
def exams(tmp_path: Path) -> Path:
    """A clip of four frames, a NIfTI volume of two and a coloured still, under names that name a patient."""
    folder = tmp_path / f"{PATIENT}_Frieda"
    folder.mkdir()
    write_clip(folder / f"{PATIENT}_1953.dcm", CLIP)
    volume = nibabel.Nifti1Image(np.zeros((5, 4, 2), dtype=np.uint8), np.diag([0.5, 0.25, 1, 1]))
    volume.header.set_xyzt_units("mm")
    volume.header["descrip"] = PATIENT
    nibabel.save(volume, folder / f"{PATIENT}.nii.gz")
    colours = np.zeros((1, 6, 8, 3), dtype=np.uint8)
    colours[..., 0] = 200
    write_clip(folder / "doppler.dcm", colours)
    (folder / "notes.txt").write_text(PATIENT)
    return folder


def write_clip(path: Path, clip: np.ndarray) -> None:
    """(N, H, W) or (N, H, W, 3) as a DICOM file of a named patient."""
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = f"{PATIENT}^Frieda", "MRN-4711", "ACC-0815"
    dataset.SOPClassUID = pydicom.uid.UltrasoundMultiFrameImageStorage
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.set_pixel_data(clip, "MONOCHROME2" if clip.ndim == 3 else "RGB", bits_stored=8)
    dataset.save_as(path, enforce_file_format=True)


def convert(*arguments: object) -> int:
    return run(convert_medical_command, [str(argument) for argument in arguments])


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "frames.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_frame_becomes_an_image_and_a_row(
    exams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert convert(exams, "--out", out) == 0
    rows = rows_of(out)
    assert [row["image_name"] for row in rows] == [
        "case0001_frame0001.png",
        "case0002_frame0001.png",
        "case0002_frame0002.png",
        *(f"case0003_frame000{number}.png" for number in (1, 2, 3, 4)),
    ]
    assert sorted(path.name for path in out.iterdir()) == [*(row["image_name"] for row in rows), "frames.csv"]
    assert rows[1] == {
        "image_name": "case0002_frame0001.png",
        "case": "case0002",
        "frame": "1",
        "width": "5",
        "height": "4",
        "spacing_mm_x": "0.5",
        "spacing_mm_y": "0.25",
    }
    assert (rows[3]["spacing_mm_x"], rows[3]["spacing_mm_y"]) == ("", "")
    assert "7 images of 3 files" in (said := capsys.readouterr().out)
    assert "no picture in it: 1" in said


def test_pixels_are_unchanged_and_grey_frames_are_grey_files(exams: Path, tmp_path: Path) -> None:
    assert convert(exams, "--out", tmp_path / "out") == 0
    for number, frame in enumerate(CLIP, start=1):
        path = tmp_path / "out" / f"case0003_frame000{number}.png"
        assert read_image(path)[:, :, 0].tolist() == frame.tolist()
        with PIL.Image.open(path) as picture:
            assert picture.mode == "L"
    assert read_image(tmp_path / "out" / "case0001_frame0001.png")[0, 0].tolist() == [200, 0, 0]


def test_one_of_every_n_frames_is_kept_under_its_own_number(exams: Path, tmp_path: Path) -> None:
    assert convert(exams / f"{PATIENT}_1953.dcm", "--out", tmp_path / "out", "--every", 3) == 0
    assert [row["frame"] for row in rows_of(tmp_path / "out")] == ["1", "4"]
    assert read_image(tmp_path / "out" / "case0001_frame0004.png")[:, :, 0].tolist() == CLIP[3].tolist()


def test_patients_and_file_names_reach_neither_output_nor_messages(
    exams: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    assert convert(exams, "--out", out) == 0
    said = caplog.text + "".join(capfd.readouterr())
    said += "".join(path.name for path in out.iterdir())
    said += "".join(path.read_bytes().decode("latin-1") for path in out.iterdir())
    assert not [secret for secret in (PATIENT, "Frieda", "4711", "0815") if secret in said]


def test_the_mapping_is_written_only_where_asked_for_and_for_its_owner_only(exams: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "private.csv"
    assert convert(exams, "--out", tmp_path / "out", "--mapping", mapping) == 0
    with mapping.open(newline="", encoding="utf-8") as file:
        file_of_case = {row["case"]: Path(row["file"]) for row in csv.DictReader(file)}
    assert file_of_case["case0003"] == exams / f"{PATIENT}_1953.dcm"
    assert os.name == "nt" or mapping.stat().st_mode & 0o077 == 0


def test_the_mapping_may_not_lie_among_the_images_nor_replace_a_file(
    exams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.csv").write_text("kept")
    for mapping, expected in (
        ("out/map.csv", "keep it apart"),
        ("old.csv", "there already"),
        ("no/map.csv", "is not a folder"),
    ):
        assert convert(exams, "--out", tmp_path / "out", "--mapping", tmp_path / mapping) == 2
        assert expected in capsys.readouterr().err
    assert (tmp_path / "old.csv").read_text() == "kept"
    assert not (tmp_path / "out").exists()


def test_bad_files_are_named_in_one_line_and_nothing_is_written(
    exams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = exams / "damaged.dcm"
    write_clip(damaged, CLIP)
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (exams / "text.nii").write_text("no volume")
    assert convert(exams, "--out", tmp_path / "out", "--mapping", tmp_path / "map.csv") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "2 of 5 files cannot be converted" in line
    assert "damaged.dcm" in line and "text.nii" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == [exams.name]


def test_bad_files_can_be_left_out_and_are_counted(
    exams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (exams / "a.nii").write_text("no volume")
    assert convert(exams, "--out", tmp_path / "out", "--skip-bad") == 0
    assert "left out, cannot be read: 1" in capsys.readouterr().out
    assert {row["case"] for row in rows_of(tmp_path / "out")} == {"case0002", "case0003", "case0004"}


def test_a_clip_that_breaks_off_leaves_no_frames_behind(exams: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 20), dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(noise, np.eye(4)), exams / "a.nii.gz")
    (exams / "a.nii.gz").write_bytes((exams / "a.nii.gz").read_bytes()[:-9000])
    assert convert(exams, "--out", tmp_path / "out", "--skip-bad") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {row["image_name"] for row in rows_of(tmp_path / "out")} | {"frames.csv"}


def test_a_folder_in_use_is_not_touched(exams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    assert convert(exams, "--out", tmp_path / "out") == 2
    assert "is in use; name a new folder" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_full_disk_leaves_nothing(
    exams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = PIL.Image.Image.save

    def full(picture: PIL.Image.Image, path: Path) -> None:
        if "frame0003" in Path(path).name:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(picture, path)

    monkeypatch.setattr(PIL.Image.Image, "save", full)
    assert convert(exams, "--out", tmp_path / "out") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [exams.name]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["missing"], "missing: no such file"), (["."], "no DICOM, NIfTI"), (["--every", "0", "."], "--every 0")],
)
def test_wrong_arguments_end_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert convert(*arguments, "--out", "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_no_bad_file(
    exams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    assert convert(exams, "--out", tmp_path / "out", "--skip-bad") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'pip install "gdinousam[medical]"' in line


def test_a_file_name_that_is_no_text_keeps_its_bytes_in_the_mapping(tmp_path: Path) -> None:
    exam = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.dcm"))
    write_clip(exam, CLIP[:1])
    assert convert(exam, "--out", tmp_path / "out", "--mapping", tmp_path / "map.csv") == 0
    assert (tmp_path / "map.csv").read_bytes() == b"case,file\r\ncase0001," + os.fsencode(exam) + b"\r\n"
    assert (tmp_path / "map.csv").stat().st_mode & 0o777 == 0o600
