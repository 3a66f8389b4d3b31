"""metrics.csv: one row per epoch, also over a resume."""

import csv
from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.training.metrics_file import MetricsFile


def rows_in(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_epochs(path: Path, epochs: range) -> None:
    metrics = MetricsFile(path, epochs.start - 1)
    for epoch in epochs:
        metrics.append({"epoch": epoch, "train_loss": 1 / epoch})


def test_every_epoch_is_a_row_as_soon_as_it_is_added(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    metrics = MetricsFile(path, 0)
    for epoch in (1, 2):
        metrics.append({"epoch": epoch, "train_loss": 0.1 + 0.2})
        assert [row["epoch"] for row in rows_in(path)] == [str(one) for one in range(1, epoch + 1)]
    assert float(rows_in(path)[0]["train_loss"]) == 0.1 + 0.2


def test_a_resumed_run_drops_the_rows_of_epochs_that_are_run_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_epochs(path, range(1, 6))
    write_epochs(path, range(4, 7))
    assert [row["epoch"] for row in rows_in(path)] == ["1", "2", "3", "4", "5", "6"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_resumed_in_its_first_epoch_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_epochs(path, range(1, 3))
    write_epochs(path, range(1, 2))
    assert [row["epoch"] for row in rows_in(path)] == ["1"]


def test_an_empty_file_gets_a_header(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.touch()
    write_epochs(path, range(1, 2))
    assert rows_in(path) == [{"epoch": "1", "train_loss": "1.0"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_that_a_spreadsheet_saved_goes_on_with_commas_and_points(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes("epoch;train_loss\r\n1;0,5\r\n2;1,25E-05\r\n;\r\n".encode(encoding))
    metrics = MetricsFile(path, 2)
    metrics.append({"epoch": 3, "train_loss": 0.25})
    assert rows_in(path) == [
        {"epoch": "1", "train_loss": "0.5"},
        {"epoch": "2", "train_loss": "1.25E-05"},
        {"epoch": "3", "train_loss": "0.25"},
    ]


def test_a_file_that_is_no_table_any_more_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(InputError, match=r"metrics\.csv: not UTF-8 text"):
        MetricsFile(path, 1)
    assert path.read_bytes() == b"PK\x03\x04\xff\xfe"
