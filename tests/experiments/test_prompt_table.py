"""The table of a prompt study, from rows whose scores are known."""

import math

import pytest

from gdinousam.evaluation.reporting.table import Table
from gdinousam.evaluation.scoring.notes import Notes, weights_remarks
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.experiments.studies.prompt_table import prompt_table
from gdinousam.experiments.studies.prompts_file import Wording


def row(number: int, dice: float, phrase: str = "kidney cortex", dataset: str = "kidnyus") -> ScoreRow:
    """A strict row of an image of its own; a Dice of 0 is a miss."""
    found = dice > 0
    return ScoreRow(
        protocol="strict",
        dataset=dataset,
        image_name=f"{number}.png",
        group=None,
        phrase=phrase,
        target_present=True,
        found=found,
        score=0.5 if found else math.nan,
        num_detections=int(found),
        num_instances=1,
        box_iou=0.5 if found else math.nan,
        dice=dice,
        iou=dice / (2 - dice),
        overlap_pixels=0,
        predicted_pixels=0,
        true_pixels=4,
        image_width=9,
        image_height=9,
        surface_dice=dice,
        hausdorff_95=1.0 if found else math.nan,
        surface_distance=1.0 if found else math.nan,
        seconds=0.1,
        detected_boxes=((0, 0, 2, 2, 0.5),) if found else (),
        true_boxes=((0, 0, 2, 2),),
    )


FIRST, SECOND = Wording("kidney cortex", "delineate cortex"), Wording("kidney cortex", "the bark of it")


def line(table: Table, number: int) -> dict[str, str]:
    """The printed cells by heading; of equal headings the first, that of Dice."""
    titles = [column.title for column in table.columns]
    return {title: table.lines[number][titles.index(title)].text for title in titles}


def test_a_prompt_of_the_paper_stands_beside_its_printed_number() -> None:
    table = prompt_table({FIRST: [row(1, 0.8), row(2, 0.6)], SECOND: [row(1, 0.8), row(2, 0.0)]}, "strict")
    first, second = line(table, 0), line(table, 1)
    assert (first["n"], first["Dice %"], first["paper"], first["difference"]) == (
        "2",
        "70.00 ± 10.00",
        "72.04",
        "-2.04",
    )
    assert (second["Dice %"], second["answered %"], second["paper"]) == ("40.00 ± 40.00", "50.00", "-")
    assert not any(cells[4].best for cells in table.lines)  # ahead on one of two images


def test_the_numbers_of_the_paper_are_of_its_own_method() -> None:
    table = prompt_table({FIRST: [row(1, 0.8)]}, "strict", is_papers_method=False)
    assert not {"paper", "difference"} & {column.title for column in table.columns}


def test_the_remarks_say_how_far_the_wording_moves_the_mean_and_that_images_are_few() -> None:
    remarks = prompt_table({FIRST: [row(1, 0.8)], SECOND: [row(1, 0.5)]}, "strict").remarks
    assert remarks[0] == "kidney cortex: mean Dice 50.00 to 80.00 over 2 prompts, 30.00 apart."
    assert "Fewer than 50 images, so the means say little: kidney cortex." in remarks
    assert "One patient or image only, so no interval: kidney cortex." in remarks


def test_the_best_is_of_each_phrase() -> None:
    other = Wording("kidney medulla", "delineate medulla"), Wording("kidney medulla", "medulla")
    dice = {FIRST: 0.8, SECOND: 0.9, other[0]: 0.3, other[1]: 0.2}
    rows = {wording: [row(at, one, wording.phrase) for at in range(6)] for wording, one in dice.items()}
    table = prompt_table(rows, "strict")
    assert [cells[4].best for cells in table.lines] == [False, True, True, False]
    assert any(remark.startswith("Marked as the best is only") for remark in table.remarks)


