"""The runner on generated images whose objects have a colour of their own, so that simple methods can find them."""

from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from coloured_images import (
    HEIGHT,
    WIDTH,
    Alarmist,
    ByColor,
    LargeOnly,
    LeftHalf,
    Silent,
    untimed,
    write_image,
    write_mixed,
)

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.tables import summarize, write_tables
from gdinousam.evaluation.scoring.rows import read_rows
from gdinousam.evaluation.scoring.runner import check_records, evaluate
from gdinousam.records import ImageRecord, Instance, MaskReference


@pytest.fixture
def large_and_small(tmp_path) -> list[ImageRecord]:
    return [
        write_image(tmp_path, "large", {"liver": (10, 5, 20, 10)}),
        write_image(tmp_path, "small", {"liver": (4, 4, 6, 6)}),
    ]


@pytest.fixture
def mixed(tmp_path) -> list[ImageRecord]:
    return write_mixed(tmp_path)


def dice_means(rows, protocol: str) -> list[float]:
    return [summary.dice_percent for summary in summarize(rows, protocol)]


def test_a_method_that_finds_the_truth_scores_100_percent(mixed, tmp_path):
    rows = evaluate(ByColor(), mixed, tmp_path / "out", num_pictures=0)
    assert dice_means(rows, "strict") == [100, 100, 100]
    assert [summary.specificity_percent for summary in summarize(rows, "strict")] == [100, 100, 100]
    assert {row.box_iou for row in rows if row.protocol == "strict" and row.target_present} == {1.0}


def test_half_a_mask_scores_two_thirds(large_and_small, tmp_path):
    rows = evaluate(LeftHalf(), large_and_small, tmp_path / "out", num_pictures=0)
    # Overlap 1/2, prediction 1/2, truth 1: Dice 1 / 1.5 and IoU 1/2, in both images and both protocols.
    assert [row.dice for row in rows] == pytest.approx([2 / 3] * 4)
    assert [row.iou for row in rows] == [0.5] * 4
    assert [row.box_iou for row in rows] == [0.5] * 4


def test_one_miss_of_two_halves_the_strict_mean_and_leaves_the_paper_mean(large_and_small, tmp_path):
    rows = evaluate(LargeOnly(), large_and_small, tmp_path / "out", num_pictures=0)
    strict, paper = summarize(rows, "strict")[0], summarize(rows, "paper")[0]
    assert (strict.dice_percent, strict.num_scored, strict.num_left_out) == (50, 2, 0)
    assert (paper.dice_percent, paper.num_scored, paper.num_left_out) == (100, 1, 1)
    assert strict.detection_percent == paper.detection_percent == 50


def test_a_method_that_never_finds_anything_scores_zero_and_is_perfectly_specific(mixed, tmp_path):
    rows = evaluate(Silent(), mixed, tmp_path / "out", num_pictures=0)
    assert dice_means(rows, "strict") == [0, 0, 0]
    assert [summary.specificity_percent for summary in summarize(rows, "strict")] == [100, 100, 100]
    assert [summary.num_left_out for summary in summarize(rows, "paper")] == [3, 3, 6]
    assert "nan" not in write_tables(rows, tmp_path / "out")


def test_a_method_that_finds_everything_everywhere_has_no_specificity(mixed, tmp_path):
    rows = evaluate(Alarmist(), mixed, tmp_path / "out", num_pictures=0)
    assert summarize(rows, "strict")[-1].specificity_percent == 0
    # Dataset A asks for the stone in its normal image only, dataset B in all three.
    assert [summary.num_absent for summary in summarize(rows, "strict")] == [1, 3, 4]
    liver = next(row for row in rows if row.image_name == "mixed0.png" and row.phrase == "liver")
    assert liver.dice == pytest.approx(2 * 120 / (120 + HEIGHT * WIDTH))


@pytest.mark.parametrize(("batch_size", "num_workers"), [(3, 4), (3, 0), (20, 2)])
def test_batch_size_and_workers_do_not_change_the_rows(mixed, tmp_path, batch_size, num_workers):
    single, batched = LeftHalf(), LeftHalf()
    first = evaluate(single, mixed, tmp_path / "single", batch_size=1, num_workers=1, num_pictures=0)
    second = evaluate(batched, mixed, tmp_path / "batch", batch_size, num_workers, num_pictures=0)
    assert single.batch_sizes == [1] * 7
    assert batched.batch_sizes == ([3, 3, 1] if batch_size == 3 else [7])
    assert untimed(first) == untimed(second)
    assert all(row.seconds > 0 for row in [*first, *second])


