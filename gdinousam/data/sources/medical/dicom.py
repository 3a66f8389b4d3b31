"""DICOM files by pydicom: stills and clips, grey, in palette or in colour, compressed as far as Pillow decodes it.

Of a file only the elements below are parsed: what describes pixels. Names, dates and numbers of patients and
examinations are skipped over, so no message of ours or of pydicom's can repeat them. Text that the machine has drawn
into the picture stays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gdinousam.data.images import Pixels
from gdinousam.data.sources.medical.dicom_coded_size import require_coded_size
from gdinousam.data.sources.medical.dicom_greys import (
    GREY,
    PALETTE,
    PixelTable,
    colour_table,
    grey_table,
    is_padding,
    padding_range,
)
from gdinousam.data.sources.medical.dicom_opening import is_dicom, is_encrypted, pixel_length, pixel_source, read_header
from gdinousam.data.sources.medical.dicom_regions import frame_rate, picture_spacing, ultrasound_regions
from gdinousam.data.sources.medical.frames import MedicalFrames, above_zero, scaled_alike, value_range
from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.reading import reading
from gdinousam.records import Image

FORMAT = "DICOM"
ELEMENTS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "PixelPaddingValue", "PixelPaddingRangeLimit", "PixelSpacing",
    "SequenceOfUltrasoundRegions", "SharedFunctionalGroupsSequence", "SpacingBetweenSlices",
    "FrameTime", "FrameTimeVector", "CineRate",
    *(
        f"{prefix}{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for prefix, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    ),
)  # fmt: skip
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # pydicom and Pillow turn them all into RGB
MAX_TABLE_BITS = 16

logging.getLogger("pydicom.pixels.decoders").setLevel(logging.CRITICAL)  # logs tracebacks of what it raises too


def has_picture(path: Path) -> bool:
    """Whether a DICOM file holds pixels: reports, measurements and directories (DICOMDIR) do not."""
    with reading(path, FORMAT):
        return "Rows" in _header(path)


def read_dicom(path: Path) -> MedicalFrames:
    """The frames of a DICOM file.

    Greys go through rescaling and window, if the file has them, and are inverted where it says so (MONOCHROME1);
    without a window they are scaled alike over the file. Colours, such as a Doppler overlay, stay colours. Raises
    ``InputError`` naming the file where it is missing, damaged, without pixels, or stored in a way that cannot be
    decoded here; for a damaged frame when that frame is read.
    """
    with reading(path, FORMAT):
        header = _header(path)
        if "Rows" not in header:
            raise InputError(f"{path}: holds no picture (a report or directory); leave it out")
        _require_decodable(header, path)
        _require_agreement(header, path)
        table = _table(header, path)
        num_frames = int(header.get("NumberOfFrames") or 1)
        width, height = int(header.Columns), int(header.Rows)
        regions = ultrasound_regions(header, width, height)
        spacing_mm = picture_spacing(header, regions)
        is_colour = header.PhotometricInterpretation not in GREY
        fps = frame_rate(header)
        is_volume = header.file_meta.get("MediaStorageSOPClassUID") == library("pydicom.uid").EnhancedUSVolumeStorage
        slice_mm = above_zero(header.get("SpacingBetweenSlices")) if is_volume else None

    def frames() -> Iterator[Image]:
        with reading(path, FORMAT):
            if table is None:
                yield from scaled_alike(lambda: _stored_frames(path, num_frames), path)
            else:
                yield from map(table, _stored_frames(path, num_frames))

    return MedicalFrames(num_frames, width, height, is_colour, spacing_mm, frames, regions, fps, is_volume, slice_mm)


def _header(path: Path) -> Any:
    """The elements that we use, those of functional groups that all frames share laid beside them."""
    if path.is_file() and is_encrypted(path):
        raise InputError(f"{path}: is encrypted as a whole (secure DICOM, PS3.15); decrypt it first")
    if path.is_file() and not is_dicom(path):
        raise InputError(f"{path}: does not begin like a DICOM file; replace it or leave it out")
    header = read_header(path, ELEMENTS)
    for shared in header.get("SharedFunctionalGroupsSequence") or ():
        for group in shared:
            for element in group.value[0] if group.VR == "SQ" and group.value else ():
                if element.tag not in header:
                    header.add(element)
    return header


def _require_decodable(header: Any, path: Path) -> None:
    """Raise ``InputError`` for a compression that no installed library decodes."""
    pixels = library("pydicom.pixels")
    syntax = header.file_meta.TransferSyntaxUID
    try:
        is_known = pixels.get_decoder(syntax).is_available and not syntax.is_deflated
    except NotImplementedError:
        is_known = False
    if not is_known:
        is_video = any(name in syntax.name for name in ("MPEG2", "MPEG-4", "HEVC"))
        remedy = (
            "export it from its viewer as MP4 or AVI"
            if is_video
            else "decompress it with another program, or install what pydicom names for it, such as pylibjpeg-libjpeg"
        )
        raise InputError(f"{path}: compressed as {syntax.name}, which nothing installed decodes; {remedy}")


def _require_agreement(header: Any, path: Path) -> None:
    """Raise ``InputError`` where the header contradicts itself or the length of uncompressed pixels.

    Pixels that are too short fail when they are read. A few bytes behind them are padding; a row or more means that
    the size, the bits or the number of frames is wrong. Of compressed pixels see ``require_coded_size``. Other errors
    are pydicom's.
    """
    photometric = header.get("PhotometricInterpretation")
    num_channels = int(header.get("SamplesPerPixel") or 1)
    expected = 3 if photometric in COLOURS else 1
    if photometric in (*GREY, PALETTE, *COLOURS) and num_channels != expected:
        raise InputError(f"{path}: {num_channels} numbers per pixel contradict {photometric}; export the file again")
    unsigned = photometric if photometric in COLOURS else _unsigned_compression(header)
    if unsigned and header.get("PixelRepresentation"):
        raise InputError(f"{path}: signed numbers contradict {unsigned}; export the file again")
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        require_coded_size(header, path)
        return
    length = pixel_length(path)
    if length is None:
        return
    bits_stored, high_bit = int(header.BitsStored), header.get("HighBit")
    if 0 < bits_stored < int(header.BitsAllocated) and high_bit not in (None, bits_stored - 1):
        raise InputError(
            f"{path}: its {bits_stored} bits per pixel end at bit {high_bit}, which pydicom does not read; "
            "convert the file"
        )
    numbers_per_pixel = 2 if photometric == "YBR_FULL_422" else num_channels  # two pixels share their colour
    row = int(header.Columns) * numbers_per_pixel * int(header.BitsAllocated) / 8
    announced = row * int(header.Rows) * int(header.get("NumberOfFrames") or 1)
    if length >= announced + max(row, 2):
        raise InputError(
            f"{path}: {length} bytes of pixels, but size, bits and frames of the header ask for {announced:.0f}; "
            "export the file again"
        )


def _unsigned_compression(header: Any) -> str | None:
    """The name of a compression that holds no sign (PS3.5, section 8.2.1): with one, bright pixels would be dark."""
    uid = library("pydicom.uid")
    syntax = header.file_meta.TransferSyntaxUID
    return str(syntax.name) if syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit) else None


def _table(header: Any, path: Path) -> PixelTable | None:
    """How stored values become RGB; ``None`` for files that store colours."""
    photometric = header.get("PhotometricInterpretation")
    if photometric in COLOURS:
        return None
    if photometric not in (*GREY, PALETTE):
        known = ", ".join((*GREY, PALETTE, *COLOURS))
        raise InputError(f"{path}: pixels stored as {photometric}, but only {known} can be read; convert the file")
    if header.BitsAllocated > MAX_TABLE_BITS:
        raise InputError(f"{path}: {header.BitsAllocated} bits per pixel, but at most 16 can be read; convert the file")
    if photometric == PALETTE:
        return colour_table(header)
    padding = padding_range(header)

    def stored_range() -> tuple[float, float]:
        frames = _stored_frames(path, int(header.get("NumberOfFrames") or 1))
        tissue = frames if padding is None else (frame[~is_padding(frame, padding)] for frame in frames)
        return value_range((values for values in tissue if values.size), path)

    return grey_table(header, stored_range, padding)


def _stored_frames(path: Path, num_frames: int) -> Iterator[Pixels]:
    """The frames as decoded, (H, W) or (H, W, 3) RGB, one in memory at a time."""
    pixels = library("pydicom.pixels")
    num_read = 0
    for frame in pixels.iter_pixels(pixel_source(path, ELEMENTS)):
        num_read += 1
        yield frame
    if num_read != num_frames:
        raise InputError(f"{path}: {num_frames} frames announced, but {num_read} are there; replace the file")
