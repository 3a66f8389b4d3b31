"""Tables against means and deviations worked out by hand."""

import csv
import math
import warnings
from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.evaluation.rows import RowWriter, ScoreRow, read_rows
from gdinousam.evaluation.tables import summarize, write_tables


def row(protocol="strict", dataset="A", dice=0.0, iou=0.0, found=True, target_present=True, **other) -> ScoreRow:
    values = {
        "image_name": "1.png",
        "group": None,
        "phrase": "liver",
        "score": 0.5 if found else math.nan,
        "num_detections": int(found),
        "num_instances": int(target_present),
        "box_iou": math.nan,
        "overlap_pixels": 1,
        "predicted_pixels": 2,
        "true_pixels": 3,
        "image_width": 4,
        "image_height": 5,
    }
    return ScoreRow(
        protocol=protocol,
        dataset=dataset,
        dice=dice,
        iou=iou,
        found=found,
        target_present=target_present,
        **(values | other),
    )


NAN = math.nan
ROWS = [
    row(dice=0.9, iou=0.8),
    row(dice=0.5, iou=0.4),
    row(dice=0.0, iou=0.0, found=False),
    row(dice=0.6, iou=0.4),
    row(dice=NAN, iou=NAN, found=False, target_present=False),
    row(dice=NAN, iou=NAN, found=True, target_present=False),
    row(dice=NAN, iou=NAN, found=False, target_present=False),
    row(dataset="B", dice=0.7, iou=0.6),
    row("paper", dice=0.9, iou=0.8),
    row("paper", dice=0.5, iou=0.4),
    row("paper", dice=NAN, iou=NAN, found=False),
    row("paper", dataset="B", dice=NAN, iou=NAN, found=False),
]


def write_rows(rows, path: Path) -> Path:
    with RowWriter(path) as writer:
        writer.append(rows)
    return path


def squeeze(line: str) -> str:
    return " ".join(line.split())


def test_strict_summary_as_worked_out_by_hand():
    of_a, of_b, average = summarize(ROWS, "strict")
    # Dice .9 .5 0 .6: mean .5, squared deviations .16 0 .25 .01. IoU .8 .4 0 .4: mean .4, .16 0 .16 0.
    assert (of_a.dataset, of_a.num_scored, of_a.num_left_out) == ("A", 4, 0)
    assert of_a.dice_percent == pytest.approx(50)
    assert of_a.dice_std_percent == pytest.approx(100 * math.sqrt(0.42 / 4))
    assert of_a.iou_percent == pytest.approx(40)
    assert of_a.iou_std_percent == pytest.approx(100 * math.sqrt(0.32 / 4))
    assert of_a.detection_percent == pytest.approx(75)
    assert (of_a.num_absent, of_a.specificity_percent) == (3, pytest.approx(200 / 3))
    assert (of_b.num_scored, of_b.dice_std_percent, of_b.num_absent) == (1, 0.0, 0)
    assert math.isnan(of_b.specificity_percent)
    # Datasets weigh the same, counts add up, and datasets without absent phrases do not enter the specificity.
    assert (average.dataset, average.num_scored, average.num_absent) == ("average", 5, 3)
    assert average.dice_percent == pytest.approx((50 + 70) / 2)
    assert average.dice_std_percent == pytest.approx(of_a.dice_std_percent / 2)
    assert average.detection_percent == pytest.approx((75 + 100) / 2)
    assert average.specificity_percent == pytest.approx(200 / 3)


def test_paper_summary_leaves_misses_out_and_counts_them():
    of_a, of_b, average = summarize(ROWS, "paper")
    assert (of_a.num_scored, of_a.num_left_out) == (2, 1)
    assert (of_a.dice_percent, of_a.detection_percent) == (pytest.approx(70), pytest.approx(200 / 3))
    assert (of_b.num_scored, of_b.num_left_out, of_b.detection_percent) == (0, 1, 0.0)
    assert math.isnan(of_b.dice_percent)
    assert (average.num_scored, average.num_left_out) == (2, 2)
    assert average.dice_percent == pytest.approx(70)