def test_the_rows_file_holds_the_returned_rows_in_the_order_of_the_records(mixed, tmp_path):
    rows = evaluate(LeftHalf(), mixed, tmp_path / "out", num_pictures=0)
    assert repr(read_rows(tmp_path / "out/rows.csv")) == repr(rows)
    assert [row.image_name for row in rows if row.protocol == "paper"] == [f"mixed{k}.png" for k in range(6)]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"detections.json", "rows.csv"}


def test_pictures_are_spread_over_the_test_set_and_are_legible_in_size(mixed, tmp_path):
    evaluate(LargeOnly(), mixed, tmp_path / "out", num_pictures=3)
    pictures = sorted((tmp_path / "out/pictures").iterdir())
    assert [path.name for path in pictures] == ["00000_mixed0.png", "00002_mixed2.png", "00004_mixed4.png"]
    for path in pictures:
        height, width = cv2.imread(str(path)).shape[:2]
        assert width >= 3 * 320 and height >= 320 * HEIGHT / WIDTH


def test_more_pictures_than_images_draws_each_image_once(large_and_small, tmp_path):
    evaluate(Silent(), large_and_small, tmp_path / "out", num_pictures=9)
    assert len(list((tmp_path / "out/pictures").iterdir())) == 2


@pytest.mark.parametrize("leftover", ["rows.csv", "rows.csv.part", "pictures", "masks"])
def test_a_folder_that_holds_results_is_refused_and_left_alone(large_and_small, tmp_path, leftover):
    out = tmp_path / "out"
    out.mkdir()
    (out / leftover).write_text("earlier", encoding="utf-8")
    with pytest.raises(InputError, match=f"holds {leftover} of an earlier evaluation"):
        evaluate(Silent(), large_and_small, out)
    assert [(path.name, path.read_text(encoding="utf-8")) for path in out.iterdir()] == [(leftover, "earlier")]


def test_a_folder_with_other_files_is_fine(large_and_small, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "config.yaml").write_text("kept", encoding="utf-8")
    evaluate(Silent(), large_and_small, out, num_pictures=0)
    assert (out / "config.yaml").read_text(encoding="utf-8") == "kept"


def test_a_run_that_breaks_keeps_what_it_has_scored(large_and_small, tmp_path):
    broken = replace(large_and_small[1], path=tmp_path / "missing.png")
    with pytest.raises(InputError, match=r"missing\.png"):
        evaluate(ByColor(), [large_and_small[0], broken], tmp_path / "out", batch_size=1, num_pictures=0)
    assert not (tmp_path / "out/rows.csv").exists()
    kept = read_rows(tmp_path / "out/rows.csv.part")
    assert [(row.image_name, row.dice) for row in kept] == [("large.png", 1.0)] * 2


def test_an_image_of_another_size_than_its_record_is_refused(large_and_small, tmp_path):
    wrong = replace(large_and_small[0], width=WIDTH + 1)
    with pytest.raises(InputError, match=r"60 x 40 pixels, but the CSV says 61 x 40"):
        evaluate(Silent(), [wrong], tmp_path / "out")


def test_a_method_that_answers_for_too_few_images_is_refused(large_and_small, tmp_path):
    class Forgetful(ByColor):
        def segment(self, images, phrases):
            return super().segment(images, phrases)[:-1]

    with pytest.raises(ValueError, match="shorter"):
        evaluate(Forgetful(), large_and_small, tmp_path / "out", num_pictures=0)


RECORD = ImageRecord(Path("1.png"), 9, 9, "A", phrases=("liver",), last_phrase="liver")
LIVER = Instance("liver", (1, 1, 2, 2), MaskReference(Path("1_mask.png")))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        pytest.param([], "no images to evaluate", id="nothing"),
        pytest.param([replace(RECORD, phrases=())], "no phrase to look for", id="no phrase"),
        pytest.param([replace(RECORD, last_phrase="cyst")], "cyst.*not among the phrases", id="strange last phrase"),
        pytest.param(
            [replace(RECORD, instances=(replace(LIVER, phrase="cyst"),))], "cyst.*not among", id="strange instance"
        ),
        pytest.param(
            [RECORD, replace(RECORD, instances=(replace(LIVER, mask=None),))], "no mask of 'liver'", id="no mask"
        ),
    ],
)
def test_records_that_cannot_be_scored_are_refused_before_anything_is_written(records, message, tmp_path):
    with pytest.raises(InputError, match=message):
        evaluate(Silent(), records, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_mask_for_two_phrases_is_warned_about_and_for_two_instances_of_one_is_not(caplog):
    two_livers = replace(RECORD, instances=(LIVER, replace(LIVER, box_xywh=(5, 5, 2, 2))))
    check_records([two_livers])
    assert not caplog.records
    shared = replace(RECORD, phrases=("liver", "cyst"), instances=(LIVER, replace(LIVER, phrase="cyst")))
    check_records([shared, two_livers, shared])
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "2 images have one mask for several phrases"
    ]
