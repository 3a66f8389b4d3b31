"""Results held against label-studio-sdk: its schema of a labelling config, its decoder of strokes, its converter.

It goes with neither the pinned pandas nor OpenCV (requirements-newer.txt), so these run in make test-newer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found_objects import BOX, DETECTIONS, HEIGHT, LARGE, PARTED, SMALL, WHOLE, WIDTH, mask_of, written

from gdinousam.data.sources.annotations.brush import decode_brush, encode_brush

brush = pytest.importorskip("label_studio_sdk.converter.brush")
converter = pytest.importorskip("label_studio_sdk.converter")
label_interface = pytest.importorskip("label_studio_sdk.label_interface")
objects = pytest.importorskip("label_studio_sdk.label_interface.objects")


def test_its_decoder_reads_our_strokes_and_ours_reads_what_it_writes() -> None:
    for mask_hw in (LARGE, SMALL, ~LARGE, mask_of()):
        layers = brush.decode_rle(encode_brush(mask_hw)).reshape(HEIGHT, WIDTH, 4)
        assert (layers == 255 * mask_hw[:, :, None]).all()
        theirs = brush.mask2rle(255 * mask_hw.astype(np.uint8))
        np.testing.assert_array_equal(decode_brush(theirs, (HEIGHT, WIDTH)), mask_hw)


def test_its_labelling_interface_takes_our_predictions() -> None:
    interface = label_interface.LabelInterface(WHOLE)
    prediction = written(WHOLE, *DETECTIONS)
    assert objects.PredictionValue.model_validate(prediction).model_dump() == prediction
    assert interface.validate_prediction(prediction, return_errors=True) == []
    wrong: dict[str, Any] = json.loads(json.dumps(prediction))
    wrong["result"][0]["value"]["rectanglelabels"] = ["solid mass"]  # the phrase that the label stands for
    assert interface.validate_prediction(wrong, return_errors=True) != []


def test_label_and_shape_in_controls_of_their_own_bear_the_names_that_it_reads() -> None:
    """Its schema takes ``Labels`` for spans of a text, so that it can check no more of these."""
    interface = label_interface.LabelInterface(PARTED)
    for one in written(PARTED, *DETECTIONS)["result"]:
        control = interface.get_control(one["from_name"])
        assert (one["type"], one["to_name"]) == (control.tag.lower(), control.to_name[0])
        assert set(one["value"].get("labels", ())) <= set(control.labels)


def test_its_converter_writes_our_results_as_coco_and_as_masks(tmp_path: Path) -> None:
    annotation = {"id": 5, "completed_by": 1, "was_cancelled": False, "result": written(WHOLE, *DETECTIONS)["result"]}
    task = {"id": 3, "data": {"image": "a.png"}, "annotations": [annotation], "predictions": []}
    source = tmp_path / "export.json"
    source.write_text(json.dumps([task]), encoding="utf-8")
    of_config = converter.Converter(WHOLE, project_dir=str(tmp_path), download_resources=False)
    of_config.convert_to_coco(str(source), str(tmp_path / "coco"), is_dir=False)
    coco = json.loads((tmp_path / "coco" / "result.json").read_text(encoding="utf-8"))
    names = {one["id"]: one["name"] for one in coco["categories"]}
    x0, y0, x1, y1 = BOX
    boxes = [one for one in coco["annotations"] if one["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0])]
    assert [names[one["category_id"]] for one in boxes] == ["Cyst"]
    (tmp_path / "masks").mkdir()
    of_config.convert(str(source), str(tmp_path / "masks"), converter.converter.Format.BRUSH_TO_NUMPY, is_dir=False)
    masks = {path.name: np.load(path) for path in sorted((tmp_path / "masks").glob("*.npy"))}
    assert len(masks) == 3
    of_label = {name.partition("stroke-")[2].removesuffix(".npy"): mask for name, mask in masks.items()}
    for label, mask_hw in (("Cyst-0", LARGE), ("Cyst-1", SMALL), ("mass-0", ~LARGE)):
        np.testing.assert_array_equal(of_label[label] > 0, mask_hw)
