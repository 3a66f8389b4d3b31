"""Turning scores into probabilities: Platt scaling on the queries that an operating point is chosen on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize

from gdinousam.experiments.studies.operating_choice import QueryCurve
from gdinousam.models.detector.operating_point import Calibration, Point

_DECIMALS = 4
_LEAST_SLOPE = 0.01  # calibrated scores keep their order


def calibration_of_curves(curves: Sequence[QueryCurve]) -> Calibration:
    """The slope and offset under which the best score of a query says best whether its phrase is there.

    Best is the least log loss (Platt 1999), with his targets, which keep a few queries from promising certainty. A
    query without any box counts with the lowest threshold that was tried. Probabilities are those of the queries: what
    share of phrases is absent there decides them too.
    """
    present = np.array([curve.num_instances > 0 for curve in curves])
    scores = np.array([_best_score(curve) for curve in curves])
    logits = np.log(scores) - np.log1p(-scores)
    num_present, num_absent = int(present.sum()), int((~present).sum())
    targets = np.where(present, (num_present + 1) / (num_present + 2), 1 / (num_absent + 2))

    def loss(values: npt.NDArray[np.float64]) -> float:
        sure = values[0] * logits + values[1]
        return float((np.logaddexp(0, sure) - targets * sure).mean())

    found = minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(_LEAST_SLOPE, None), (None, None)])
    slope, offset = found.x.tolist()
    return Calibration(slope=round(slope, _DECIMALS), offset=round(offset, _DECIMALS))


def _best_score(curve: QueryCurve) -> float:
    lowest = min(curve.scores)
    best = curve.scores[lowest][:1]
    return float(np.clip(best[0] if best else lowest, 1e-6, 1 - 1e-6))


def calibrated(point: Point, calibration: Calibration) -> Point:
    """The point that lets the same boxes in by their calibrated scores."""
    values = torch.tensor([point.box_threshold, point.further_threshold], dtype=torch.float64)
    box_threshold, further_threshold = calibration.of(values).tolist()
    return point.model_copy(update={"box_threshold": box_threshold, "further_threshold": further_threshold})
