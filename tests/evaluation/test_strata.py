"""Strata of rows of known kind."""

import math
from dataclasses import replace

import pytest
from test_tables import row

from gdinousam.evaluation.reporting.tables import strata_tables
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.evaluation.scoring.strata import SIZES, number_of_targets, stratify, target_size

NAN = math.nan
AREA = {"image_width": 100, "image_height": 100}
ROWS = [
    row(dataset="busi", dice=0.8, true_pixels=50, num_instances=1, image_name="1.png", **AREA),
    row(dataset="busi", dice=0.4, true_pixels=300, num_instances=2, image_name="2.png", **AREA),
    row(dataset="busbra", dice=0.6, true_pixels=1000, num_instances=5, image_name="1.png", **AREA),
    row(dataset="tn3k", dice=0.2, true_pixels=5000, num_instances=3, image_name="1.png", **AREA),
    row(dataset="our own", dice=0.0, found=False, true_pixels=3000, num_instances=1, **AREA),
    row(dataset="busi", target_present=False, found=False, true_pixels=0, image_name="3.png", **AREA),
]


def dice_of(kind: str) -> dict[str, float]:
    strata = [one for one in stratify(ROWS) if one.kind == kind]
    assert [one.name for one in strata] == [one.summary.dataset for one in strata]
    return {one.name: pytest.approx(one.summary.dice_percent, nan_ok=True) for one in strata}


def test_every_kind_of_stratum_is_there():
    kinds = list(dict.fromkeys(one.kind for one in stratify(ROWS)))
    assert kinds == ["dataset", "organ", "training", "target size", "number of targets", "target"]


def test_organs_and_training_come_from_the_facts_of_the_public_datasets():
    assert dice_of("organ") == {"breast": 60, "thyroid": 20, "unknown": 0}
    assert dice_of("training") == {"seen": 140 / 3, "unseen": 60, "unknown": 0}


def test_what_was_seen_is_what_the_weights_were_trained_on_where_they_say_so():
    strata = {
        one.name: one.summary for one in stratify(ROWS, trained_on=("BUSBRA", "our own")) if one.kind == "training"
    }
    assert {name: one.num_scored for name, one in strata.items()} == {"seen": 2, "unseen": 3}
    assert strata["seen"].dice_percent == pytest.approx(30)  # busbra 0.6, our own 0
    nothing = [one.name for one in stratify(ROWS, trained_on=()) if one.kind == "training"]
    assert nothing == ["unseen"]


def test_the_table_says_where_it_has_that_from():
    def remarks(about):
        tables = strata_tables(stratify(ROWS, "strict", about.trained_on), about)
        return next(table.remarks for table in tables if table.title == "Training")

    assert remarks(Notes())[0].startswith("Seen and unseen as in the paper, because the weights do not say")
    assert remarks(Notes(trained_on=("busbra",)))[0].endswith("by the note beside them (busbra).")


def test_datasets_are_strata_too():
    assert dice_of("dataset") == {"busi": 60, "busbra": 60, "tn3k": 20, "our own": 0}


def test_size_and_number_of_targets_stand_in_their_own_order():
    assert list(dice_of("target size").items()) == [("< 1 %", 80), ("1-5 %", 40), ("5-20 %", 60), ("> 20 %", 10)]
    assert list(dice_of("number of targets").items()) == [("1", 40), ("2", 40), ("3 or more", 40)]


def test_absent_targets_count_for_specificity_alone():
    strata = {(one.kind, one.name): one.summary for one in stratify(ROWS)}
    absent, present = strata["target", "absent"], strata["target", "present"]
    assert (absent.num_scored, absent.num_absent, absent.specificity_percent) == (0, 1, 100)
    assert math.isnan(absent.dice_percent)
    assert (present.num_scored, present.num_absent) == (5, 0)
    assert strata["organ", "breast"].num_absent == 1
    assert sum(one.num_scored for (kind, _), one in strata.items() if kind == "target size") == 5


def test_a_stratum_has_intervals_and_surface_scores():
    busi = stratify(ROWS)[0].summary
    assert (busi.dice_low_percent, busi.dice_high_percent) == pytest.approx((40, 80))
    assert busi.surface_dice_percent == pytest.approx(60)
    assert busi.detection_percent == 100


def test_strata_without_a_query_are_left_out_and_no_rows_have_none():
    assert {one.name for one in stratify(ROWS[:1]) if one.kind == "target size"} == {"< 1 %"}
    assert stratify([]) == []


def test_strata_are_of_one_protocol():
    paper = [replace(one, protocol="paper") for one in ROWS[:2]]
    assert stratify(paper) == []
    assert stratify([*ROWS, *paper])[0].summary.num_scored == 2
    assert stratify([*ROWS, *paper], "paper")[0].summary.protocol == "paper"


@pytest.mark.parametrize(
    ("pixels", "name"),
    [(99, SIZES[0]), (100, SIZES[1]), (499, SIZES[1]), (500, SIZES[2]), (2000, SIZES[2]), (2001, SIZES[3])],
)
def test_the_cuts_between_target_sizes_are_exact(pixels, name):
    assert target_size(row(true_pixels=pixels, **AREA)) == name


def test_an_absent_target_has_neither_size_nor_number():
    absent = row(target_present=False, found=False)
    assert target_size(absent) is None and number_of_targets(absent) is None
