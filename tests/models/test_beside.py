"""Phrases that stand beside the asked ones in a caption: they take part and are never an answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from gdinousam.errors import InputError
from gdinousam.models.bundled import SMALL_V1
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.detector import Detector
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import load_detector
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Detection, Image

BESIDE = ["benign lesion", "left kidney"]
MANY: dict[str, Any] = {"box_threshold": 0.0, "max_detections": 5, "further_threshold": 0.0, "text_threshold": 0.4}


@pytest.fixture(scope="module", params=["random", SMALL_V1])
def detector(request: pytest.FixtureRequest, small_detector: Path) -> Detector:
    return load_detector(SMALL_V1 if request.param == SMALL_V1 else str(small_detector))


def finder(detector: Detector, **settings: Any) -> BoxFinder:
    return BoxFinder(detector, ResizeSettings(size=96), PredictionSettings.model_validate(MANY | settings))


def assert_same(first: Sequence[Detection], second: Sequence[Detection]) -> None:
    assert first and [one.phrase for one in first] == [one.phrase for one in second]
    np.testing.assert_allclose([one.box_xyxy for one in first], [one.box_xyxy for one in second], atol=0.01)
    np.testing.assert_allclose([one.score for one in first], [one.score for one in second], atol=1e-5)


@pytest.mark.parametrize("joint_caption", [False, True])
def test_what_stands_beside_is_no_answer(detector: Detector, phantom_images: list[Image], joint_caption: bool) -> None:
    asking = finder(detector, beside=BESIDE, joint_caption=joint_caption)
    found = asking.find(phantom_images, [["cyst"], [], ["liver", "cyst"]])
    assert [{one.phrase for one in row} for row in found] == [{"cyst"}, set(), {"liver", "cyst"}]


def test_a_phrase_is_read_as_in_one_caption_with_those_beside_it(
    detector: Detector, phantom_images: list[Image]
) -> None:
    together = finder(detector, joint_caption=True).find(phantom_images, [["cyst", *BESIDE]] * 3)
    beside = finder(detector, beside=BESIDE).find(phantom_images, [["cyst"]] * 3)
    alone = finder(detector).find(phantom_images, [["cyst"]] * 3)
    for in_one, found, by_itself in zip(together, beside, alone, strict=True):
        assert_same([one for one in in_one if one.phrase == "cyst"], found)
        assert [one.score for one in found] != pytest.approx([one.score for one in by_itself], abs=1e-3)


def test_an_answer_does_not_depend_on_what_else_is_asked(detector: Detector, phantom_images: list[Image]) -> None:
    asking = finder(detector, beside=BESIDE)
    alone = asking.find(phantom_images[:1], [["cyst"]])[0]
    # one of the others stands beside it too, before and after it
    for phrases in (["cyst", "Left kidney", "liver"], ["liver", "Left kidney", "cyst"]):
        among_others = asking.find(phantom_images[:1], [phrases])[0]
        assert_same([one for one in among_others if one.phrase == "cyst"], alone)


def test_a_phrase_does_not_stand_beside_itself(detector: Detector, phantom_images: list[Image]) -> None:
    assert_same(
        finder(detector, beside=["CYST."]).find(phantom_images[:1], [["cyst"]])[0],
        finder(detector).find(phantom_images[:1], [["cyst"]])[0],
    )


def test_the_rule_of_the_public_scripts_asks_without_them(detector: Detector, phantom_images: list[Image]) -> None:
    asked = phantom_images[:1], [["cyst"]], [["cyst"]]
    (plain,) = finder(detector).find_and_choose(*asked)
    (beside,) = finder(detector, beside=BESIDE).find_and_choose(*asked)
    assert_same(beside.public_choices["cyst"], plain.public_choices["cyst"])


def test_several_settings_from_one_run_see_them_too(detector: Detector, phantom_images: list[Image]) -> None:
    asking = finder(detector, beside=BESIDE)
    (found,) = asking.find_under(phantom_images[:1], [["cyst", "liver"]], [asking.prediction])
    assert list(found[0]) == ["cyst", "liver"]
    assert_same(
        [one for row in found[0].values() for one in row], asking.find(phantom_images[:1], [["cyst", "liver"]])[0]
    )


def test_too_many_beside_are_refused(detector: Detector, phantom_images: list[Image]) -> None:
    many = [f"zone {one} {other}" for one in "abcdefghij" for other in "abcdefghij"]
    with pytest.raises(InputError, match=r"phrase 'cyst'.* takes \d+ tokens.*prediction\.beside") as refused:
        finder(detector, beside=many).find(phantom_images[:1], [["cyst"]])
    assert "\n" not in str(refused.value)


def test_what_cannot_be_asked_cannot_stand_beside() -> None:
    with pytest.raises(ValidationError, match=r"beside\s.*no letter or digit"):
        PredictionSettings(beside=("cyst", "..."))
