"""Putting a prepared dataset in place: all of it, or, until it is complete, nothing.

A preparation is collected in a hidden folder beside the data, on the same disk. When it is complete the folder is
renamed, and from then on the change only goes forward: should the program be killed while files move into place, the
next preparation in the same folder finishes the move first. CSVs change last, so no row ever names a missing file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pandas as pd

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.layout import PART_FOLDERS, PARTS, Part, csv_name
from gdinousam.errors import InputError
from gdinousam.files import sync_folder, sync_tree, write_json
from gdinousam.locks import locked
from gdinousam.reading import read_json_object

FILES = "files"  # in the collecting folder: what moves into place, under the paths it will have
ROWS = "rows"  # in the collecting folder: this dataset's rows of each split and of the support set
PLAN = "commit.json"
LISTS = "splits"  # in the data folder: list and report of each dataset
_FOLDERS = {LISTS, *(folder for pair in PART_FOLDERS.values() for folder in pair)}  # that a preparation writes to


@contextmanager
def collecting(data: Path, tag: str) -> Iterator[Path]:
    """Yield an empty folder to collect a dataset in; whatever is left of it at the end is removed.

    data: folder of the prepared datasets, made if it is not there. First the move that an interrupted preparation
    left behind is finished. Raises ``InputError`` while another program prepares the same dataset there, and where
    the folder cannot be written.
    """
    data.mkdir(parents=True, exist_ok=True)
    with locked(data, tag, f"{data}: {tag}"):
        with _moving(data):  # also where nothing is to be moved: it takes away what a killed program left of its lock
            for ready in sorted(data.glob(".*.ready")):
                _move_into_place(data, ready)
        folder = data / f".{tag}.new"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            (folder / FILES).mkdir(parents=True)
            (folder / ROWS).mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def commit(data: Path, tag: str, folder: Path) -> None:
    """Put what was collected in place of what an earlier preparation of the same dataset wrote.

    folder: as from ``collecting``, with everything below ``FILES`` under its final relative path and one CSV per split
    below ``ROWS``. Files of other datasets and rows of other datasets stay as they are. Raises ``InputError`` where a
    file to be written is there already and belongs to something else; nothing is changed then.
    """
    new = _relative_files(folder / FILES)
    old = written_files(data, tag)
    taken = sorted(name for name in new - old if (data / name).exists())
    if taken:
        raise InputError(f"{data / taken[0]}: is there already and not from {tag}; name another output folder")
    write_json(folder / PLAN, {"tag": tag, "stale": sorted(old - new)})
    ready = data / f".{tag}.ready"
    for name in (FILES, ROWS):
        sync_tree(folder / name)
    folder.rename(ready)
    sync_folder(data)
    with _moving(data):
        _move_into_place(data, ready)


def written_files(data: Path, tag: str) -> set[str]:
    """Paths, relative to ``data``, of what an earlier preparation of the dataset wrote; empty where there was none."""
    report = data / LISTS / f"{tag}.json"
    if not report.is_file():
        return set()
    remedy = "restore it, or prepare into another folder"
    return _names_of_files(read_json_object(report, remedy).get("files"), report, remedy)


def _names_of_files(names: object, path: Path, remedy: str) -> set[str]:
    """Names as a preparation gives them, ``train/busi_1.png``. Others are refused: what is named may be removed."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: holds no list of the files of a preparation; {remedy}")
    for name in names:
        folder, _, file = name.partition("/")
        if folder not in _FOLDERS or file in ("", ".", "..") or set(file) & {"/", "\\", "\0"}:
            raise InputError(f"{path}: names {name!r}, which no preparation writes; {remedy}")
    return set(names)


def _moving(data: Path) -> AbstractContextManager[None]:
    """Several datasets may end at the same time, and they share the CSVs."""
    return locked(data, "commit", str(data), waits=True)


def _move_into_place(data: Path, ready: Path) -> None:
    """Every step may be taken twice: what has been moved before the program was killed is not there to be moved."""
    if not (ready / PLAN).exists():  # all is in place; another program may have done it just now
        shutil.rmtree(ready, ignore_errors=True)
        return
    tag, stale = _read_plan(ready / PLAN)
    for name in sorted(_relative_files(ready / FILES)):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (ready / FILES / name).replace(data / name)
    for part in PARTS:
        if (ready / ROWS / csv_name(part)).is_file():  # a version without support sets may have left it
            _replace_rows(data / csv_name(part), ready / ROWS / csv_name(part), tag)
    for name in sorted(stale):
        (data / name).unlink(missing_ok=True)
    for path in sorted(ready.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
    shutil.rmtree(ready)  # the plan goes last, because without it nobody could go on


def _read_plan(path: Path) -> tuple[str, set[str]]:
    """Tag and stale files of a plan."""
    remedy = f"remove the folder {path.parent} and prepare again"
    plan = read_json_object(path, remedy)
    if not isinstance(plan.get("tag"), str):
        raise InputError(f"{path}: names no dataset; {remedy}")
    return plan["tag"], _names_of_files(plan.get("stale"), path, remedy)


def _replace_rows(csv_path: Path, rows_path: Path, tag: str) -> None:
    """Put the dataset's rows in the place of its earlier ones, or behind all others; a CSV without rows goes."""
    rows = contract.read_table(rows_path)
    try:
        csv_path = contract.find_csv(csv_path)
    except InputError:
        if not rows.empty:
            contract.write_table(rows, csv_path)
        return
    table = contract.read_table(csv_path)
    # an import is not a dataset: what an interrupted move has already added is known by the rows themselves
    added = set(rows.itertuples(index=False, name=None)) if list(rows.columns) == list(table.columns) else set()
    is_added = [row in added for row in table.itertuples(index=False, name=None)]
    ours = (table[contract.DATASET] == tag) | pd.Series(is_added, index=table.index, dtype=bool)
    first = int(ours.to_numpy().argmax()) if ours.any() else len(table)
    others = table[~ours]
    parts = [others.iloc[:first], rows, others.iloc[first:]]
    merged = pd.concat([part for part in parts if not part.empty] or [rows]).fillna("")
    if merged.empty:
        csv_path.unlink()
    elif not merged.reset_index(drop=True).equals(table.reset_index(drop=True)):
        contract.write_table(merged, csv_path)


def write_rows(folder: Path, part: Part, rows: Sequence[contract.Row]) -> None:
    """Put this dataset's rows of a split or the support set into the collecting folder; they may be none."""
    columns = list(rows[0]) if rows else list(contract.COLUMNS)
    contract.write_table(pd.DataFrame(rows, columns=columns, dtype=str), folder / ROWS / csv_name(part))


def _relative_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
