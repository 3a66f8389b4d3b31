"""NIfTI: planes as stored, one scale for the whole volume, millimetres only where the header says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from gdinousam.data.sources.medical.nifti import open_volume, read_nifti
from gdinousam.errors import InputError

WIDTH, HEIGHT, DEPTH = 5, 4, 3
VOXELS = np.arange(WIDTH * HEIGHT * DEPTH, dtype=np.uint8).reshape(WIDTH, HEIGHT, DEPTH)


def write(path: Path, values: np.ndarray, unit: str | None = "mm", affine: Any = None, **header: float) -> Path:
    picture = nibabel.Nifti1Image(values, np.diag([0.5, 0.25, 2, 1]) if affine is None else affine)
    if unit is not None:
        picture.header.set_xyzt_units(unit)
    for key, value in header.items():
        picture.header[key] = value
    nibabel.save(picture, path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_frames_lie_along_the_last_axis_with_the_first_one_across(tmp_path: Path, suffix: str) -> None:
    frames = read_nifti(write(tmp_path / f"a{suffix}", VOXELS))
    assert (len(frames), frames.width, frames.height, frames.is_colour) == (DEPTH, WIDTH, HEIGHT, False)
    for index, frame in enumerate(frames):
        assert frame.shape == (HEIGHT, WIDTH, 3)
        assert frame[:, :, 0].tolist() == VOXELS[:, :, index].T.tolist()


def test_a_fourth_axis_adds_frames_volume_after_volume(tmp_path: Path) -> None:
    frames = read_nifti(write(tmp_path / "a.nii.gz", np.stack([VOXELS, VOXELS + 100], axis=3)))
    assert len(frames) == 2 * DEPTH
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 1, 2, 100, 101, 102]


def test_a_file_of_two_axes_is_one_frame(tmp_path: Path) -> None:
    (frame,) = read_nifti(write(tmp_path / "a.nii", VOXELS[:, :, 0]))
    assert frame[:, :, 0].tolist() == VOXELS[:, :, 0].T.tolist()


def test_colours_stay_colours(tmp_path: Path) -> None:
    colours = np.zeros((WIDTH, HEIGHT, 1), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["R"], colours["B"] = 250, 7
    frames = read_nifti(write(tmp_path / "a.nii", colours))
    (frame,) = frames
    assert frames.is_colour
    assert frame.shape == (HEIGHT, WIDTH, 3) and frame[0, 0].tolist() == [250, 0, 7]


def test_all_frames_get_the_scale_of_the_whole_volume(tmp_path: Path) -> None:
    values = np.zeros((2, 2, 2), dtype=np.uint16)
    values[..., 0], values[..., 1] = 100, 4000
    dark, bright = read_nifti(write(tmp_path / "a.nii.gz", values))
    assert (dark.max(), bright.max()) == (100 // 16, 4000 // 16)


def test_values_are_those_that_the_header_scales(tmp_path: Path) -> None:
    picture = nibabel.Nifti1Image(VOXELS.astype(np.int16), np.eye(4))
    picture.header.set_slope_inter(2, 10)
    nibabel.save(picture, tmp_path / "a.nii")
    assert float(np.max(list(open_volume(tmp_path / "a.nii").planes()))) == pytest.approx(2 * VOXELS.max() + 10)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("mm", (0.5, 0.25)), ("micron", (0.0005, 0.00025)), ("meter", (500, 250)), ("unknown", None), (None, None)],
)
def test_spacing_is_in_millimetres_and_unknown_without_a_unit(
    tmp_path: Path, unit: str | None, expected: tuple[float, float] | None
) -> None:
    spacing = read_nifti(write(tmp_path / "a.nii", VOXELS, unit)).spacing_mm
    assert spacing is None if expected is None else spacing == pytest.approx(expected)


def test_the_orientation_in_the_header_does_not_turn_the_array(tmp_path: Path) -> None:
    turned = np.array([[0, 0, -2, 5], [0.5, 0, 0, 1], [0, -0.25, 0, 2], [0, 0, 0, 1]])
    first = next(iter(read_nifti(write(tmp_path / "a.nii", VOXELS, affine=turned))))
    assert first[:, :, 0].tolist() == VOXELS[:, :, 0].T.tolist()


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    values = VOXELS.astype(np.float32)
    values[1, 2, 2] = np.nan
    with pytest.raises(InputError, match=r"a\.nii: holds nan"):
        list(read_nifti(write(tmp_path / "a.nii", values)))


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 20), dtype=np.uint8)
    path = write(tmp_path / "a.nii.gz", noise)
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(InputError, match=r"a\.nii\.gz: not readable as NIfTI"):
        list(read_nifti(path))


def test_files_that_are_missing_or_no_nifti_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.nii").write_text("no volume")
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"missing\.nii: no such file"):
        read_nifti(tmp_path / "missing.nii")
    for name in ("text.nii", "empty.nii.gz"):
        with pytest.raises(InputError, match=f"{name}: not readable as NIfTI") as caught:
            read_nifti(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("highest", [1, 2, 4, 200])
def test_labels_stored_as_floats_keep_their_values(tmp_path: Path, highest: int) -> None:
    labels = np.arange(24).reshape(2, 3, 4) % (highest + 1)
    for number, stored in enumerate((np.float32, np.float64, np.uint8)):
        frames = list(read_nifti(write(tmp_path / f"{number}.nii", labels.astype(stored))))
        assert [frame[:, :, 0].T.tolist() for frame in frames] == np.moveaxis(labels, 2, 0).tolist()


def test_floats_that_are_no_whole_numbers_keep_their_scale(tmp_path: Path) -> None:
    shares = np.array([[[0.0, 1.0]], [[0.5, 0.25]]], np.float32)
    first, second = read_nifti(write(tmp_path / "a.nii", shares))
    assert first[:, :, 0].tolist() == [[0, 128]] and second[:, :, 0].tolist() == [[255, 64]]


def test_a_header_that_names_no_known_type_of_number_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", VOXELS)
    content = bytearray(path.read_bytes())
    content[70:72] = (246).to_bytes(2, "little")  # the field datatype of the NIfTI-1 header
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.nii: not readable as NIfTI \(data code 246"):
        open_volume(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "name", ["uint8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)
def test_every_type_of_number_keeps_what_8_bits_hold(tmp_path: Path, name: str, order: str) -> None:
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(name))
    header.set_data_shape(VOXELS.shape)
    nibabel.Nifti1Image(VOXELS.astype(name), np.eye(4), header).to_filename(tmp_path / "a.nii")
    for index, frame in enumerate(read_nifti(tmp_path / "a.nii")):
        assert frame[:, :, 0].tolist() == VOXELS[:, :, index].T.tolist()


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.nii: holds complex numbers"):
        read_nifti(write(tmp_path / "a.nii", VOXELS.astype(np.complex64)))


def test_a_file_that_is_longer_than_its_header_says_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", VOXELS)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"xx")
    assert len(read_nifti(path)) == DEPTH  # a few bytes are padding
    path.write_bytes(path.read_bytes() + bytes(WIDTH))
    with pytest.raises(InputError, match=rf"a\.nii: {size + 2 + WIDTH} bytes, but size and type .* ask for {size}"):
        read_nifti(path)
