"""The checker: every breach of the CSV contract at once, as a table, before the first training step.

``check_table`` finds the problems; ``require_valid`` is what training and testing call before they start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.check_files import Folders, check_files
from gdinousam.data.contract.check_rows import CheckedRow, check_rows
from gdinousam.data.contract.problems import DataProblems, Problem
from gdinousam.data.contract.remembered import remembered
from gdinousam.errors import InputError
from gdinousam.identity import identity

logger = logging.getLogger(__name__)


def require_valid(
    csv_path: str | Path,
    image_dir: str | Path,
    mask_dir: str | Path | None = None,
    masks_required: bool = False,
    datasets: Sequence[str] | None = None,
    resize_masks: bool = False,
    allow_odd: bool = False,
    phrase_book: Path | None = None,
) -> None:
    """Raise ``DataProblems`` where ``check_table`` finds any; arguments and other errors as there.

    Sound data is remembered: as long as CSV and files stay as they are it is not looked through again, which the log
    says; see ``gdinousam.data.contract.remembered``.
    """
    csv_path = contract.find_csv(csv_path)
    options: dict[str, Any] = {
        "masks_required": masks_required,
        "datasets": None if datasets is None else tuple(datasets),
        "resize_masks": resize_masks,
        "allow_odd": allow_odd,
    }

    def check() -> dict[str, Any]:
        problems = check_table(csv_path, image_dir, mask_dir, phrase_book=phrase_book, **options)
        if problems:
            raise DataProblems(problems)
        return {"sound": str(csv_path)}

    folders = [Path(folder) for folder in (image_dir, mask_dir) if folder is not None]
    question = {"check": options, "with_masks": mask_dir is not None}
    files = [csv_path, *([] if phrase_book is None else [phrase_book])]
    _, is_known = remembered(question, files, folders, check)
    if is_known:
        logger.info("%s: checked before, and no file has changed since", csv_path)


def check_table(
    csv_path: str | Path,
    image_dir: str | Path,
    mask_dir: str | Path | None = None,
    masks_required: bool = False,
    progress: bool = True,
    datasets: Sequence[str] | None = None,
    allow_odd: bool = False,
    resize_masks: bool = False,
    phrase_book: Path | None = None,
) -> list[Problem]:
    """Find every breach of the contract in a CSV and the files it names.

    image_dir, mask_dir: folders of the images and masks; without a mask folder no mask is looked at. masks_required:
    every row with a box must have a mask. progress: show a bar in a terminal where the check takes a while. datasets:
    look at the files of these alone, as only they are used; the rows are all checked. allow_odd: take boxes and masks
    that obey the contract and yet look wrong (see ``plausibility``). resize_masks: a mask of another size than its
    image is not a problem and is checked at the image's. phrase_book: says which phrases mean the same; ``None``: the
    package's. Each image and mask is decoded once. Returns the
    problems by row, an empty list for sound data. Raises ``InputError`` only for a CSV that cannot be read as a table
    at all, and for required masks without a mask folder.
    """
    if masks_required and mask_dir is None:
        raise InputError(f"{csv_path}: masks are required, but no mask folder is given; name it")
    csv_path = contract.find_csv(csv_path)
    table, uneven_rows = contract.read_cells(csv_path)
    header = list(table.columns)
    missing = contract.missing_columns(header)
    if missing:
        return [Problem(csv_path, 1, name, near or "", f"a column named {name}") for name, near in missing.items()]
    if table.empty and not uneven_rows:
        return [Problem(csv_path, None, contract.IMAGE_NAME, "", "at least one row below the header")]
    rows = [CheckedRow(csv_path, number, cells) for number, cells in contract.iterate_rows(table)]
    mask_folder = None if mask_dir is None else Path(mask_dir)
    folders = Folders(csv_path, Path(image_dir), mask_folder, masks_required, allow_odd, resize_masks)
    problems = [*_check_evenness(csv_path, uneven_rows, len(header)), *check_rows(rows, phrase_book)]
    wanted = None if datasets is None else {identity(name) for name in datasets}
    used = [row for row in rows if wanted is None or identity(row.cells[contract.DATASET]) in wanted]
    problems += folders.missing() or check_files(used, folders, progress)
    return sorted(problems, key=lambda problem: problem.row or 0)


def _check_evenness(csv_path: Path, uneven_rows: dict[int, int], num_columns: int) -> Iterator[Problem]:
    for number, num_cells in uneven_rows.items():
        expected = f"{num_columns} cells as in the header; quote a phrase that holds a comma"
        yield Problem(csv_path, number, contract.PHRASE, f"{num_cells} cells", expected)
