"""Scores that become probabilities: fitted on queries made by a known rule, and kept in their order."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.operating_point import operating_point_command
from gdinousam.experiments.studies.calibration import calibrated, calibration_of_curves
from gdinousam.experiments.studies.operating_choice import QueryCurve
from gdinousam.models.detector.operating_point import OPERATING_POINT, Calibration, Point, noted_point

LOWEST = 0.01


def curves_of(scores: Sequence[float], present: Sequence[bool]) -> list[QueryCurve]:
    return [
        QueryCurve(unit, "cyst", int(is_there), {LOWEST: (score,) if score >= LOWEST else (), 0.9: ()}, {})
        for unit, (score, is_there) in enumerate(zip(scores, present, strict=True))
    ]


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (2.0, 3.0), (0.5, -1.0)])
def test_the_rule_that_made_the_queries_is_found(slope: float, offset: float) -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(-offset / slope, 1.5, 20000)
    present = draw.random(20000) < 1 / (1 + np.exp(-(slope * logits + offset)))
    scores = np.clip(1 / (1 + np.exp(-logits)), LOWEST, None)
    found = calibration_of_curves(curves_of(scores.tolist(), present.tolist()))
    assert found.slope == pytest.approx(slope, rel=0.1)
    assert found.offset == pytest.approx(offset, abs=0.15)


def test_few_queries_promise_no_certainty() -> None:
    found = calibration_of_curves(curves_of([0.9, 0.8, 0.2, 0.1], [True, True, False, False]))
    assert 0.6 < found.of(torch.tensor(0.9)) < 0.99


def test_scores_that_say_the_contrary_keep_their_order() -> None:
    found = calibration_of_curves(curves_of([0.9, 0.8, 0.2, 0.1] * 20, [False, False, True, True] * 20))
    values = found.of(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64))
    assert found.slope > 0 and values[0] < values[1] < values[2]


def test_a_query_without_a_box_counts_as_the_lowest_threshold() -> None:
    assert calibration_of_curves(curves_of([0.5, 0.0], [True, False])) == calibration_of_curves(
        curves_of([0.5, LOWEST], [True, False])
    )


def test_a_score_becomes_what_the_formula_says() -> None:
    calibration = Calibration(slope=2, offset=1)
    expected = 1 / (1 + math.exp(-(2 * math.log(0.2 / 0.8) + 1)))
    assert calibration.of(torch.tensor(0.2)).item() == pytest.approx(expected)
    assert calibration.of(torch.tensor([0.0, 1.0])).tolist() == [0, 1]
    point = Point(box_threshold=0.2, max_detections=3, further_threshold=0.5)
    moved = calibrated(point, calibration)
    assert moved.box_threshold == pytest.approx(expected)
    assert (moved.max_detections, moved.further_threshold) == (3, pytest.approx(1 / (1 + math.exp(-1))))


def test_the_command_calibrates_and_what_is_let_in_stays_the_same(
    tmp_path: Path, validation_tree: dict[str, Any], phantom_data: Path, small_detector: Path, small_mask_head: Path
) -> None:
    asked = {"absent_phrases": ["other organs"], "absent_from": ["fetal head", "left ventricle"]}
    validation_tree["validation"] |= asked
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(validation_tree), encoding="utf-8")
    config = ["--config", str(tmp_path / "test.yaml")]
    assert run(operating_point_command, [*config, "--out", str(tmp_path / "plain" / OPERATING_POINT)]) == BAD_INPUT
    for name in ("plain", "calibrated"):
        (tmp_path / name).mkdir()
    assert run(operating_point_command, [*config, "--out", str(tmp_path / "plain" / OPERATING_POINT)]) == 0
    out = str(tmp_path / "calibrated" / OPERATING_POINT)
    assert run(operating_point_command, [*config, "--calibrate", "--out", out]) == 0
    plain, with_it = noted_point(tmp_path / "plain"), noted_point(tmp_path / "calibrated")
    assert plain is not None and with_it is not None
    assert plain.calibration is None and with_it.calibration is not None
    assert with_it.overall == calibrated(plain.overall, with_it.calibration)
    assert json.loads(Path(out).read_text())["evidence"]["uncalibrated"] == plain.overall.model_dump()


def test_without_absent_phrases_there_is_nothing_to_learn_from(
    tmp_path: Path, validation_tree: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(validation_tree), encoding="utf-8")
    arguments = ["--config", str(tmp_path / "test.yaml"), "--calibrate", "--out", str(tmp_path / "point.json")]
    assert run(operating_point_command, arguments) == BAD_INPUT
    assert "--calibrate: no absent phrase is asked" in capsys.readouterr().err
    validation_tree["prediction"] = {"calibration": {"slope": 1, "offset": 0}}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(validation_tree), encoding="utf-8")
    assert run(operating_point_command, arguments) == BAD_INPUT
    assert "prediction.calibration changes the scores" in capsys.readouterr().err
