"""Results as Label Studio takes them, and as our own import of its exports reads them back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from found_objects import BOX, DETECTIONS, HEIGHT, LARGE, PARTED, SMALL, WHOLE, WIDTH, written

from gdinousam.data.sources.annotations.label_studio import read_label_studio
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.coco.segmentation import decode_segmentation
from gdinousam.records import Detection


def test_labels_are_those_of_the_config_and_boxes_percent_of_the_image() -> None:
    prediction = written(WHOLE, *DETECTIONS)
    assert json.loads(json.dumps(prediction)) == prediction
    assert prediction["model_version"] == "small-1"
    assert prediction["score"] == pytest.approx(2 * (0.9 + 0.4 + 0.5) / 6)
    first = prediction["result"][0]
    assert {key: first[key] for key in ("from_name", "to_name", "type", "original_width", "original_height")} == {
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": WIDTH,
        "original_height": HEIGHT,
    }
    assert first["value"].pop("rectanglelabels") == ["Cyst"]
    assert first["value"] == pytest.approx({"x": 7.5, "y": 15.0, "width": 42.5, "height": 60.0, "rotation": 0})
    labels = [one["value"].get("rectanglelabels") or one["value"]["brushlabels"] for one in prediction["result"][1:]]
    assert labels == [["Cyst"], ["mass"], ["Cyst"], ["Cyst"], ["mass"]]
    assert len({one["id"] for one in prediction["result"]}) == 6


@pytest.mark.parametrize("config", [WHOLE, PARTED], ids=["one result", "label and shape parted"])
def test_the_import_reads_back_what_was_found(config: str, tmp_path: Path) -> None:
    annotation = {"result": written(config, *DETECTIONS)["result"]}
    source = tmp_path / "export.json"
    source.write_text(json.dumps([{"id": 1, "data": {"image": "a.png"}, "annotations": [annotation]}]))
    (image,) = read_label_studio(source, ReadOptions()).file.images
    boxes = [one for one in image.annotations if one.segmentation is None]
    strokes = [one for one in image.annotations if one.segmentation is not None]
    assert [one.category for one in boxes] == [one.category for one in strokes] == ["Cyst", "Cyst", "mass"]
    x0, y0, x1, y1 = BOX
    assert boxes[0].box_xywh == pytest.approx((x0, y0, x1 - x0, y1 - y0))
    for one, mask_hw in zip(strokes, (LARGE, SMALL, ~LARGE), strict=True):
        np.testing.assert_array_equal(decode_segmentation(one.segmentation, (HEIGHT, WIDTH)), mask_hw)


def test_nothing_found_is_an_empty_prediction_and_an_object_without_a_pixel_no_stroke() -> None:
    assert written(WHOLE) == {"model_version": "small-1", "score": 0.0, "result": []}
    empty = Detection("Cyst", BOX, 0.5, LARGE & ~LARGE)
    assert [one["type"] for one in written(WHOLE, empty)["result"]] == ["rectanglelabels"]


def test_a_phrase_spelt_otherwise_is_the_same_phrase() -> None:
    assert len(written(WHOLE, Detection("cyst", BOX, 0.5, LARGE))["result"]) == 2
