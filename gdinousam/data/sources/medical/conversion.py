"""Medical files as plain PNG images under anonymous names, with a table of what they are.

Names are counted: no name, date or number of a patient, and no part of the name of a file, reaches the output. Which
case came from which file is told in a mapping only, which is written where it is asked for and never beside the images.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import PIL.Image

from gdinousam.data.sources.medical.formats import medical_files, read_frames
from gdinousam.data.sources.medical.frames import MedicalFrames
from gdinousam.data.sources.medical.libraries import MissingLibraryError
from gdinousam.errors import InputError
from gdinousam.files import replaced_file
from gdinousam.folders import replaced_folder
from gdinousam.progress_bar import ProgressBar

TABLE = "frames.csv"
COLUMNS = ("image_name", "case", "frame", "width", "height", "spacing_mm_x", "spacing_mm_y")
NUM_DIGITS = 4
NUM_SHOWN = 5  # bad files that a message names; it counts the rest

Row = tuple[str | int, ...]


@dataclass(frozen=True)
class Converted:
    """What was written: files read and images made of them; and what was not: bad files, and files of no picture."""

    num_files: int
    num_images: int
    num_bad: int
    num_others: int


def convert_medical(
    sources: Sequence[Path],
    out: Path,
    every: int = 1,
    mapping: Path | None = None,
    skip_bad: bool = False,
    progress: bool = True,
) -> Converted:
    """Write the frames of medical files to a new folder, ``case0001_frame0001.png`` and so on, and ``frames.csv``.

    sources: files and folders, as for ``medical_files``; each file is a case. every: keep the first of so many frames.
    mapping: new file outside ``out`` that tells the file of each case, readable by its owner only. skip_bad: leave out
    files that cannot be read, which else are an error; their case numbers stay free. Images are grey where the file is.
    Raises ``InputError`` for sources without a medical picture, bad files, an output that is there already, and a disk
    without room; nothing is written then.
    """
    if every < 1:
        raise InputError(f"--every {every}: must be 1 or more")
    _require_new(out)
    files, num_others = medical_files(sources)
    if not files:
        named = ", ".join(str(source) for source in sources)
        raise InputError(f"{named}: no DICOM, NIfTI or MetaImage file with a picture; check the folder")
    if mapping is not None:
        _require_new_mapping(files, mapping, out)
    try:
        with replaced_folder(out.resolve()) as folder:
            num_images, bad = _write_all(files, folder, every, progress)
            if bad and (not skip_bad or len(bad) == len(files)):
                raise InputError(_bad_files(bad, len(files)))
            if mapping is not None:
                _write_mapping(files, mapping)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{out}: could not be written ({reason}); nothing is kept, check the folder and its disk"
        ) from error
    return Converted(len(files) - len(bad), num_images, len(bad), num_others)


def _require_new(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out: {out} is in use; name a new folder")


def _require_new_mapping(files: Sequence[Path], mapping: Path, out: Path) -> None:
    if mapping.exists() and not _is_mapping_of(files, mapping):
        raise InputError(f"--mapping: {mapping} is there already; name a new file")
    if mapping.resolve().is_relative_to(out.resolve()):
        raise InputError(f"--mapping: {mapping} lies among the anonymous images; keep it apart from {out}")
    if not mapping.resolve().parent.is_dir():
        raise InputError(f"--mapping: {mapping.parent} is not a folder; make it first")


def _is_mapping_of(files: Sequence[Path], mapping: Path) -> bool:
    """Whether a program that was killed just before its images came into place has written this very mapping."""
    expected = io.StringIO()
    _write_cases(files, expected)
    try:
        return mapping.read_bytes() == expected.getvalue().encode("utf-8", errors="surrogateescape")
    except OSError:
        return False


def _write_all(files: Sequence[Path], folder: Path, every: int, progress: bool) -> tuple[int, list[InputError]]:
    """Write images and table; returns the number of images, and what is wrong with the files that were left out."""
    bad: list[InputError] = []
    num_images = 0
    bar = ProgressBar(None, "converting", "frame", progress)
    with bar, (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number, path in enumerate(files, start=1):
            bar.describe(f"file {number} of {len(files)}")
            rows: list[Row] = []
            try:
                for row in _write_frames(read_frames(path), folder, f"case{_padded(number)}", every):
                    rows.append(row)
                    bar.update()
            except MissingLibraryError:
                raise
            except InputError as error:
                bad.append(error)
                for left in folder.glob(f"case{_padded(number)}_*.png"):
                    left.unlink()
                continue
            table.writerows(rows)
            num_images += len(rows)
    return num_images, bad


def _write_frames(frames: MedicalFrames, folder: Path, case: str, every: int) -> Iterator[Row]:
    """Write a file's frames and yield the table's row of each."""
    spacing = ("", "") if frames.spacing_mm is None else tuple(f"{distance:.6g}" for distance in frames.spacing_mm)
    for index, frame in islice(enumerate(frames, start=1), 0, None, every):
        name = f"{case}_frame{_padded(index)}.png"
        PIL.Image.fromarray(frame if frames.is_colour else frame[:, :, 0]).save(folder / name)
        yield name, case, index, frames.width, frames.height, *spacing


def _padded(number: int) -> str:
    return f"{number:0{NUM_DIGITS}d}"


def _write_mapping(files: Sequence[Path], mapping: Path) -> None:
    with replaced_file(mapping) as new:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        # names that are not UTF-8 keep their bytes, so that each still names its file
        with os.fdopen(descriptor, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            _write_cases(files, file)


def _write_cases(files: Sequence[Path], file: TextIO) -> None:
    table = csv.writer(file)
    table.writerow(("case", "file"))
    table.writerows((f"case{_padded(number)}", path) for number, path in enumerate(files, start=1))


def _bad_files(bad: Sequence[InputError], num_files: int) -> str:
    named = "; ".join(str(error) for error in bad[:NUM_SHOWN])
    rest = f"; and {len(bad) - NUM_SHOWN} more" if len(bad) > NUM_SHOWN else ""
    hint = "" if len(bad) == num_files else "; --skip-bad leaves them out"
    return f"{len(bad)} of {num_files} files cannot be converted, nothing is written{hint}: {named}{rest}"
