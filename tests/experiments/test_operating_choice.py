"""Choosing a point, on curves worked out by hand."""

import math

import pytest

from gdinousam.experiments.studies.operating_choice import (
    MIN_QUERIES,
    QueryCurve,
    best_point,
    by_number_of_targets,
    choose_for_phrases,
    false_positives,
    gain_of,
    grid,
    mean_dice,
    reached,
    specificity,
    thresholds_to_try,
    within,
)
from gdinousam.experiments.studies.operating_table import choice_table, interval_json
from gdinousam.models.detector.operating_point import Point


def point(threshold: float, number: int = 1, further: float = 1.0) -> Point:
    return Point(box_threshold=threshold, max_detections=number, further_threshold=further)


def curve(
    scores: tuple[float, ...], dice: tuple[float, ...], unit: int = 0, phrase: str = "cyst", num_instances: int = 1
) -> QueryCurve:
    """Boxes whose threshold and score are the same, at the thresholds 0.1 and 0.3."""
    kept = {threshold: sum(score >= threshold for score in scores) for threshold in (0.1, 0.3)}
    return QueryCurve(
        unit,
        phrase,
        num_instances,
        {threshold: scores[:number] for threshold, number in kept.items()},
        {threshold: dice[:number] if num_instances else () for threshold, number in kept.items()},
    )


def wide_curve(scores: tuple[float, ...], dice: tuple[float, ...], num_instances: int = 1) -> QueryCurve:
    """The same at 0.1, 0.3 and 0.6."""
    kept = {threshold: sum(score >= threshold for score in scores) for threshold in (0.1, 0.3, 0.6)}
    return QueryCurve(
        scores,
        "cyst",
        num_instances,
        {threshold: scores[:number] for threshold, number in kept.items()},
        {threshold: dice[:number] for threshold, number in kept.items()},
    )


# one target, found well, its second box is wrong; two targets, the second box is right; a weak one; an absent one
ONE = curve((0.8, 0.2), (0.9, 0.6), 0)
TWO = curve((0.7, 0.5), (0.6, 1.0), 1, num_instances=2)
WEAK = curve((0.2,), (0.8,), 2)
ABSENT = curve((0.25,), (), 3, num_instances=0)
CURVES = [ONE, TWO, WEAK, ABSENT]
POINTS = [point(0.1), point(0.3), point(0.1, 2, 0.1), point(0.1, 2, 0.4)]


@pytest.mark.parametrize(
    ("chosen", "dice", "silent"),
    [
        (point(0.1), (0.9 + 0.6 + 0.8) / 3, 0.0),
        (point(0.3), (0.9 + 0.6 + 0.0) / 3, 1.0),  # the weak one is missed and scores 0
        (point(0.1, 2, 0.1), (0.6 + 1.0 + 0.8) / 3, 0.0),
        (point(0.1, 2, 0.4), (0.9 + 1.0 + 0.8) / 3, 0.0),
        (point(0.3, 2, 0.4), (0.9 + 1.0 + 0.0) / 3, 1.0),
    ],
)
def test_dice_and_specificity_of_a_point(chosen: Point, dice: float, silent: float) -> None:
    assert mean_dice(CURVES, chosen) == pytest.approx(dice)
    assert specificity(CURVES, chosen) == silent
    assert (reached(CURVES, chosen).dice.mean, reached(CURVES, chosen).dice.num_values) == (pytest.approx(dice), 3)
    assert reached(CURVES, chosen).specificity.num_values == 1


def test_the_best_dice_wins_and_specificity_does_not_count_against_it() -> None:
    assert best_point(CURVES, POINTS) == point(0.1, 2, 0.4)
    gain = gain_of(CURVES, point(0.1), point(0.1, 2, 0.4))
    assert gain.mean == pytest.approx(0.4 / 3) and gain.num_values == 3


def test_of_equal_points_the_one_that_answers_least_wins() -> None:
    strong = [curve((0.8,), (0.9,)), ABSENT]
    # all find the strong one; 0.3 is silent for the absent one
    assert best_point(strong, [point(0.1), point(0.3), point(0.1, 2, 0.1)]) == point(0.3)
    alone = [curve((0.8,), (0.9,))]
    assert best_point(alone, [point(0.1, 5, 0.1), point(0.3, 5, 0.1), point(0.3, 2, 0.1), point(0.3, 2, 0.4)]) == point(
        0.3, 2, 0.4
    )


# of four absent phrases 0.1 answers three, 0.3 two, 0.6 one: a lower limit costs Dice
LIMITED = [
    wide_curve((0.2,), (0.9,)),
    wide_curve((0.4,), (0.9,)),
    wide_curve((0.8,), (0.9,)),
    *(wide_curve((score,), (), num_instances=0) for score in (0.05, 0.2, 0.4, 0.7)),
]
OF_LIMITED = [point(0.1), point(0.3), point(0.6)]


@pytest.mark.parametrize(
    ("limit", "chosen"),
    [(None, 0.1), (1.0, 0.1), (0.75, 0.1), (0.74, 0.3), (0.5, 0.3), (0.25, 0.6), (0.2, 0.6), (0, 0.6)],
)
def test_a_limit_on_false_positives_comes_before_the_dice(limit: float | None, chosen: float) -> None:
    assert best_point(LIMITED, OF_LIMITED, limit) == point(chosen)
    assert [false_positives(LIMITED, one) for one in OF_LIMITED] == [0.75, 0.5, 0.25]
    assert within(LIMITED, OF_LIMITED, 0.5) == [point(0.3), point(0.6)] and within(LIMITED, OF_LIMITED, 0.2) == []


