"""Calibration of "is the phrase there", worked out by hand."""

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_results import made_row

from gdinousam.evaluation.figures.reliability import reliability_diagram
from gdinousam.evaluation.reporting.calibration import (
    NUM_BINS,
    calibration_of,
    calibration_remarks,
    calibrations_by_dataset,
    scores_are_shares,
)
from gdinousam.evaluation.reporting.calibration_tables import calibration_tables
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.rows import ScoreRow


def present(score: float, image: int, **other: Any) -> ScoreRow:
    return made_row(image=image, score=score, **other)


def absent(score: float, image: int, **other: Any) -> ScoreRow:
    nothing = {"target_present": False, "num_instances": 0, "true_boxes": (), "box_iou": math.nan, "found": True}
    unscored = dict.fromkeys(("iou", "surface_dice", "hausdorff_95", "surface_distance"), math.nan)
    return made_row(image=image, score=score, dice=math.nan, **(nothing | unscored | other))


def silent(row: ScoreRow) -> ScoreRow:
    return replace(row, found=False, score=math.nan, num_detections=0, detected_boxes=())


ROWS = [
    present(0.95, 0),
    present(0.91, 1),
    absent(0.92, 2),  # last bin: mean score 0.9267, two of three present
    absent(0.25, 3),
    present(0.28, 4),  # third bin: 0.265, one of two
    silent(absent(0.0, 5)),
    silent(present(0.0, 6)),
    silent(absent(0.0, 7)),  # first bin: 0, one of three
]


def test_the_error_is_the_mean_gap_of_the_bins() -> None:
    one = calibration_of(ROWS)
    expected = (3 * abs(2.78 / 3 - 2 / 3) + 2 * abs(0.265 - 0.5) + 3 * (1 / 3)) / 8
    assert one.error.mean == pytest.approx(expected)
    assert (one.num_queries, one.num_absent, one.num_silent, one.num_scores) == (8, 4, 3, 5)
    assert one.confidence == pytest.approx((0.95 + 0.91 + 0.92 + 0.25 + 0.28) / 8) and one.present == 0.5
    filled = {part.low: part for part in one.bins if part.num_queries}
    assert list(filled) == [0.0, 0.2, 0.9]
    assert filled[0.9].present.mean == pytest.approx(2 / 3) and filled[0.9].confidence == pytest.approx(2.78 / 3)
    assert (filled[0.0].confidence, filled[0.0].num_queries) == (0.0, 3)
    assert sum(part.num_queries for part in one.bins) == 8 and len(one.bins) == NUM_BINS
    assert one.error.low <= one.error.mean <= one.error.high and calibration_remarks(one) == []


@pytest.mark.parametrize(("score", "place"), [(0.0, 0), (0.1, 1), (0.3, 3), (0.6, 6), (0.7, 7), (0.0999, 0), (1.0, 9)])
def test_a_score_on_an_edge_belongs_upwards_and_1_to_the_last_bin(score: float, place: int) -> None:
    counts = [part.num_queries for part in calibration_of([present(score, 0)]).bins]
    assert counts.index(1) == place


def test_scores_that_are_probabilities_have_no_error() -> None:
    rows = [present(0.75, image) for image in range(3)] + [absent(0.75, 3)]
    assert calibration_of(rows).error.mean == 0.0


def test_images_of_one_patient_are_one_draw() -> None:
    rows = [present(0.5, image) for image in range(20)] + [absent(0.5, image) for image in range(20, 40)]
    alone = calibration_of(rows).error
    of_two = [present(0.5, image, group="a") for image in range(20)]
    of_two += [absent(0.5, image, group="b") for image in range(20, 40)]
    grouped = calibration_of(of_two).error
    # two patients: drawn twice the one or the other, and all are present or all absent
    assert (alone.num_groups, grouped.num_groups) == (40, 2) and (grouped.low, grouped.high) == (0.0, 0.5)
    assert alone.high < 0.25
    one_patient = calibration_of(of_two[:20])
    assert math.isnan(one_patient.error.low) and one_patient.error.mean == 0.5


