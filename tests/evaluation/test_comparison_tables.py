"""Tables of compared methods: means worked out by hand, the paper's numbers beside them, tests of pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_results import NAN, made_results, made_row

from gdinousam.evaluation.reporting.comparison import Compared, compare, of_paper_table
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.paper_numbers import AVERAGE, OURS, paper_table
from gdinousam.evaluation.reporting.statistics import holm
from gdinousam.evaluation.reporting.table import Cell, Table
from gdinousam.evaluation.scoring.rows import ScoreRow

DICE = {"A": [0.2, 0.4, 0.6], "B": [0.5, 0.5, 0.5], "C": [0.39, 0.4, 0.41]}


def rows_of(dice: list[float], dataset: str = "busi", **other: object) -> list[ScoreRow]:
    return [made_row(dataset, image, one, **other) for image, one in enumerate(dice)]


def tables_of(dice: dict[str, list[float]], dataset: str = "busi") -> dict[str, Table]:
    return comparison_tables(compare([made_results(rows_of(one, dataset), name) for name, one in dice.items()]))


def column(table: Table, title: str, group: str = "") -> list[Cell]:
    place = next(at for at, one in enumerate(table.columns) if (one.title, one.group) == (title, group))
    return [line[place] for line in table.lines]


def line_of(table: Table, *words: str) -> dict[str, Cell]:
    """The first line that begins with these words, by heading; of equal headings the first."""
    line = next(line for line in table.lines if tuple(cell.text for cell in line[: len(words)]) == words)
    return {one.title: cell for one, cell in reversed(list(zip(table.columns, line, strict=True)))}


def test_methods_stand_side_by_side_with_the_best_marked() -> None:
    table = tables_of(DICE)["methods"]
    assert [cell.text for cell in column(table, "n")] == ["3"]  # and no average of one dataset
    for name, dice in DICE.items():
        (busi,) = column(table, "Dice %", name)
        assert busi.values == (100 * np.mean(dice), pytest.approx(100 * np.std(dice)))
        assert busi.best is False  # B is ahead of A by 0.3 and 0.1, and behind it by 0.1


def test_a_lead_that_is_no_chance_is_marked_and_explained() -> None:
    table = tables_of({name: [*dice, *dice] for name, dice in (DICE | {"B": [0.7, 0.7, 0.7]}).items()})["methods"]
    for name in DICE:
        assert [cell.best for cell in column(table, "Dice %", name)] == [name == "B"]
        assert [cell.best for cell in column(table, "IoU %", name)] == [name == "B"]
    assert sum(remark.startswith("Marked as the best is only a mean that is ahead") for remark in table.remarks) == 1


def test_a_last_digit_makes_nobody_the_best() -> None:
    noise = [0.1, -0.1, 0.2, -0.2, 0.05, -0.04]  # 0.01 / 6 in the mean
    table = tables_of({"A": [0.5] * 6, "B": [0.5 + one for one in noise], "C": [0.5] * 6})["methods"]
    assert column(table, "Dice %", "B")[0].text.startswith("50.17")
    assert not any(cell.best for line in table.lines for cell in line)


def test_a_single_method_is_not_the_best_of_one() -> None:
    tables = tables_of({"A": [0.5, 0.6]})
    assert not any(cell.best for line in tables["methods"].lines for cell in line)
    assert "tests" not in tables


def test_the_paper_number_stands_beside_ours_with_the_difference() -> None:
    rows = [made_results(rows_of([0.7, 0.8]), OURS), made_results(rows_of([0.7, 0.8]), "mine")]
    table = comparison_tables(compare(rows))["numbers"]
    ours, mine = line_of(table, "busi", OURS), line_of(table, "busi", "mine")
    assert ours["paper"].values == (77.79,)
    assert ours["difference"].text == "-2.79"
    assert mine["paper"].text == mine["difference"].text == "-"
    assert ours["n"].notes == ("2 images of BUSI here; table 1 of the paper counts 69 for testing.",)


def test_an_impossible_number_of_the_paper_carries_its_footnotes() -> None:
    table = comparison_tables(compare([made_results(rows_of([0.7, 0.8], "busbra"), OURS)]))["numbers"]
    notes = line_of(table, "busbra", OURS)["paper"].notes
    assert len(notes) == 2 and "79.10 and IoU 86.44" in notes[0]


def test_our_average_stands_beside_the_mean_of_the_same_printed_rows() -> None:
    rows = rows_of([0.7, 0.8], "busi") + rows_of([0.1, 0.2], "tn3k")
    table = comparison_tables(compare([made_results(rows, OURS)]))["numbers"]
    printed = line_of(table, AVERAGE, OURS)["paper"]
    assert printed.values == (pytest.approx((77.79 + 72.20) / 2),)
    assert printed.notes == ("The mean of the numbers that the paper prints for these datasets.",)


def test_a_whole_table_says_that_the_printed_average_is_another() -> None:
    rows = [row for dataset in ("busbra", "tnscui", "luminous") for row in rows_of([0.7, 0.8], dataset)]
    compared = of_paper_table(compare([made_results(rows, OURS), made_results(rows, "SAMUS")]), 4)
    table = comparison_tables(compared, 4)["numbers"]
    ours, samus = line_of(table, AVERAGE, OURS)["paper"], line_of(table, AVERAGE, "SAMUS")["paper"]
    assert ours.text == "76.84"
    assert ours.notes[1].startswith("The paper prints Dice 72.83 and IoU 68.53 as the average")
    assert samus.text == f"{paper_table(4).average['SAMUS'].dice:.2f}"
    assert len(samus.notes) == 1


def test_an_average_over_datasets_that_the_paper_lacks_has_no_partner() -> None:
    rows = rows_of([0.7, 0.8], "busi") + rows_of([0.1, 0.2], "phantom")
    table = comparison_tables(compare([made_results(rows, OURS)]))["numbers"]
    assert line_of(table, AVERAGE, OURS)["paper"].text == "-"


def test_few_images_are_named() -> None:
    table = tables_of({"A": [0.5] * 49})["methods"]
    assert "Fewer than 50 images, so the means say little: busi (49)." in table.remarks
    assert not any("Fewer" in remark for remark in tables_of({"A": [0.5] * 50})["methods"].remarks)


def test_the_strict_protocol_says_that_the_paper_counts_otherwise() -> None:
    assert any("--protocol paper" in one for one in tables_of({OURS: [0.5]})["numbers"].remarks)
    assert not any("--protocol paper" in one for one in tables_of({OURS: [0.5]}, "phantom")["numbers"].remarks)


def paper_protocol() -> Compared:
    dice = {"A": [0.2, NAN, 0.6, 0.4], "B": [NAN, 0.5, 0.5, 0.5]}
    results = [made_results(rows_of(one, protocol="paper"), name) for name, one in dice.items()]
    return compare(results, "paper")


def test_under_the_paper_protocol_every_method_has_its_own_n() -> None:
    tables = comparison_tables(paper_protocol())
    assert column(tables["methods"], "Dice %", "A")[0].values[0] == pytest.approx(40)
    assert [column(tables["methods"], "n", name)[0].text for name in "AB"] == ["3", "3"]
    line = line_of(tables["numbers"], "busi", "A")
    assert (line["n"].text, line["left out"].text, line["answered %"].text) == ("3", "1", "75.00")


def test_under_the_paper_protocol_pairs_are_images_that_both_found() -> None:
    line = line_of(comparison_tables(paper_protocol())["tests"], "busi", "A", "B")
    assert line["n"].text == "2"
    assert line["Dice difference %"].values == (pytest.approx(0),)


def test_an_average_over_fewer_datasets_is_neither_best_nor_held_against_all_the_paper_prints() -> None:
    one = rows_of([0.7] * 6, "busi", protocol="paper") + rows_of([NAN] * 6, "tn3k", protocol="paper")
    other = rows_of([0.6] * 6, "busi", protocol="paper") + rows_of([0.1] * 6, "tn3k", protocol="paper")
    tables = comparison_tables(compare([made_results(one, OURS), made_results(other, "SAMUS")], "paper"))
    busi, tn3k, average = column(tables["methods"], "Dice %", OURS)
    assert (busi.best, tn3k.text, average.best) == (True, "-", False)
    remark = f"{OURS} has no score on tn3k, so its average cannot be compared with that of others."
    assert remark in tables["methods"].remarks and remark in tables["numbers"].remarks
    assert line_of(tables["numbers"], AVERAGE, OURS)["paper"].values == (77.79,)


def test_every_pair_is_tested_and_corrected_together() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 0.8, 30)
    dice = {"A": list(base), "B": list(base + 0.1), "C": list(base + rng.normal(0, 0.05, 30))}
    table = tables_of(dice)["tests"]
    assert [[cell.text for cell in line[1:3]] for line in table.lines] == [["A", "B"], ["A", "C"], ["B", "C"]]
    assert line_of(table, "busi", "A", "B")["Dice difference %"].text == "-10.00"
    p_values = [float(line[7].values[0]) for line in table.lines]
    assert p_values[0] < 0.001 < p_values[1]
    assert [line[8].values[0] for line in table.lines] == holm(p_values)


def test_images_of_one_patient_are_one_group() -> None:
    rows = {name: [made_row(image=at, dice=dice, group=str(at // 10)) for at in range(40)] for name, dice in
            [("A", 0.5), ("B", 0.6)]}  # fmt: skip
    table = comparison_tables(compare([made_results(one, name) for name, one in rows.items()]))["tests"]
    line = line_of(table, "busi", "A", "B")
    assert (line["n"].text, line["groups"].text) == ("40", "4")
    assert float(line["p"].values[0]) > 0.05, "four patients cannot show more"


def test_a_p_value_that_cannot_be_low_says_so() -> None:
    table = tables_of({"A": [0.5, 0.6, 0.7], "B": [0.4, 0.4, 0.7]})["tests"]
    assert line_of(table, "busi", "A", "B")["p"].notes == ("With 2 groups that differ, p cannot be below 0.500.",)
    ahead = tables_of({"A": [0.5, 0.6, 0.7, 0.8, 0.7, 0.6], "B": [0.4, 0.45, 0.5, 0.55, 0.4, 0.25]})["tests"]
    assert line_of(ahead, "busi", "A", "B")["p"].notes == ("With 6 groups that differ, p cannot be below 0.031.",)
    rng = np.random.default_rng(0)
    many = {"A": list(rng.uniform(0.4, 0.6, 30)), "B": list(rng.uniform(0.4, 0.6, 30))}
    assert not line_of(tables_of(many)["tests"], "busi", "A", "B")["p"].notes


def test_no_column_of_the_paper_without_a_number_in_it() -> None:
    titles = [one.title for one in tables_of({"mine": [0.5, 0.6]})["numbers"].columns]
    assert "paper" not in titles and "difference" not in titles
    assert "paper" in [one.title for one in tables_of({OURS: [0.5, 0.6]})["numbers"].columns]


def test_intervals_can_stand_beside_the_means() -> None:
    results = [made_results(rows_of([0.5, 0.6, 0.7]), name) for name in ("A", "B")]
    table = comparison_tables(compare(results), intervals=True)["methods"]
    (cell,) = column(table, "Dice %", "A")
    assert cell.text == "60.00 [50.00, 70.00]" and table.columns[2].csv_names == ("Dice %", "Dice % low", "Dice % high")


def test_datasets_stand_in_the_papers_order_whatever_that_of_the_rows() -> None:
    rows = [row for dataset in ("phantom", "tn3k", "busi") for row in rows_of([0.7, 0.8], dataset)]
    tables = comparison_tables(compare([made_results(rows, "A"), made_results(rows, "B")]))
    for table in tables.values():
        assert list(dict.fromkeys(line[0].text for line in table.lines))[:3] == ["busi", "tn3k", "phantom"]


def test_several_datasets_are_also_tested_together() -> None:
    results = [
        made_results(rows_of([0.5, 0.6, 0.7], "busi") + rows_of([0.5, 0.6], "tn3k"), name) for name in ("A", "B")
    ]
    table = comparison_tables(compare(results))["tests"]
    assert [line[0].text for line in table.lines] == ["busi", "tn3k", "all queries"]
    assert line_of(table, "all queries", "A", "B")["n"].text == "5"
    assert table.num_summaries == 1


def test_absent_targets_have_no_part_in_dice() -> None:
    absent = [made_row(image=9, dice=NAN, num_instances=0, true_pixels=0)]
    table = comparison_tables(compare([made_results(rows_of([0.5, 0.7]) + absent)]))["numbers"]
    line = line_of(table, "busi", "A")
    assert line["n"].text == "2"
    assert not math.isnan(float(line["Dice %"].values[0]))


def test_titles_name_protocol_and_table() -> None:
    compared = of_paper_table(compare([made_results(rows_of([0.5]), OURS)]), 3)
    assert comparison_tables(compared, 3)["methods"].title == "Seen datasets, protocol strict, as table 3 of the paper"
    assert comparison_tables(compared)["methods"].title == "All datasets, protocol strict"