@pytest.mark.parametrize(("weights", "best"), [("random", []), ("small", [True])])
def test_other_weights_than_the_published_ones_stand_beside_no_number_of_the_paper(weights, best) -> None:
    rows = {FIRST: [row(at, 0.8) for at in range(6)], SECOND: [row(at, 0.6) for at in range(6)]}
    table = prompt_table(rows, "strict", weights, Notes(("Boxes are found.",)))
    assert not {"paper", "difference"} & {column.title for column in table.columns}
    assert all(len(line) == len(table.columns) for line in table.lines)
    assert "The paper's numbers are of published weights of full size, so none stands here." in table.remarks
    assert table.remarks[:2] == (*weights_remarks(weights), "Boxes are found.")
    assert [cells[4].best for cells in table.lines if cells[4].best] == best


def test_several_datasets_have_lines_of_their_own_and_weigh_the_same_in_their_average() -> None:
    rows = [*(row(number, 0.8) for number in range(6)), row(1, 0.4, dataset="mine")]
    worse = [*(row(number, 0.7) for number in range(6)), row(1, 0.45, dataset="mine")]
    table = prompt_table({FIRST: rows, SECOND: worse}, "strict")
    lines = [line(table, number) for number in range(6)]
    assert [one["dataset"] for one in lines] == ["kidnyus", "kidnyus", "mine", "mine", "average", "average"]
    assert [one["prompt"] for one in lines] == [FIRST.prompt, SECOND.prompt] * 3
    assert [one["n"] for one in lines] == ["6", "6", "1", "1", "7", "7"]
    assert [one["Dice %"].split()[0] for one in lines] == ["80.00", "70.00", "40.00", "45.00", "60.00", "57.50"]
    assert [cells[5].best for cells in table.lines] == [True, False, False, False, False, False]  # one image of "mine"
    assert [one["paper"] for one in lines] == ["72.04", *["-"] * 5]  # the paper's is of kidneyUS alone
    assert table.remarks[:3] == (
        "kidney cortex (kidnyus): mean Dice 70.00 to 80.00 over 2 prompts, 10.00 apart.",
        "kidney cortex (mine): mean Dice 40.00 to 45.00 over 2 prompts, 5.00 apart.",
        "kidney cortex (average): mean Dice 57.50 to 60.00 over 2 prompts, 2.50 apart.",
    )


def test_phrases_of_a_dataset_each_have_no_average() -> None:
    nodule = Wording("thyroid nodule", "outline nodules")
    table = prompt_table({FIRST: [row(1, 0.8)], nodule: [row(1, 0.4, "thyroid nodule", "tn3k")]}, "strict")
    assert [(line(table, at)["phrase"], line(table, at)["dataset"]) for at in (0, 1)] == [
        ("kidney cortex", "kidnyus"),
        ("thyroid nodule", "tn3k"),
    ]
    assert len(table.lines) == 2


def test_one_dataset_is_named_below_the_table() -> None:
    table = prompt_table({FIRST: [row(1, 0.8)]}, "strict", about=Notes(("Boxes come from the detector.",)))
    assert "dataset" not in [column.title for column in table.columns]
    assert "Dataset: kidnyus." in table.remarks and table.remarks[0] == "Boxes come from the detector."


def test_prompts_asked_of_every_phrase_are_marked_and_have_a_range_of_their_own() -> None:
    car, moon = (Wording("kidney cortex", prompt, is_common=True) for prompt in ("segment the car", "find the moon"))
    rows = {FIRST: [row(1, 0.8)], SECOND: [row(1, 0.7)], car: [row(1, 0.1)], moon: [row(1, 0.3)]}
    table = prompt_table(rows, "strict")
    assert [bool(cells[1].notes) for cells in table.lines] == [False, False, True, True]
    assert table.remarks[0] == (
        "kidney cortex: mean Dice 70.00 to 80.00 over 2 prompts, 10.00 apart; asked of every phrase: 10.00 to 30.00 "
        "over 2 prompts, 20.00 apart."
    )


@pytest.mark.parametrize("protocol", ["strict", "paper"])
def test_a_prompt_without_a_scored_image_is_printed_as_nothing(protocol) -> None:
    nothing = line(prompt_table({FIRST: []}, protocol), 0)
    assert (nothing["n"], nothing["Dice %"], nothing["95 % interval"]) == ("0", "-", "-")
