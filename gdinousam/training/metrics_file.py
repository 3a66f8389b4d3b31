"""``metrics.csv`` of a run: one row per epoch."""

from __future__ import annotations

import csv
from pathlib import Path

from gdinousam.data.contract.delimited import read_delimited
from gdinousam.files import csv_file

MARKS = ("epoch", "step", "learning_rate", "train_loss", "val_loss")  # columns by which the separator is found
EpochRow = dict[str, float | int | str]


class MetricsFile:
    """A CSV that grows by one row per epoch; the columns are those of the first row.

    num_epochs: epochs to keep of an earlier run that goes on; later rows, of an epoch that will be run again, are
    dropped. A file that a spreadsheet saved since is written anew with commas and points. Raises ``InputError`` for one
    that is not a table any more.
    """

    def __init__(self, path: Path, num_epochs: int) -> None:
        self.path = path
        if path.is_file():
            lines = read_delimited(path, MARKS, None)
            kept = [cells for cells in lines if "".join(cells).strip()][: num_epochs + 1]
            with csv_file(path) as file:
                csv.writer(file).writerows(kept)

    def append(self, row: EpochRow) -> None:
        """Add the row of an epoch and flush it."""
        is_new = not self.path.is_file() or self.path.stat().st_size == 0
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)
