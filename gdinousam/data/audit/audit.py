"""The audit itself: read the CSVs and images of a folder, then compare and count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gdinousam.data.audit.leaks import (
    AuditedImage,
    case_twins,
    contents_of,
    near_duplicates,
    repeats_within,
    shared_groups,
    shared_names,
    shared_pixels,
    untrained_phrases,
)
from gdinousam.data.audit.pictures import read_pictures
from gdinousam.data.audit.report import AuditReport
from gdinousam.data.contract.layout import PART_FOLDERS, PARTS, SPLITS, Part, csv_name
from gdinousam.data.contract.reading import GROUP_KIND, IMAGE_NAME, find_csv, read_records, read_table
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord

PATIENT_KINDS = ("patient", "subject", "")  # what a group is; where nothing says so, it is taken for a patient


def audit_data(folder: str | Path, progress: bool = True) -> AuditReport:
    """Look for what the splits of a folder share.

    folder: holds ``train.CSV``, ``val.CSV`` and ``test.CSV`` (either letter case of the suffix) and their images in
    ``train/``, ``val/`` and ``test_image/``; a split without CSV is left aside, and one alone can leak nothing. A
    support set (``support.CSV``, ``support/``) counts as one more: what it shares with the test is a leak.
    progress: a bar in terminals where reading takes a while. Raises ``InputError`` for a folder without any such CSV,
    for a CSV that cannot be read, and for images that are missing or do not decode.
    """
    folder = Path(folder)
    records = _read_splits(folder)
    images = _read_images(records, progress)
    near = near_duplicates(images)
    repeats = repeats_within(images)
    return AuditReport(
        folder=str(folder),
        num_images={split: len(of_split) for split, of_split in records.items()},
        contents=contents_of(images, tuple(records)),
        shared_names=shared_names(images),
        shared_pixels=shared_pixels(images),
        near_pairs=near.between,
        shared_groups=shared_groups(images),
        repeats_within={split: repeats.get(split, 0) for split in records},
        near_pairs_within={split: near.within.get(split, 0) for split in records},
        unknown_patients=_unknown_patients(folder, records),
        untrained_phrases=untrained_phrases(records),
        case_twins=case_twins(images),
    )


def _read_splits(folder: Path) -> dict[Part, tuple[ImageRecord, ...]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that holds {', '.join(map(csv_name, SPLITS))}")
    records = {}
    for split in PARTS:
        try:
            csv_path = find_csv(folder / csv_name(split))
        except InputError:
            continue  # said below where no split has one; the report names the others
        records[split] = read_records(csv_path, folder / PART_FOLDERS[split][0])
    if not records:
        raise InputError(f"{folder}: holds none of {', '.join(map(csv_name, SPLITS))}; give the folder that does")
    return records


def _unknown_patients(folder: Path, records: Mapping[Part, tuple[ImageRecord, ...]]) -> dict[Part, int]:
    """Number of images of each split without a group, or with one that is not a patient by the column group_kind."""
    unknown = {}
    for split, of_split in records.items():
        table = read_table(find_csv(folder / csv_name(split)))
        kinds = dict(zip(table[IMAGE_NAME], table[GROUP_KIND], strict=True)) if GROUP_KIND in table else {}
        unknown[split] = sum(
            record.group is None or kinds.get(record.path.name, "") not in PATIENT_KINDS for record in of_split
        )
    return unknown


def _read_images(records: Mapping[Part, tuple[ImageRecord, ...]], progress: bool) -> list[AuditedImage]:
    placed = [(split, record) for split, of_split in records.items() for record in of_split]
    missing = [record.path for _, record in placed if not record.path.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: no such image, {len(missing)} are missing in all; complete the folder")
    pictures = read_pictures([record.path for _, record in placed], progress)
    return [AuditedImage(split, record, picture) for (split, record), picture in zip(placed, pictures, strict=True)]
