"""Which boxes count, worked out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from gdinousam.models.detector.box_choice import choose_boxes, num_let_in
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.detector import LayerPrediction
from gdinousam.models.detector.operating_point import Calibration, Point, PredictionSettings
from gdinousam.models.loading import load_detector
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Detection, Image

SIZE_HW = (100, 200)
ONE_TOKEN_EACH = torch.tensor([[True, False], [False, True]])  # of "cyst" and "liver"


def point(**values: Any) -> Point:
    return Point.model_validate({"box_threshold": 0.1, "max_detections": 5, "further_threshold": 0.3} | values)


@pytest.mark.parametrize(
    ("scores", "values", "expected"),
    [
        ((), {}, 0),
        ((0.2,), {}, 1),  # the best counts by the box threshold alone
        ((0.2, 0.15), {}, 1),
        ((0.6, 0.3, 0.29), {}, 2),  # at the threshold counts
        ((0.6, 0.5, 0.4), {"max_detections": 2}, 2),
        ((0.6, 0.5), {"max_detections": 1}, 1),
        ((0.6, 0.5, 0.1), {"further_threshold": 0.0}, 3),
        ((0.6, 0.5), {"further_threshold": 1.0}, 1),
    ],
)
def test_boxes_after_the_best_have_to_reach_more(
    scores: tuple[float, ...], values: dict[str, float], expected: int
) -> None:
    assert num_let_in(scores, point(**values)) == expected


def chosen(settings: PredictionSettings) -> dict[str, list[float]]:
    """Scores of what counts for three boxes far apart; probabilities of "cyst" and "liver" for each."""
    probabilities = torch.tensor([[0.6, 0.01], [0.4, 0.01], [0.01, 0.2]])
    boxes = torch.tensor([[centre, centre, 0.1, 0.2] for centre in (0.1, 0.5, 0.9)])
    prediction = LayerPrediction(probabilities.logit(), boxes)
    found = choose_boxes(prediction, ONE_TOKEN_EACH, ("cyst", "liver"), SIZE_HW, settings)
    return {phrase: [pytest.approx(one.score) for one in row] for phrase, row in found.items()}


def test_thresholds_are_held_against_calibrated_scores() -> None:
    # 0.6, 0.4 and 0.2 become 0.5, 0.31 and 0.14
    calibration = Calibration(slope=1, offset=-math.log(1.5))
    scores = [pytest.approx(odds / (1 + odds)) for odds in (1.0, 0.4 / 0.6 / 1.5, 0.2 / 0.8 / 1.5)]
    plain = PredictionSettings(calibration=calibration)
    assert chosen(plain.filled()) == {"cyst": scores[:2], "liver": scores[2:]}
    assert chosen(PredictionSettings().filled(calibration=calibration)) == chosen(plain.filled())
    assert chosen(plain.filled(point(box_threshold=0.15))) == {"cyst": scores[:2], "liver": []}
    assert chosen(plain.filled(point(further_threshold=0.35))) == {"cyst": scores[:1], "liver": scores[2:]}


def test_each_phrase_follows_its_own_values() -> None:
    assert chosen(PredictionSettings().filled()) == {"cyst": [0.6, 0.4], "liver": [0.2]}
    assert chosen(PredictionSettings(further_threshold=0.45).filled()) == {"cyst": [0.6], "liver": [0.2]}
    strict = {"Liver": point(box_threshold=0.25)}
    assert chosen(PredictionSettings(by_phrase=strict).filled()) == {"cyst": [0.6, 0.4], "liver": []}
    assert chosen(PredictionSettings(box_threshold=0.25).filled()) == {"cyst": [0.6, 0.4], "liver": []}


@pytest.mark.parametrize("joint_caption", [False, True])
def test_several_settings_from_one_run_give_what_each_gives_by_itself(
    small_detector: Path, phantom_images: list[Image], joint_caption: bool
) -> None:
    detector = load_detector(str(small_detector))
    choices = [
        PredictionSettings(box_threshold=threshold, max_detections=number, further_threshold=0.0).filled()
        for threshold, number in ((0.0, 1), (0.0, 6), (0.6, 6), (1.0, 6))
    ]
    asked = [["cyst", "liver"], [], ["left kidney", "cyst", "left kidney"]]
    base = PredictionSettings(joint_caption=joint_caption, batch_size=2)
    together = BoxFinder(detector, ResizeSettings(size=96), base).find_under(phantom_images, asked, choices)
    counts = set()
    for place, choice in enumerate(choices):
        settings = choice.model_copy(update={"joint_caption": joint_caption, "batch_size": 2})
        alone = BoxFinder(detector, ResizeSettings(size=96), settings).find(phantom_images, asked)
        for of_image, expected, phrases in zip(together, alone, asked, strict=True):
            flat = [one for phrase in dict.fromkeys(phrases) for one in of_image[place][phrase]]
            assert list(map(plain, flat)) == list(map(plain, expected))
            counts.add(len(flat))
    assert len(counts) > 2


def plain(detection: Detection) -> tuple[object, ...]:
    return detection.phrase, detection.box_xyxy, detection.score
