"""Files that clients send: told by their content, measured by their header, and only then decoded.

No name that a client gives is ever a path. A file is written under a name of ours into a folder of its own, which goes
when it has been read. Formats that lead to other files, of this machine or elsewhere, are refused before any reader
sees them.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import PIL.Image

from gdinousam.data.sources.medical.dicom_opening import is_dicom, read_header
from gdinousam.data.sources.medical.libraries import library
from gdinousam.data.sources.medical.nifti import open_volume
from gdinousam.data.sources.video import announced_size
from gdinousam.errors import InputError
from gdinousam.prediction.sources import Clip, Picture, open_source
from gdinousam.reading import one_line
from gdinousam.serving.refusals import Refusal

# Pillow's names; EPS, say, would start a program. A camera's MPO counts as JPEG.
PICTURE_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM")
TAKEN = "PNG, JPEG, TIFF, BMP, WebP, PGM, PPM, DICOM, NIfTI, MetaImage (.mha), and video as MP4, AVI, MKV or WebM"
UNNAMED = "upload"  # what a file is called inside the server, in its log too
LONGEST_NAME = 200  # characters of a client's name for its file that are told back to it

_HEAD_BYTES = 4096
_NIFTI_SIZES = (348, 540)  # how the headers of NIfTI-1 and NIfTI-2 begin
_VIDEO_HEADS = (
    (4, b"ftyp", ".mp4"),
    (0, b"\x1a\x45\xdf\xa3", ".mkv"),  # WebM too
    (8, b"AVI ", ".avi"),
    (0, b"\x00\x00\x01\xba", ".mpg"),
    (0, bytes.fromhex("3026b2758e66cf11"), ".wmv"),
)
# MetaIO takes a colon for the equals sign and reads any file that is named here
_OWN_PIXELS = re.compile(rb"^ElementDataFile[ \t]*=[ \t]*LOCAL[ \t]*\r?\n", re.MULTILINE)
_SIZES = re.compile(rb"^DimSize[ \t]*=[ \t]*([\d \t]+?)[ \t]*\r?\n", re.MULTILINE)
_CHANNELS = re.compile(rb"^ElementNumberOfChannels[ \t]*=[ \t]*(\d+)", re.MULTILINE)
_MOST_VALUES = 250_000_000  # of a MetaImage, which is read as a whole


@dataclass(frozen=True)
class Limits:
    """max_pixels: of a picture or a frame. max_frames: of a clip."""

    max_pixels: int
    max_frames: int


def shown_name(name: str | None) -> str:
    """What a client calls its file, without folders and in one line, to be told back to it and to nobody else."""
    last = re.split(r"[/\\]", name or "")[-1]
    return one_line(last)[:LONGEST_NAME] or UNNAMED


def read_picture(file: BinaryIO, limits: Limits) -> Picture:
    """Decode a picture that was sent.

    file: at any place. Returns it under the name ``UNNAMED`` and without a path. Raises Refusal, before anything is
    decoded, for what is too large (413) or of no kind that is taken (415), and InputError for what is damaged or a
    clip.
    """
    with tempfile.TemporaryDirectory(prefix="gdinousam-") as folder, unnamed(Path(folder)):
        path = _stored(file, Path(folder))
        if (num_frames := _require_small(path, limits)) > 1:
            raise InputError(f"it holds {num_frames} frames, not one picture; send it to /v1/clips")
        source = _opened(path)
        if isinstance(source, Clip):  # more than its header says
            raise InputError(f"it holds {len(source)} frames, not one picture; send it to /v1/clips")
        return replace(source, name=UNNAMED, path=None)


def open_clip(path: Path, limits: Limits) -> Picture | Clip:
    """Open a clip that was stored by ``store``; errors as for ``read_picture``."""
    with unnamed(path.parent):
        _require_small(path, limits)
        source = _opened(path)
        if isinstance(source, Clip):
            _require_few(len(source), limits)
        return replace(source, name=UNNAMED)


def store(file: BinaryIO, folder: Path) -> Path:
    """Write a file that was sent into a folder, under a name that tells its kind by its content.

    Raises Refusal (415) for a kind that is not taken.
    """
    with unnamed(folder):
        return _stored(file, folder)


def _stored(file: BinaryIO, folder: Path) -> Path:
    path = folder / UNNAMED
    file.seek(0)
    with path.open("wb") as copy:
        shutil.copyfileobj(file, copy)
    return path.rename(path.with_name(UNNAMED + _suffix(path)))


def _suffix(path: Path) -> str:
    """The usual ending of a file of this content."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise Refusal(415, "unsupported", "the file is empty; send it again")
    if (kind := _picture_format(path)) is not None:
        return f".{kind.lower()}"
    if is_dicom(path):
        return ".dcm"
    if head.startswith(b"\x1f\x8b"):
        return ".nii.gz"
    if int.from_bytes(head[:4], "little") in _NIFTI_SIZES or int.from_bytes(head[:4], "big") in _NIFTI_SIZES:
        return ".nii"
    if b"ElementDataFile" in head:
        return ".mha"
    for place, magic, suffix in _VIDEO_HEADS:
        if head[place : place + len(magic)] == magic:
            return suffix
    raise Refusal(415, "unsupported", f"the file is of no kind that is taken; send {TAKEN}")