def test_where_no_point_is_within_the_limit_the_best_dice_of_the_lowest_share_is_taken() -> None:
    always = [wide_curve((0.8,), (), num_instances=0), wide_curve((0.4,), (0.9,))]
    assert best_point(always, OF_LIMITED, 0.5) == point(0.3)


def test_the_table_says_plainly_whether_the_limit_is_kept() -> None:
    kept = choice_table(LIMITED, point(0.1), point(0.3), max_false_positives=0.5)
    shares = "75.00 % of the absent phrases were answered before, 50.00 % after."
    assert f"Of the points that answer at most 50 % of the absent phrases the best Dice: {shares}" in kept.remarks
    missed = choice_table(LIMITED, point(0.1), point(0.3), max_false_positives=0.05)
    sentence = "No point answers at most 5 % of the absent phrases, so the one of the fewest: "
    assert sentence + shares in missed.remarks


def test_own_values_under_a_limit_answer_no_absent_phrase_more_often() -> None:
    present = [curve((0.2,), (0.9,), unit, "cyst") for unit in range(MIN_QUERIES)]
    quiet, loud = curve((0.05,), (), 900, "cyst", 0), curve((0.2,), (), 901, "cyst", 0)
    points = [point(0.1), point(0.3)]

    def taken(*absent: QueryCurve, with_limit: bool) -> list[tuple[float, bool]]:
        choices = choose_for_phrases([*present, *absent], points, point(0.3), with_limit)
        return [(one.point.box_threshold, one.is_taken) for one in choices]

    assert taken(loud, with_limit=False) == [(0.1, True)]
    assert taken(quiet, with_limit=True) == [(0.1, True)]
    assert taken(loud, with_limit=True) == [(0.3, False)]
    assert taken(with_limit=True) == []


def test_a_share_at_the_limit_is_within_it_whatever_its_last_digit() -> None:
    present = [curve((0.2, 0.15), (0.5, 0.9), unit) for unit in range(MIN_QUERIES)]
    absent = [curve((score,), (), 900 + unit, num_instances=0) for unit, score in enumerate((0.2, 0.2, 0.05))]
    points = [point(0.1), point(0.1, 2, 0.1), point(0.3)]
    (choice,) = choose_for_phrases([*present, *absent], points, point(0.1), with_limit=True)  # answers 2 of 3
    assert (choice.point.max_detections, choice.is_taken) == (2, True)


def test_without_targets_or_absent_phrases_there_is_no_number() -> None:
    assert math.isnan(specificity([ONE], point(0.1))) and math.isnan(mean_dice([ABSENT], point(0.1)))
    none = interval_json(reached([ONE], point(0.1)).specificity)
    assert none == {"mean": None, "low": None, "high": None, "n": 0, "groups": 0}


def test_a_phrase_gets_its_own_values_only_where_it_is_frequent_and_gains_for_sure() -> None:
    gaining = [curve((0.8, 0.5), (0.5, 0.9), unit, "cyst") for unit in range(MIN_QUERIES)]
    rare = [curve((0.8, 0.5), (0.5, 0.9), unit, "liver") for unit in range(100, 99 + MIN_QUERIES)]
    mixed = [curve((0.8, 0.5), (0.5, 0.4 + 0.3 * (unit % 2)), unit, "lesion") for unit in range(200, 200 + 4)]
    often = mixed * (MIN_QUERIES // 4 + 1)  # four patients with many images each: the gain is not sure
    points = [point(0.1), point(0.1, 2, 0.1)]
    choices = choose_for_phrases([*gaining, *rare, *often], points, point(0.1))
    assert [(one.phrase, one.point.max_detections, one.is_taken) for one in choices] == [
        ("cyst", 2, True),
        ("lesion", 2, False),
    ]
    assert choices[0].gain.mean == pytest.approx(0.4) and choices[1].gain.mean == pytest.approx(0.05)


def test_queries_by_number_of_targets_leave_out_the_absent() -> None:
    more = curve((0.8,), (0.9,), num_instances=5)
    assert by_number_of_targets([*CURVES, more]) == {"1": [ONE, WEAK], "2": [TWO], "3 or more": [more]}
    assert by_number_of_targets([ABSENT]) == {}


def test_no_point_of_the_grid_lets_a_further_box_in_more_easily_than_the_best() -> None:
    points = grid()
    assert len(set(points)) == len(points)
    assert all(one.further_threshold >= one.box_threshold for one in points)
    assert {one.further_threshold for one in points if one.max_detections == 1} == {1.0}


def test_a_limit_tries_more_points_in_addition() -> None:
    assert set(grid()) < set(grid(with_limit=True))
    thresholds = thresholds_to_try(with_limit=True)
    assert list(thresholds) == sorted(set(thresholds)) and max(thresholds) > max(thresholds_to_try())


def test_the_table_says_before_after_and_gain() -> None:
    table = choice_table(CURVES, point(0.1), point(0.1, 2, 0.4))
    texts = [[cell.text for cell in line] for line in table.lines]
    assert [line[:5] for line in texts] == [
        ["before", "0.100", "1", "1.00", "3"],
        ["after", "0.100", "2", "0.40", "3"],
    ]
    assert texts[1][5].startswith("90.00 [") and texts[0][5].startswith("76.67 [")
    assert [column.title for column in table.columns[6:]] == [
        "1 target (n 2)",
        "2 targets (n 1)",
        "specificity %",
        "absent",
    ]
    assert any(remark.startswith("Gain +13.33 [") for remark in table.remarks)
    assert any(remark.startswith("Fewer than 50") for remark in table.remarks)
