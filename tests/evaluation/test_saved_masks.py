"""Masks of other programs as a method: the study's folders, other sizes, what is missing, and what tables then say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from coloured_images import HEIGHT, WIDTH, LeftHalf, write_image, write_mixed

from gdinousam.data.images import read_mask_file
from gdinousam.errors import InputError
from gdinousam.evaluation.figures.case_pictures import CasePictures
from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.methods import unsupported_remarks
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.methods.saved_masks.method import SavedMasks
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.records import ImageRecord

NEEDS = frozenset({"text"})


@pytest.fixture
def single(tmp_path: Path) -> list[ImageRecord]:
    """Two images of dataset A and one of B, each with a liver of 20 x 10 pixels at (10, 10)."""
    return [write_image(tmp_path, name, {"liver": (10, 10, 20, 10)}, dataset=name[0]) for name in ("A1", "A2", "B1")]


def square(size_hw: tuple[int, int] = (HEIGHT, WIDTH), rows: slice = slice(10, 20), columns: slice = slice(10, 20)):
    """Scores of 0.5 in a rectangle, of 0.25 elsewhere."""
    scores = np.full(size_hw, 0.25, np.float32)
    scores[rows, columns] = 0.5
    return scores


def store(folder: Path, record: ImageRecord, scores: np.ndarray, key: str = "arr") -> Path:
    """As the study's scripts store it."""
    path = folder / record.dataset / f"{record.path.stem}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{key: scores})
    return path


def saved(path: Path, records: list[ImageRecord], **settings: Any) -> SavedMasks:
    return SavedMasks(path, records, NEEDS, SavedMasksSettings(**settings))


def rows_of(method: SavedMasks, records: list[ImageRecord], out: Path) -> dict[str, list[ScoreRow]]:
    """Strict and paper rows of an evaluation."""
    rows = evaluate(method, records, out, num_pictures=2)
    return {protocol: [row for row in rows if row.protocol == protocol] for protocol in ("strict", "paper")}


