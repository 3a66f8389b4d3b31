"""Masks that somebody swaps while a method works are not scored: the run ends and names one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from coloured_images import LeftHalf, untimed, write_mixed

from gdinousam.data.contract.reading import write_records
from gdinousam.data.contract.unchanged import checked_records
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.rows import read_rows
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.methods.saved_masks.method import SavedMasks
from gdinousam.records import ImageRecord


class Swapped(LeftHalf):
    """While it works on the first image, two masks of later ones change places."""

    def __init__(self, first: Path, second: Path) -> None:
        super().__init__()
        self.paths = first, second

    def segment(self, images, phrases):
        if not self.batch_sizes:
            swap(*self.paths)
        return super().segment(images, phrases)


def swap(first: Path, second: Path) -> None:
    other = first.with_name("other")
    first.rename(other)
    second.rename(first)
    other.rename(second)


@pytest.fixture
def records(tmp_path: Path) -> tuple[ImageRecord, ...]:
    folder = tmp_path / "data"
    folder.mkdir()
    write_records(write_mixed(folder), folder / "test.CSV")
    return checked_records(folder / "test.CSV", folder, folder, lambda: None)


def test_swapped_masks_are_not_scored(records: tuple[ImageRecord, ...], tmp_path: Path) -> None:
    masks = [tmp_path / "data" / f"mixed{number}_cyst.png" for number in (4, 5)]
    whole = untimed(evaluate(LeftHalf(), records, tmp_path / "whole", batch_size=1, num_pictures=0))
    with pytest.raises(InputError, match=rf"^{masks[0]}: has changed since this run looked through its data"):
        evaluate(Swapped(*masks), records, tmp_path / "out", batch_size=1, num_pictures=0)
    assert not (tmp_path / "out" / "rows.csv").exists()
    swap(*masks)  # what is scored already stays, and the run goes on when the masks are back
    evaluate(LeftHalf(), records, tmp_path / "out", batch_size=1, num_pictures=0, resume=True)
    assert untimed(read_rows(tmp_path / "out" / "rows.csv")) == whole


def test_masks_of_another_program_that_change_are_not_scored(records: tuple[ImageRecord, ...], tmp_path: Path) -> None:
    evaluate(LeftHalf(), records, tmp_path / "whole", num_pictures=0, save_masks=True)
    masks = tmp_path / "whole" / "masks"
    method = SavedMasks(masks, records, frozenset({"text"}))
    swap(masks / "mixed4.cyst.png", masks / "mixed5.cyst.png")
    with pytest.raises(InputError, match=rf"^{masks}/mixed4\.cyst\.png: has changed since"):
        evaluate(method, records, tmp_path / "out", num_pictures=0)
