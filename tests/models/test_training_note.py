"""Which phrases are called new for weights: those that no training had, other words that it showed excepted."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.detector.phrase_maps import NO_MAPS, MapSettings
from gdinousam.models.segmenter import load_box_finder
from gdinousam.models.weights.origin import TRAINING_NOTE
from gdinousam.models.weights.training_note import (
    LOSS_TERMS,
    PHRASES,
    WORDINGS,
    warn_of_new_phrases,
    warn_of_untaught_maps,
)


def weights(folder: Path, **note: list[str]) -> Path:
    """A folder of weights with nothing but the note of its training."""
    folder.mkdir()
    (folder / TRAINING_NOTE).write_text(json.dumps(note), encoding="utf-8")
    return folder


def test_phrases_of_no_training_are_told_with_those_that_there_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    detector = weights(tmp_path / "detector", **{PHRASES: ["cyst"]})
    adapter = weights(tmp_path / "adapter", **{PHRASES: ["fetal head"]})
    assert warn_of_new_phrases(detector, adapter, ["Cyst.", "fetal head", "liver", "liver"]) == ("liver",)
    (said,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert "never had 'liver'" in said and "it had: 'fetal head', 'cyst'" in said


def test_other_words_that_a_training_showed_are_not_new(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    detector = weights(tmp_path / "detector", **{PHRASES: ["cyst"], WORDINGS: ["find the cyst"]})
    adapter = weights(tmp_path / "adapter", **{PHRASES: ["fetal head"], WORDINGS: ["fetal skull"]})
    assert warn_of_new_phrases(detector, adapter, ["Find the cyst", "fetal skull", "cyst"]) == ()
    assert not caplog.records
    assert warn_of_new_phrases(detector, None, ["find the cyst", "fetal skull"]) == ("fetal skull",)
    assert "it had: 'cyst'" in caplog.records[-1].getMessage()


def test_without_a_list_nothing_is_called_new(tmp_path: Path) -> None:
    adapter = weights(tmp_path / "adapter")
    assert warn_of_new_phrases(weights(tmp_path / "detector", **{PHRASES: ["cyst"]}), adapter, ["liver"]) == ()


def test_maps_that_no_training_taught_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_untaught_maps(weights(tmp_path / "taught", **{LOSS_TERMS: ["l1", "encoder_masks"]}))
    assert not caplog.records
    for number, note in enumerate(({LOSS_TERMS: ["l1"]}, {})):
        warn_of_untaught_maps(weights(tmp_path / f"untaught{number}", **note))
        assert f"the training of {tmp_path / f'untaught{number}'} taught it where" in caplog.messages[-1]


@pytest.mark.parametrize(("name", "num_warnings"), [("small", 0), ("small-v1", 1)])
def test_a_detector_that_is_asked_for_maps_it_was_not_taught(
    name: str, num_warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    load_box_finder(name, prediction=PredictionSettings(maps=MapSettings()), device="cpu")
    assert sum("prediction.maps" in message for message in caplog.messages) == num_warnings
    caplog.clear()
    load_box_finder(name, prediction=PredictionSettings(maps=NO_MAPS), device="cpu")
    assert not any("prediction.maps" in message for message in caplog.messages)
