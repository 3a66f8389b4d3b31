"""What a model found, made up, and the labelling configs that take it."""

from __future__ import annotations

import numpy as np

from gdinousam.labelling.label_studio.controls import read_controls
from gdinousam.labelling.label_studio.results import Result, prediction_of
from gdinousam.prediction.results import MadeBy, Prediction
from gdinousam.records import BoxXYXY, Detection, Mask

WIDTH, HEIGHT = 40, 30
MADE_BY = MadeBy("made up", None, "made up", {}, {}, {})
WHOLE = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image"><Label value="Cyst"/>'
    '<Label value="mass" predicted_values="solid mass"/></RectangleLabels><BrushLabels name="stroke" toName="image">'
    '<Label value="Cyst"/><Label value="mass" predicted_values="solid mass"/></BrushLabels></View>'
)
PARTED = (
    '<View><Image name="image" value="$image"/><Labels name="what" toName="image"><Label value="Cyst"/><Label '
    'value="mass" predicted_values="solid mass"/></Labels><Rectangle name="box" toName="image"/><Brush name="stroke" '
    'toName="image"/></View>'
)


def mask_of(*boxes_xyxy: tuple[int, int, int, int]) -> Mask:
    mask_hw = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for x0, y0, x1, y1 in boxes_xyxy:
        mask_hw[y0:y1, x0:x1] = True
    return mask_hw


LARGE, SMALL = mask_of((3, 4, 20, 22), (30, 0, 40, 5)), mask_of((8, 10, 9, 11))
BOX: BoxXYXY = (3.0, 4.5, 20.0, 22.5)
DETECTIONS = (
    Detection("Cyst", BOX, 0.9, LARGE),
    Detection("Cyst", (8, 10, 9, 11), 0.4, SMALL),
    Detection("solid mass", (0, 0, WIDTH, HEIGHT), 0.5, ~LARGE),
)


def found(*detections: Detection) -> Prediction:
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    return Prediction(image, ("Cyst", "solid mass"), detections, MADE_BY, "image 1")


def written(config: str, *detections: Detection) -> Result:
    """The prediction as it goes to Label Studio."""
    prediction = found(*detections)
    return prediction_of([(control, prediction) for control in read_controls(config)], "small-1")
