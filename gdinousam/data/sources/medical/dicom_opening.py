"""DICOM files as they are opened: with preamble and meta header, and older ones that lack either.

Files from before part 10 of the standard begin with their first element at once, and some programs leave out the
header that says how pixels are stored. Both can only be uncompressed, and their elements tell byte order and form.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError

MAGIC_OFFSET, MAGIC = 128, b"DICM"  # PS3.10, section 7.1
META_GROUP = b"\x02\x00"  # of elements: file meta information
FIRST_GROUPS = (META_GROUP, b"\x08\x00")  # or identification
LAST_FIRST_ELEMENT = 0x18  # SOPInstanceUID; files begin with it or with one before
LONGEST_FIRST_VALUE = 256  # bytes
ENCAPSULATED = b"\xfe\xff\x00\xe0"  # PS3.5, annex A.4: how compressed pixels begin
UNDEFINED_LENGTH = 0xFFFFFFFF
ENVELOPED = bytes.fromhex("06092a864886f70d010703")  # 1.2.840.113549.1.7.3 as ASN.1 writes it: enveloped data
LONGEST_ENVELOPE_HEAD = 32  # bytes: a sequence, its length, and its kind
PIXELS = ("PixelData", "SamplesPerPixel", "PlanarConfiguration")


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do, older ones too, whatever its name; false for what cannot be opened."""
    try:
        head = _head(path)
    except OSError:
        return False
    return head[MAGIC_OFFSET : len(head) - 2] == MAGIC or _begins_with_an_element(head)


def is_encrypted(path: Path) -> bool:
    """Whether a file is a CMS envelope, in which PS3.15, annex D, encrypts whole DICOM files."""
    with path.open("rb") as file:
        return ENVELOPED in file.read(LONGEST_ENVELOPE_HEAD)


def read_header(path: Path, elements: Sequence[str]) -> Any:
    """The named elements of a file, as pydicom's dataset, its transfer syntax in ``file_meta`` in every case.

    Errors are pydicom's.
    """
    return _with_syntax(
        library("pydicom").dcmread(path, stop_before_pixels=True, specific_tags=list(elements), force=True)
    )


def pixel_source(path: Path, elements: Sequence[str]) -> Any:
    """What pydicom reads the pixels of a file from: its path, or of an older one a dataset that says how they lie.

    Raises ``InputError`` where compressed pixels do not say how; other errors are pydicom's.
    """
    if _head(path)[MAGIC_OFFSET:] == MAGIC + META_GROUP:
        return path
    dataset = _with_syntax(library("pydicom").dcmread(path, specific_tags=[*elements, *PIXELS], force=True))
    if dataset.get("PixelData", b"")[: len(ENCAPSULATED)] == ENCAPSULATED:
        raise InputError(f"{path}: does not say how its pixels are compressed (no transfer syntax); replace the file")
    return dataset


def pixel_length(path: Path) -> int | None:
    """The bytes of a file's pixels as its element says, without reading them; ``None`` where it does not say."""
    dataset = library("pydicom").dcmread(path, specific_tags=["PixelData"], defer_size=LONGEST_FIRST_VALUE, force=True)
    if "PixelData" not in dataset:
        return None
    element = dataset.get_item("PixelData")
    length = getattr(element, "length", None)
    return None if length in (None, UNDEFINED_LENGTH) else int(length)


def _with_syntax(dataset: Any) -> Any:
    uid = library("pydicom.uid")
    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        dataset.file_meta = meta = library("pydicom.dataset").FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        is_implicit, is_little = dataset.original_encoding
        explicit = uid.ExplicitVRLittleEndian if is_little else uid.ExplicitVRBigEndian
        meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if is_implicit else explicit
    return dataset


def _head(path: Path) -> bytes:
    """The first bytes, up to the group of the first element behind the preamble."""
    with path.open("rb") as file:
        return file.read(MAGIC_OFFSET + len(MAGIC) + len(META_GROUP))


def _begins_with_an_element(head: bytes) -> bool:
    if head[:2] not in FIRST_GROUPS or int.from_bytes(head[2:4], "little") > LAST_FIRST_ELEMENT:
        return False
    is_explicit = head[4:6].isalpha() and head[4:6].isupper()
    length = int.from_bytes(head[6:8] if is_explicit else head[4:8], "little")
    return len(head) > MAGIC_OFFSET and 0 < length <= LONGEST_FIRST_VALUE
