"""The whole way for one public dataset: release -> pictures -> splits -> files and rows in place."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gdinousam.data.audit.near_duplicates import clusters
from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.layout import PART_FOLDERS, PARTS, SUPPORT, Part
from gdinousam.data.preparation.archives import unpacked, with_lower_suffixes
from gdinousam.data.preparation.commit import FILES, LISTS, collecting, commit, write_rows
from gdinousam.data.preparation.pictures import PreparedImage, PreparedRow, file_stem, write_picture
from gdinousam.data.preparation.report import Options, Report, Written, count_remarks
from gdinousam.data.sources.public.interface import NORMAL, PublicDataset, RawCase
from gdinousam.data.sources.public.registry import find_release
from gdinousam.data.splits.grouped_split import grouped_split
from gdinousam.data.splits.paper_split import paper_split
from gdinousam.data.splits.plan import SplitImage, SplitPlan
from gdinousam.data.splits.set_aside import choose_support
from gdinousam.data.splits.split_list import SplitListRow, write_split_list
from gdinousam.errors import InputError
from gdinousam.progress_bar import ProgressBar

MAX_THREADS = 4  # each may hold a volume

LeftOut = list[tuple[str, str]]


def prepare(dataset: PublicDataset, raw: Path, data: Path, options: Options, progress: bool = True) -> Report:
    """Write a dataset in the layout of the data contract, in place of an earlier preparation of it.

    raw: folder or archive of the release. data: folder that holds the prepared datasets; others in it stay as they
    are. The same release and options give the same files. Raises ``InputError``, before anything in ``data`` changes,
    for a folder of another dataset, a release that is not complete, a file that cannot be read (unless
    ``options.skip_bad``), an archive that is damaged or leads outside, a disk without room, and for
    ``options.support`` of a dataset that has training images or too few groups to set as many aside.
    """
    tag = dataset.facts.tag
    if options.support and dataset.facts.role == "seen":
        raise InputError(
            f"{dataset.facts.name} has training images to draw examples from; --support is for datasets that are only "
            "tested, so leave it out"
        )
    with collecting(data, tag) as folder:
        try:
            release = with_lower_suffixes(unpacked(raw, folder / "release", progress), folder / "lower-case")
            root = find_release(dataset, release)
            return _prepare(dataset, root, data, folder, options, progress)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InputError(
                f"{data}: {dataset.facts.name} could not be written ({reason}); what was there is unchanged"
            ) from error


def _prepare(dataset: PublicDataset, root: Path, data: Path, folder: Path, options: Options, progress: bool) -> Report:
    cases = dataset.cases(root)
    _require_distinct(dataset, cases)
    normal = [] if options.negatives else [case for case in cases if case.label == NORMAL]
    wanted = [case for case in cases if options.negatives or case.label != NORMAL]
    left_out: LeftOut = [(case.name, "normal; --negatives takes it in") for case in normal]
    images = _write_pictures(dataset, wanted, folder, options, left_out, progress)
    images = _with_duplicate_clusters(images)
    plan = _split(dataset, images, options)
    left_out += plan.left_out
    written = _place(dataset, images, plan, folder, options)
    members = [
        SplitListRow(split, image.file_name, image.group, phrases)
        for image in images
        for split in PARTS
        if (phrases := plan.members_of(split).get(image.name)) is not None
    ]
    lists = folder / FILES / LISTS
    lists.mkdir()
    split_hash = write_split_list(lists / f"{dataset.facts.tag}.csv", members)
    report_path = lists / f"{dataset.facts.tag}.json"
    files = [path.relative_to(folder / FILES).as_posix() for path in (folder / FILES).rglob("*") if path.is_file()]
    report = Report(
        facts=dataset.facts,
        options=options,
        found=Counter(case.label for case in cases),
        written=written,
        left_out=left_out,
        moved=plan.moved,
        remarks=count_remarks([image.remarks for image in images]),
        split_hash=split_hash,
        files=sorted([*files, report_path.relative_to(folder / FILES).as_posix()]),
    )
    report_path.write_text(report.json(), encoding="utf-8")
    commit(data, dataset.facts.tag, folder)
    return report


def _require_distinct(dataset: PublicDataset, cases: Sequence[RawCase]) -> None:
    """Two cases of one file name would overwrite each other, as they do in the paper's scripts."""
    seen: dict[str, RawCase] = {}
    for case in cases:
        other = seen.setdefault(file_stem(dataset.facts.tag, case.name), case)
        if other is not case:
            raise InputError(f"{case.image} and {other.image} would be written under one name; rename one of them")


