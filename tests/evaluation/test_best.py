"""Who is marked as the best: leads worked out by hand, none of them by a last digit or by chance."""

import pytest
from made_results import NAN, made_row

from gdinousam.evaluation.reporting.best import best_method, lead
from gdinousam.evaluation.scoring.rows import ScoreRow


def rows(dice: list[float], dataset: str = "busi", **other: object) -> list[ScoreRow]:
    return [made_row(dataset, image, one, **other) for image, one in enumerate(dice)]


def test_a_lead_on_every_image_is_the_best() -> None:
    scores = {"A": rows([0.5] * 6), "B": rows([0.6] * 6), "C": rows([0.4] * 6)}
    assert best_method(scores, "dice") == best_method(scores, "iou") == "B"
    interval = lead(scores["B"], scores["A"], "dice")
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.1, 0.1, 0.1))
    assert (interval.num_values, interval.num_groups) == (6, 6)


def test_equal_scores_have_no_best() -> None:
    assert best_method({"A": rows([0.5, 0.7] * 5), "B": rows([0.5, 0.7] * 5)}, "dice") is None


def test_a_lead_within_its_interval_is_none() -> None:
    # leads of 0.4 and -0.3 in turn: 0.05 in the mean, and about 0.25 to either side of it
    unsteady = {"A": rows([0.5] * 8), "B": rows([0.9, 0.2] * 4)}
    assert lead(unsteady["B"], unsteady["A"], "dice").mean == pytest.approx(0.05)
    assert best_method(unsteady, "dice") is None


def test_the_best_is_ahead_of_the_third_too() -> None:
    scores = {"A": rows([0.5] * 8), "B": rows([0.4] * 8), "C": rows([0.7, 0.0] * 4)}
    assert best_method({name: scores[name] for name in "AB"}, "dice") == "A"
    assert best_method(scores, "dice") is None  # of C it may be behind: leads of -0.2 and 0.5


@pytest.mark.parametrize(("num_images", "best"), [(5, None), (6, "B")])
def test_fewer_than_six_images_have_no_best(num_images: int, best: str | None) -> None:
    assert best_method({"A": rows([0.5] * num_images), "B": rows([0.6] * num_images)}, "dice") == best


def test_images_of_one_patient_count_once() -> None:
    def of_patients(dice: float) -> list[ScoreRow]:
        return [made_row(image=image, dice=dice, group=str(image // 4)) for image in range(20)]

    assert best_method({"A": of_patients(0.5), "B": of_patients(0.6)}, "dice") is None


def test_datasets_weigh_the_same() -> None:
    # ahead by 0.2 on 6 images and behind by 0.1 on 60: over all images behind, in the mean of the datasets ahead
    scores = {
        "A": rows([0.5] * 6, "stu") + rows([0.6] * 60, "busi"),
        "B": rows([0.7] * 6, "stu") + rows([0.5] * 60, "busi"),
    }
    assert lead(scores["B"], scores["A"], "dice").mean == pytest.approx(0.05)
    assert best_method(scores, "dice") == "B"


def test_only_queries_that_both_are_scored_on_are_paired() -> None:
    # A found 6 of 12, the easy ones, on which B is better; the higher mean of A is of other images
    easy, hard = [0.9] * 6, [0.2] * 6
    scores = {"A": rows([0.8] * 6 + [NAN] * 6, protocol="paper"), "B": rows(easy + hard, protocol="paper")}
    assert lead(scores["A"], scores["B"], "dice").mean == pytest.approx(-0.1)
    assert best_method(scores, "dice") is None


def test_who_has_no_score_is_no_candidate() -> None:
    nothing = rows([NAN] * 6, protocol="paper")
    scored = {"A": rows([0.5] * 6, protocol="paper"), "B": rows([0.6] * 6, protocol="paper")}
    assert best_method({**scored, "C": nothing}, "dice") == "B"
    assert best_method({"A": scored["A"], "C": nothing}, "dice") is None
    assert best_method({"A": scored["A"]}, "dice") is None and best_method({}, "dice") is None
