"""One function for every medical format, and the libraries that only those need who have such files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom_files import write_dicom

from gdinousam.data.sources.medical.formats import medical_files, read_frames
from gdinousam.errors import InputError

ROOT = Path(__file__).parents[3]
PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.fixture
def one_of_each(tmp_path: Path) -> Path:
    """A folder with the picture ``PIXELS`` in every format, below it a report and files of other kinds."""
    folder = tmp_path / "exams"
    (folder / "day 2").mkdir(parents=True)
    write_dicom(folder / "b.dcm", PIXELS)
    write_dicom(folder / "IM0010", PIXELS)
    write_dicom(folder / "day 2" / "IM0002", PIXELS)
    write_dicom(folder / "day 2" / ".hidden", PIXELS)
    nibabel.save(nibabel.Nifti1Image(PIXELS.T.copy(), np.eye(4)), folder / "c.NII.GZ")
    for name in ("d.mha", "e.mhd"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(PIXELS), str(folder / name))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.parametrize("name", ["b.dcm", "IM0010", "c.NII.GZ", "d.mha", "e.mhd"])
def test_every_format_is_told_by_suffix_or_content(one_of_each: Path, name: str) -> None:
    (frame,) = read_frames(one_of_each / name)
    assert frame[:, :, 0].tolist() == PIXELS.tolist()


def test_other_files_are_refused_and_named(one_of_each: Path) -> None:
    with pytest.raises(InputError, match=r"notes\.txt: neither DICOM nor one of"):
        read_frames(one_of_each / "notes.txt")
    with pytest.raises(InputError, match="IM0011: no such file"):
        read_frames(str(one_of_each / "IM0011"))


def test_a_folder_gives_its_pictures_in_natural_order_and_counts_the_rest(one_of_each: Path) -> None:
    files, num_others = medical_files([one_of_each])
    names = [path.relative_to(one_of_each).as_posix() for path in files]
    assert names == ["b.dcm", "c.NII.GZ", "d.mha", "day 2/IM0002", "e.mhd", "IM0010"]
    assert num_others == 2  # the notes, and the data file of e.mhd


def test_linked_folders_are_entered_once_and_circles_end(one_of_each: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "archive" / "patient 2"
    elsewhere.mkdir(parents=True)
    write_dicom(elsewhere / "a.dcm", PIXELS)
    (one_of_each / "patient 2").symlink_to(elsewhere, target_is_directory=True)
    (one_of_each / "same again").symlink_to(elsewhere, target_is_directory=True)
    (elsewhere / "back").symlink_to(one_of_each, target_is_directory=True)
    files, _ = medical_files([one_of_each])
    assert len(files) == 7
    assert [path.name for path in files].count("a.dcm") == 1


def test_files_named_twice_come_once(one_of_each: Path) -> None:
    files, _ = medical_files([one_of_each / "d.mha", one_of_each, one_of_each / "d.mha"])
    assert len(files) == len(set(files)) == 6
    assert files[0] == one_of_each / "d.mha"


def test_a_source_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exam7: no such file or folder"):
        medical_files([tmp_path / "exam7"])


@pytest.mark.parametrize(("name", "library"), [("IM0010", "pydicom"), ("c.NII.GZ", "nibabel"), ("d.mha", "SimpleITK")])
def test_a_missing_library_says_how_to_install_it(
    one_of_each: Path, monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf'{library}.* is not installed; run pip install "gdinousam\[medical\]"'):
        read_frames(one_of_each / name)


def test_all_modules_import_without_the_optional_libraries() -> None:
    folder = ROOT / "gdinousam" / "data"
    names = [f"gdinousam.data.sources.medical.{path.stem}" for path in (folder / "medical").glob("[a-z]*.py")]
    names += [f"gdinousam.data.sources.public.{name}" for name in ("volumes", "microseg", "regpro", "registry")]
    program = (
        "import importlib, sys; sys.modules.update(dict.fromkeys(('pydicom', 'nibabel', 'SimpleITK'))); "
        f"[importlib.import_module(name) for name in {names}]"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
