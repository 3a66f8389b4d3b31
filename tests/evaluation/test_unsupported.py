"""Queries that a method cannot answer: not asked, marked and counted everywhere, and part of no number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coloured_images import ByColor, LeftHalf, untimed, write_image
from made_results import NAN, made_results, made_row

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.overview import overview_table
from gdinousam.evaluation.reporting.paper_numbers import OURS
from gdinousam.evaluation.reporting.summary import summarize, summary_of
from gdinousam.evaluation.reporting.table import Table
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.box_precision import box_precision
from gdinousam.evaluation.scoring.methods import answerable, unsupported_phrases, unsupported_remarks
from gdinousam.evaluation.scoring.protocols import score_image
from gdinousam.evaluation.scoring.rows import ProtocolName, ScoreRow, read_rows
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.evaluation.scoring.strata import stratify
from gdinousam.records import ImageRecord

REASON = "the colour is not known"


class OnlyLiver(LeftHalf):
    """Knows one colour, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Sequence[str]] = []

    def unsupported(self, record: ImageRecord) -> dict[str, str]:
        return dict.fromkeys((phrase for phrase in record.phrases if phrase != "liver"), REASON)

    def segment(self, images, phrases):
        self.asked += phrases
        return super().segment(images, phrases)


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    """One image of both objects and of one that is absent, one with the cyst last, one with nothing that is known."""
    liver, cyst = (10, 5, 20, 10), (40, 20, 8, 8)
    return [
        write_image(tmp_path, "both", {"cyst": cyst, "liver": liver}, dataset="A"),
        write_image(tmp_path, "last", {"liver": liver, "cyst": cyst}, ("stone",), "A"),
        write_image(tmp_path, "cyst", {"cyst": cyst}, dataset="B"),
    ]


def test_a_method_without_limits_supports_everything(records: list[ImageRecord]) -> None:
    assert unsupported_phrases(ByColor(), records[0]) == {}
    assert answerable(ByColor(), records[0]) == records[0]
    assert unsupported_remarks(ByColor(), records) == ()


def test_what_is_not_supported_is_counted_by_reason_dataset_and_phrase(records: list[ImageRecord]) -> None:
    assert [answerable(OnlyLiver(), record).phrases for record in records] == [("liver",), ("liver",), ()]
    assert unsupported_remarks(OnlyLiver(), records) == (
        f"Not supported, because {REASON}: A 'cyst', 'stone' (3); B (1).",
    )


def test_a_method_that_supports_nothing_at_all_is_an_error(records: list[ImageRecord]) -> None:
    with pytest.raises(InputError, match=rf"nothing .* can be asked .* because {REASON}: B \(1\)"):
        unsupported_remarks(OnlyLiver(), records[2:])
    assert unsupported_remarks(OnlyLiver(), []) == ()


def test_only_what_is_supported_is_asked_and_the_rest_is_no_miss(records: list[ImageRecord], tmp_path: Path) -> None:
    method = OnlyLiver()
    rows = evaluate(method, records, tmp_path / "out", num_pictures=3, save_masks=True)
    assert [tuple(one) for one in method.asked] == [("liver",), ("liver",), ()]
    supported = {(row.protocol, row.image_name, row.phrase) for row in rows if row.supported}
    # the paper protocol asks for the phrase of the last row
    assert supported == {
        ("strict", "both.png", "liver"),
        ("strict", "last.png", "liver"),
        ("paper", "both.png", "liver"),
    }
    assert len(rows) == 2 + 1 + 3 + 1 + 1 + 1
    for row in rows:
        if row.supported:
            assert row.dice > 0 and row.seconds > 0
        else:
            assert not row.found and row.num_detections == row.predicted_pixels == 0
            assert all(map(math.isnan, (row.dice, row.iou, row.surface_dice, row.hausdorff_95, row.seconds, row.score)))
    whole = evaluate(ByColor(), records, tmp_path / "whole", num_pictures=0)
    assert [row.true_pixels for row in rows] == [row.true_pixels for row in whole]
    assert untimed(read_rows(tmp_path / "out" / "rows.csv")) == untimed(rows)
    # a mask that is black would say that nothing was found
    assert {path.name for path in (tmp_path / "out" / "masks").iterdir()} == {"both.liver.png", "last.liver.png"}
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 3