def test_the_interval_is_that_of_drawn_images() -> None:
    generator = np.random.default_rng(3)
    rows = [
        (present if generator.random() < 0.3 else absent)(float(score), image)
        for image, score in enumerate(generator.random(60))
    ]
    drawn = [calibration_of([rows[place] for place in generator.integers(60, size=60)]).error.mean for _ in range(200)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    one = calibration_of(rows).error
    assert (one.low, one.high) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))


def test_other_rows_are_left_out() -> None:
    others = [present(0.1, 10, protocol="paper"), present(0.1, 11, supported=False)]
    assert calibration_of([*ROWS, *others]) == calibration_of(ROWS)
    assert calibration_of(others).num_queries == 0 and math.isnan(calibration_of(others).error.mean)


def test_without_absent_phrases_it_is_said_what_the_error_means() -> None:
    one = calibration_of([present(0.4, 0), present(0.8, 1), silent(present(0.0, 2))])
    assert one.error.mean == pytest.approx(1 - one.confidence) == pytest.approx(1 - 1.2 / 3)
    (remark,) = calibration_remarks(one)
    assert remark.startswith("No phrase is absent from its image")


def test_a_method_with_one_score_is_said_to_say_nothing() -> None:
    one = calibration_of([present(1.0, 0), absent(1.0, 1)])
    assert calibration_remarks(one) == ["All detections have one score, so the method does not say how sure it is."]


def test_a_line_for_each_dataset_and_one_for_all() -> None:
    rows = [present(0.9, 0, dataset="a"), absent(0.9, 1, dataset="a"), present(0.5, 2, dataset="b")]
    assert [(one.name, one.num_queries) for one in calibrations_by_dataset(rows)] == [
        ("a", 2),
        ("b", 1),
        ("all queries", 3),
    ]
    assert [one.name for one in calibrations_by_dataset(ROWS)] == ["all queries"]


def test_the_tables_are_written_with_all_digits(tmp_path: Path) -> None:
    write_tables(ROWS, tmp_path)
    with (tmp_path / "calibration_strict.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert float(line["error_percent"]) == pytest.approx(100 * calibration_of(ROWS).error.mean, abs=1e-12)
    assert (line["num_absent"], line["num_silent"]) == ("4", "3")
    with (tmp_path / "reliability_strict.csv").open() as file:
        assert [row["num_queries"] for row in csv.DictReader(file)] == ["3", "2", "3"]
    text = (tmp_path / "tables.md").read_text()
    assert "## Calibration, protocol strict" in text and "| ECE % |" in text


def test_scores_of_other_programs_that_are_no_shares_have_no_calibration(tmp_path: Path) -> None:
    write_tables(ROWS, tmp_path)
    rows = [*ROWS, present(7.5, 9)]
    assert not scores_are_shares(rows) and calibration_tables(rows) == {}
    write_tables(rows, tmp_path)
    assert not (tmp_path / "calibration_strict.csv").exists()
    assert "Scores do not lie between 0 and 1" in (tmp_path / "tables.md").read_text()
    with pytest.raises(ValueError, match="not in"):
        calibration_of(rows)
    assert calibration_tables([]) == {}


def test_the_diagram_shows_what_the_bins_hold() -> None:
    figure = reliability_diagram({"ours": ROWS, "theirs": [present(7.5, 0)]}, 4.0, ["weights are random."])
    (axes,) = figure.axes
    curve = next(line for line in axes.lines if str(line.get_label()).startswith("ours"))
    expected = [(0.0, 1 / 3), (0.265, 0.5), (2.78 / 3, 2 / 3)]
    np.testing.assert_allclose(curve.get_xydata(), expected)
    said = figure.get_supxlabel()
    assert "theirs: Scores do not lie" in said and "weights are random." in said
    assert "absent 4" in str(curve.get_label())