def test_the_printed_text_names_both_protocols_and_shows_every_n(tmp_path):
    lines = write_tables(ROWS, tmp_path).splitlines()
    strict = lines[: next(n for n, line in enumerate(lines) if line.startswith("Protocol paper"))]
    paper = lines[len(strict) :]
    assert strict[0].startswith("Protocol strict: ")
    assert strict[2].split("  ")[0] == "dataset" and strict[2].endswith("specificity %  n absent")
    assert squeeze(strict[4]) == "A 4 50.00 ± 32.40 40.00 ± 28.28 75.00 66.67 3"
    assert squeeze(strict[5]) == "B 1 70.00 ± 0.00 60.00 ± 0.00 100.00 - 0"
    assert squeeze(strict[6]) == "average 5 60.00 ± 16.20 50.00 ± 14.14 87.50 66.67 3"
    assert squeeze(paper[4]) == "A 2 1 70.00 ± 20.00 60.00 ± 20.00 66.67"
    assert squeeze(paper[5]) == "B 0 1 - - 0.00"
    assert "No scored query, so not in the average Dice and IoU: B." in paper
    assert "Fewer than 50 scored queries: A." in paper


def test_markdown_holds_the_same_cells(tmp_path):
    write_tables(ROWS, tmp_path)
    lines = (tmp_path / "tables.md").read_text(encoding="utf-8").splitlines()
    assert "| A | 4 | 50.00 ± 32.40 | 40.00 ± 28.28 | 75.00 | 66.67 | 3 |" in lines
    assert "| A | 2 | 1 | 70.00 ± 20.00 | 60.00 ± 20.00 | 66.67 |" in lines
    assert [line for line in lines if line.startswith("## ")] == ["## Protocol strict", "## Protocol paper"]


def test_csv_holds_all_digits(tmp_path):
    write_tables(ROWS, tmp_path)
    with (tmp_path / "table_strict.csv").open(newline="", encoding="utf-8") as file:
        of_a = next(csv.DictReader(file))
    assert float(of_a["dice_std_percent"]) == summarize(ROWS, "strict")[0].dice_std_percent
    assert float(of_a["specificity_percent"]) == summarize(ROWS, "strict")[0].specificity_percent


def test_without_absent_phrases_there_is_no_specificity_column(tmp_path):
    assert "specificity" not in write_tables([one for one in ROWS if one.target_present], tmp_path)


@pytest.mark.parametrize("rows", [[], [row("paper", dice=NAN, iou=NAN, found=False)]], ids=["no rows", "all missed"])
def test_a_mean_of_nothing_is_a_dash_without_a_warning(rows, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = write_tables(rows, tmp_path)
    averages = [line.split() for line in text.splitlines() if line.startswith("average")]
    assert averages[0] == ["average", "0", "-", "-", "-"]
    assert averages[1] == ["average", "0", str(len(rows)), "-", "-", "0.00" if rows else "-"]
    assert "nan" not in text


def test_a_table_made_from_the_file_equals_the_one_made_in_memory(tmp_path):
    awkward = [row(dice=k / 7, iou=k / 11, score=1 / (k + 3), group="", phrase='gland, "left"\nlobe') for k in range(7)]
    rows = [*ROWS, *awkward]
    from_file = read_rows(write_rows(rows, tmp_path / "rows.csv"))
    assert [one.dice for one in from_file if not math.isnan(one.dice)] == [
        one.dice for one in rows if not math.isnan(one.dice)
    ]
    assert from_file[-1].phrase == 'gland, "left"\nlobe'
    assert from_file[0].group is None and from_file[4].found is False
    write_tables(rows, tmp_path / "memory")
    write_tables(from_file, tmp_path / "file")
    for name in ("table_strict.csv", "table_paper.csv", "tables.md"):
        assert (tmp_path / "memory" / name).read_bytes() == (tmp_path / "file" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("dice", "dise", 1), "no column dice"),
        (lambda text: text.replace(",4,5", ",4", 1), "line 2: image_height is None"),
        (lambda text: text.replace("strict", "lenient", 1), "line 2: protocol is 'lenient'"),
        (lambda text: text.replace("True", "yes", 1), "line 2: target_present is 'yes'"),
    ],
)
def test_a_damaged_rows_file_is_refused_with_its_line(change, message, tmp_path):
    path = write_rows(ROWS, tmp_path / "rows.csv")
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_rows(path)


def test_a_missing_rows_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "rows.csv")


def test_rows_of_an_interrupted_run_stay_in_the_part_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), RowWriter(tmp_path / "rows.csv") as writer:
        writer.append(ROWS[:2])
        # Already readable while the run goes on.
        assert len(read_rows(tmp_path / "rows.csv.part")) == 2
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv.part"]
