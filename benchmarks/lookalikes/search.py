"""How many altered copies of a picture are found, and which pictures of different groups are taken for copies."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.lookalikes.alterations import ALTERATIONS, Alteration
from gdinousam.data.audit.near_duplicates import NearPair, near_pairs
from gdinousam.data.audit.picture_windows import Thumbnail, thumbnail
from gdinousam.data.contract.layout import SPLIT_FOLDERS, SPLITS, csv_name
from gdinousam.data.contract.reading import find_csv, read_records
from gdinousam.data.images import read_image
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.evaluation.timing.clock import Clock
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Image

SHEET = "pairs.png"
_MAX_THREADS = 8
_AT_ONCE = 50  # pictures whose copies are looked for together
_SHOWN, _PER_ROW, _SIDE, _LABEL = 60, 3, 240, 18  # pairs on the sheet, in a row; pixels of a picture and of its label


@dataclass(frozen=True)
class Picture:
    """An image file. group: dataset and patient or other group, ``None`` where unknown."""

    path: Path
    dataset: str
    group: str | None


@dataclass(frozen=True)
class StrangerPair:
    """Two pictures of different groups that were taken for near-duplicates; somebody has to look at them."""

    dataset: str
    first: str
    second: str
    correlation: float
    is_mirrored: bool


@dataclass(frozen=True)
class Found:
    """What the search finds.

    num_copies: of each alteration. found: copies of each that were found. num_images: by dataset. num_strangers: pairs
    of pictures of different groups, by dataset, ``across`` for those of two datasets. strangers: those that were found.
    seconds: of the search through all pictures, decoded already.
    """

    num_copies: int
    found: dict[str, int]
    num_images: dict[str, int]
    num_strangers: dict[str, int]
    strangers: tuple[StrangerPair, ...]
    seconds: float


ACROSS = "across datasets"


def read_pictures(sources: Sequence[Path]) -> list[Picture]:
    """The pictures to search. sources: folders in the contract, and image files, of which no group is known."""
    pictures = []
    for source in sources:
        if source.is_file():
            pictures.append(Picture(source, source.parent.name, None))
            continue
        found = []
        for split in SPLITS:
            try:
                csv_path = find_csv(source / csv_name(split))
            except InputError:
                continue  # said below where no split has one
            for record in read_records(csv_path, source / SPLIT_FOLDERS[split][0]):
                group = None if record.group is None else f"{record.dataset}/{record.group}"
                found.append(Picture(record.path, record.dataset, group))
        if not found:
            raise InputError(f"{source}: neither an image file nor a folder with train.CSV, val.CSV or test.CSV")
        pictures += found
    return pictures


def measure_lookalikes(pictures: Sequence[Picture], num_copies: int, folder: Path, seed: int = 0) -> Found:
    """Alter a random sample of the pictures in every way, look for the copies, then for pairs among all pictures.

    num_copies: pictures to alter, at most all. folder: gets a sheet of the pairs of different groups to look at.
    """
    thumbnails = _thumbnails(pictures, None, "reading images")
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(pictures))[:num_copies].tolist()
    sample = [pictures[position] for position in chosen]
    originals = [thumbnails[position] for position in chosen]
    found = {}
    for name, alteration in ALTERATIONS.items():
        copies = _thumbnails(sample, alteration, name)
        found[name] = _count_found(originals, copies)
    clock = Clock(torch.device("cpu"))
    with clock.running("search"):
        pairs = near_pairs(thumbnails)
    strangers = sorted(
        (pair for pair in pairs if _are_strangers(pictures[pair.first], pictures[pair.second])),
        key=lambda pair: (pair.correlation, pair),
    )
    if strangers:
        _draw(strangers[:_SHOWN], pictures, folder / SHEET)
    return Found(
        num_copies=len(sample),
        found=found,
        num_images=dict(sorted(Counter(picture.dataset for picture in pictures).items())),
        num_strangers=_count_strangers(pictures),
        strangers=tuple(_described(pair, pictures) for pair in strangers),
        seconds=clock.take()["search"],
    )


def _thumbnails(pictures: Sequence[Picture], alteration: Alteration | None, what: str) -> list[Thumbnail]:
    read = partial(_thumbnail, pictures, alteration)
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        return list(ProgressBar(len(pictures), what).over(pool.map(read, range(len(pictures)))))


def _thumbnail(pictures: Sequence[Picture], alteration: Alteration | None, position: int) -> Thumbnail:
    image = read_image(pictures[position].path)
    # a generator for each picture, so that threads draw the same
    return thumbnail(image if alteration is None else alteration(image, np.random.default_rng(position)))


def _count_found(originals: Sequence[Thumbnail], copies: Sequence[Thumbnail]) -> int:
    num = 0
    for start in range(0, len(originals), _AT_ONCE):
        some, theirs = originals[start : start + _AT_ONCE], copies[start : start + _AT_ONCE]
        num += sum(pair.second == pair.first + len(some) for pair in near_pairs([*some, *theirs]))
    return num


def _are_strangers(first: Picture, second: Picture) -> bool:
    known = first.group is not None and second.group is not None
    return known and first.group != second.group


def _kind(first: Picture, second: Picture) -> str:
    return first.dataset if first.dataset == second.dataset else ACROSS


def _count_strangers(pictures: Sequence[Picture]) -> dict[str, int]:
    """Pairs of pictures of different groups in each dataset, and across."""
    groups: dict[str, Counter[str]] = {}
    for picture in pictures:
        if picture.group is not None:
            groups.setdefault(picture.dataset, Counter())[picture.group] += 1
    counts = {dataset: _pairs_of_different(list(sizes.values())) for dataset, sizes in sorted(groups.items())}
    return counts | {ACROSS: _pairs_of_different([sizes.total() for sizes in groups.values()])}


def _pairs_of_different(sizes: Sequence[int]) -> int:
    return (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2


def _described(pair: NearPair, pictures: Sequence[Picture]) -> StrangerPair:
    first, second = pictures[pair.first], pictures[pair.second]
    return StrangerPair(_kind(first, second), first.path.name, second.path.name, pair.correlation, pair.is_mirrored)


def _draw(pairs: Sequence[NearPair], pictures: Sequence[Picture], path: Path) -> None:
    cells = [_cell(pair, pictures[pair.first], pictures[pair.second]) for pair in pairs]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % _PER_ROW)
    rows = [np.hstack(cells[start : start + _PER_ROW]) for start in range(0, len(cells), _PER_ROW)]
    write_picture(np.vstack(rows), path)


def _cell(pair: NearPair, first: Picture, second: Picture) -> Image:
    cell = np.zeros((_LABEL + _SIDE, 2 * _SIDE + 10, 3), np.uint8)
    for left, picture in ((0, first), (_SIDE + 2, second)):
        image = read_image(picture.path)
        scale = _SIDE / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:_SIDE, :_SIDE]
        cell[_LABEL : _LABEL + small.shape[0], left : left + small.shape[1]] = small
    text = f"{first.path.stem} {second.path.stem} {pair.correlation:.2f}{' mirrored' * pair.is_mirrored}"
    cv2.putText(cell, text, (2, _LABEL - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
    return cell
