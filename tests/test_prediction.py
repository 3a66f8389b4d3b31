"""Segmenting files: what is written and reported, what is skipped, what is listed as bad, and what is refused."""

import csv
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools.coco import COCO

from gdinousam.errors import InputError, PhraseError
from gdinousam.locks import locked
from gdinousam.prediction.files import Outcome, failure_text, predict_files, without_results, write_preview
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.records import BoxXYXY, Detection, Image, Need

LEFT: BoxXYXY = (2, 3, 12, 13)
RIGHT: BoxXYXY = (20, 5, 28, 15)
SCORE = 0.75
TABLES = {"predictions.jsonl", "coco_images.json", "coco_results.json", "measurements.csv"}
MADE_BY = MadeBy("boxes", None, "boxes", {"box_threshold": 0.1}, {"detector": "ab"}, {"gdinousam": "0"})


class BoxesOfPhrases:
    """A method that finds fixed boxes for each phrase it knows, and counts images; the mask of a box is the box."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self, boxes_xyxy: dict[str, list[BoxXYXY]], with_masks: bool = True) -> None:
        self.boxes_xyxy = boxes_xyxy
        self.with_masks = with_masks
        self.num_images = 0

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        self.num_images += len(images)
        return [
            [self._detection(image, phrase, box) for phrase in row for box in self.boxes_xyxy.get(phrase, [])]
            for image, row in zip(images, phrases, strict=True)
        ]

    def _detection(self, image: Image, phrase: str, box_xyxy: BoxXYXY) -> Detection:
        x0, y0, x1, y1 = map(int, box_xyxy)
        mask_hw = np.zeros(image.shape[:2], dtype=bool)
        mask_hw[y0:y1, x0:x1] = True
        return Detection(phrase, box_xyxy, SCORE, mask_hw if self.with_masks else None)


class OutOfMemory(BoxesOfPhrases):
    """Finds no memory for images beyond 40 pixels."""

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        if max(images[0].shape) > 40:
            raise MemoryError
        return super().segment(images, phrases)


def method() -> BoxesOfPhrases:
    return BoxesOfPhrases({"cyst": [LEFT, RIGHT], "Benign lesion": [RIGHT]})


def segmenter(of: BoxesOfPhrases | None = None, **changes: Any) -> Segmenter:
    return Segmenter.of(of or method(), replace(MADE_BY, **changes))


def run(paths: Sequence[Path], phrases: Sequence[str], output: Path | None, **options: Any) -> list[Outcome]:
    return list(predict_files(options.pop("by", segmenter()), paths, phrases, output, **options))


def write_image(path: Path, width: int = 40) -> Path:
    """A grey ramp of 30 rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.tile(np.arange(width, dtype=np.uint8), (30, 1))).save(path)
    return path


