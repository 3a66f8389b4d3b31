"""Tables against means and deviations worked out by hand."""

import csv
import math
import warnings
from dataclasses import fields, replace

import numpy as np
import pytest

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.statistics import bootstrap_interval, macro_intervals
from gdinousam.evaluation.reporting.summary import Summary, summarize, summary_of
from gdinousam.evaluation.reporting.tables import TERMINAL_WIDTH, few_notes, write_tables
from gdinousam.evaluation.scoring.rows import ScoreRow, read_rows, write_rows
from gdinousam.evaluation.scoring.strata import stratify

NAN = math.nan
BOX = (0.0, 0.0, 2.0, 2.0)
FILES = ("table_strict.csv", "table_paper.csv", "strata_strict.csv", "tables.md")


def row(protocol="strict", dataset="A", dice=0.0, found=True, target_present=True, **other) -> ScoreRow:
    """A row that agrees with itself: what follows from the arguments is filled in. Without a target dice is nan."""
    scored = target_present and (found or protocol == "strict")
    hit = scored and found
    values = {
        "image_name": "1.png",
        "group": None,
        "phrase": "liver",
        "score": 0.5 if found else NAN,
        "num_detections": int(found),
        "num_instances": int(target_present),
        "box_iou": dice if hit else NAN,
        "iou": dice / (2 - dice),
        "overlap_pixels": 1,
        "predicted_pixels": 2 * found,
        "true_pixels": 3 * target_present,
        "image_width": 4,
        "image_height": 5,
        "surface_dice": dice,
        "hausdorff_95": 8.0 if hit else NAN,
        "surface_distance": 3.0 if hit else NAN,
        "seconds": 0.25,
        "detected_boxes": ((*BOX, 0.5),) * found,
        "true_boxes": (BOX,) * target_present,
    }
    values |= {"dice": dice} | other
    if not scored:
        values |= dict.fromkeys(("dice", "iou", "surface_dice"), NAN)
    return ScoreRow(protocol=protocol, dataset=dataset, found=found, target_present=target_present, **values)


ROWS = [
    row(dice=0.9, iou=0.8, image_name="1.png", box_iou=0.5),
    row(dice=0.5, iou=0.4, image_name="2.png", box_iou=0.7, hausdorff_95=4.0, surface_distance=1.0),
    row(dice=0.0, iou=0.0, found=False, image_name="3.png"),
    row(dice=0.6, iou=0.4, image_name="4.png", box_iou=0.8),
    row(found=False, target_present=False, image_name="1.png", phrase="cyst"),
    row(found=True, target_present=False, image_name="2.png", phrase="cyst"),
    row(found=False, target_present=False, image_name="3.png", phrase="cyst"),
    row(dataset="B", dice=0.7, iou=0.6),
    row("paper", dice=0.9, iou=0.8, image_name="1.png"),
    row("paper", dice=0.5, iou=0.4, image_name="2.png"),
    row("paper", found=False, image_name="3.png"),
    row("paper", dataset="B", found=False),
]


def squeeze(line: str) -> str:
    return " ".join(line.split())


def lines_of(text: str, protocol: str) -> dict[str, str]:
    """The table lines of a protocol in the terminal text, by dataset."""
    part = text.split(f"Protocol {protocol}: ")[1].split("\nProtocol ")[0]
    return {line.split("  ")[0].strip(): squeeze(line) for line in part.splitlines()}


def simulated(num_images: int) -> list[ScoreRow]:
    """Rows of four datasets with digits that no rounding keeps, patients, misses, absent phrases."""
    generator = np.random.default_rng(17)
    rows = []
    for number in range(num_images):
        common = {
            "dataset": ("busi", "busbra", "tn3k", "own | ours")[number % 4],
            "image_name": f"{number}.png",
            "group": f"patient {number // 8}" if number % 3 else None,
            "image_width": 40 + number % 7,
            "true_pixels": int(generator.integers(1, 200)),
        }
        found, present = bool(generator.random() < 0.9), bool(generator.random() < 0.8)
        dice = float(generator.beta(5, 2)) if found else 0.0
        rows += [
            row(protocol, dice=dice, found=found, target_present=present, **common) for protocol in ("strict", "paper")
        ]
    return [one for one in rows if one.protocol == "strict" or one.target_present]


