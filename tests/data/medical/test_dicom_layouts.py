"""Every layout of DICOM pixels gives the array that was written, as documented, or is refused by name."""

import io
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pytest
from dicom_files import write_dicom, write_jpeg_dicom
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from gdinousam.data.sources.medical.dicom import read_dicom
from gdinousam.errors import InputError

HEIGHT, WIDTH = 7, 10
COUNT = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
GREY = COUNT * 3  # up to 207: scaled to 8 bits by any depth it stays as it is
RGB = np.dstack([GREY, 255 - GREY, COUNT])
CLIP = np.stack([RGB, RGB[::-1], RGB[:, ::-1]])
UNCOMPRESSED = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def assert_shows(path: Path, expected: np.ndarray) -> None:
    """expected: (H, W), (H, W, 3) or (N, H, W, 3)."""
    shown = np.stack(list(read_dicom(path)))
    if expected.ndim == 2:
        expected = np.dstack([expected] * 3)
    np.testing.assert_array_equal(shown, expected if expected.ndim == 4 else expected[None])


def ramp(values: np.ndarray) -> np.ndarray:
    """Minimum to maximum stretched to [0, 255], as files with negative values are."""
    return np.rint((values - values.min()) * (255 / (values.max() - values.min()))).astype(np.uint8)


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda one: one.keyword)
@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (GREY, GREY),
        (GREY.astype(np.uint16), GREY),
        (GREY.astype(np.uint16) * 257, GREY),
        (GREY.astype(np.int16), GREY),
        (GREY.astype(np.int16) - 100, ramp(GREY.astype(int))),
        (GREY[:, :9].copy(), GREY[:, :9]),
        (RGB, RGB),
    ],
    ids=["8 bits", "16 bits", "full 16 bits", "signed", "negative", "odd length", "RGB"],
)
def test_uncompressed_pixels_are_read_as_written(tmp_path: Path, pixels, expected, syntax) -> None:
    is_big = syntax == ExplicitVRBigEndian
    path = write_dicom(tmp_path / "little.dcm", pixels, "RGB" if pixels.ndim == 3 else "MONOCHROME2")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if is_big else "<")).tobytes()
    dataset.PixelData += bytes(len(dataset.PixelData) % 2)
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(tmp_path / "a.dcm", dataset, implicit_vr=implicit, little_endian=not is_big)
    assert_shows(tmp_path / "a.dcm", expected)


@pytest.mark.parametrize("num_bits", [8, 10, 12, 15])
@pytest.mark.parametrize("is_signed", [False, True])
def test_what_the_unused_bits_hold_does_not_count(tmp_path: Path, num_bits: int, is_signed: bool) -> None:
    """An overlay, or zeros where the sign would go on."""
    values = GREY.astype(np.int32) // 2 - (40 if is_signed else 0)
    stored = (values & (2**num_bits - 1)).astype(np.uint16)
    expected = ramp(values) if is_signed else (GREY // 2)
    for unused in (0, 1 << num_bits, 0xFFFF ^ (2**num_bits - 1)):
        pixels = (stored | np.uint16(unused)).view(np.int16 if is_signed else np.uint16)
        assert_shows(
            write_dicom(tmp_path / f"{unused}.dcm", pixels, BitsStored=num_bits, HighBit=num_bits - 1), expected
        )


def test_eight_bits_may_hold_fewer(tmp_path: Path) -> None:
    assert_shows(write_dicom(tmp_path / "a.dcm", COUNT | 128, BitsStored=7, HighBit=6), COUNT)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("factor", "num_bits"), [(1, 8), (16, 12), (256, 16)])
def test_the_lowest_value_is_white_where_the_file_says_so(tmp_path, photometric, factor: int, num_bits: int) -> None:
    pixels = GREY if num_bits == 8 else GREY.astype(np.uint16) * factor
    path = write_dicom(tmp_path / "a.dcm", pixels, photometric, BitsStored=num_bits, HighBit=num_bits - 1)
    assert_shows(path, GREY if photometric == "MONOCHROME2" else 255 - GREY)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("num_frames", [None, 3])
