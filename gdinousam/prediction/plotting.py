"""A prediction as a picture on the screen: in axes of matplotlib, and as the PNG that notebooks show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from gdinousam.prediction.results import Prediction
from gdinousam.prediction.writing.pictures import overlay
from gdinousam.records import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 6.4  # of a figure in inches, matplotlib's own


def plot(prediction: Prediction, ax: Axes | None = None) -> Axes:
    """Draw a prediction into axes, or into a new figure of pyplot; see ``Prediction.plot``."""
    if ax is None:
        from matplotlib import pyplot  # chooses a way to show figures, so not before one is asked for

        height, width = prediction.size_hw
        _, ax = pyplot.subplots(figsize=(_WIDTH, _WIDTH * height / width), layout="constrained")
    height, width = prediction.size_hw
    ax.imshow(_picture(prediction), extent=(0, width, height, 0))
    ax.set_axis_off()
    ax.set_title(prediction.source)
    return ax


def png(prediction: Prediction) -> bytes:
    """The overlay of a prediction as a PNG file."""
    return cv2.imencode(".png", _picture(prediction)[..., ::-1])[1].tobytes()


def _picture(prediction: Prediction) -> Image:
    return overlay(prediction.image, prediction.detections, prediction.phrases)
