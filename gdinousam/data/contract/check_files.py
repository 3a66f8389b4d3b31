"""Checks of the image and mask files that a CSV names: there, sound, and as large as the CSV says."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from filecmp import cmp
from functools import cached_property
from pathlib import Path

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.check_rows import CheckedRow, grouped, is_file_name
from gdinousam.data.contract.plausibility import Fit, fit_of, implausible
from gdinousam.data.contract.problems import Problem
from gdinousam.data.images import read_image, read_mask_file
from gdinousam.errors import InputError
from gdinousam.identity import difference, identity, visible
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import BoxXYWH, Mask

MAX_THREADS = 8

Size = tuple[int, int]  # width, height
_MaskedRow = tuple[CheckedRow, int | None]  # a row and the grey value of its mask


@dataclass(frozen=True)
class Folders:
    """Where the files of the CSV lie, and what is asked of the masks.

    allow_odd: take boxes and masks that look wrong but obey the contract.
    """

    csv_path: Path
    image_dir: Path
    mask_dir: Path | None
    masks_required: bool
    allow_odd: bool = False
    resize_masks: bool = False

    def missing(self) -> list[Problem]:
        """Folders that are not there, one problem each instead of one per file."""
        folders = {contract.IMAGE_NAME: self.image_dir, contract.MASK_NAME: self.mask_dir}
        return [
            Problem(self.csv_path, None, column, str(folder), "an existing folder of these files")
            for column, folder in folders.items()
            if folder is not None and not folder.is_dir()
        ]

    def near_name(self, path: Path) -> str:
        """What to add about a file that is not there: the one whose name only looks like it, or nothing."""
        names = self._image_names if path.parent == self.image_dir else self._mask_names
        other = names.get(identity(path.name))
        return f"; it has {visible(other)}, which differs by {difference(path.name, other)}" if other else ""

    @cached_property
    def _image_names(self) -> dict[str, str]:
        return _by_identity(self.image_dir)

    @cached_property
    def _mask_names(self) -> dict[str, str]:
        return _by_identity(self.mask_dir) if self.mask_dir else {}


def _by_identity(folder: Path) -> dict[str, str]:
    return {identity(path.name): path.name for path in folder.iterdir()}


def check_files(rows: Sequence[CheckedRow], folders: Folders, progress: bool) -> list[Problem]:
    """The problems of images and masks, each file decoded once, and what is not plausible about them.

    progress: a bar where it takes a while.
    """
    named = [row for row in rows if row.image_name.strip() and is_file_name(row.image_name)]
    rows_of_image = grouped(named, lambda row: row.image_name)
    rows_of_mask, problems = _rows_of_masks(named, folders)
    sizes: dict[str, Size | None] = {}
    fits: list[Fit] = []
    bar = ProgressBar(len(rows_of_image) + len(rows_of_mask), "checking files", "file", progress)
    with bar, ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        for same, (size, found) in zip(
            rows_of_image, pool.map(lambda same: _check_image(same, folders), rows_of_image), strict=True
        ):
            sizes[same[0].image_name] = size
            problems += found
            bar.update()
        # masks only now, because each is held against the size of its image
        for found, fit in pool.map(
            lambda item: _check_mask(item[0], item[1], sizes, folders.resize_masks), rows_of_mask.items()
        ):
            problems += found
            fits += fit
            bar.update()
    if folders.allow_odd:
        return problems
    return [*problems, *implausible(rows, fits), *_images_as_masks(rows_of_mask, folders)]


def _check_image(rows: Sequence[CheckedRow], folders: Folders) -> tuple[Size | None, list[Problem]]:
    """The size of the image that the rows share, ``None`` where it does not decode, and what is wrong with it."""
    path = folders.image_dir / rows[0].image_name
    if not path.is_file():
        return None, [rows[0].problem(contract.IMAGE_NAME, f"a file in {folders.image_dir}{folders.near_name(path)}")]
    try:
        height, width, _ = read_image(path).shape
    except InputError as error:
        return None, [rows[0].problem(contract.IMAGE_NAME, _reason(error, path))]
    problems = []
    for row in rows:
        for column, given, stored in (
            (contract.IMAGE_WIDTH, row.width, width),
            (contract.IMAGE_HEIGHT, row.height, height),
        ):
            if given is not None and given != stored:
                problems.append(row.problem(column, f"{stored}, as in the image file"))
    return (width, height), problems


def _rows_of_masks(rows: Sequence[CheckedRow], folders: Folders) -> tuple[dict[Path, list[_MaskedRow]], list[Problem]]:
    """The rows that each mask file belongs to, and the rows whose mask is missing."""
    rows_of_mask: dict[Path, list[_MaskedRow]] = {}
    problems = []
    for row in rows:
        named = bool(row.mask_name.strip())
        # A row without a box has no mask to look for, but a name it gives must hold.
        if folders.mask_dir is None or (row.is_absent and not named) or not is_file_name(row.mask_name):
            continue
        reference = contract.mask_reference(row.mask_name, row.image_name, folders.mask_dir)
        if reference is not None and reference.path.is_file():
            rows_of_mask.setdefault(reference.path, []).append((row, reference.value))
        elif named:
            near = folders.near_name(reference.path) if reference else ""
            problems.append(row.problem(contract.MASK_NAME, f"a file in {folders.mask_dir}, NAME or NAME#VALUE{near}"))
        elif folders.masks_required:
            expected = f"a mask in {folders.mask_dir} with the image's name, or its name in this column"
            problems.append(row.problem(contract.MASK_NAME, expected))
    return rows_of_mask, problems


def _images_as_masks(rows_of_mask: dict[Path, list[_MaskedRow]], folders: Folders) -> Iterator[Problem]:
    for path, masked_rows in rows_of_mask.items():
        row = masked_rows[0][0]
        image_path = folders.image_dir / row.image_name
        if not row.is_absent and image_path.is_file() and cmp(path, image_path, shallow=False):
            yield row.problem(
                contract.MASK_NAME, f"a mask; {path} is the image itself, so name the folder of the masks"
            )


def _check_mask(
    path: Path, masked_rows: Sequence[_MaskedRow], sizes: dict[str, Size | None], resize: bool
) -> tuple[list[Problem], list[Fit]]:
    try:
        mask_file = read_mask_file(path)
    except InputError as error:
        return [masked_rows[0][0].problem(contract.MASK_NAME, _reason(error, path))], []
    of_images = {size for row, _ in masked_rows if (size := sizes[row.image_name]) is not None}
    if resize and len(of_images) == 1:  # a mask that images of several sizes share is refused below
        mask_file = mask_file.resized(of_images.pop())
    height, width = mask_file.foreground.shape
    problems = []
    rows_of_value: dict[int | None, list[CheckedRow]] = {}
    for row, value in masked_rows:
        size = sizes[row.image_name]
        box_xywh = row.box_xywh()
        if size is not None and size != (width, height):
            expected = f"a mask of {size[0]} x {size[1]} as the image has; {path.name} is {width} x {height}"
            problems.append(row.problem(contract.MASK_NAME, expected))
            continue
        try:
            mask_hw = mask_file.select(value)
        except InputError as error:
            problems.append(row.problem(contract.MASK_NAME, _reason(error, path)))
            continue
        rows_of_value.setdefault(value, []).append(row)
        if box_xywh is not None and not _has_pixel_in_box(mask_hw, box_xywh):
            problems.append(row.problem(contract.MASK_NAME, f"pixels of this row inside its box; {path.name} has none"))
    fits = [
        fit_of(rows, mask_file.select(value), value is None and mask_file.is_doubtful)
        for value, rows in rows_of_value.items()
    ]
    return problems, [fit for fit in fits if fit is not None]


def _has_pixel_in_box(mask_hw: Mask, box_xywh: BoxXYWH) -> bool:
    x, y, width, height = box_xywh
    rows = slice(max(math.floor(y), 0), max(math.ceil(y + height), 0))
    columns = slice(max(math.floor(x), 0), max(math.ceil(x + width), 0))
    return bool(mask_hw[rows, columns].any())


def _reason(error: InputError, path: Path) -> str:
    """What a reader says about a file, without its path, which the table shows as value."""
    return f"a sound file; {path.name} is {str(error).removeprefix(f'{path}: ')}"
