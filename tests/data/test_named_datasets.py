"""Some of the datasets of a file."""

from pathlib import Path

import numpy as np
import pytest

from gdinousam.data.contract.check import check_table, require_valid
from gdinousam.data.contract.names import datasets_of, of_datasets
from gdinousam.data.contract.problems import DataProblems
from gdinousam.data.contract.reading import write_records
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord, Instance


def record(folder: Path, name: str, dataset: str) -> ImageRecord:
    return ImageRecord(folder / name, 9, 7, dataset, None, (Instance("cyst", (1, 1, 3, 3)),), (), ("cyst",), "cyst")


@pytest.fixture
def records(tmp_path: Path) -> tuple[ImageRecord, ...]:
    """Three images, of which only those of dataset b are there."""
    records = (record(tmp_path, "1.png", "b"), record(tmp_path, "2.png", "a"), record(tmp_path, "3.png", "b"))
    for one in (records[0], records[2]):
        write_picture(np.zeros((7, 9, 3), np.uint8), one.path)
    write_records(records, tmp_path / "test.CSV")
    return records


def test_the_named_ones_stay_in_the_order_of_the_file(records: tuple[ImageRecord, ...]) -> None:
    assert datasets_of(records) == ("b", "a")
    assert of_datasets(records, ["a", "b"], Path("test.CSV")) == records
    assert of_datasets(records, ["b"], Path("test.CSV")) == (records[0], records[2])
    assert of_datasets(records, None, Path("test.CSV")) == records


@pytest.mark.parametrize("name", ["c", "ab"])
def test_an_unknown_one_is_an_error_that_lists_those_there(records: tuple[ImageRecord, ...], name: str) -> None:
    with pytest.raises(InputError, match=rf"test\.CSV: no image of dataset '{name}' \(data\.datasets\); it has: b, a"):
        of_datasets(records, ["b", name], Path("test.CSV"))


def test_files_of_other_datasets_are_not_looked_for(records: tuple[ImageRecord, ...], tmp_path: Path) -> None:
    require_valid(tmp_path / "test.CSV", tmp_path, datasets=["b"])
    with pytest.raises(DataProblems, match=r"2\.png"):
        require_valid(tmp_path / "test.CSV", tmp_path)
    (problem,) = check_table(tmp_path / "test.CSV", tmp_path, datasets=["a"])
    assert (problem.row, problem.value) == (3, "2.png")
