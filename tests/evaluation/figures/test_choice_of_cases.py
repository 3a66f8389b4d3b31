"""Which cases a figure shows."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from figure_results import results_of, write_data

from gdinousam.errors import InputError
from gdinousam.evaluation.figures.choice import choose, choose_listed, choose_per_dataset, chooser
from gdinousam.evaluation.scoring.rows import ScoreRow


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> ScoreRow:
    folder = tmp_path_factory.mktemp("choice")
    return results_of(folder / "results", write_data(folder / "data", 1)).rows[0]


def rows_of(row: ScoreRow, *dice: float, dataset: str = "busi") -> list[ScoreRow]:
    return [replace(row, dice=value, image_name=f"{place}.png", dataset=dataset) for place, value in enumerate(dice)]


def test_worst_and_best_start_at_the_extremes(row: ScoreRow) -> None:
    rows = rows_of(row, 0.5, 0.1, 0.9, 0.3)
    assert choose(rows, "worst", 2) == [1, 3]
    assert choose(rows, "best", 2) == [2, 0]


@pytest.mark.parametrize(
    ("dice", "expected"),
    [((0.5, 0.1, 0.9), [0, 1, 2]), ((0.5, 0.1, 0.9, 0.3), [3, 0, 1, 2]), ((0.4,), [0]), ((), [])],
)
def test_median_starts_in_the_middle(row: ScoreRow, dice: tuple[float, ...], expected: list[int]) -> None:
    assert choose(rows_of(row, *dice), "median", 9) == expected


def test_equal_dice_are_chosen_by_name_and_those_without_dice_never(row: ScoreRow) -> None:
    rows = rows_of(row, 0.5, math.nan, 0.5, 0.5)
    assert choose([rows[3], rows[1], rows[2], rows[0]], "worst", 9) == [3, 2, 0]


def test_every_dataset_has_its_own_choice_in_the_order_asked(row: ScoreRow) -> None:
    rows = rows_of(row, 0.2, 0.8) + rows_of(row, 0.6, 0.4, dataset="hc18")
    assert choose_per_dataset(rows, ["hc18", "busi", "none"], "best") == [2, 1]


def test_a_list_gives_its_images_in_its_order_with_all_their_phrases(row: ScoreRow, tmp_path: Path) -> None:
    rows = rows_of(row, 0.2, 0.8, 0.4)
    rows.append(replace(rows[0], phrase="stone", dice=math.nan))
    path = tmp_path / "list.txt"
    path.write_text("2.png\n\n0.png\n2.png\n")
    assert chooser(str(path))(rows, ["busi"]) == [2, 0, 3]
    assert chooser(str(path))(rows, ["hc18"]) == []


def test_a_name_that_no_image_has_is_an_error_with_the_nearest_one(row: ScoreRow) -> None:
    with pytest.raises(InputError, match=r"12\.png: no image of these results; did you mean 1\.png\?"):
        choose_listed(rows_of(row, 0.2, 0.8), ["12.png"])


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_a_rule_that_is_neither_known_nor_a_list_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "wurst"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="wurst"):
        chooser(str(path))
