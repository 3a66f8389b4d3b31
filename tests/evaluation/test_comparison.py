"""What must hold before methods may stand side by side, and that nothing is dropped unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_results import NAN, made_results, made_row

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.comparison import Compared, compare, of_paper_table, rename
from gdinousam.evaluation.scoring.rows import ProtocolName

ROWS = [made_row(image=number, dice=number / 10) for number in range(8)]


def test_the_same_queries_in_another_order_are_compared() -> None:
    compared = compare([made_results(ROWS, "A"), made_results(ROWS[::-1], "B")])
    assert compared.rows == {"A": tuple(ROWS), "B": tuple(ROWS)}
    assert compared.remarks == ()


def test_a_protocol_has_its_own_rows() -> None:
    paper = [made_row(image=number, protocol="paper") for number in range(3)]
    assert compare([made_results([*ROWS, *paper])], "paper").rows == {"A": tuple(paper)}


def test_missing_queries_are_listed_not_dropped() -> None:
    with pytest.raises(InputError) as error:
        compare([made_results(ROWS[:1], "A"), made_results(ROWS, "B")])
    named = ", ".join(f"busi 00{number}.png 'benign breast lesion'" for number in range(1, 6))
    assert str(error.value) == (
        f"the results do not hold the same queries (A lacks 7 of 8: {named} and 2 more); finish the evaluation, or add "
        "--common to compare the queries that all hold"
    )


def test_each_side_says_what_it_lacks() -> None:
    with pytest.raises(InputError, match=r"A lacks 1 of 8: busi 007.png .*; B lacks 1 of 8: busi 000.png"):
        compare([made_results(ROWS[:-1], "A"), made_results(ROWS[1:], "B")])


def test_common_queries_are_compared_and_the_dropped_are_counted() -> None:
    results = [made_results(ROWS[2:], "A"), made_results(ROWS[:7], "B", data_sha256="c" * 64)]
    compared = compare(results, common=True)
    assert compared.rows == {"A": tuple(ROWS[2:7]), "B": tuple(ROWS[2:7])}
    assert compared.remarks == (
        "Only the 5 queries that all methods hold are compared; dropped: 1 of 6 of A, 2 of 7 of B.",
    )


def test_common_without_anything_to_drop_says_nothing() -> None:
    assert compare([made_results(ROWS, "A"), made_results(ROWS, "B")], common=True).remarks == ()


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(InputError, match="no strict query is in all results"):
        compare([made_results(ROWS[:2], "A"), made_results(ROWS[2:], "B")], common=True)


def test_results_without_rows_are_an_error() -> None:
    with pytest.raises(InputError, match="no paper query"):
        compare([made_results(ROWS)], "paper")


def test_results_of_different_test_files_are_refused() -> None:
    with pytest.raises(InputError, match=r"different test files .csv_sha256 aaaaaaaaaaaa and cccccccccccc"):
        compare([made_results(ROWS, "A"), made_results(ROWS, "B", data_sha256="c" * 64)])


@pytest.mark.parametrize("change", [{"true_pixels": 31}, {"image_width": 41}, {"num_instances": 2}])
@pytest.mark.parametrize("common", [False, True])
def test_results_against_different_masks_are_refused(change: dict[str, int], common: bool) -> None:
    changed = [*ROWS[:-1], made_row(image=7, dice=0.7, **change)]
    with pytest.raises(InputError, match=r"busi 007.png .*: A was scored against .*, B against .*; evaluate both with"):
        compare([made_results(ROWS, "A"), made_results(changed, "B")], common=common)


def test_two_methods_of_one_name_need_names() -> None:
    same = [made_results(ROWS, folder=Path("one")), made_results(ROWS, folder=Path("two"))]
    with pytest.raises(
        InputError, match=r"one, two: results of methods of one name, 'A'; tell them apart with --names"
    ):
        compare(same)
    assert list(compare(rename(same, ["first", "second"])).rows) == ["first", "second"]


def test_as_many_names_as_results_are_needed() -> None:
    with pytest.raises(InputError, match="1 names for 2 results"):
        rename([made_results(ROWS), made_results(ROWS)], ["x"])


def test_a_query_scored_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"busi 000.png .* is scored twice"):
        compare([made_results([*ROWS, ROWS[0]])])


@pytest.mark.parametrize(("protocol", "other"), [("strict", {"target_present": True}), ("paper", {"found": True})])
def test_a_score_that_is_nan_is_not_taken_for_one_left_out(protocol: ProtocolName, other: dict[str, bool]) -> None:
    row = made_row(dice=NAN, protocol=protocol, **other)
    with pytest.raises(InputError, match=r"busi 000.png .* has no Dice although it counts"):
        compare([made_results([row])], protocol)


def test_needs_and_versions_are_said() -> None:
    results = [
        made_results(ROWS, "A"),
        made_results(ROWS, "B", needs=("text", "point"), version="0.2.0"),
        made_results(ROWS, "C", needs=()),
    ]
    assert compare(results).remarks == (
        "B is given beside the image: point, text.",
        "C is given beside the image: nothing.",
        "Scored by different versions of gdinousam: A 0.1.0, B 0.2.0, C 0.1.0.",
    )


def of_datasets(*datasets: str) -> Compared:
    return compare([made_results([made_row(dataset) for dataset in datasets])])


def test_datasets_stand_in_the_order_of_the_paper() -> None:
    assert of_datasets("phantom", "busbra", "kidnyus", "mine", "breast").datasets == (
        "breast",
        "kidnyus",
        "busbra",
        "phantom",
        "mine",
    )


def test_table_3_holds_seen_datasets_and_says_what_is_not_in_it() -> None:
    compared = of_paper_table(of_datasets("phantom", "busbra", "busi"), 3)
    assert compared.datasets == ("busi",)
    assert compared.remarks == (
        "Not in table 3 of the paper, so not here: busbra, phantom.",
        "In table 3 of the paper, but not in these results: BrEaST, BUID, BUSUC, BUSUCLM, BUSB, STU, S1, TN3K, TG3K, "
        "105US, AUL, MicroSeg, RegPro, KidneyUS.",
    )


def test_table_4_holds_unseen_datasets() -> None:
    compared = of_paper_table(of_datasets("busbra", "tnscui", "luminous"), 4)
    assert compared.datasets == ("busbra", "tnscui", "luminous")
    assert compared.remarks == ()


def test_a_table_without_datasets_is_an_error() -> None:
    with pytest.raises(InputError, match="no dataset of the paper's table 4 in these results, only busi, phantom"):
        of_paper_table(of_datasets("phantom", "busi"), 4)


def test_absent_queries_are_compared_too() -> None:
    rows = [made_row(dice=NAN, num_instances=0, true_pixels=0), made_row(image=1)]
    assert len(compare([made_results(rows, "A"), made_results(rows, "B")]).rows["B"]) == 2
