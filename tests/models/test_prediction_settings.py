"""Which values win: set, else of the operating point, else the default."""

import pytest
from pydantic import ValidationError

from gdinousam.models.detector.operating_point import UNCHOSEN, Point, PredictionSettings

OVERALL = Point(box_threshold=0.2, max_detections=3, further_threshold=0.25)
OF_CYSTS = Point(box_threshold=0.05, max_detections=2, further_threshold=0.1)


def test_several_boxes_may_count_by_default() -> None:
    filled = PredictionSettings().filled()
    assert (
        filled.overall
        == filled.of("cyst")
        == UNCHOSEN
        == Point(box_threshold=0.1, max_detections=5, further_threshold=0.3)
    )
    assert filled.unset == ()


def test_what_is_set_wins_value_by_value() -> None:
    settings = PredictionSettings(max_detections=1)
    assert settings.unset == ("box_threshold", "further_threshold")
    filled = settings.filled(OVERALL, {"Cyst": OF_CYSTS})
    assert filled.overall == Point(box_threshold=0.2, max_detections=1, further_threshold=0.25)
    assert filled.of("cyst") == Point(box_threshold=0.05, max_detections=1, further_threshold=0.1)
    assert filled.of("liver") == filled.overall


def test_a_phrase_of_the_user_s_wins_over_all() -> None:
    mine = Point(box_threshold=0.4, max_detections=7, further_threshold=0.4)
    filled = PredictionSettings(box_threshold=0.3, by_phrase={"  CYST.": mine}).filled(OVERALL, {"cyst": OF_CYSTS})
    assert filled.of("cyst") == filled.of("Cyst ") == mine
    assert filled.of("liver").box_threshold == 0.3


def test_a_set_value_of_0_is_set() -> None:
    assert PredictionSettings(box_threshold=0.0).filled(OVERALL).box_threshold == 0.0


def test_filled_settings_stay_as_they_are() -> None:
    filled = PredictionSettings(text_threshold=0.4, batch_size=7).filled(OVERALL, {"cyst": OF_CYSTS})
    assert filled.filled() == filled.filled(UNCHOSEN, {}) == filled
    assert (filled.text_threshold, filled.batch_size) == (0.4, 7)
    again = PredictionSettings.model_validate(filled.model_dump(mode="json"))
    assert again == filled and again.filled() == filled


@pytest.mark.parametrize("values", [{"box_threshold": 1.1}, {"max_detections": 0}, {"further_threshold": -0.1}])
def test_impossible_values_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PredictionSettings.model_validate(values)