def test_an_interrupted_run_goes_on_to_the_same_marks(records: list[ImageRecord], tmp_path: Path) -> None:
    class Stopping(OnlyLiver):
        def segment(self, images, phrases):
            if self.asked:
                raise KeyboardInterrupt
            return super().segment(images, phrases)

    whole = evaluate(OnlyLiver(), records, tmp_path / "whole", batch_size=1, num_pictures=0)
    with pytest.raises(KeyboardInterrupt):
        evaluate(Stopping(), records, tmp_path / "out", batch_size=1, num_pictures=0)
    again = evaluate(OnlyLiver(), records, tmp_path / "out", batch_size=1, num_pictures=0, resume=True)
    assert untimed(again) == untimed(whole)


def test_seconds_are_shared_by_the_phrases_that_were_asked(records: list[ImageRecord]) -> None:
    full_hw, white = np.ones((40, 60), bool), np.full((40, 60, 3), 255, np.uint8)
    truth = {"liver": full_hw, "cyst": full_hw, "stone": ~full_hw}
    rows = score_image(records[1], [], truth, seconds=3.0, unsupported=("cyst",))
    assert [row.seconds for row in rows][::2] == [1.5, 1.5] and math.isnan(rows[1].seconds)
    with pytest.raises(ValueError, match="a detection of 'cyst', which was not asked"):
        score_image(records[1], ByColor().segment([white], [["cyst"]])[0], truth, unsupported=("cyst",))


def unasked(dataset: str = "busi", image: int = 0, **other: object) -> ScoreRow:
    """A query with a target that the method does not support."""
    values = {"target_present": True, "found": False, "supported": False, **other}
    return made_row(dataset, image, NAN, **values)


# In busi two of three are asked, in stu none, and one query without a target is not supported either.
PART = [
    made_row("busi", 0, 0.8),
    made_row("busi", 1, 0.4),
    unasked("busi", 2),
    unasked("busi", 3, target_present=False, num_instances=0, true_boxes=()),
    unasked("stu", 0),
    made_row("aul", 0, 0.2),
]
# The same queries of a method without limits.
WHOLE = [
    *PART[:2],
    made_row("busi", 2, 0.6),
    made_row("busi", 3, NAN, num_instances=0, true_boxes=()),
    made_row("stu", 0, 1.0),
    PART[5],
]


def test_means_and_rates_leave_them_out_and_count_them() -> None:
    busi, stu, aul, average = summarize(PART, "strict")
    assert (busi.num_scored, busi.num_left_out, busi.num_unsupported) == (2, 0, 2)
    assert busi.dice_percent == pytest.approx(60) and busi.detection_percent == 100
    assert busi.num_absent == 0 and math.isnan(busi.specificity_percent)
    assert (stu.num_scored, stu.num_left_out, stu.num_unsupported) == (0, 0, 1)
    assert math.isnan(stu.dice_percent) and math.isnan(stu.detection_percent)
    assert aul.num_unsupported == 0
    # the mean of 60 and 20, not of 60, 0 and 20
    assert average.dice_percent == pytest.approx(40) and average.num_unsupported == 3
    assert summary_of(PART, "strict").num_true_boxes == 3


def test_box_precision_does_not_know_them() -> None:
    found = made_row("busi", 0, 0.8, detected_boxes=((0.0, 0.0, 5.0, 6.0, 0.9),))
    assert box_precision([found, unasked(image=1)]) == box_precision([found])
    assert box_precision([found, unasked(image=1)]).ap == pytest.approx(1)
    missed = made_row("busi", 1, 0.0, found=False)
    assert box_precision([found, missed]).ap == pytest.approx(0.5, abs=0.01)


def test_the_paper_protocol_does_not_take_them_for_left_out() -> None:
    missed = made_row("busi", 1, NAN, protocol="paper")
    (busi, _) = summarize(
        [made_row("busi", 0, 0.5, protocol="paper"), missed, unasked("busi", 2, protocol="paper")], "paper"
    )
    assert (busi.num_scored, busi.num_left_out, busi.num_unsupported) == (1, 1, 1)
    assert busi.detection_percent == 50


def test_every_table_of_an_evaluation_shows_their_number(tmp_path: Path) -> None:
    text = write_tables([*PART, *(replace(row, protocol="paper") for row in PART)], tmp_path)
    for part in text.split("\nProtocol "):
        cells = next(line for line in part.splitlines() if line.startswith("busi")).split()
        assert "not supported" in part and "2" in cells
    note = "Queries that the method does not support, so that they are in no mean and no rate: busi (2), stu (1)."
    lacking = "No scored query, so no Dice and no part in its average: stu."
    page = (tmp_path / "tables.md").read_text(encoding="utf-8")
    for written in (text.replace("\n", " "), page):
        assert note in written and lacking in written
    tables = page.split("### ")[1:]
    # all but the strata of sizes and numbers, which hold queries of one kind only
    shown = [table.splitlines()[0] for table in tables if "not supported |" in table]
    assert {"Masks", "Boxes and answers", "Dataset", "Organ", "Target"} <= set(shown)
    assert (tmp_path / "table_strict.csv").read_text(encoding="utf-8").splitlines()[0].count("num_unsupported") == 1


