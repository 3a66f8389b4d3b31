"""False positives and the ROC of "is the phrase there", worked out by hand."""

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_results import made_row

from gdinousam.evaluation.reporting.absence import NOTHING_SHOWN, pairs_of, presence_by_dataset, presence_of, roc_of
from gdinousam.evaluation.reporting.absence_tables import absence_tables
from gdinousam.evaluation.reporting.summary import summary_of
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.rows import ScoreRow


def present(image: int, phrase: str, score: float | None, **other: Any) -> ScoreRow:
    """score: ``None``: nothing was found, so the Dice is 0."""
    row = made_row(image=image, phrase=phrase, score=score or math.nan, **other)
    return row if score is not None else silent(replace(row, dice=0.0, iou=0.0, surface_dice=0.0, box_iou=math.nan))


def absent(image: int, phrase: str, score: float | None, **other: Any) -> ScoreRow:
    row = made_row(
        image=image, phrase=phrase, dice=math.nan, target_present=False, num_instances=0, true_boxes=(), **other
    )
    return silent(row) if score is None else replace(row, found=True, score=score, num_detections=1)


def silent(row: ScoreRow) -> ScoreRow:
    return replace(row, found=False, score=math.nan, num_detections=0, detected_boxes=())


ROWS = [
    present(0, "nodule", 0.9),
    absent(0, "liver", 0.5),
    absent(0, "heart", None),
    present(1, "nodule", 0.5),
    absent(1, "liver", None),
    absent(1, "heart", None),
    present(2, "liver", None),
    absent(2, "nodule", 0.2),
]

_OF_ABSENT = ("num_absent", "specificity_percent", "specificity_low_percent", "specificity_high_percent")


def test_every_pair_of_what_is_shown_and_what_is_asked() -> None:
    counts = {(one.shown, one.asked): (one.num_asked, one.num_answered) for one in pairs_of(ROWS)}
    assert counts == {("nodule", "liver"): (2, 1), ("nodule", "heart"): (2, 0), ("liver", "nodule"): (1, 1)}
    (half, none, one) = pairs_of(ROWS)
    assert (half.rate.mean, half.rate.low, half.rate.high) == (0.5, 0.0, 1.0)
    assert (none.rate.mean, one.rate.mean) == (0.0, 1.0) and math.isnan(one.rate.low)


def test_an_image_counts_for_each_phrase_that_it_shows_and_an_empty_one_for_none() -> None:
    rows = [
        present(0, "cortex", 0.5),
        present(0, "medulla", 0.5),
        absent(0, "heart", 0.3),
        absent(1, "heart", None),
        absent(1, "heart", 0.4, dataset="other"),  # another image of the same name
    ]
    counts = {one.shown: (one.num_asked, one.num_answered) for one in pairs_of(rows)}
    assert counts == {"cortex": (1, 1), "medulla": (1, 1), NOTHING_SHOWN: (2, 1)}


def test_what_was_not_asked_is_no_false_positive_and_no_silence() -> None:
    rows = [*ROWS, replace(absent(1, "spleen", None), supported=False)]
    assert repr(pairs_of(rows)) == repr(pairs_of(ROWS)) and presence_of(rows) == presence_of(ROWS)


def test_false_positives_over_queries_and_over_images() -> None:
    one = presence_of(ROWS)
    assert (one.num_present, one.num_absent, one.num_answered, one.num_scores) == (3, 5, 2, 3)
    assert one.false_positives.mean == pytest.approx(2 / 5)
    assert one.images.mean == pytest.approx(2 / 3) and one.images.num_values == 3
    assert 100 * (1 - one.false_positives.mean) == pytest.approx(summary_of(ROWS, "strict").specificity_percent)


