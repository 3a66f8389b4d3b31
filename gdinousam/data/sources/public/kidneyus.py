"""kidneyUS (Singla 2023): four structures of one kidney in an image. Of two sonographers the second, as in the paper.

Two mask files belong to an image: the capsule, and the three regions inside it under a value each. Objects come from
these files by value and not from the polygons of the label table, because polygons of two regions overlap in 63 images
and only the files say which region such a pixel belongs to. The values are held against the anatomy that the table
names. Images are given out after a registration only; some were published under several names.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gdinousam.data.images import read_image
from gdinousam.data.sources.public.interface import (
    DatasetFacts,
    PaperRow,
    PublicDataset,
    RawCase,
    RawImage,
    RawInstance,
)
from gdinousam.data.sources.public.pairing import release_files, require_files
from gdinousam.data.sources.public.raw_masks import (
    GreyMask,
    instances,
    num_script_contours,
    paper_rows,
    read_grey_mask,
    resize_labels,
)
from gdinousam.data.sources.public.release_tables import read_release_table
from gdinousam.errors import InputError
from gdinousam.records import Mask

# The paper's script takes the place in this list for the meaning of the table's region_id, which only counts polygons.
STRUCTURES = ("capsule", "central echo complex", "medulla", "cortex")
CAPSULE, *REGIONS = STRUCTURES
CAPSULE_VALUES = {1: CAPSULE}
REGION_VALUES = dict(enumerate(REGIONS, start=1))

ANNOTATED, UNANNOTATED = "annotated", "unannotated"
TABLE = "labels/reviewed_labels_2.csv"
MASKS = "labels/reviewed_masks_2"
FOLDERS = ("capsule", "regions")  # of masks
FILE_COLUMN, ID_COLUMN, ATTRIBUTES_COLUMN = "filename", "region_id", "region_attributes"


class Region(NamedTuple):
    """One polygon of the label table. region_id: its count. structure: one of ``STRUCTURES``."""

    region_id: int
    structure: str


class KidneyUS(PublicDataset):
    facts = DatasetFacts(
        name="kidneyUS",
        aliases=("Open Kidney Ultrasound",),
        tag="kidnyus",
        organ="kidney",
        role="seen",
        homepage="https://github.com/rsingla92/kidneyUS",
        licence="labels public, images after registration; terms at the home page",
        phrases={f"kidney {structure}": f"kidney {structure}" for structure in STRUCTURES},
        expected={ANNOTATED: 487, UNANNOTATED: 47},
        paper_counts=(1257, 465, 241),
    )
    signature = (TABLE, MASKS)

    def cases(self, root: Path) -> list[RawCase]:
        """The files of the label table in its order, then images that it does not list.

        A file in which the sonographer outlined nothing is ``unannotated``. Most are too poor to be outlined, so they
        are not examples of images without a kidney. A group joins files of one image, and of one leading number.
        """
        regions_of_file = read_regions(root / TABLE)
        images = release_files(root / "images", r".*\.png")
        if not images:
            raise InputError(
                f"{root}: no images; register at {self.facts.homepage}, and unpack them into {root / 'images'}"
            )
        _require_lines(root, regions_of_file)
        names = [*regions_of_file, *(path.name for path in images if path.name not in regions_of_file)]
        groups = _groups([Path(name).stem for name in names])
        found = []
        for name, group in zip(names, groups, strict=True):
            label = ANNOTATED if regions_of_file.get(name) else UNANNOTATED
            folders = FOLDERS if name in regions_of_file else ()
            masks = tuple(root / MASKS / folder / name for folder in folders)
            found.append(RawCase(Path(name).stem, label, root / "images" / name, masks, group, "duplicate cluster"))
        require_files([path for case in found for path in (case.image, *case.masks)], root, self.facts.name)
        return found

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """One picture with the objects of up to four phrases; none where nothing was outlined.

        Raises ``InputError`` also where masks and label table do not name the same structures.
        """
        image = read_image(case.image)
        if not case.masks:
            yield RawImage(case.name, image, ())
            return
        capsule_path, regions_path = case.masks
        table = capsule_path.parents[2] / Path(TABLE).name
        regions = _cached_regions(table, table.stat().st_mtime_ns)[capsule_path.name]
        stored = read_grey_mask(capsule_path), read_grey_mask(regions_path)
        objects: list[RawInstance] = []
        remarks: list[str] = []
        seen: set[str] = set()
        for path, grey_hw, structures in zip(case.masks, stored, (CAPSULE_VALUES, REGION_VALUES), strict=True):
            for structure, mask_hw in _masks_by_value(grey_hw, structures, image.shape[:2], path).items():
                parts, dropped = instances(mask_hw, f"kidney {structure}")
                objects += parts
                remarks += dropped
                seen.add(structure)
        _require_same(seen, {region.structure for region in regions}, case, table)
        rows = script_rows([region.region_id for region in regions], *stored, case.name)
        yield RawImage(case.name, image, tuple(objects), rows, tuple(dict.fromkeys(remarks)))


def script_rows(
    region_ids: Iterable[int], capsule_hw: GreyMask, regions_hw: GreyMask, name: str
) -> tuple[PaperRow, ...]:
    """The rows that the paper's script makes of one file.

    region_ids: of its lines in the label table, in that order; the script reads the first four as structures and passes
    over the others. capsule_hw, regions_hw: (H, W) uint8 mask files as stored; the three regions are not told apart.
    name: of the image. No rows without lines or without contours.
    """
    rows: list[PaperRow] = []
    for region_id in region_ids:
        if region_id < len(STRUCTURES):
            structure = STRUCTURES[region_id]
            num_rows = num_script_contours(capsule_hw if structure == CAPSULE else regions_hw)
            rows += paper_rows(num_rows, f"kidney {structure}", f"{name}_{structure}")
    return tuple(rows)


def read_regions(table: Path) -> dict[str, tuple[Region, ...]]:
    """The polygons of each image file in the label table, in its order; none for a file without outlines.

    Raises ``InputError`` for a table without its columns and for a line that cannot be understood.
    """
    lines = read_release_table(table, (FILE_COLUMN, ID_COLUMN, ATTRIBUTES_COLUMN))
    regions_of_file: dict[str, tuple[Region, ...]] = {}
    cells = zip(lines[FILE_COLUMN], lines[ID_COLUMN], lines[ATTRIBUTES_COLUMN], strict=True)
    for file_name, region_id, attributes in cells:
        regions = regions_of_file.get(file_name, ())
        try:
            regions_of_file[file_name] = regions + _regions(region_id, attributes)
        except Exception as error:  # JSON of any form
            raise InputError(
                f"{table}: {file_name} has a line of region_id {region_id!r} and region_attributes {attributes!r}; "
                f"expected a number and an Anatomy out of {', '.join(STRUCTURES)}; fetch the file again"
            ) from error
    return regions_of_file


def _regions(region_id: str, attributes: str) -> tuple[Region, ...]:
    """The polygon of a line; none for a line without anatomy, which stands for a file without outlines."""
    anatomy = json.loads(attributes).get("Anatomy")
    if anatomy is None:
        return ()
    if anatomy.lower() not in STRUCTURES:
        raise ValueError(anatomy)
    return (Region(int(region_id), anatomy.lower()),)


def _require_lines(root: Path, regions_of_file: Container[str]) -> None:
    """Raise ``InputError`` for a mask without a line: its image would pass for one without outlines."""
    masks = [path for folder in FOLDERS for path in release_files(root / MASKS / folder, r".*\.png")]
    unlisted = [path for path in masks if path.name not in regions_of_file]
    if unlisted:
        raise InputError(
            f"{root / TABLE}: no line for {len(unlisted)} of {len(masks)} masks, such as "
            f"{unlisted[0].relative_to(root).as_posix()}; fetch the table again"
        )


@lru_cache(maxsize=1)
def _cached_regions(table: Path, changed_ns: int) -> dict[str, tuple[Region, ...]]:
    """``read_regions``, once for all images. changed_ns: time of the table's last change, so that a new one is read."""
    return read_regions(table)