def refusal(path: Path, records: list[ImageRecord], **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        saved(path, records, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}: ").split(". One mask per image")[0]


@pytest.mark.parametrize("key", ["logits", "arr", "prediction"])
def test_the_studys_folders_are_read_dataset_by_dataset(single: list[ImageRecord], tmp_path: Path, key: str) -> None:
    folder = tmp_path / "BiomedParse"
    for record in single:
        store(folder, record, square(), key)
    (folder / "busi").mkdir()  # a dataset that the test file does not have
    (folder / "busi" / "x.npz").write_bytes(b"")
    rows = rows_of(saved(folder, single), single, tmp_path / "out")
    # 10 x 10 of the 20 x 10 pixels: Dice 2 * 100 / (100 + 200), IoU 100 / 200
    for row in [*rows["strict"], *rows["paper"]]:
        assert (row.dice, row.iou, row.found, row.score) == (200 / 300, 0.5, True, 1.0)
        assert row.detected_boxes == ((10.0, 10.0, 20.0, 20.0, 1.0),)
    assert [row.dataset for row in rows["paper"]] == ["A", "A", "B"]


@pytest.mark.parametrize("ending", [".npy", ".npz", ".nii", ".nii.gz"])
def test_every_format_has_the_scores_of_the_pictures(tmp_path: Path, ending: str) -> None:
    records = write_mixed(tmp_path)
    pictures = tmp_path / "run" / "masks"
    first = evaluate(LeftHalf(), records, tmp_path / "run", num_pictures=0, save_masks=True)
    folder = tmp_path / "converted"
    folder.mkdir()
    for path in pictures.iterdir():
        mask_hw = read_mask_file(path).foreground
        target = folder / path.name.replace(".png", ending)
        if ending == ".npy":
            np.save(target, mask_hw)
        elif ending == ".npz":
            np.savez_compressed(target, mask_hw)
        else:
            nibabel.save(nibabel.Nifti1Image(mask_hw.T.astype(np.uint8), np.eye(4)), target)
    again = evaluate(saved(folder, records), records, tmp_path / "again", num_pictures=0)
    kept = {"score": 0.0, "seconds": 0.0, "detected_boxes": ()}
    assert repr([replace(row, **kept) for row in again]) == repr([replace(row, **kept) for row in first])
    assert any(0 < row.dice < 1 for row in again)
    assert saved(folder, records).notes == Notes()


def test_other_sizes_are_listed_with_both_sizes_unless_a_setting_says_what_to_do(
    single: list[ImageRecord], tmp_path: Path
) -> None:
    folder = tmp_path / "SAMUS"
    for record in single:
        store(folder, record, square((80, 30)), "prediction")
    assert refusal(folder, single).startswith(
        "3 of another size than the image: A/A1.npz (30 x 80 instead of 60 x 40), "
    )


def test_the_truth_is_resized_to_the_prediction_as_in_the_study(single: list[ImageRecord], tmp_path: Path) -> None:
    folder, records = tmp_path / "SAMUS", single[:2]
    # Twice as high and half as wide: the liver at (10, 10, 20, 10) becomes (5, 20, 10, 20), 200 pixels.
    store(folder, records[0], square((80, 30), slice(20, 40), slice(5, 10)))
    store(folder, records[1], square())
    method = saved(folder, records, resize="truth")
    rows = rows_of(method, records, tmp_path / "out")
    first, second = rows["paper"]
    assert (first.image_width, first.image_height, first.true_pixels, first.predicted_pixels) == (30, 80, 200, 100)
    assert (first.overlap_pixels, first.dice) == (100, 200 / 300)
    assert first.true_boxes == ((5.0, 20.0, 15.0, 40.0),) and first.detected_boxes == ((5.0, 20.0, 10.0, 40.0, 1.0),)
    assert first.box_iou == 0.5
    assert (second.image_width, second.image_height, second.true_pixels) == (WIDTH, HEIGHT, 200)
    assert method.notes.resized_truth
    assert method.notes.remarks[0].startswith("In 1 images the truth was resized to masks of another size")


def test_the_prediction_is_resized_to_the_image_where_asked(single: list[ImageRecord], tmp_path: Path) -> None:
    folder, records = tmp_path / "SAMUS", single[:2]
    store(folder, records[0], square((80, 30), slice(20, 40), slice(5, 10)))
    store(folder, records[1], square())
    method = saved(folder, records, resize="prediction")
    for row in rows_of(method, records, tmp_path / "out")["strict"]:
        assert (row.image_width, row.true_pixels, row.predicted_pixels, row.dice) == (WIDTH, 200, 100, 200 / 300)
        assert row.detected_boxes == ((10.0, 10.0, 20.0, 20.0, 1.0),)
    assert not method.notes.resized_truth
    assert method.notes.remarks[0] == "1 masks were resized to the size of their image, by the nearest pixel."


def test_a_truth_that_vanishes_when_resized_ends_the_run_in_one_line(single: list[ImageRecord], tmp_path: Path) -> None:
    store(tmp_path / "tiny", single[0], np.ones((1, 1)))
    with pytest.raises(InputError, match=r"'liver' has no pixel left at the 1 x 1 of the prediction") as caught:
        evaluate(saved(tmp_path / "tiny", single[:1], resize="truth"), single[:1], tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_an_error_or_nothing_found(single: list[ImageRecord], tmp_path: Path) -> None:
    folder = tmp_path / "UniverSeg"
    store(folder, single[0], square())
    assert refusal(folder, single) == "2 missing: A/A2.npz, B/B1.npz"
    method = saved(folder, single, missing="nothing")
    rows = rows_of(method, single, tmp_path / "out")
    assert [(row.found, row.dice) for row in rows["strict"]] == [(True, 200 / 300), (False, 0.0), (False, 0.0)]
    assert [row.found for row in rows["paper"]] == [True, False, False]
    assert [math.isnan(row.dice) for row in rows["paper"]] == [False, True, True]
    assert method.notes.remarks[0] == "2 of 3 masks are not there: nothing found."
    table = write_tables([*rows["strict"], *rows["paper"]], tmp_path / "out", method.notes)
    assert "2 of 3 masks are not there: nothing found." in table


def test_a_folder_with_none_of_the_masks_is_refused_whatever_is_allowed(
    single: list[ImageRecord], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty", single, missing="nothing") == "3 missing: A1.png, A2.png, B1.png"


def test_what_nobody_asks_for_is_an_error_or_left_out_and_counted(single: list[ImageRecord], tmp_path: Path) -> None:
    folder = tmp_path / "out of step"
    for record in single:
        store(folder, record, square())
    (folder / "A" / "A9.npz").write_bytes(b"never read")
    (folder / "B1.png").write_bytes(b"never read")
    assert refusal(folder, single) == "2 of no image and phrase of the test file: A/A9.npz, B1.png"
    method = saved(folder, single, unknown="ignore")
    assert method.notes.remarks[0] == "2 masks or ids left out that the test file does not have: A/A9.npz, B1.png."
    assert len(method.detections(single[0])) == 1


def test_two_formats_of_one_mask_are_not_chosen_between(single: list[ImageRecord], tmp_path: Path) -> None:
    folder = tmp_path / "twice"
    folder.mkdir()
    for record in single:
        np.save(folder / f"{record.path.stem}.npy", square())
    np.savez(folder / "A2.npz", arr=square())
    assert refusal(folder, single, unknown="ignore") == "2 of one mask in several formats: A2.npy, A2.npz"


def test_an_empty_mask_of_the_study_scores_0_and_one_of_a_plain_folder_says_nothing_found(
    single: list[ImageRecord], tmp_path: Path
) -> None:
    silent = np.full((HEIGHT, WIDTH), 0.25)
    plain = tmp_path / "plain"
    plain.mkdir()
    for record in single:
        store(tmp_path / "study", record, silent)
        np.save(plain / f"{record.path.stem}.npy", silent)
    for folder, settings, is_answer in (
        ("study", {}, True),
        ("study", {"empty": "nothing"}, False),
        ("plain", {}, False),
        ("plain", {"empty": "answer"}, True),
    ):
        method = saved(tmp_path / folder, single, **settings)
        rows = rows_of(method, single, tmp_path / "out" / f"{folder} {is_answer}")
        assert {row.found for row in [*rows["strict"], *rows["paper"]]} == {is_answer}
        assert {row.dice for row in rows["strict"]} == {0.0}
        assert [row.dice == 0.0 for row in rows["paper"]] == [is_answer] * 3  # else nan, left out of the mean
        assert ("A mask without a pixel counts as an answer, which scores 0." in method.notes.remarks) == is_answer


def test_an_empty_mask_where_nothing_is_stays_silence(tmp_path: Path) -> None:
    record = write_image(tmp_path, "normal", {}, ("stone",))
    store(tmp_path / "study", record, np.zeros((HEIGHT, WIDTH)))
    (row,) = rows_of(saved(tmp_path / "study", [record]), [record], tmp_path / "out")["strict"]
    assert (row.found, row.target_present) == (False, False)


@pytest.fixture
def several(tmp_path: Path) -> tuple[Path, list[ImageRecord]]:
    """One image with a liver of 200 pixels and a cyst of 100, and one mask for it: the liver's."""
    record = write_image(tmp_path, "A1", {"liver": (10, 10, 20, 10), "cyst": (40, 20, 10, 10)})
    store(tmp_path / "study", record, square(columns=slice(10, 30)))
    return tmp_path / "study", [record]


def test_one_mask_for_several_phrases_is_an_error_that_names_them(several: tuple[Path, list[ImageRecord]]) -> None:
    assert refusal(*several, missing="nothing") == (
        "1 with one mask for several phrases (which does it answer: saved_masks.one_mask_answers): "
        "A/A1.npz ('liver', 'cyst')"
    )


@pytest.mark.parametrize(
    ("answers", "found", "dice", "said"),
    [
        ("last", [False, True], [math.nan, 0.0], "the only mask of an image answers the phrase of its last row"),
        ("all", [True, True], [1.0, 0.0], "where an image has several phrases (1), it answers each of them"),
    ],
)
def test_one_mask_answers_the_last_phrase_or_all_of_them(
    several: tuple[Path, list[ImageRecord]],
    tmp_path: Path,
    answers: str,
    found: list[bool],
    dice: list[float],
    said: str,
) -> None:
    folder, records = several
    method = saved(folder, records, one_mask_answers=answers)
    rows = rows_of(method, records, tmp_path / "out")
    assert [row.phrase for row in rows["strict"]] == ["liver", "cyst"]
    assert [row.found for row in rows["strict"]] == found
    assert [row.dice for row in rows["strict"]] == pytest.approx(dice, nan_ok=True)
    assert [row.supported for row in rows["strict"]] == [answers == "all", True]
    # as the study: the query is that of the last row, the truth the whole mask of 300 pixels
    (paper,) = rows["paper"]
    assert (paper.phrase, paper.true_pixels, paper.dice) == ("cyst", 300, 400 / 500)
    assert any(said in remark for remark in (*method.notes.remarks, *unsupported_remarks(method, records)))


def test_phrases_may_have_masks_of_their_own_in_folders_of_datasets_too(
    several: tuple[Path, list[ImageRecord]],
) -> None:
    folder, (record,) = several
    (folder / "A" / "A1.npz").rename(folder / "A" / "A1.liver.npz")
    np.save(folder / "A" / "A1.cyst.npy", np.zeros((HEIGHT, WIDTH)))
    found = saved(folder, [record]).detections(record)
    assert [(one.phrase, one.mask_hw is not None and int(one.mask_hw.sum())) for one in found] == [
        ("liver", 200),
        ("cyst", 0),
    ]


def test_masks_of_several_sizes_for_one_image_leave_no_size_for_the_truth(tmp_path: Path) -> None:
    record = write_image(tmp_path, "A1", {"liver": (10, 10, 20, 10), "cyst": (40, 20, 10, 10)})
    folder = tmp_path / "masks"
    folder.mkdir()
    np.save(folder / "A1.liver.npy", np.ones((80, 120)))
    np.save(folder / "A1.cyst.npy", np.ones((20, 30)))
    assert refusal(folder, [record], resize="truth") == (
        "1 images with masks of several sizes, so that the truth cannot be resized to them: A1.png"
    )
    assert len(saved(folder, [record], resize="prediction").detections(record)) == 2


def test_settings_for_the_other_kind_of_source_are_refused(single: list[ImageRecord], tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    assert "saved_masks.coco_file has no meaning for a folder of masks" in refusal(
        tmp_path / "masks", single, coco_file=tmp_path / "x.json"
    )
    (tmp_path / "results.json").write_text("[]")
    assert "saved_masks.one_mask_answers has no meaning for a COCO results file" in refusal(
        tmp_path / "results.json", single, one_mask_answers="all"
    )
    (tmp_path / "a.npz").write_bytes(b"")
    assert "neither a folder of masks nor a COCO results file" in refusal(tmp_path / "a.npz", single)


def test_results_of_a_resized_truth_are_compared_with_others_and_say_so(
    single: list[ImageRecord], tmp_path: Path
) -> None:
    from made_results import made_results

    store(tmp_path / "study", single[0], square((80, 30), slice(20, 40), slice(5, 10)))
    method = saved(tmp_path / "study", single[:1], resize="truth")
    theirs = evaluate(method, single[:1], tmp_path / "theirs", num_pictures=0, save_masks=True)
    ours = evaluate(LeftHalf(), single[:1], tmp_path / "ours", num_pictures=0)
    notes = Notes.from_json(json.loads(json.dumps(method.notes.to_json())))
    assert notes == method.notes and notes.resized_truth
    results = [
        made_results(ours, "ours", folder=tmp_path / "ours"),
        made_results(theirs, "theirs", folder=tmp_path / "theirs", notes=notes),
    ]
    compared = compare(results, "paper")
    assert [compared.rows[name][0].true_pixels for name in ("ours", "theirs")] == [200, 200]
    assert [compared.rows[name][0].image_width for name in ("ours", "theirs")] == [WIDTH, 30]
    assert any(remark.startswith("theirs: In 1 images the truth was resized") for remark in compared.remarks)
    with pytest.raises(InputError, match="was scored against"):
        compare([results[0], replace(results[1], notes=Notes())], "paper")
    with pytest.raises(InputError, match=r"evaluate with saved_masks\.resize=prediction"):
        CasePictures(results[1:])
