"""MetaImage: planes along SimpleITK's first axis, one scale for the file, spacing where the header has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from gdinousam.data.sources.medical.metaimage import read_metaimage
from gdinousam.errors import InputError

DEPTH, HEIGHT, WIDTH = 3, 4, 5
VOXELS = np.arange(DEPTH * HEIGHT * WIDTH, dtype=np.uint8).reshape(DEPTH, HEIGHT, WIDTH)


def write(path: Path, values: np.ndarray, colour: bool = False, compressed: bool = False) -> Path:
    picture = SimpleITK.GetImageFromArray(values, isVector=colour)
    picture.SetSpacing([0.5, 0.25, 2.0][: picture.GetDimension()])
    SimpleITK.WriteImage(picture, str(path), useCompression=compressed)
    return path


@pytest.mark.parametrize(("name", "compressed"), [("a.mha", False), ("a.mha", True), ("a.mhd", False)])
def test_frames_lie_along_the_first_axis(tmp_path: Path, name: str, compressed: bool) -> None:
    frames = read_metaimage(write(tmp_path / name, VOXELS, compressed=compressed))
    assert (len(frames), frames.width, frames.height, frames.is_colour) == (DEPTH, WIDTH, HEIGHT, False)
    assert frames.spacing_mm == (0.5, 0.25)
    for frame, expected in zip(frames, VOXELS, strict=True):
        assert frame.shape == (HEIGHT, WIDTH, 3)
        assert frame[:, :, 0].tolist() == expected.tolist()


def test_a_file_of_two_axes_is_one_frame(tmp_path: Path) -> None:
    (frame,) = read_metaimage(write(tmp_path / "a.mha", VOXELS[0]))
    assert frame[:, :, 0].tolist() == VOXELS[0].tolist()


def test_colours_stay_colours(tmp_path: Path) -> None:
    colours = np.stack([VOXELS, VOXELS + 10, VOXELS + 20], axis=3)
    frames = read_metaimage(write(tmp_path / "a.mha", colours, colour=True))
    assert (len(frames), frames.is_colour) == (DEPTH, True)
    assert np.array_equal(np.stack(list(frames)), colours)


def test_two_channels_are_neither_grey_nor_colour(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 channels"):
        read_metaimage(write(tmp_path / "a.mha", np.stack([VOXELS, VOXELS], axis=3), colour=True))


def test_all_frames_get_the_scale_of_the_whole_file(tmp_path: Path) -> None:
    values = np.full((2, 2, 2), 100, dtype=np.int16)
    values[1] = 4000
    dark, bright = read_metaimage(write(tmp_path / "a.mha", values))
    assert (dark.max(), bright.max()) == (100 // 16, 4000 // 16)


def test_spacing_that_the_header_leaves_out_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mhd", VOXELS)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("ElementSpacing")]
    path.write_text("\n".join(lines) + "\n")
    assert read_metaimage(path).spacing_mm is None


def test_a_header_without_its_data_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mhd", VOXELS)
    (tmp_path / "a.raw").unlink()
    with pytest.raises(InputError, match=r"a\.mhd: not readable as MetaImage") as caught:
        read_metaimage(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_cut_off_or_no_metaimage_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.mha: no such file"):
        read_metaimage(tmp_path / "missing.mha")
    (tmp_path / "text.mha").write_text("no picture")
    whole = write(tmp_path / "cut.mha", VOXELS)
    whole.write_bytes(whole.read_bytes()[:-20])
    for name in ("text.mha", "cut.mha"):
        with pytest.raises(InputError, match=f"{name}: not readable as MetaImage"):
            read_metaimage(tmp_path / name)


HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = True
DimSize = 5 4 3
ElementType = MET_USHORT
ElementDataFile = a.raw
"""


def write_raw(folder: Path, header: str) -> Path:
    (folder / "a.raw").write_bytes(VOXELS.astype(">u2").tobytes())
    (folder / "a.mhd").write_text(header)
    return folder / "a.mhd"


@pytest.mark.parametrize("head", [b"", b"sixteen bytes of"])
def test_big_endian_numbers_behind_a_head_are_read(tmp_path: Path, head: bytes) -> None:
    path = write_raw(tmp_path, f"HeaderSize = {len(head)}\n{HEADER}" if head else HEADER)
    (tmp_path / "a.raw").write_bytes(head + (tmp_path / "a.raw").read_bytes())
    assert np.stack(list(read_metaimage(path)))[..., 0].tolist() == VOXELS.tolist()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("5 4 3", "5 4 2", "120 bytes of pixels, but size and type of its header ask for 80"),
        ("5 4 3", "5 4 4", "not readable as MetaImage"),
        ("USHORT", "UCHAR", "120 bytes of pixels, but size and type of its header ask for 60"),
        ("USHORT", "FLOAT", "not readable as MetaImage"),
        ("= a.raw", "= LIST\na.raw", "lists 1 data files for 3 slices"),
        ("= a.raw", "= b.raw", "not readable as MetaImage"),
    ],
)
def test_a_header_that_contradicts_its_data_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"a\.mhd: {message}"):
        read_metaimage(write_raw(tmp_path, HEADER.replace(old, new)))


def test_a_local_file_that_is_longer_than_its_header_says_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mha", VOXELS)
    path.write_bytes(path.read_bytes().replace(b"DimSize = 5 4 3", b"DimSize = 5 4 2"))
    with pytest.raises(InputError, match=r"a\.mha: 60 bytes of pixels, but size and type of its header ask for 40"):
        read_metaimage(path)


def test_a_list_of_slices_is_read(tmp_path: Path) -> None:
    names = [f"{number}.raw" for number in range(DEPTH)]
    for name, plane in zip(names, VOXELS, strict=True):
        (tmp_path / name).write_bytes(plane.astype(">u2").tobytes())
    path = write_raw(tmp_path, HEADER.replace("a.raw", "LIST\n" + "\n".join(names)))
    assert np.stack(list(read_metaimage(path)))[..., 0].tolist() == VOXELS.tolist()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "name", ["uint8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)
def test_every_type_of_number_keeps_what_8_bits_hold(tmp_path: Path, name: str, compressed: bool) -> None:
    frames = read_metaimage(write(tmp_path / "a.mha", VOXELS.astype(name), compressed=compressed))
    assert np.stack(list(frames))[..., 0].tolist() == VOXELS.tolist()