def test_strict_summary_as_worked_out_by_hand():
    of_a, of_b, average = summarize(ROWS, "strict")
    # Dice .9 .5 0 .6: mean .5, squared deviations .16 0 .25 .01. IoU .8 .4 0 .4: mean .4, .16 0 .16 0.
    assert (of_a.dataset, of_a.num_scored, of_a.num_left_out) == ("A", 4, 0)
    assert (of_a.num_images, of_a.num_groups) == (4, 4)
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


def test_a_miss_has_box_iou_0_and_surface_dice_0_but_no_distance():
    of_a = summarize(ROWS, "strict")[0]
    assert of_a.box_iou_percent == pytest.approx((50 + 70 + 0 + 80) / 4)
    assert of_a.surface_dice_percent == pytest.approx(50)
    # Distances 8, 4, 8 and 3, 1, 3 of the three that were found.
    assert of_a.num_surfaces == 3
    assert (of_a.hausdorff_95_pixels, of_a.surface_distance_pixels) == pytest.approx((20 / 3, 7 / 3))
    assert of_a.hausdorff_95_std_pixels == pytest.approx(math.sqrt(32 / 9))


def test_box_precision_is_that_of_the_strict_rows_of_a_dataset_and_averaged_over_datasets():
    of_a, of_b, average = summarize(ROWS, "strict")
    # Every detection is exact and of one score, so they rank in the order of the rows. A: three of four objects, then a
    # false one, so precision 1 up to recall 0.75, which is 76 of COCO's 101 recalls. B: all of one.
    assert of_b.ap_percent == pytest.approx(100)
    assert of_a.ap_percent == pytest.approx(100 * 76 / 101)
    assert (of_a.num_true_boxes, average.num_true_boxes) == (4, 5)
    assert average.ap_percent == pytest.approx((of_a.ap_percent + of_b.ap_percent) / 2)
    assert math.isnan(summarize(ROWS, "paper")[0].ap_percent)


def test_all_queries_together_weigh_every_query_alike():
    pooled = summary_of(ROWS, "strict")
    assert (pooled.dataset, pooled.num_scored, pooled.num_absent) == ("all queries", 5, 3)
    assert pooled.dice_percent == pytest.approx((90 + 50 + 0 + 60 + 70) / 5)
    assert pooled.num_groups == 5  # both datasets have an image 1.png


def test_paper_summary_leaves_misses_out_and_counts_them():
    of_a, of_b, average = summarize(ROWS, "paper")
    assert (of_a.num_scored, of_a.num_left_out, of_a.num_images) == (2, 1, 2)
    assert (of_a.dice_percent, of_a.detection_percent) == (pytest.approx(70), pytest.approx(200 / 3))
    assert of_a.box_iou_percent == pytest.approx(70)
    assert (of_b.num_scored, of_b.num_left_out, of_b.detection_percent) == (0, 1, 0.0)
    assert math.isnan(of_b.dice_percent)
    assert (average.num_scored, average.num_left_out) == (2, 2)
    assert average.dice_percent == pytest.approx(70)


def test_intervals_resample_patients_and_for_the_average_within_datasets():
    rows = simulated(200)
    *of_datasets, average = summarize(rows, "strict")
    scored = [one for one in rows if one.protocol == "strict" and one.target_present]
    samples = []
    by_appearance = list(dict.fromkeys(one.dataset for one in scored))
    for summary in sorted(of_datasets, key=lambda one: by_appearance.index(one.dataset)):
        own = [one for one in scored if one.dataset == summary.dataset]
        dice, groups = [one.dice for one in own], [one.group or f"image {one.image_name}" for one in own]
        expected = bootstrap_interval(dice, groups)
        assert summary.num_groups == expected.num_groups < len(own)
        ends = summary.dice_low_percent, summary.dice_high_percent
        assert ends == pytest.approx((100 * expected.low, 100 * expected.high))
        samples.append(([dice], groups))
    [expected] = macro_intervals(samples, 1)
    ends = average.dice_low_percent, average.dice_high_percent
    assert ends == pytest.approx((100 * expected.low, 100 * expected.high))
    assert average.dice_low_percent < average.dice_percent < average.dice_high_percent


