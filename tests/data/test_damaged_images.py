"""Damaged images and masks of every format that Pillow writes: read, or refused in one line that names the file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from damage import FEW_OR_MANY, num_refused, refusal

from gdinousam.data.images import image_size, read_image, read_mask_file

pytestmark = pytest.mark.filterwarnings("ignore")  # decoders warn of what they make do with
GREY = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, np.ones((8, 8), dtype=np.uint8))
COLOUR = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
DEEP = GREY.astype(np.uint16) * 200

# suffix, pixels, Pillow's mode, and how Pillow is to write it
KINDS = (
    *((suffix, COLOUR, "RGB", {}) for suffix in ("png", "jpg", "bmp", "gif", "webp", "avif", "jp2", "tif", "dds")),
    *((suffix, COLOUR, "RGB", {}) for suffix in ("tga", "ppm", "pcx", "sgi", "ico", "im", "icns", "qoi")),
    *((suffix, GREY, "L", {}) for suffix in ("png", "jpg", "bmp", "tif", "pgm")),
    *((suffix, COLOUR, "P", {}) for suffix in ("png", "gif", "tif", "bmp", "blp")),
    *((suffix, COLOUR, "RGBA", {}) for suffix in ("png", "tif", "webp")),
    *((suffix, GREY, "1", {}) for suffix in ("png", "tif", "pbm", "xbm")),
    *(("tif", COLOUR, "RGB", {"compression": one}) for one in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")),
    *((suffix, DEEP, "I;16", {}) for suffix in ("png", "tif")),
    ("tif", GREY, "F", {}),
)
READERS = (read_image, read_mask_file, image_size)


@pytest.mark.parametrize("count", FEW_OR_MANY)
@pytest.mark.parametrize(("suffix", "pixels", "mode", "settings"), KINDS, ids=lambda one: str(one)[:12])
def test_a_damaged_image_is_read_or_refused_in_one_line(
    tmp_path: Path, suffix: str, pixels: np.ndarray, mode: str, settings: dict[str, str], count: int
) -> None:
    path = tmp_path / f"scan.{suffix}"
    picture = PIL.Image.fromarray(pixels)
    (picture if mode == "I;16" else picture.convert(mode)).save(path, **settings)
    refused = [num_refused(path, read, count) for read in READERS]
    assert refused[0]


@pytest.mark.parametrize("count", FEW_OR_MANY)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_damaged_colours_of_16_bits_are_read_or_refused_in_one_line(tmp_path: Path, suffix: str, count: int) -> None:
    path = tmp_path / f"scan.{suffix}"
    assert cv2.imwrite(str(path), COLOUR.astype(np.uint16) * 200)
    assert num_refused(path, read_image, count)


def test_a_tiff_whose_next_directory_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    PIL.Image.fromarray(GREY).save(path)
    content = bytearray(path.read_bytes())
    directory = int.from_bytes(content[4:8], "little")
    num_tags = int.from_bytes(content[directory : directory + 2], "little")
    following = directory + 2 + 12 * num_tags
    content[following : following + 4] = (directory + 2).to_bytes(4, "little")  # where none begins
    path.write_bytes(content)
    assert "scan.tif: not readable as an image" in str(refusal(lambda: read_image(path)))