def _write_pictures(
    dataset: PublicDataset,
    cases: Sequence[RawCase],
    folder: Path,
    options: Options,
    left_out: LeftOut,
    progress: bool,
) -> list[PreparedImage]:
    """Read every case and write its pictures, in the order of the cases."""
    tag = dataset.facts.tag
    phrases = _vocabulary(dataset, options)
    image_dir, mask_dir = folder / "images", folder / "masks"
    image_dir.mkdir()
    mask_dir.mkdir()

    def convert(case: RawCase) -> list[PreparedImage] | InputError:
        try:
            raws = dataset.read(case)
            return [write_picture(case, raw, tag, phrases, image_dir, mask_dir) for raw in raws]
        except InputError as error:
            return error

    images: list[PreparedImage] = []
    bar = ProgressBar(len(cases), dataset.facts.name, "case", progress)
    with bar, ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        for case, converted in zip(cases, pool.map(convert, cases), strict=True):
            if isinstance(converted, InputError):
                if not options.skip_bad:
                    pool.shutdown(cancel_futures=True)
                    raise InputError(f"{converted}, or leave it out with --skip-bad") from converted
                left_out.append((case.name, "not readable"))
                continue
            empty = [image for image in converted if _is_empty(image, options)]
            left_out += [(image.name, "no object in its mask") for image in empty]
            if not converted:
                left_out.append((case.name, "no slice with an object"))
            images += [image for image in converted if image not in empty]
            bar.update()
    return images


def _is_empty(image: PreparedImage, options: Options) -> bool:
    """Whether an image has nothing to be written for; the paper's split still counts the rows of specks in it."""
    is_counted = options.split == "paper" and bool(image.paper_rows)
    return not image.rows and image.label != NORMAL and not is_counted


def _vocabulary(dataset: PublicDataset, options: Options) -> dict[str, str]:
    """For each of the paper's phrases the one to write."""
    if options.written_vocabulary == "paper":
        return {phrase: phrase for phrase in dataset.facts.phrases}
    return dict(dataset.facts.phrases)


def _with_duplicate_clusters(images: Sequence[PreparedImage]) -> list[PreparedImage]:
    """Groups that share a picture become one: images of unknown patients, and patients that a release confuses."""
    thumbnails = [image.thumbnail for image in images]
    cluster_of = clusters([image.name for image in images], thumbnails, [image.group for image in images])
    groups_of: dict[str, set[str]] = {}
    for image in images:
        groups_of.setdefault(cluster_of[image.name], set()).add(image.group)
    return [
        dataclasses.replace(image, group=cluster_of[image.name], group_kind="duplicate cluster")
        if len(groups_of[cluster_of[image.name]]) > 1
        else image
        for image in images
    ]


def _split(dataset: PublicDataset, images: Sequence[PreparedImage], options: Options) -> SplitPlan:
    facts = dataset.facts
    split_images = [
        SplitImage(
            name=image.name,
            group=image.group,
            phrases=tuple(dict.fromkeys(row.paper_phrase for row in image.rows)),
            official_split=image.official_split,
            paper_rows=image.paper_rows,
        )
        for image in images
    ]
    aside = choose_support(split_images, options.support, facts.tag) if options.support else frozenset()
    split_of = [image for image in split_images if image.name not in aside]
    if options.split == "paper":
        plan = paper_split(split_of, facts.role, facts.class_order)
    else:
        plan = grouped_split(split_of, facts.role, facts.tag)
    support = {image.name: image.phrases for image in split_images if image.name in aside}
    return dataclasses.replace(plan, support=support)


def _place(
    dataset: PublicDataset, images: Sequence[PreparedImage], plan: SplitPlan, folder: Path, options: Options
) -> dict[Part, Written]:
    """Sort the written pictures into the folders of their splits and the support set and make the CSV rows."""
    negative_phrases = tuple(dict.fromkeys(_vocabulary(dataset, options).values()))
    written = {}
    for split in PARTS:
        rows: list[contract.Row] = []
        of_split = plan.members_of(split)
        members = [image for image in images if image.name in of_split]
        image_dir, mask_dir = (folder / FILES / name for name in PART_FOLDERS[split])
        for image in members:
            phrases = of_split[image.name]
            own = [row for row in image.rows if row.paper_phrase in phrases]
            _copy(folder / "images" / image.file_name, image_dir)
            for mask_file in sorted({row.mask_file for row in own}):
                _copy(folder / "masks" / mask_file, mask_dir)
            rows += [_csv_row(dataset.facts.tag, image, row.phrase, row) for row in own]
            if not image.rows:
                rows += [_csv_row(dataset.facts.tag, image, phrase, None) for phrase in negative_phrases]
        write_rows(folder, split, rows)
        counted = plan.counted[split] if options.split == "paper" and split != SUPPORT else None
        written[split] = Written(len(members), len(rows), len({image.group for image in members}), counted)
    return written


def _copy(path: Path, folder: Path) -> None:
    """A file that two splits share must not be one file on the disk: editing one would edit the other."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(path, folder / path.name)


def _csv_row(tag: str, image: PreparedImage, phrase: str, row: PreparedRow | None) -> contract.Row:
    box_cells = [""] * 4 if row is None else [str(int(number)) for number in row.box_xywh]
    return {
        contract.PHRASE: phrase,
        **dict(zip(contract.BOX_COLUMNS, box_cells, strict=True)),
        contract.IMAGE_NAME: image.file_name,
        contract.IMAGE_WIDTH: str(image.width),
        contract.IMAGE_HEIGHT: str(image.height),
        contract.DATASET: tag,
        contract.MASK_NAME: "" if row is None else f"{row.mask_file}#{row.mask_value}",
        contract.GROUP: image.group,
        contract.GROUP_KIND: image.group_kind,
    }