def test_the_printed_text_names_both_protocols_and_shows_every_n(tmp_path):
    text = write_tables(ROWS, tmp_path)
    assert text.startswith("Protocol strict: ")
    strict, paper = lines_of(text, "strict"), lines_of(text, "paper")
    assert strict["dataset"] == "dataset n Dice IoU answered recall box IoU AP50 specificity"
    assert strict["A"].startswith("A 4 50.00 [15.00, 80.00] 40.00 [10.00, 70.00] 75.00 75.00 50.00 ")
    assert strict["A"].endswith(" 66.67")
    assert strict["B"] == "B 1 70.00 60.00 100.00 100.00 70.00 100.00 -"
    assert strict["average"].startswith("average 5 60.00 50.00 87.50 87.50 60.00 ")
    assert strict["all queries"].startswith("all queries 5 54.00 [")
    assert "Queries whose phrase is absent, behind the specificity: A (3)." in text
    assert paper["A"] == "A 2 1 70.00 [50.00, 90.00] 60.00 [40.00, 80.00] 66.67 66.67 70.00"
    assert paper["B"] == "B 0 1 - - 0.00 0.00 -"


def test_one_dataset_has_one_line(tmp_path):
    text = write_tables([row(dice=0.5, image_name=f"{number}.png") for number in range(3)], tmp_path)
    assert lines_of(text, "strict").keys().isdisjoint({"average", "all queries"}) and "A" in lines_of(text, "strict")
    assert "| average |" not in (tmp_path / "tables.md").read_text(encoding="utf-8").split("## Strata")[0]
    assert "average" in (tmp_path / "table_strict.csv").read_text(encoding="utf-8")  # for programs, always


def test_the_printed_text_says_what_the_means_rest_on(tmp_path):
    text = write_tables(ROWS, tmp_path)
    strict, paper = text.split("\nProtocol paper")
    assert "95 % bootstrap interval of the mean, over patients where they are known" in strict
    assert "Fewer than 50 images, so the means say little: A (4), B (1)." in strict
    assert "One patient or image only, so no interval, nor for an average that it is part of: B." in strict
    assert "No scored query, so no Dice and no part in its average: B." in paper
    assert "Fewer than 50 images, so the means say little: A (2)." in paper
    markdown = (tmp_path / "tables.md").read_text(encoding="utf-8").split("## Strata")[0]
    for note in ("A (4), B (1).", "over patients where they are known", "HD95 and ASD know nothing of a miss"):
        assert note in markdown


def test_fifty_images_are_enough_and_several_phrases_of_one_image_are_one():
    fifty = [row(dice=0.5, image_name=f"{number}.png") for number in range(50)]
    assert "Fewer" not in notes_of(fifty)
    assert "A (49)" in notes_of([*fifty[:49], replace(fifty[0], phrase="cyst")])


def notes_of(rows) -> str:
    return "\n".join(few_notes(summarize(rows, "strict")[:-1]))


def test_the_printed_text_fits_a_terminal(tmp_path):
    perfect = [row(dice=1.0, dataset="muregpro", image_name=f"{number}.png") for number in range(1000)]
    perfect.append(row(target_present=False, found=False, dataset="muregpro"))
    many = [row(dice=1.0, dataset=f"set {number}") for number in range(25)]
    for rows in (simulated(60), perfect, many):
        assert max(map(len, write_tables(rows, tmp_path).splitlines())) <= TERMINAL_WIDTH


