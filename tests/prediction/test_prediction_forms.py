"""What a prediction can be turned into: pictures, files, and the forms of other programs."""

import contextlib
import io
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import PIL.Image
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gdinousam import Detection, Measurement, Prediction, read_image
from gdinousam.errors import InputError
from gdinousam.prediction.results import MadeBy

MADE_BY = MadeBy("small", None, "small", {"box_threshold": 0.1}, {}, {})


def detection(phrase: str, score: float, x0: int, y0: int, x1: int, y1: int) -> Detection:
    mask_hw = np.zeros((30, 40), dtype=bool)
    mask_hw[y0:y1, x0:x1] = True
    return Detection(phrase, (x0 - 0.4, y0 - 0.4, x1 + 0.4, y1 + 0.4), score, mask_hw)


def prediction(*detections: Detection, source: str = "scan.1.png") -> Prediction:
    image = np.full((30, 40, 3), 90, dtype=np.uint8)
    return Prediction(image, ("cyst", "liver", "mass"), detections, MADE_BY, source, (0.5, 0.25))


TWO = prediction(detection("cyst", 0.75, 2, 3, 12, 13), detection("mass", 0.5, 20, 5, 28, 15))
NONE = prediction()


def test_dictionaries_are_those_of_a_pipeline_of_transformers() -> None:
    assert TWO.to_dicts() == [
        {"score": 0.75, "label": "cyst", "box": {"xmin": 1, "ymin": 2, "xmax": 12, "ymax": 13}},
        {"score": 0.5, "label": "mass", "box": {"xmin": 19, "ymin": 4, "xmax": 28, "ymax": 15}},
    ]
    assert NONE.to_dicts() == []


def test_measurements_are_in_the_order_of_the_detections_and_in_mm() -> None:
    measured = TWO.measurements()
    assert all(isinstance(one, Measurement) for one in measured)
    assert [(one.phrase, one.area, one.unit) for one in measured] == [("cyst", 12.5, "mm"), ("mass", 10.0, "mm")]


def coco_file(content: object, path: Path) -> COCO:
    path.write_text(json.dumps(content), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_coco_results_are_scored_by_cocoeval_against_the_truth(tmp_path: Path) -> None:
    truth = TWO.to_coco()
    truth = {**truth, "annotations": [{**one, "iscrowd": 0} for one in truth["annotations"]]}
    dataset = coco_file(truth, tmp_path / "truth.json")
    for kind in ("segm", "bbox"):
        with contextlib.redirect_stdout(io.StringIO()):
            results = dataset.loadRes(json.loads(json.dumps(TWO.to_coco()["annotations"])))
            scores = COCOeval(dataset, results, kind)
            scores.evaluate()
            scores.accumulate()
            scores.summarize()
        assert scores.stats[0] == pytest.approx(1)


def test_coco_masks_are_the_masks_pixel_for_pixel(tmp_path: Path) -> None:
    dataset = coco_file(TWO.to_coco(), tmp_path / "results.json")
    assert dataset.loadImgs([1]) == [{"id": 1, "file_name": "scan.1.png", "width": 40, "height": 30}]
    assert {one["name"] for one in dataset.loadCats(dataset.getCatIds())} == {"cyst", "liver", "mass"}
    for entry, one in zip(dataset.loadAnns([1, 2]), TWO.detections, strict=True):
        np.testing.assert_array_equal(dataset.annToMask(entry).astype(bool), one.mask_hw)
        assert (entry["score"], entry["area"]) == (one.score, one.mask_hw.sum())  # type: ignore[union-attr]


def test_coco_ids_can_be_those_of_the_truth() -> None:
    content = TWO.to_coco(image_id=7, category_ids={"mass": 3, "cyst": 5, "liver": 1, "brain": 2})
    assert [(one["image_id"], one["category_id"]) for one in content["annotations"]] == [(7, 5), (7, 3)]
    assert {one["name"]: one["id"] for one in content["categories"]} == {"cyst": 5, "liver": 1, "mass": 3}
    with pytest.raises(InputError, match="'liver'"):
        TWO.to_coco(category_ids={"mass": 3, "cyst": 5})


def test_nothing_found_is_an_image_without_results() -> None:
    content = NONE.to_coco()
    assert content["annotations"] == [] and len(content["images"]) == 1


def test_a_box_without_a_mask_is_a_result_without_a_segmentation() -> None:
    (result,) = prediction(Detection("cyst", (1, 2, 5, 8), 0.5)).to_coco()["annotations"]
    assert "segmentation" not in result and result["bbox"] == [1, 2, 4, 6]


def test_supervision_reads_boxes_masks_scores_and_phrases() -> None:
    supervision = pytest.importorskip("supervision")
    found = TWO.to_supervision()
    assert isinstance(found, supervision.Detections) and len(found) == 2
    np.testing.assert_allclose(found.xyxy, [one.box_xyxy for one in TWO.detections])
    np.testing.assert_array_equal(found.mask, [one.mask_hw for one in TWO.detections])
    np.testing.assert_allclose(found.confidence, [0.75, 0.5])
    assert found.class_id.tolist() == [0, 2]
    if hasattr(found, "data"):
        assert found.data["class_name"].tolist() == ["cyst", "mass"]
    assert len(NONE.to_supervision()) == 0
    assert prediction(Detection("cyst", (1, 2, 5, 8), 0.5)).to_supervision().mask is None
    annotated = supervision.BoxAnnotator().annotate(TWO.image.copy(), found)
    assert annotated.shape == TWO.image.shape and (annotated != TWO.image).any()


def test_saving_writes_the_overlay_and_a_mask_for_each_phrase_that_was_found(tmp_path: Path) -> None:
    written = TWO.save(tmp_path / "new" / "out")
    assert sorted(path.name for path in written) == ["scan.1_cyst.png", "scan.1_mass.png", "scan.1_overlay.png"]
    assert all(path.is_file() for path in written)
    mask = np.asarray(PIL.Image.open(tmp_path / "new" / "out" / "scan.1_cyst.png"))
    np.testing.assert_array_equal(mask, 255 * TWO.detections[0].mask_hw.astype(np.uint8))  # type: ignore[union-attr]
    assert [path.name for path in NONE.save(str(tmp_path), name="other")] == ["other_overlay.png"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write to"):
        TWO.save(tmp_path / "file")


def test_a_plot_is_in_pixels_of_the_image_and_keeps_what_lies_inside() -> None:
    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    assert TWO.plot(axes) is axes
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 40), (30, 0))
    (drawn,) = axes.get_images()
    assert np.ptp(np.asarray(drawn.get_array()), axis=2).any()
    own = NONE.plot()
    assert own.figure is not figure
    (untouched,) = own.get_images()
    assert (np.asarray(untouched.get_array()) == 90).all()
    pyplot.close("all")


def test_a_notebook_shows_the_picture(tmp_path: Path) -> None:
    (tmp_path / "shown.png").write_bytes(TWO._repr_png_())
    shown = read_image(tmp_path / "shown.png")
    assert np.ptp(shown, axis=2).any()
    height, width = shown.shape[:2]
    inside = shown[int(height * 8 / 30), int(width * 7 / 40)]
    assert inside.tolist() == [90, 90, 90]


def test_a_prediction_is_printed_in_one_line() -> None:
    assert repr(TWO) == "Prediction('scan.1.png', 40 x 30 pixels, cyst 0.75, mass 0.50)"
    assert repr(NONE) == "Prediction('scan.1.png', 40 x 30 pixels, nothing found)"
    assert len(repr(TWO.detections[0])) < 120