def test_the_area_by_hand() -> None:
    # present: 0.9, 0.5, nothing. absent: 0.5, 0.2, nothing three times. Of 15 pairs 0.9 wins 5, 0.5 ties with 0.5 and
    # wins 4, nothing ties with nothing 3 times
    assert presence_of(ROWS).auc.mean == pytest.approx((5 + 4.5 + 1.5) / 15)
    curve = roc_of(ROWS)
    np.testing.assert_allclose(curve.false_positive_rates, [0, 0, 1 / 5, 2 / 5, 1])
    np.testing.assert_allclose(curve.true_positive_rates, [0, 1 / 3, 2 / 3, 2 / 3, 1])
    area = np.trapezoid(curve.true_positive_rates, curve.false_positive_rates)
    assert area == pytest.approx(presence_of(ROWS).auc.mean)
    assert 0 <= presence_of(ROWS).auc.low <= presence_of(ROWS).auc.mean <= presence_of(ROWS).auc.high <= 1


@pytest.mark.parametrize(("score_there", "score_not", "area"), [(0.9, 0.1, 1.0), (0.1, 0.9, 0.0), (0.5, 0.5, 0.5)])
def test_a_perfect_a_wrong_and_a_blind_method(score_there: float, score_not: float, area: float) -> None:
    rows = [row for image in range(6) for row in (present(image, "a", score_there), absent(image, "b", score_not))]
    one = presence_of(rows)
    assert (one.auc.mean, one.auc.low, one.auc.high) == (area, area, area)


def test_patients_are_drawn_whole() -> None:
    apart = [present(image, "a", 0.1 * image + 0.1) for image in range(8)] + [
        absent(image, "b", 0.1 * image + 0.05) for image in range(8)
    ]
    together = [replace(row, group=str(int(row.image_name[:3]) // 4)) for row in apart]
    assert presence_of(apart).auc.mean == presence_of(together).auc.mean
    assert presence_of(together).auc.num_groups == 2 and presence_of(apart).auc.num_groups == 8


def test_without_absent_phrases_there_is_no_table_and_no_area(tmp_path: Path) -> None:
    rows = [row for row in ROWS if row.target_present]
    assert (
        absence_tables(rows) == {}
        and math.isnan(presence_of(rows).auc.mean)
        and len(roc_of(rows).true_positive_rates) == 0
    )
    write_tables(ROWS, tmp_path)
    assert (tmp_path / "absent_strict.csv").exists() and (tmp_path / "absent_pairs_strict.csv").exists()
    write_tables(rows, tmp_path)
    assert not (tmp_path / "absent_strict.csv").exists() and not (tmp_path / "absent_pairs_strict.csv").exists()


def test_the_files_hold_every_dataset_and_every_pair(tmp_path: Path) -> None:
    other = [replace(row, dataset="tn3k") for row in ROWS[:3]]
    write_tables([*ROWS, *other], tmp_path)
    with (tmp_path / "absent_strict.csv").open(newline="", encoding="utf-8") as file:
        lines = {line["dataset"]: line for line in csv.DictReader(file)}
    assert list(lines) == [one.name for one in presence_by_dataset([*ROWS, *other])]
    assert float(lines["busi"]["false_positives_percent"]) == pytest.approx(40) and lines["busi"]["num_absent"] == "5"
    assert float(lines["all queries"]["auc"]) == presence_of([*ROWS, *other]).auc.mean
    with (tmp_path / "absent_pairs_strict.csv").open(newline="", encoding="utf-8") as file:
        pairs = {(line["shown"], line["asked"]): line for line in csv.DictReader(file)}
    assert pairs["nodule", "liver"]["num_asked"] == "3" and pairs["nodule", "liver"]["num_answered"] == "2"
    assert "## Absent phrases, protocol strict" in (tmp_path / "tables.md").read_text(encoding="utf-8")


def test_asking_for_more_absent_phrases_moves_the_specificity_alone() -> None:
    more = [*ROWS, absent(0, "spleen", 0.7), absent(1, "spleen", 0.7), absent(2, "spleen", 0.7)]
    before, after = summary_of(ROWS, "strict", with_precision=False), summary_of(more, "strict", with_precision=False)
    changed = {name for name in vars(before) if repr(getattr(before, name)) != repr(getattr(after, name))}
    assert {"num_absent", "specificity_percent"} <= changed <= set(_OF_ABSENT)