def test_markdown_holds_every_metric_with_deviation_and_interval(tmp_path):
    write_tables(ROWS, tmp_path)
    lines = (tmp_path / "tables.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        "## Protocol strict",
        "## Protocol paper",
        "## Strata, protocol strict",
        "## Calibration, protocol strict",
        "## Absent phrases, protocol strict",
    ]
    header = "dataset | n | images | groups | Dice % | IoU % | surface Dice % | HD95 px | ASD px | n surfaces"
    assert f"| {header} |" in lines
    of_a = next(line for line in lines if line.startswith("| A | 4 | 4 | 4 |"))
    assert "| 50.00 ± 32.40 [15.00, 80.00] | 40.00 ± 28.28 [10.00, 70.00] |" in of_a
    assert "| 6.67 ± 1.89 [4.00, 8.00] | 2.33 ± 0.94 [1.00, 3.00] | 3 |" in of_a
    start = "| A | 4 | 75.00 [25.00, 100.00] | 75.00 [25.00, 100.00] | 50.00 ± "
    assert any(line.startswith(start) for line in lines)
    assert any(line.startswith("| A | 2 | 1 | 2 | 2 | 70.00 ± 20.00 [50.00, 90.00] |") for line in lines)
    assert [line for line in lines if line.startswith("### ")][4:] == [
        f"### {kind}"
        for kind in (
            "Dataset",
            "Organ",
            "Training",
            "Target size",
            "Number of targets",
            "Target",
            "Calibration",
            "Reliability",
            "Absent phrases",
            "What is shown and what is answered",
        )
    ]


@pytest.mark.parametrize("protocol", ["strict", "paper"])
def test_csv_holds_all_digits_of_every_field(protocol, tmp_path):
    rows = simulated(60)
    write_tables(rows, tmp_path)
    with (tmp_path / f"table_{protocol}.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    *of_datasets, average = summarize(rows, protocol)
    for line, summary in zip(lines, [*of_datasets, summary_of(rows, protocol), average], strict=True):
        for field in fields(Summary):
            assert line[field.name] == str(getattr(summary, field.name))


def test_the_strata_file_holds_all_digits_of_every_stratum(tmp_path):
    rows = simulated(60)
    write_tables(rows, tmp_path)
    with (tmp_path / "strata_strict.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for line, stratum in zip(lines, stratify(rows), strict=True):
        assert (line["kind"], line["stratum"]) == (stratum.kind, stratum.name)
        assert line["dice_low_percent"] == str(stratum.summary.dice_low_percent)
        assert line["num_absent"] == str(stratum.summary.num_absent)
    assert not any(name.startswith("ap") for name in lines[0])


def test_without_absent_phrases_there_is_no_specificity_in_the_terminal(tmp_path):
    assert "specificity" not in write_tables([one for one in ROWS if one.target_present], tmp_path)


@pytest.mark.parametrize("rows", [[], [row("paper", found=False)]], ids=["no rows", "all missed"])
def test_a_mean_of_nothing_is_a_dash_without_a_warning(rows, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = write_tables(rows, tmp_path)
    name = "A" if rows else "average"  # one dataset has no average beside it
    assert lines_of(text, "strict")[name] == f"{name} 0 - - - - - -"
    answered = "0.00 0.00" if rows else "- -"
    assert lines_of(text, "paper")[name] == f"{name} 0 {len(rows)} - - {answered} -"
    assert "nan" not in text + (tmp_path / "tables.md").read_text(encoding="utf-8")


def test_a_table_rebuilt_from_the_rows_file_equals_the_printed_one_to_the_last_digit(tmp_path):
    rows = [*simulated(120), row(dice=1 / 7, iou=1 / 13, group="", phrase='gland, "left"\nlobe')]
    write_rows(tmp_path / "rows.csv", rows)
    printed = write_tables(rows, tmp_path / "memory")
    rebuilt = write_tables(read_rows(tmp_path / "rows.csv"), tmp_path / "file")
    assert rebuilt == printed
    for name in FILES:
        assert (tmp_path / "memory" / name).read_bytes() == (tmp_path / "file" / name).read_bytes()


@pytest.mark.parametrize(
    ("damage", "name"),
    [({"dice": NAN}, "dice"), ({"surface_dice": NAN}, "surface_dice"), ({"box_iou": math.inf}, "box_iou")],
)
def test_a_score_that_is_missing_is_an_error_and_no_smaller_n(damage, name):
    with pytest.raises(InputError, match=f"A 1.png 'liver': {name} is not a number in a strict row"):
        summarize([*ROWS[1:], replace(ROWS[0], **damage)], "strict")
