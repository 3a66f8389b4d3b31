"""What is to be segmented, read from any file or folder: a picture, or a clip whose frames are decoded one at a time.

A clip is anything with several frames: a cine loop, a video, a folder of frames, the slices of a volume. Nothing that
names a patient is read, see ``gdinousam.data.sources.medical``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from gdinousam.data.contract.names import natural_key
from gdinousam.data.images import read_image
from gdinousam.data.sources.medical.dicom_opening import is_dicom
from gdinousam.data.sources.medical.formats import READERS, read_frames
from gdinousam.data.sources.medical.frames import MedicalFrames, Spacing
from gdinousam.data.sources.medical.nifti import read_nifti
from gdinousam.data.sources.video import SUFFIXES as VIDEO_SUFFIXES
from gdinousam.data.sources.video import read_video
from gdinousam.errors import InputError
from gdinousam.inputs import as_path
from gdinousam.prediction.views import views_of, whole_view
from gdinousam.records import BoxXYXY, Image

Format = Literal["picture", "DICOM", "NIfTI", "MetaImage", "video", "folder"]
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
NIFTI_SUFFIXES = tuple(suffix for suffix, reader in READERS.items() if reader is read_nifti)
METAIMAGE_SUFFIXES = (".mha", ".mhd")


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture.

    image: (H, W, 3) uint8 RGB in [0, 255]. name: of its file, without the folder. spacing_mm: millimetres from one
    pixel to the next, (across, down), ``None`` where unknown. views: (x0, y0, x1, y1) in pixels, the parts of the
    screen to segment, one by one; none where the file says that no part shows tissue in two dimensions. notes: what a
    reader of the result should know, a sentence each. path: its file, ``None`` where it was none. format: of the file.
    """

    image: Image
    name: str
    spacing_mm: Spacing | None
    views: tuple[BoxXYXY, ...]
    notes: tuple[str, ...] = ()
    path: Path | None = None
    format: Format = "picture"

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of one size, decoded as they are asked for; each loop over the clip begins at the first frame.

    num_frames, width, height: number, and size in pixels. fps: frames per second, ``None`` where unknown. is_volume:
    whether frames are slices of a volume; slice_mm: millimetres between them, ``None`` where unknown. The rest as for
    ``Picture``; views hold for every frame.
    """

    name: str
    num_frames: int
    width: int
    height: int
    fps: float | None
    spacing_mm: Spacing | None
    slice_mm: float | None
    is_volume: bool
    views: tuple[BoxXYXY, ...]
    open_frames: Callable[[], Iterator[Image]]
    notes: tuple[str, ...] = ()
    path: Path | None = None
    format: Format = "video"

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    def __len__(self) -> int:
        return self.num_frames

    def __iter__(self) -> Iterator[Image]:
        """Each frame as (H, W, 3) uint8 RGB in [0, 255]; ``InputError`` for one that does not decode, with the file."""
        return self.open_frames()


def open_source(source: str | Path | BinaryIO, name: str = "file object") -> Picture | Clip:
    """Open a file, a folder of frames, or a file object that is open for reading bytes.

    name: of a file object that has none.

    Pictures (PNG, JPEG, TIFF and others that Pillow reads), DICOM stills and clips, NIfTI, MetaImage, and video, told
    by the suffix, DICOM without one by its content. A NIfTI or MetaImage file of one plane, and a DICOM file of one
    frame, is a picture. Raises ``InputError`` that names the file for what is missing, damaged or of no such kind.
    """
    if not isinstance(source, str | Path) and hasattr(source, "read"):
        return _open_bytes(source, name)
    path = as_path(source)
    if path.is_dir():
        return _open_folder(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; check the name and the folder")
    kind = path.name.lower()
    if kind.endswith(VIDEO_SUFFIXES):
        return _of_frames(read_video(path), path, "video")
    if kind.endswith(NIFTI_SUFFIXES):
        return _of_frames(read_frames(path), path, "NIfTI")
    if kind.endswith(METAIMAGE_SUFFIXES):
        return _of_frames(read_frames(path), path, "MetaImage")
    if kind.endswith(tuple(READERS)) or (not kind.endswith(PICTURE_SUFFIXES) and is_dicom(path)):
        return _of_frames(read_frames(path), path, "DICOM")
    image = read_image(path)
    return Picture(image, path.name, None, (whole_view(image),), path=path)


def _of_frames(frames: MedicalFrames, path: Path, form: Format) -> Picture | Clip:
    found = views_of(frames.regions, frames.width, frames.height)
    notes = found.notes if form == "DICOM" else ()
    if frames.num_frames == 1:
        image = next(iter(frames))
        return Picture(image, path.name, frames.spacing_mm, found.boxes, notes, path, form)
    return Clip(
        path.name,
        frames.num_frames,
        frames.width,
        frames.height,
        frames.fps,
        frames.spacing_mm,
        frames.slice_mm,
        frames.is_volume,
        found.boxes,
        frames.open_frames,
        notes,
        path,
        form,
    )


def _open_folder(folder: Path) -> Clip:
    """The pictures directly in a folder, in natural order of their names, as frames of one clip."""
    paths = sorted((path for path in folder.iterdir() if _may_be_frame(path)), key=natural_key)
    if not paths:
        raise InputError(f"{folder}: no picture in this folder; name the folder that holds the frames")
    first = _frame(paths[0])
    height, width = first.size_hw

    def frames() -> Iterator[Image]:
        for path in paths:
            frame = _frame(path)
            if frame.size_hw != (height, width):
                raise InputError(
                    f"{path}: {frame.size_hw[1]} x {frame.size_hw[0]} pixels, but {paths[0].name} has {width} x "
                    f"{height}; frames of one clip are of one size: take other pictures out of the folder"
                )
            yield frame.image

    return Clip(
        folder.resolve().name,
        len(paths),
        width,
        height,
        None,
        first.spacing_mm,
        None,
        False,
        first.views,
        frames,
        first.notes,
        folder,
        "folder",
    )


def _may_be_frame(path: Path) -> bool:
    if path.name.startswith(".") or not path.is_file():
        return False
    return path.name.lower().endswith((*PICTURE_SUFFIXES, *READERS)) or is_dicom(path)


def _frame(path: Path) -> Picture:
    frame = open_source(path)
    if isinstance(frame, Clip):
        raise InputError(f"{path}: holds {len(frame)} frames, but a frame of a folder is one picture; give it alone")
    return frame


def _open_bytes(file: BinaryIO, name: str) -> Picture | Clip:
    """What a file object holds, through a file that lives as long as what is returned."""
    given = getattr(file, "name", None)
    name = Path(given).name if isinstance(given, str) else name
    kept = tempfile.TemporaryDirectory(prefix="gdinousam-")
    path = Path(kept.name, name)
    with path.open("wb") as copy:
        try:
            shutil.copyfileobj(file, copy)
        except TypeError as error:
            raise InputError(f"{name}: is open as text; open the file with mode 'rb'") from error
    try:
        opened = open_source(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), name)) from error
    if isinstance(opened, Picture):
        return replace(opened, path=None)

    def frames() -> Iterator[Image]:
        assert kept.name  # holds the folder as long as its frames may be asked for
        yield from opened

    return replace(opened, open_frames=frames, path=None)