@pytest.fixture
def image_path(tmp_path: Path) -> Path:
    return write_image(tmp_path / "scan.01.png")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_masks_overlay_and_report_of_an_image(image_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "out"
    (outcome,) = run([image_path], ["cyst", "liver", "Benign lesion"], output)
    assert list(outcome.lines) == [
        f"{image_path}: cyst: score 0.75 box 2 3 12 13, score 0.75 box 20 5 28 15, 180 pixels -> "
        f"{output}/scan.01_cyst.png",
        f"{image_path}: liver: not found",
        f"{image_path}: Benign lesion: score 0.75 box 20 5 28 15, 80 pixels -> {output}/scan.01_benign_lesion.png",
    ]
    pictures = {"scan.01_overlay.png", "scan.01_cyst.png", "scan.01_benign_lesion.png"}
    assert names_in(output) == pictures | TABLES
    mask = np.asarray(PIL.Image.open(output / "scan.01_cyst.png"))
    expected = np.zeros((30, 40), dtype=np.uint8)
    expected[3:13, 2:12] = expected[5:15, 20:28] = 255
    np.testing.assert_array_equal(mask, expected)


def test_the_tables_hold_every_detection(image_path: Path, tmp_path: Path) -> None:
    other = write_image(tmp_path / "b.png")
    run([image_path, other], ["cyst", "liver"], tmp_path / "out")
    with (tmp_path / "out" / "measurements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["phrase"], row["number"], row["area"], row["unit"]) for row in rows] == [
        ("scan.01.png", "cyst", "1", "100.0", "pixels"),
        ("scan.01.png", "cyst", "2", "80.0", "pixels"),
        ("b.png", "cyst", "1", "100.0", "pixels"),
        ("b.png", "cyst", "2", "80.0", "pixels"),
    ]
    assert [rows[1][edge] for edge in ("x0", "y0", "x1", "y1")] == ["20.0", "5.0", "28.0", "15.0"]
    images = COCO(str(tmp_path / "out" / "coco_images.json"))
    results = images.loadRes(str(tmp_path / "out" / "coco_results.json"))
    assert [one["file_name"] for one in images.dataset["images"]] == ["scan.01.png", "b.png"]
    assert {one["name"] for one in images.dataset["categories"]} == {"cyst", "liver"}
    masks = [results.annToMask(one) for one in results.loadAnns(results.getAnnIds(imgIds=[2]))]
    assert [int(mask.sum()) for mask in masks] == [100, 80] and masks[0][3:13, 2:12].all()


def test_each_line_of_the_records_says_what_made_it_and_no_folder(image_path: Path, tmp_path: Path) -> None:
    (outcome,) = run([image_path], ["cyst"], tmp_path / "out")
    text = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8")
    assert json.loads(text) == outcome.record and text.count("\n") == 1
    assert outcome.record is not None and outcome.record["made_by"]["weights"] == {"detector": "ab"}
    assert str(tmp_path) not in text
    assert outcome.record["files"] == ["scan.01_overlay.png", "scan.01_cyst.png"]


def test_without_a_folder_nothing_is_written(image_path: Path, tmp_path: Path) -> None:
    before = content_of(tmp_path)
    (outcome,) = run([image_path], ["cyst"], None)
    assert outcome.record is not None and len(outcome.record["detections"]) == 2
    assert "->" not in outcome.lines[0] and content_of(tmp_path) == before


def test_nothing_found_still_gives_a_picture(image_path: Path, tmp_path: Path) -> None:
    (outcome,) = run([image_path], ["liver"], tmp_path / "out")
    assert outcome.lines == (f"{image_path}: liver: not found",)
    assert names_in(tmp_path / "out") == {"scan.01_overlay.png"} | TABLES
    assert json.loads((tmp_path / "out" / "coco_results.json").read_text()) == []


def test_a_phrase_given_twice_counts_once(image_path: Path, tmp_path: Path) -> None:
    (outcome,) = run([image_path], ["cyst", "Cyst."], tmp_path / "out")
    assert len(outcome.lines) == 1


def test_phrases_of_any_script_have_files_of_their_own(image_path: Path, tmp_path: Path) -> None:
    run([image_path], ["肝", "肾"], tmp_path / "out", by=segmenter(BoxesOfPhrases({"肝": [LEFT], "肾": [RIGHT]})))
    assert names_in(tmp_path / "out") == {"scan.01_overlay.png", "scan.01_肝.png", "scan.01_肾.png"} | TABLES
    assert "肝" in (tmp_path / "out" / "measurements.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("phrases", [["overlay"], ["left-cyst", "left cyst"]])
def test_results_of_one_name_are_refused(image_path: Path, tmp_path: Path, phrases: list[str]) -> None:
    with pytest.raises(InputError, match=r"two results would be written as scan\.01_"):
        run([image_path], phrases, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("other", ["other/scan.01.png", "scan.01.jpg", "other/SCAN.01.png"])
def test_images_of_one_name_are_refused(image_path: Path, tmp_path: Path, other: str) -> None:
    with pytest.raises(InputError, match=r"(?i)two results would be written as scan\.01_overlay\.png: of .* and of "):
        run([image_path, write_image(tmp_path / other)], ["cyst"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_that_no_file_can_have_is_refused_before_anything_is_written(image_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"which has 258 bytes of 250 at most; rename the image, or ask with"):
        run([image_path], ["cyst", "x" * 246], tmp_path / "out")  # scan.01_ ... .png
    assert not (tmp_path / "out").exists()
    assert len(run([image_path], ["x" * 238], tmp_path / "out")) == 1


@pytest.mark.parametrize("phrase", ["?", "", "  ", "cyst. mass."])
def test_a_phrase_that_cannot_be_asked_is_refused(image_path: Path, tmp_path: Path, phrase: str) -> None:
    with pytest.raises(PhraseError):
        run([image_path], ["cyst", phrase], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_left_alone(image_path: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match=r"cannot write to .*out \(File exists\); name another folder"):
        run([image_path], ["cyst"], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_method_without_masks_is_refused(image_path: Path, tmp_path: Path) -> None:
    without = segmenter(BoxesOfPhrases({"cyst": [LEFT]}, with_masks=False))
    with pytest.raises(InputError, match="a box without a mask for 'cyst'"):
        run([image_path], ["cyst"], tmp_path / "out", by=without)
    assert not (tmp_path / "out").exists()


def test_a_single_file_that_fails_is_an_error_and_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(InputError, match=r"text\.png"):
        run([tmp_path / "text.png"], ["cyst"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_files_do_not_stop_the_others(image_path: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    paths = [tmp_path / "text.png", tmp_path / "none.png", image_path, write_image(tmp_path / "wide.png", 60)]
    outcomes = run(paths, ["cyst"], tmp_path / "out", by=segmenter(OutOfMemory({"cyst": [LEFT]})))
    assert [outcome.failure is None for outcome in outcomes] == [False, False, True, False]
    assert names_in(tmp_path / "out") == {"scan.01_overlay.png", "scan.01_cyst.png"} | TABLES
    said = failure_text([outcome for outcome in outcomes if outcome.failure], len(outcomes)).splitlines()
    assert said[0] == "3 of 4 files were not segmented:" and len(said) == 4
    assert "text.png: not readable as an image" in said[1] and "none.png: no such image file" in said[2]
    assert "wide.png: too large for the memory" in said[3]


def test_files_that_fail_for_one_reason_are_one_line_that_names_the_first() -> None:
    failed = [Outcome(Path(name), None, failure="no library") for name in ("a.dcm", "b.dcm")]
    assert failure_text(failed, 3).splitlines()[1:] == ["  no library (2 files, the first is a.dcm)"]
    assert failure_text(failed[:1], 3).splitlines()[1:] == ["  a.dcm: no library"]


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems take no such name")
def test_a_file_whose_name_is_no_text_does_not_stop_the_others(image_path: Path, tmp_path: Path) -> None:
    odd = image_path.rename(tmp_path / os.fsdecode(b"scan\xff.png"))
    outcomes = run([odd, write_image(tmp_path / "b.png")], ["cyst"], tmp_path / "out")
    assert "not UTF-8 text; rename the file" in str(outcomes[0].failure) and outcomes[1].failure is None


def test_what_is_done_is_skipped(image_path: Path, tmp_path: Path) -> None:
    boxes, other = method(), write_image(tmp_path / "b.png")
    run([image_path], ["cyst"], tmp_path / "out", by=segmenter(boxes))
    before = content_of(tmp_path / "out")
    (again,) = run([image_path], ["cyst"], tmp_path / "out", by=segmenter(boxes))
    assert boxes.num_images == 1 and again.was_done and again.lines == ()
    assert content_of(tmp_path / "out") == before
    versions = {"gdinousam": "1"}  # of other libraries, which a line says itself
    outcomes = run([image_path, other], ["cyst"], tmp_path / "out", by=segmenter(boxes, versions=versions))
    assert [outcome.was_done for outcome in outcomes] == [True, False] and boxes.num_images == 2
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("lost", ["scan.01_cyst.png", "predictions.jsonl", "coco_results.json"])
def test_what_is_lost_is_made_again(image_path: Path, tmp_path: Path, lost: str) -> None:
    run([image_path], ["cyst"], tmp_path / "out")
    before = content_of(tmp_path / "out")
    (tmp_path / "out" / lost).unlink()
    run([image_path], ["cyst"], tmp_path / "out", overwrite=lost == "predictions.jsonl")
    assert content_of(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("phrases", "changes", "what"),
    [
        (["liver"], {}, "phrases"),
        (["cyst"], {"thresholds": {"box_threshold": 0.2}}, "thresholds"),
        (["cyst"], {"weights": {"detector": "cd"}, "model": "other"}, "model, weights"),
    ],
)
def test_results_that_were_made_otherwise_are_replaced_only_on_request(
    image_path: Path, tmp_path: Path, phrases: list[str], changes: dict[str, Any], what: str
) -> None:
    run([image_path], ["cyst"], tmp_path / "out")
    before = content_of(tmp_path / "out")
    with pytest.raises(InputError, match=rf"results of scan\.01\.png that were made otherwise \({what}\); replace"):
        run([image_path], phrases, tmp_path / "out", by=segmenter(**changes))
    assert content_of(tmp_path / "out") == before
    (outcome,) = run([image_path], phrases, tmp_path / "out", by=segmenter(**changes), overwrite=True)
    assert not outcome.was_done
    # no mask of the earlier phrases is left over
    assert ("scan.01_cyst.png" in names_in(tmp_path / "out")) == (phrases == ["cyst"])


@pytest.mark.parametrize("change", ["the file", "another folder"])
def test_results_of_another_file_are_kept_and_the_other_images_segmented(
    image_path: Path, tmp_path: Path, change: str
) -> None:
    run([image_path], ["cyst"], tmp_path / "out")
    before = content_of(tmp_path / "out")
    path = image_path if change == "the file" else tmp_path / "more" / image_path.name
    outcomes = run([write_image(path, 44), write_image(tmp_path / "b.png")], ["cyst"], tmp_path / "out")
    assert "results of another file of this name" in str(outcomes[0].failure) and outcomes[1].failure is None
    assert (tmp_path / "out" / "scan.01_cyst.png").read_bytes() == before["scan.01_cyst.png"]
    run([path], ["cyst"], tmp_path / "out", overwrite=True)
    assert PIL.Image.open(tmp_path / "out" / "scan.01_cyst.png").width == 44


def test_a_file_that_is_not_ours_is_replaced_only_on_request(image_path: Path, tmp_path: Path) -> None:
    mine = write_image(tmp_path / "out" / "scan.01_cyst.png")
    before = mine.read_bytes()
    with pytest.raises(InputError, match=r"scan\.01_cyst\.png is there already; replace them by --overwrite"):
        run([image_path], ["cyst"], tmp_path / "out")
    assert mine.read_bytes() == before and names_in(tmp_path / "out") == {mine.name}
    run([image_path], ["cyst"], tmp_path / "out", overwrite=True)
    assert mine.read_bytes() != before


@pytest.mark.parametrize("line", [b"edited", b"\xff\xfe", b"[]", b'{"name": "scan.01"}'])
def test_a_folder_of_records_that_was_edited_is_named(image_path: Path, tmp_path: Path, line: bytes) -> None:
    run([image_path], ["cyst"], tmp_path / "out")
    records = tmp_path / "out" / "predictions.jsonl"
    records.write_bytes(line + b"\n" + records.read_bytes())
    with pytest.raises(InputError, match=r"predictions\.jsonl, line 1: not what predict writes"):
        run([image_path], ["cyst"], tmp_path / "out")


def test_a_line_that_was_cut_off_by_a_kill_is_done_again(image_path: Path, tmp_path: Path) -> None:
    other = write_image(tmp_path / "b.png")
    run([image_path, other], ["cyst"], tmp_path / "out")
    before = content_of(tmp_path / "out")
    records = tmp_path / "out" / "predictions.jsonl"
    begun = json.dumps({"begun": ["b_overlay.png", "b_cyst.png"]})
    first, second = records.read_text().splitlines()
    records.write_text(f"{first}\n{begun}\n{second[:200]}")
    outcomes = run([image_path, other], ["cyst"], tmp_path / "out")
    assert [outcome.was_done for outcome in outcomes] == [True, False]
    assert content_of(tmp_path / "out") == before


def test_an_interrupted_run_keeps_what_it_has(image_path: Path, tmp_path: Path) -> None:
    paths = [image_path, write_image(tmp_path / "b.png")]
    running = predict_files(segmenter(), paths, ["cyst"], tmp_path / "out")
    next(running)
    running.close()
    assert names_in(tmp_path / "out") == {"scan.01_overlay.png", "scan.01_cyst.png"} | TABLES
    assert [outcome.was_done for outcome in run(paths, ["cyst"], tmp_path / "out")] == [True, False]


def test_two_programs_do_not_write_into_one_folder(image_path: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with (
        locked(tmp_path / "out", "predictions", "the folder"),
        pytest.raises(InputError, match=r"out is in use by process \d+"),
    ):
        run([image_path], ["cyst"], tmp_path / "out")


def test_a_folder_can_be_segmented_into_itself_again_and_again(image_path: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "b.png")
    for phrases in (["cyst"], ["cyst"], ["Benign lesion"]):
        paths = without_results(sorted(tmp_path.glob("*.png")), phrases, tmp_path)
        assert {path.name for path in paths} == {"scan.01.png", "b.png"}
        run(paths, phrases, tmp_path, overwrite=phrases != ["cyst"])
    (tmp_path / "predictions.jsonl").unlink()  # then the names tell
    assert {path.name for path in without_results(sorted(tmp_path.glob("*.png")), phrases, tmp_path)} == {
        "scan.01.png",
        "b.png",
    }


def test_images_beside_the_folder_of_results_stay(image_path: Path, tmp_path: Path) -> None:
    results = write_image(tmp_path / "scan.01_overlay.png")
    assert without_results([image_path, results], ["cyst"], tmp_path / "out") == [image_path, results]


def test_the_preview_shows_every_image_that_is_done(image_path: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    paths = [image_path, tmp_path / "text.png", write_image(tmp_path / "b.png")]
    run([image_path], ["cyst"], tmp_path / "out")
    path, number = write_preview(run(paths, ["cyst"], tmp_path / "out"), tmp_path / "out")
    assert number == 2 and path == tmp_path / "out" / "contact_sheet.png"
    assert PIL.Image.open(path).size == (512, 296)


def spoil_size(path: Path) -> None:
    PIL.Image.new("L", (1, 1), 90).save(path)


def spoil_content(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize(("spoil", "works"), [(spoil_size, True), (spoil_content, False)])
def test_odd_images_are_answered_or_named(
    image_path: Path, tmp_path: Path, spoil: Callable[[Path], None], works: bool
) -> None:
    spoil(image_path)
    outcomes = run([image_path, write_image(tmp_path / "b.png")], ["liver"], tmp_path / "out")
    assert (outcomes[0].failure is None) == works and outcomes[1].failure is None
