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