def test_tables_without_any_do_not_mention_them(tmp_path: Path) -> None:
    text = write_tables(WHOLE, tmp_path)
    assert "support" not in text and "support" not in (tmp_path / "tables.md").read_text(encoding="utf-8")


def test_strata_count_them() -> None:
    counts = {(one.kind, one.name): one.summary.num_unsupported for one in stratify(PART)}
    assert counts["dataset", "busi"] == 2 and counts["target", "absent"] == 1 and counts["organ", "liver"] == 0


def column(table: Table, title: str, group: str = "") -> list[str]:
    place = next(at for at, one in enumerate(table.columns) if (one.title, one.group) == (title, group))
    return [line[place].text for line in table.lines]


@pytest.mark.parametrize("protocol", ["strict", "paper"])
def test_compared_methods_have_their_own_n_and_the_table_says_why(protocol: ProtocolName) -> None:
    parts, wholes = ([replace(row, protocol=protocol) for row in rows] for rows in (PART, WHOLE))
    if protocol == "paper":  # an absent phrase is not a query there
        del parts[3], wholes[3]
    compared = compare([made_results(parts, OURS), made_results(wholes, "whole")], protocol)
    tables = comparison_tables(compared)
    methods = tables["methods"]
    assert column(methods, "n", OURS) == ["2", "0", "1", "3"]  # busi, stu, aul, average
    assert column(methods, "n", "whole") == ["3", "1", "1", "5"]
    assert column(methods, "Dice %", OURS)[-1].startswith("40.00")
    counts = dict(
        zip(
            zip(column(tables["numbers"], "dataset"), column(tables["numbers"], "method"), strict=True),
            column(tables["numbers"], "not supported"),
            strict=True,
        )
    )
    num_in_busi = 2 if protocol == "strict" else 1
    assert counts["busi", OURS] == str(num_in_busi) and counts["busi", "whole"] == "0"
    paper = dict(zip(counts, column(tables["numbers"], "paper"), strict=True))
    assert paper["busi", OURS] == paper["stu", OURS] == "-" and paper["aul", OURS] != "-"
    said = (
        f"{OURS} does not support {num_in_busi + 1} queries (busi {num_in_busi}, stu 1); they are in none of its means"
    )
    for table in tables.values():
        assert any(remark.startswith(said) for remark in table.remarks)
    assert any(f"{OURS} has no score on stu, so its average" in remark for remark in methods.remarks)
    pairs = dict(zip(column(tables["tests"], "dataset"), column(tables["tests"], "n"), strict=True))
    assert pairs == {"busi": "2", "stu": "0", "aul": "1", "all queries": "3"}


def test_a_mean_without_some_queries_is_not_marked_as_the_best() -> None:
    ahead = [made_row(dataset, number, 0.8) for dataset in ("busi", "aul") for number in range(8)]
    behind = [made_row(dataset, number, 0.3) for dataset in ("busi", "aul") for number in range(8)]
    ahead[0] = unasked("busi", 0)
    table = comparison_tables(compare([made_results(ahead, "ahead"), made_results(behind, "behind")]))["methods"]
    best = [[cell.best for cell in line] for line in table.lines]  # busi, aul, average
    assert not any(best[0]) and any(best[1]) and not any(best[2])


def test_compared_methods_without_any_share_one_n() -> None:
    tables = comparison_tables(compare([made_results(WHOLE, "a"), made_results(WHOLE, "b")]))
    assert column(tables["methods"], "n") == ["3", "1", "1", "5"]
    assert "not supported" not in [one.title for one in tables["numbers"].columns]


def test_the_overview_shows_their_number_and_the_time_of_what_was_asked() -> None:
    table = overview_table([made_results(PART, "part", seconds_total=1.5), made_results(WHOLE, "whole")])
    assert [one.title for one in table.columns][2:4] == ["n", "not supported"]
    assert column(table, "not supported") == ["3", "3", "0", "0"]
    assert column(table, "mean over")[:2] == ["2 datasets", "queries"]
    assert column(table, "s/image")[:2] == ["0.500", "0.500"]  # three images were asked
    assert len(overview_table([made_results(WHOLE, "whole")]).columns) == 9
