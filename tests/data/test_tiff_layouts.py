"""Every layout of a TIFF gives the array that was written, as documented, or is refused by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

from gdinousam.data.images import image_size, read_image, read_mask_file, scale_to_uint8
from gdinousam.data.tiff_layouts import trouble
from gdinousam.errors import InputError

HEIGHT, WIDTH = 34, 51  # no multiple of a tile
GREY = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 251).astype(np.uint8)
DEEP = GREY.astype(np.uint16) * 257  # 16 bits that are brought back to GREY
RGB = np.dstack([GREY, 255 - GREY, GREY // 2])
TILE = (16, 16)


def written(path: Path, array: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(path, array, **options)
    return path


def assert_shows(path: Path, expected: np.ndarray) -> None:
    """expected: (H, W) greys or (H, W, 3) colours."""
    shown = read_image(path)
    np.testing.assert_array_equal(shown, expected if expected.ndim == 3 else np.dstack([expected] * 3))
    assert image_size(path) == (WIDTH, HEIGHT)


LAYOUTS: dict[str, dict[str, object]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 5},
    "tiles": {"tile": TILE},
    "BigTIFF": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "big-endian tiles": {"byteorder": ">", "tile": TILE},
    "deflate": {"compression": "zlib"},
    "deflate, predictor": {"compression": "zlib", "predictor": True},
    "deflate, strips": {"compression": "zlib", "rowsperstrip": 5},
    "deflate, tiles": {"compression": "zlib", "predictor": True, "tile": TILE},
    "deflate, big-endian": {"compression": "zlib", "predictor": True, "byteorder": ">"},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY),
        (DEEP, GREY),
        (GREY.astype(np.uint16) * 16, GREY),
        (GREY > 100, np.where(GREY > 100, 255, 0)),
        (RGB, RGB),
        (RGB.astype(np.uint16) * 257, RGB),
    ],
    ids=["8 bits", "16 bits", "12 bits", "1 bit", "RGB", "RGB of 16 bits"],
)
def test_greys_and_colours_are_read_as_written(tmp_path: Path, array, expected, layout) -> None:
    options = {**layout, "photometric": "minisblack" if array.ndim == 2 else "rgb"}
    if array.dtype == bool:
        options.pop("predictor", None)  # there is none for single bits
    assert_shows(written(tmp_path / "a.tif", array, **options), expected)


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"tile": TILE}], ids=str)
@pytest.mark.parametrize(
    "array",
    [
        GREY.astype(np.int16) * 100 - 9000,
        GREY.astype(np.int32) * 70000 - 9_000_000,
        (GREY // 2).astype(np.int8),
        (GREY.astype(np.int16) - 125).astype(np.int8),
        GREY.astype(np.float32) * 1.5,
        GREY.astype(np.float32) / 255,
        GREY.astype(np.float32) - 60,
    ],
    ids=["int16", "int32", "int8 of 0 and more", "int8", "float32", "float32 up to 1", "decibels"],
)
def test_other_numbers_are_scaled_as_documented(tmp_path: Path, array: np.ndarray, options) -> None:
    path = written(tmp_path / "a.tif", array, **options)
    assert_shows(path, scale_to_uint8(array))
    np.testing.assert_array_equal(read_mask_file(path).values, array)


def test_numbers_of_32_bits_without_a_sign_stay_positive(tmp_path: Path) -> None:
    array = GREY.astype(np.uint32) * 16843009  # up to 2 ** 32
    path = written(tmp_path / "a.tif", array)
    assert_shows(path, GREY)
    np.testing.assert_array_equal(read_mask_file(path).values, array)


@pytest.mark.parametrize("layout", [{}, {"tile": TILE}, {"compression": "zlib"}], ids=str)
@pytest.mark.parametrize(
    ("array", "expected"),
    [(GREY, 255 - GREY), (DEEP, 255 - GREY), (GREY > 100, np.where(GREY > 100, 0, 255))],
    ids=["8 bits", "16 bits", "1 bit"],
)
def test_white_may_be_zero(tmp_path: Path, array: np.ndarray, expected: np.ndarray, layout) -> None:
    assert_shows(written(tmp_path / "a.tif", array, photometric="miniswhite", **layout), expected)


@pytest.mark.parametrize("layout", [{}, {"tile": TILE}, {"compression": "zlib"}, {"byteorder": ">"}], ids=str)
def test_planes_of_colours_are_read_as_colours(tmp_path: Path, layout) -> None:
    planes = RGB.transpose(2, 0, 1)
    assert_shows(written(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate", **layout), RGB)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["unspecified", "assocalpha", "unassalpha"])
def test_a_channel_behind_the_colours_is_opacity_only_where_it_says_so(tmp_path: Path, depth: type, kind: str) -> None:
    opacity = np.full_like(GREY, 255)
    opacity[:, :20] = 51
    stored = (
        np.where(opacity[:, :, None] < 255, RGB // 5, RGB) if kind == "assocalpha" else RGB
    )  # multiplied colours never exceed their opacity
    factor = 1 if depth == np.uint8 else 257
    array = np.dstack([stored, opacity]).astype(depth) * depth(factor)
    shown = read_image(written(tmp_path / "a.tif", array, photometric="rgb", extrasamples=[kind])).astype(int)
    expected = np.rint(RGB * (opacity[:, :, None] / 255)) if kind == "unassalpha" else stored
    # 8-bit colours that hold their opacity are divided by it and multiplied again
    assert np.abs(shown - expected).max() <= (1 if kind != "unspecified" else 0)


def test_a_palette_is_read_in_its_colours_and_its_indices_are_values(tmp_path: Path) -> None:
    colours = np.zeros((3, 256), np.uint16)
    colours[0], colours[1] = np.arange(256) * 257, 65535 - np.arange(256) * 257
    path = written(tmp_path / "a.tif", GREY, photometric="palette", colormap=colours)
    assert_shows(path, np.dstack([GREY, 255 - GREY, 0 * GREY]))
    assert read_mask_file(path).select(7).sum() == (GREY == 7).sum()


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_deflate", "zstd", "lzma"])
@pytest.mark.parametrize(
    "array", [GREY, DEEP, GREY.astype(np.int32) * -1000, GREY.astype(np.float32) * 1.5, RGB], ids=lambda one: one.dtype
)
def test_every_compression_that_libtiff_writes_is_read(tmp_path: Path, array, compression: str, predictor: int) -> None:
    path = tmp_path / "a.tif"
    PIL.Image.fromarray(array).save(path, compression=compression, tiffinfo={317: predictor})
    assert_shows(path, scale_to_uint8(array))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "tiff_lzw", "packbits"])
def test_one_bit_pictures_are_read_from_fax_files(tmp_path: Path, compression: str) -> None:
    PIL.Image.fromarray(GREY > 100).save(tmp_path / "a.tif", compression=compression)
    assert_shows(tmp_path / "a.tif", np.where(GREY > 100, 255, 0))


def stack(path: Path, **options: object) -> None:
    written(path, np.stack([GREY] * 3), **options)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "pages": (lambda path: stack(path, photometric="minisblack"), "holds 3 frames"),
    "volume": (lambda path: stack(path, photometric="minisblack", volumetric=True), "announces 3 pictures in one"),
    "stack of ImageJ": (lambda path: stack(path, imagej=True, truncate=True), "announces 3 pictures in one"),
    "stack of tifffile": (lambda path: stack(path, photometric="minisblack", truncate=True), "announces 3 pictures"),
    "turned": (lambda path: written(path, GREY, extratags=[(274, 3, 1, 6, True)]), "its orientation tag"),
    "turned, 16-bit colours": (
        lambda path: written(path, RGB.astype(np.uint16), photometric="rgb", extratags=[(274, 3, 1, 3, True)]),
        "its orientation tag",
    ),
    "planes of 16 bits": (
        lambda path: written(
            path, RGB.transpose(2, 0, 1).astype(np.uint16), photometric="rgb", planarconfig="separate"
        ),
        "colours of 16 bits in separate planes",
    ),
    "white floats": (lambda path: written(path, GREY.astype(np.float32), photometric="miniswhite"), "white is zero"),
    "big-endian, compressed": (
        lambda path: written(path, GREY.astype(np.float32), byteorder=">", compression="zlib"),
        "compressed big-endian numbers of 32 bits",
    ),
    "big-endian, signed": (
        lambda path: written(path, GREY.astype(np.int16), byteorder=">", compression="zlib"),
        "compressed big-endian numbers of 16 bits",
    ),
    "fax in words": (
        lambda path: PIL.Image.fromarray(GREY > 100).save(path, compression="tiff_raw_16"),
        "its fax compression is aligned to words",
    ),
    "half floats": (lambda path: written(path, GREY.astype(np.float16)), "of a layout that is not known here"),
    "doubles": (lambda path: written(path, GREY.astype(np.float64)), "of a layout that is not known here"),
    "64 bits": (lambda path: written(path, GREY.astype(np.uint64)), "of a layout that is not known here"),
    "float colours": (
        lambda path: written(path, RGB.astype(np.float32), photometric="rgb"),
        "of a layout that is not known here",
    ),
    "five channels": (
        lambda path: written(path, np.dstack([GREY] * 5), photometric="minisblack", planarconfig="contig"),
        "of a layout that is not known here",
    ),
    "two channels of 16 bits": (
        lambda path: written(path, np.dstack([DEEP] * 2), photometric="minisblack", planarconfig="contig"),
        "of a layout that is not known here",
    ),
    "palette of 16 bits": (
        lambda path: written(path, DEEP, photometric="palette", colormap=np.zeros((3, 65536), np.uint16)),
        "of a layout that is not known here",
    ),
}


@pytest.mark.parametrize(("write", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_as_written_is_refused_by_name(tmp_path: Path, write, message: str) -> None:
    write(tmp_path / "a.tif")
    for read in (read_image, read_mask_file):
        with pytest.raises(InputError, match=rf"a\.tif: .*{message}"):
            read(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("tag", "value"), [("ImageLength", HEIGHT - 3), ("ImageLength", HEIGHT + 1), ("ImageWidth", 40)]
)
@pytest.mark.parametrize("behind", [b"", bytes(4000)], ids=["nothing behind", "more behind"])
def test_a_header_that_contradicts_the_length_of_its_pixels_is_refused(tmp_path, tag: str, value: int, behind) -> None:
    path = written(tmp_path / "a.tif", GREY, metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[tag].overwrite(value)
    path.write_bytes(path.read_bytes() + behind)
    with pytest.raises(InputError, match=r"a\.tif: 1734 bytes of pixels, but its size and bits ask for"):
        read_image(path)


@pytest.mark.parametrize(
    "layout", [{"tile": TILE}, {"rowsperstrip": 8}, {"tile": TILE, "compression": "zlib"}], ids=str
)
@pytest.mark.parametrize("height", [HEIGHT - 16, HEIGHT + 16])
def test_a_header_that_contradicts_the_number_of_its_parts_is_refused(tmp_path: Path, layout, height: int) -> None:
    path = written(tmp_path / "a.tif", GREY, metadata=None, **layout)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(height)
    path.write_bytes(path.read_bytes() + bytes(4000))
    with pytest.raises(InputError, match=r"a\.tif: \d+ strips or tiles, but its size asks for"):
        read_image(path)


def test_a_strip_that_is_padded_to_its_full_height_is_sound(tmp_path: Path) -> None:
    padded = np.vstack([GREY, np.zeros((6, WIDTH), np.uint8)])
    path = written(tmp_path / "a.tif", padded, rowsperstrip=8, metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(HEIGHT)
    assert_shows(path, GREY)


def test_a_crop_that_kept_the_description_of_its_source_is_sound(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", GREY, description='{"shape": [100, 51]}', metadata=None)
    assert_shows(path, GREY)
    with PIL.Image.open(path) as picture:
        assert trouble(picture.tag_v2) is None