def _groups(stems: Sequence[str]) -> list[str]:
    """For each file the first one that it is connected to.

    Of NUMBER_SERIES the series identifies an image, which may be published under several numbers; files of one number
    may show one patient.
    """
    parent: dict[str, str] = {}

    def origin(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    keys_of_stem = [stem.split("_", 1) for stem in stems]
    for number, *series in keys_of_stem:
        for key in series:
            parent[origin(key)] = origin(number)
    first_stem: dict[str, str] = {}
    return [first_stem.setdefault(origin(number), stem) for stem, (number, *_) in zip(stems, keys_of_stem, strict=True)]


def _masks_by_value(
    grey_hw: GreyMask, structures: Mapping[int, str], size_hw: tuple[int, int], path: Path
) -> dict[str, Mask]:
    """The mask of each structure that a mask file holds, (H, W) bool of the image's size."""
    labels_hw = resize_labels(grey_hw, size_hw, path)
    values = [int(value) for value in np.unique(labels_hw) if value]
    unknown = [value for value in values if value not in structures]
    if unknown:
        raise InputError(f"{path}: holds the value {unknown[0]}, which is not a structure; fetch the file again")
    return {structures[value]: np.asarray(labels_hw == value) for value in values}


def _require_same(in_masks: set[str], in_table: set[str], case: RawCase, table: Path) -> None:
    if in_masks == in_table:
        return
    masks, lines = (", ".join(sorted(names)) or "nothing" for names in (in_masks, in_table))
    raise InputError(f"{case.image.name}: the masks hold {masks}, {table} names {lines}; fetch masks and labels again")