def _picture_format(path: Path) -> str | None:
    """Pillow's name of the format; ``None`` for no picture. Raises Refusal for a size that Pillow itself refuses."""
    PIL.Image.init()  # else formats that nobody has read yet are not known
    try:
        with PIL.Image.open(path, formats=PICTURE_FORMATS) as picture:
            return picture.format
    except PIL.Image.DecompressionBombError as error:
        raise Refusal(413, "too_large", f"the picture has too many pixels ({error}); make it smaller") from error
    except Exception:  # whatever a decoder makes of bytes that are none of its own
        return None


def _require_small(path: Path, limits: Limits) -> int:
    """The number of frames that the header of a file announces. Raises Refusal (413) for what is too large."""
    width, height, num_frames = _announced(path)
    if width * height > limits.max_pixels:
        size = f"{width} x {height} pixels, more than {limits.max_pixels / 1e6:g} million"
        raise Refusal(413, "too_large", f"the picture is {size}; make it smaller")
    _require_few(num_frames, limits)
    return num_frames


def _require_few(num_frames: int, limits: Limits) -> None:
    if num_frames > limits.max_frames:
        raise Refusal(413, "too_large", f"{num_frames} frames, more than {limits.max_frames}; send a part of the clip")


def _opened(path: Path) -> Picture | Clip:
    try:
        return open_source(path)
    except MemoryError as error:
        raise Refusal(413, "too_large", "the picture needs more memory than there is; make it smaller") from error


def _announced(path: Path) -> tuple[int, int, int]:
    """Width, height and number of frames as the header says."""
    if path.name.endswith(".dcm"):
        return _of_dicom(path)
    if path.name.endswith((".nii", ".nii.gz")):
        volume = open_volume(path)
        return volume.shape[0], volume.shape[1], volume.num_planes
    if path.suffix == ".mha":
        return _of_metaimage(path)
    if path.suffix in {suffix for _, _, suffix in _VIDEO_HEADS}:
        return announced_size(path)
    with PIL.Image.open(path, formats=PICTURE_FORMATS) as picture:
        return picture.width, picture.height, 1


def _of_dicom(path: Path) -> tuple[int, int, int]:
    meta = library("pydicom.filereader").read_file_meta_info(path) if _has_preamble(path) else None
    if meta is not None and meta.get("TransferSyntaxUID") and meta.TransferSyntaxUID.is_deflated:
        # the library inflates all of it at once, whatever its size
        raise Refusal(415, "unsupported", "a deflated DICOM file is not taken; send it uncompressed or as JPEG")
    header = read_header(path, ("Rows", "Columns", "NumberOfFrames"))
    return int(header.get("Columns") or 0), int(header.get("Rows") or 0), int(header.get("NumberOfFrames") or 1)


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _of_metaimage(path: Path) -> tuple[int, int, int]:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.count(b"ElementDataFile") != 1 or not _OWN_PIXELS.search(head):
        raise Refusal(415, "unsupported", "a MetaImage must hold its pixels (ElementDataFile = LOCAL); send an .mha")
    sizes, channels = _SIZES.findall(head), _CHANNELS.findall(head)
    told_once = head.count(b"DimSize") == 1 and head.count(b"ElementNumberOfChannels") == len(channels) <= 1
    if not told_once or len(sizes) != 1 or len(sizes[0].split()) < 2:
        raise InputError("its header does not tell its size; export it again")
    width, height, *others = map(int, sizes[0].split())
    num_frames = math.prod(others)
    if width * height * num_frames * int(next(iter(channels), 1)) > _MOST_VALUES:
        raise Refusal(413, "too_large", f"more than {_MOST_VALUES / 1e6:g} million values; send a part of the volume")
    return width, height, num_frames


@contextmanager
def unnamed(folder: Path) -> Iterator[None]:
    """Take the folder of ours out of what readers say of a file."""
    try:
        yield
    except InputError as error:
        said = re.sub(re.escape(str(folder)) + r"/[\w.]+(: )?", "", str(error))
        raise InputError(f"the file cannot be taken: {said}") from error
    except Refusal:
        raise
    except Exception as error:  # of a library on a damaged header
        if isinstance(error, OSError) and error.errno is not None:  # of the system
            raise
        raise InputError("the file cannot be taken: its header is damaged; export it again") from error
