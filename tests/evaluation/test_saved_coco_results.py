"""COCO results as the answers of a method: ids and names, detections with boxes and scores, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coloured_images import HEIGHT, WIDTH, write_image

from gdinousam.data.contract.reading import read_records, write_records
from gdinousam.data.sources.coco.exporting import export_coco
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.box_precision import box_precision
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.methods.saved_masks.method import SavedMasks
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.records import ImageRecord, Instance, MaskReference

NEEDS = frozenset({"text"})
Entry = dict[str, Any]


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    """One image with two livers and a cyst, one with a stone that is asked for and absent."""
    first = write_image(tmp_path, "first", {"liver": (10, 10, 20, 10), "cyst": (40, 20, 10, 10)})
    second_liver = write_image(tmp_path, "other", {"liver": (2, 30, 6, 6)}).instances[0]
    instances = (*first.instances, Instance("liver", (2, 30, 6, 6), MaskReference(second_liver.mask.path)))  # type: ignore[union-attr]
    first = ImageRecord(first.path, WIDTH, HEIGHT, "A", None, instances, phrases=("liver", "cyst"), last_phrase="cyst")
    return [first, write_image(tmp_path, "second", {"liver": (5, 5, 10, 10)}, ("stone",))]


def rectangle(x: int, y: int, width: int, height: int, size_hw: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    mask_hw = np.zeros(size_hw, bool)
    mask_hw[y : y + height, x : x + width] = True
    return mask_hw


def entry(image: object, category: object, score: float, mask_hw: np.ndarray | None = None, **more: object) -> Entry:
    segmentation = {} if mask_hw is None else {"segmentation": encode_rle(mask_hw)}
    return {"image_id": image, "category_id": category, "score": score, **segmentation, **more}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def names(folder: Path, images: list[Entry], *categories: str) -> Path:
    """A COCO file of these images, without annotations; category ids are 7, 8 and so on."""
    listed = [{"id": 7 + number, "name": name} for number, name in enumerate(categories)]
    return write(folder / "truth.json", {"images": images, "categories": listed})


def saved(path: Path, records: list[ImageRecord], **settings: Any) -> SavedMasks:
    return SavedMasks(path, records, NEEDS, SavedMasksSettings(**settings))


def refusal(path: Path, records: list[ImageRecord], **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        saved(path, records, **settings).detections(records[0])
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}: ").split(". Every entry needs")[0]


def test_several_detections_keep_their_boxes_and_scores(records: list[ImageRecord], tmp_path: Path) -> None:
    results = [
        entry("first.png", "liver", 0.4, rectangle(2, 30, 6, 6), bbox=[2, 30, 6, 6]),
        entry("first.png", "liver", 0.9, rectangle(10, 10, 20, 10), bbox=[10, 10, 20, 10]),
        entry("first", "cyst", 0.3, rectangle(40, 20, 10, 5)),  # a stem is a name too; no box: that of the mask
        entry("second", "stone", 0.2, rectangle(0, 0, 3, 3)),
    ]
    method = saved(write(tmp_path / "results.json", results), records)
    rows = evaluate(method, records, tmp_path / "out", num_pictures=2)
    strict = {(row.image_name, row.phrase): row for row in rows if row.protocol == "strict"}
    livers = strict["first.png", "liver"]
    assert livers.detected_boxes == ((10.0, 10.0, 30.0, 20.0, 0.9), (2.0, 30.0, 8.0, 36.0, 0.4))
    assert (livers.num_detections, livers.dice, livers.box_iou) == (2, 1.0, 1.0)
    cyst = strict["first.png", "cyst"]
    assert (cyst.detected_boxes, cyst.dice) == (((40.0, 20.0, 50.0, 25.0, 0.3),), 100 / 150)
    assert not strict["second.png", "liver"].found  # an image that has no entry for it
    assert strict["second.png", "stone"].found
    # 4 true boxes; ranked by score: two hits, a cyst of IoU 0.5, a false stone. At IoU 0.5 the recall of 3 / 4 is
    # reached with precision 1, and 76 of COCO's 101 recalls are within it.
    assert method.notes.remarks == ()
    assert box_precision(rows).ap50 == pytest.approx(76 / 101)


def test_ids_of_a_coco_file_stand_for_images_and_phrases(records: list[ImageRecord], tmp_path: Path) -> None:
    truth = names(
        tmp_path,
        [
            {"id": 1, "file_name": "set/A/first.png", "width": WIDTH, "height": HEIGHT},
            {"id": "2", "file_name": "second.png"},
        ],
        "liver",
        "cyst",
        "Stones",
    )
    phrases = tmp_path / "phrases.yaml"
    phrases.write_text("Stones: stone\n")
    results = [
        entry("1", 7, 0.5, rectangle(10, 10, 20, 10)),
        entry(2, 9.0, 0.5, rectangle(0, 0, 3, 3)),
        entry(2, 8, 0.5, rectangle(0, 0, 3, 3)),
    ]
    path = write(tmp_path / "results.json", results)
    method = saved(path, records, coco_file=truth, coco_phrases=phrases)
    assert [one.phrase for one in method.detections(records[0])] == ["liver"]
    assert [one.phrase for one in method.detections(records[1])] == ["stone"]
    assert method.notes.remarks == ("1 detections of a phrase that their image is not asked for were left out.",)
    # without the phrases, no category is a stone, so nobody looked for stones
    assert refusal(path, records, coco_file=truth) == (
        "1 missing: second.png 'stone'; 1 of no image and phrase of the test file: category 'Stones'"
    )


def test_a_coco_file_that_we_exported_fits_the_test_file(records: list[ImageRecord], tmp_path: Path) -> None:
    for record in records:
        for instance in record.instances:
            assert instance.mask is not None
    write_records(records, tmp_path / "test.CSV")
    (tmp_path / "images").mkdir()
    for record in records:
        (tmp_path / "images" / record.path.name).write_bytes(record.path.read_bytes())
    read = read_records(tmp_path / "test.CSV", tmp_path / "images", tmp_path)
    report = export_coco(tmp_path / "test.CSV", tmp_path / "images", tmp_path, tmp_path / "truth.json", progress=False)
    assert report.categories == ("cyst", "liver", "stone")
    annotations = json.loads((tmp_path / "truth.json").read_text())["annotations"]
    path = write(tmp_path / "results.json", [{**one, "score": 0.5} for one in annotations])
    method = saved(path, list(read), coco_file=tmp_path / "truth.json")
    rows = evaluate(method, read, tmp_path / "out", num_pictures=0)
    assert [row.dice for row in rows if row.protocol == "strict" and row.target_present] == [1.0, 1.0, 1.0]


def test_images_imported_under_other_names_are_found(tmp_path: Path) -> None:
    record = write_image(tmp_path, "a-scan_1", {"liver": (10, 10, 20, 10)})
    truth = names(tmp_path, [{"id": 5, "file_name": "A/Scan 1.png"}], "liver")
    path = write(tmp_path / "results.json", [entry(5, 7, 0.5, rectangle(10, 10, 20, 10))])
    assert len(saved(path, [record], coco_file=truth).detections(record)) == 1


def test_images_of_one_name_are_told_apart_by_their_dataset_or_not_at_all(tmp_path: Path) -> None:
    record = write_image(tmp_path, "x", {"liver": (10, 10, 20, 10)}, dataset="B")
    images = [{"id": 1, "file_name": "A/x.png", "dataset": "A"}, {"id": 2, "file_name": "B/x.png", "dataset": "B"}]
    path = write(tmp_path / "results.json", [entry(2, 7, 0.5, rectangle(10, 10, 20, 10))])
    assert len(saved(path, [record], coco_file=names(tmp_path, images, "liver")).detections(record)) == 1
    del images[1]["dataset"], images[0]["dataset"]
    truth = names(tmp_path, images, "liver")
    with pytest.raises(InputError, match=r"x\.png may be any of A/x\.png \(id 1\), B/x\.png \(id 2\)"):
        saved(path, [record], coco_file=truth)


def test_images_and_phrases_that_the_coco_file_lacks_are_missing(records: list[ImageRecord], tmp_path: Path) -> None:
    truth = names(tmp_path, [{"id": 1, "file_name": "first.png"}], "liver", "stone")
    path = write(tmp_path / "results.json", [entry(1, 7, 0.5, rectangle(10, 10, 20, 10))])
    assert refusal(path, records, coco_file=truth) == (
        "3 missing: first.png 'cyst', second.png 'liver', second.png 'stone'"
    )
    method = saved(path, records, coco_file=truth, missing="nothing")
    assert method.notes.remarks == ("3 of 4 masks are not there: nothing found.",)
    assert method.detections(records[1]) == []


def test_what_the_test_file_does_not_have_is_an_error_or_left_out(records: list[ImageRecord], tmp_path: Path) -> None:
    mask_hw = rectangle(10, 10, 20, 10)
    results = [
        entry("first", "liver", 0.5, mask_hw),
        entry("third", "liver", 0.5, mask_hw),
        entry("first", "Livers", 0.5),
    ]
    path = write(tmp_path / "results.json", results)
    assert refusal(path, records) == "2 of no image and phrase of the test file: image_id third, category 'Livers'"
    assert len(saved(path, records, unknown="ignore").detections(records[0])) == 1
    path = write(tmp_path / "results.json", results[1:])
    assert refusal(path, records, unknown="ignore") == "none of its 2 entries is of the test file"


def test_an_empty_list_says_that_nothing_was_found(records: list[ImageRecord], tmp_path: Path) -> None:
    method = saved(write(tmp_path / "results.json", []), records)
    assert [method.detections(record) for record in records] == [[], []]


def test_masks_of_another_size_follow_the_setting(records: list[ImageRecord], tmp_path: Path) -> None:
    half = entry("first", "liver", 0.5, rectangle(5, 5, 10, 5, (20, 30)), bbox=[5, 5, 10, 5])
    polygon = entry("second", "liver", 0.5, segmentation=[[5, 5, 15, 5, 15, 15, 5, 15]])
    path = write(tmp_path / "results.json", [half, polygon])
    assert refusal(path, records) == "1 of another size than the image: entry no. 1 (30 x 20 instead of 60 x 40)"
    for resize, box_xyxy in (("prediction", (10.0, 10.0, 30.0, 20.0, 0.5)), ("truth", (5.0, 5.0, 15.0, 10.0, 0.5))):
        method = saved(path, records, resize=resize)
        rows = evaluate(method, records, tmp_path / resize, num_pictures=0)
        livers = [row for row in rows if row.phrase == "liver" and row.protocol == "strict"]
        assert livers[0].detected_boxes == (box_xyxy,)
        # two livers, 200 and 36 pixels, of which one is found; at half size 50 and 9
        assert livers[0].dice == 2 * 200 / (200 + 236)
        assert (livers[1].dice, livers[1].image_width) == (1.0, WIDTH)


def test_polygons_are_in_pixels_of_the_coco_files_image(tmp_path: Path) -> None:
    record = write_image(tmp_path, "x", {"liver": (10, 10, 20, 10)})
    truth = names(tmp_path, [{"id": 1, "file_name": "x.png", "width": 120, "height": 80}], "liver")
    results = [entry(1, 7, 0.5, segmentation=[[20, 20, 60, 20, 60, 40, 20, 40]])]
    path = write(tmp_path / "results.json", results)
    assert "entry no. 1 (120 x 80 instead of 60 x 40)" in refusal(path, [record], coco_file=truth)
    (found,) = saved(path, [record], coco_file=truth, resize="prediction").detections(record)
    assert (found.box_xyxy, found.mask_hw is not None and int(found.mask_hw.sum())) == ((10.0, 10.0, 30.0, 20.0), 200)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"annotations": []}, "no COCO results; they are a list of objects"),
        ([7], "no COCO results; they are a list of objects"),
        ([{"category_id": "liver", "score": 1}], "entry no. 1 has image_id None"),
        ([{"image_id": "first", "score": 1}], "entry no. 1 has category_id None"),
        ([{"image_id": "first", "category_id": "liver"}], "entry no. 1 has score None, expected a number"),
        ([entry("first", "liver", float("nan"))], "entry no. 1 has score nan"),
        ([entry("first", "liver", 10**400)], "entry no. 1 has score 1000"),
        ([entry("first", "liver", 0.5, bbox=[1, 2, 3])], "entry no. 1: its bbox [1, 2, 3] is not four numbers"),
        ([entry("first", "liver", 0.5, bbox=[1, 2, -3, 4])], "entry no. 1: its bbox [1.0, 2.0, -3.0, 4.0]"),
        ([entry("first", "liver", 0.5, bbox=[1, 2, 3, 4])], "1 with a box alone, without segmentation: entry no. 1"),
        (
            [entry("first", "liver", 0.5, segmentation={"size": [HEIGHT, WIDTH], "counts": [3]})],
            "its run lengths are cut off",
        ),
        ([entry("first", "liver", 0.5, segmentation={"counts": [3]})], "its mask has size None"),
        ([entry("first", "liver", 0.5, segmentation=[["x"] * 6])], "a corner of its polygon is 'x'"),
        ([entry("first", "liver", 0.5, segmentation="mask.png")], "neither run lengths nor a list of polygons"),
    ],
    ids=str,
)
def test_results_that_are_wrong_are_refused_in_one_line(
    records: list[ImageRecord], tmp_path: Path, content: object, said: str
) -> None:
    assert said in refusal(write(tmp_path / "results.json", content), records)


def test_files_that_are_missing_or_no_json_are_refused(records: list[ImageRecord], tmp_path: Path) -> None:
    assert "no such file; give the COCO results file" in refusal(tmp_path / "none.json", records)
    path = tmp_path / "results.json"
    path.write_text(json.dumps([entry("first", "liver", 0.5, rectangle(1, 1, 5, 5))])[:-20])
    assert "not readable as JSON" in refusal(path, records)


def test_ids_that_the_coco_file_does_not_have_are_refused_whatever_is_allowed(
    records: list[ImageRecord], tmp_path: Path
) -> None:
    truth = names(tmp_path, [{"id": 1, "file_name": "first.png"}, {"id": 2, "file_name": "second.png"}], "liver")
    path = write(tmp_path / "results.json", [entry(1, 7, 0.5, rectangle(1, 1, 5, 5)), entry(3, 8, 0.5)])
    said = refusal(path, records, coco_file=truth, unknown="ignore", missing="nothing")
    assert said == f"1 of ids that {truth} does not have: entry no. 2 (image_id 3, category_id 8)"
