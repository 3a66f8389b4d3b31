"""What was found in an image, as the results of a prediction in Label Studio: percent of the image, brush strokes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gdinousam.data.sources.annotations.brush import encode_brush
from gdinousam.labelling.label_studio.controls import Control
from gdinousam.labelling.matching import found_for
from gdinousam.prediction.results import Prediction
from gdinousam.records import Detection

Result = dict[str, Any]


def prediction_of(found: Iterable[tuple[Control, Prediction]], model_version: str) -> dict[str, Any]:
    """One prediction of a task, ready for JSON.

    found: each control with what was found in its image. Its score is the mean of those of its results, 0 where nothing
    was found; Label Studio sorts tasks by it.
    """
    results = [result for control, prediction in found for result in results_of(control, prediction)]
    scores = [result["score"] for result in results]
    mean = sum(scores) / len(scores) if scores else 0.0
    return {"model_version": model_version, "score": mean, "result": results}


def results_of(control: Control, prediction: Prediction) -> Iterator[Result]:
    """The results of one control, label by label in the order of the config, then by falling score.

    Label and shape are one result, or two of one id where the config parts them. Objects without a pixel give none.
    """
    number = 0
    for label, phrase in control.phrase_of.items():
        for one in found_for(phrase, prediction):
            value = _value(one, control, prediction.size_hw)
            if value is not None:
                number += 1
                yield from _results(control, f"{control.name}-{number}", label, value, one.score, prediction.size_hw)


def _results(
    control: Control, id: str, label: str, value: Result, score: float, size_hw: Sequence[int]
) -> Iterator[Result]:
    common = {
        "id": id,
        "to_name": control.to_name,
        "original_width": size_hw[1],
        "original_height": size_hw[0],
        "image_rotation": 0,
        "score": score,
    }
    if control.labels_name is None:
        kind = f"{control.shape}labels"
        yield {**common, "from_name": control.name, "type": kind, "value": {**value, kind: [label]}}
    else:
        yield {**common, "from_name": control.name, "type": control.shape, "value": value}
        yield {**common, "from_name": control.labels_name, "type": "labels", "value": {**value, "labels": [label]}}


def _value(one: Detection, control: Control, size_hw: tuple[int, int]) -> Result | None:
    if control.shape == "brush":
        if one.mask_hw is None or not one.mask_hw.any():
            return None
        return {"format": "rle", "rle": encode_brush(one.mask_hw)}
    height, width = size_hw
    x0, y0, x1, y1 = one.box_xyxy
    return {
        "x": 100 * x0 / width,
        "y": 100 * y0 / height,
        "width": 100 * (x1 - x0) / width,
        "height": 100 * (y1 - y0) / height,
        "rotation": 0,
    }