def test_channels_lie_together_or_apart(tmp_path: Path, planar: int, photometric: str, num_frames: int | None) -> None:
    colours = CLIP if num_frames else RGB
    stored = colours if photometric == "RGB" else ybr(colours)
    laid = stored if planar == 0 else np.moveaxis(stored, -1, -3)
    path = write_dicom(tmp_path / "a.dcm", colours, photometric, num_frames, laid.tobytes(), PlanarConfiguration=planar)
    shown = np.stack(list(read_dicom(path))).astype(int)
    assert np.abs(shown - colours).max() <= (0 if photometric == "RGB" else 2)  # whole numbers of YCbCr


def ybr(colours: np.ndarray) -> np.ndarray:
    """(..., 3) RGB as luminance and chrominance (PS3.3, C.7.6.3.1.2)."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    return np.clip(np.rint(colours @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("first", [0, 20])
@pytest.mark.parametrize("num_bits", [8, 16])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_palette_begins_at_any_index(tmp_path: Path, first: int, num_bits: int, depth: type) -> None:
    entries = np.arange(60) * 4  # of 8 bits
    stored = entries * 257 if num_bits == 16 else entries
    elements: dict[str, object] = {}
    for colour, table in (("Red", stored), ("Green", stored[::-1]), ("Blue", stored // 2)):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [len(table), first, num_bits]
        elements[f"{colour}PaletteColorLookupTableData"] = struct.pack(
            f"<{len(table)}{'H' if num_bits == 16 else 'B'}", *(int(one) for one in table)
        )
    pixels = COUNT.astype(depth)
    places = np.clip(COUNT.astype(int) - first, 0, len(entries) - 1)
    expected = np.stack(
        [entries[places], entries[::-1][places], stored[places] // 2 // (257 if num_bits == 16 else 1)], 2
    )
    assert_shows(write_dicom(tmp_path / "a.dcm", pixels, "PALETTE COLOR", **elements), expected)


@pytest.mark.parametrize(
    ("pixels", "photometric", "expected"),
    [
        (GREY, "MONOCHROME2", GREY),
        (GREY, "MONOCHROME1", 255 - GREY),
        (GREY.astype(np.uint16) * 257, "MONOCHROME2", GREY),
        (GREY.astype(np.int16) - 100, "MONOCHROME2", ramp(GREY.astype(int))),
        (RGB, "RGB", RGB),
        (CLIP, "RGB", CLIP),
    ],
    ids=["8 bits", "inverted", "16 bits", "signed", "RGB", "clip"],
)
def test_run_lengths_are_read_as_written(tmp_path: Path, pixels, photometric: str, expected) -> None:
    path = write_dicom(tmp_path / "a.dcm", pixels, photometric, 3 if pixels.ndim == 4 else None)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    assert_shows(path, expected)


def jpeg_2000(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG2000", no_jp2=True, irreversible=False, mct=0)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("pixels", "photometric", "expected"),
    [
        (GREY, "MONOCHROME2", GREY),
        (GREY, "MONOCHROME1", 255 - GREY),
        (GREY.astype(np.uint16) * 257, "MONOCHROME2", GREY),
        (RGB, "RGB", RGB),
    ],
    ids=["8 bits", "inverted", "16 bits", "RGB"],
)
def test_jpeg_2000_without_loss_is_read_as_written(tmp_path: Path, pixels, photometric: str, expected) -> None:
    data = encapsulate([jpeg_2000(pixels)])
    path = write_dicom(tmp_path / "a.dcm", pixels, photometric, None, data, TransferSyntaxUID=JPEG2000Lossless)
    assert_shows(path, expected)


@pytest.mark.parametrize(
    "value", [-2000, 63536, 2096], ids=["as meant", "16 bits without sign", "12 bits without sign"]
)
def test_padding_of_twelve_bits_is_found_however_it_is_written(tmp_path: Path, value: int) -> None:
    pixels = GREY.astype(np.int16)
    pixels[0] = -2000
    expected = GREY.copy()
    expected[0] = 0
    signed = value < 2**15
    path = write_dicom(
        tmp_path / "a.dcm", pixels, BitsStored=12, HighBit=11, PixelPaddingValue=value if signed else -2000
    )
    if not signed:  # an unsigned element, which the representation of the pixels does not allow but programs write
        path.write_bytes(path.read_bytes().replace(b"\x28\x00\x20\x01SS", b"\x28\x00\x20\x01US"))
    assert_shows(path, expected)


def test_padding_of_more_bits_than_are_stored_is_found(tmp_path: Path) -> None:
    pixels = GREY.astype(np.int16) + 1
    pixels[0] = -32768  # of which 12 bits are 0
    shown = next(
        iter(read_dicom(write_dicom(tmp_path / "a.dcm", pixels, BitsStored=12, HighBit=11, PixelPaddingValue=-32768)))
    )
    assert shown[1:, :, 0].tolist() == (GREY + 1)[1:].tolist() and not shown[0].any()


def one_frame(path: Path, syntax: str, **elements: object) -> Path:
    """(24, 32) greys in one frame of a compression, with a header that says other things about it."""
    grey = np.tile(np.arange(32, dtype=np.uint8) * 5, (24, 1))
    if syntax == JPEGBaseline8Bit:
        return write_jpeg_dicom(path, [grey], **elements)
    if syntax == JPEG2000Lossless:
        return write_dicom(path, grey, pixel_data=encapsulate([jpeg_2000(grey)]), TransferSyntaxUID=syntax, **elements)
    dataset = pydicom.dcmread(write_dicom(path, grey))
    dataset.compress(RLELossless)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless, RLELossless], ids=lambda one: one.keyword)
@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Rows": 12}, "but the header says 32 x 12"),
        ({"Columns": 16}, "but the header says 16 x 24"),
        ({"Rows": 25}, r"but the header says 32 x 25|not readable as DICOM"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}, "not readable as DICOM"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0}, "3 numbers per pixel contradict MONOCHROME2"),
        ({"NumberOfFrames": 2}, "not readable as DICOM|2 frames announced"),
    ],
)
def test_a_header_that_contradicts_a_compressed_frame_is_named(tmp_path, syntax, elements: dict, message: str) -> None:
    with pytest.raises(InputError, match=rf"a\.dcm: .*({message})"):
        list(read_dicom(one_frame(tmp_path / "a.dcm", syntax, **elements)))


def test_signed_numbers_that_the_compression_cannot_hold_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.dcm: signed numbers contradict JPEG Baseline"):
        read_dicom(one_frame(tmp_path / "a.dcm", JPEGBaseline8Bit, PixelRepresentation=1))


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless], ids=lambda one: one.keyword)
def test_swapped_sides_of_a_compressed_frame_are_named(tmp_path: Path, syntax: str) -> None:
    with pytest.raises(InputError, match="first frame has 32 x 24 pixels, but the header says 24 x 32"):
        read_dicom(one_frame(tmp_path / "a.dcm", syntax, Rows=32, Columns=24))


@pytest.mark.parametrize(
    ("pixels", "elements", "message"),
    [
        (GREY.astype(np.uint16) << 4, {"BitsStored": 12, "HighBit": 15}, "its 12 bits per pixel end at bit 15"),
        (GREY, {"BitsStored": 16, "HighBit": 15}, "not readable as DICOM"),
        (GREY.astype(np.uint32), {}, "32 bits per pixel, but at most 16 can be read"),
        (GREY.astype(np.int32), {}, "32 bits per pixel, but at most 16 can be read"),
        (RGB, {"PhotometricInterpretation": "RGB", "PixelRepresentation": 1}, "signed numbers contradict RGB"),
        (RGB, {"PhotometricInterpretation": "ARGB"}, "pixels stored as ARGB"),
        (RGB, {"PhotometricInterpretation": "CMYK"}, "pixels stored as CMYK"),
        (RGB, {"PhotometricInterpretation": "RGB", "PlanarConfiguration": None}, "not readable as DICOM"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_as_written_is_refused_by_name(tmp_path: Path, pixels, elements, message: str) -> None:
    with pytest.raises(InputError, match=rf"a\.dcm: {message}"):
        list(read_dicom(write_dicom(tmp_path / "a.dcm", pixels, **elements)))


def test_pixels_in_floating_point_are_refused_by_name(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(write_dicom(tmp_path / "a.dcm", GREY.astype(np.uint32)))
    del dataset.PixelData
    dataset.FloatPixelData = GREY.astype(np.float32).tobytes()
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(InputError, match=r"a\.dcm: 32 bits per pixel"):
        read_dicom(tmp_path / "a.dcm")
