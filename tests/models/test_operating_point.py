"""The operating point beside weights: kept, found, and passed over where the user sets values."""

import json
import logging
from pathlib import Path
from shutil import copytree

import pytest

from gdinousam.errors import InputError
from gdinousam.models.adapters.base_note import describe_base
from gdinousam.models.adapters.loading import save_adapter
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.detector.operating_point import (
    OPERATING_POINT,
    UNCHOSEN,
    Calibration,
    OperatingPoint,
    Point,
    PredictionSettings,
    noted_point,
    resolve_prediction,
    save_point,
)
from gdinousam.models.detector.phrase_maps import NO_MAPS
from gdinousam.models.loading import load_grounding_dino
from gdinousam.models.segmenter import load_box_finder, load_segmenter
from gdinousam.models.weights.conversion import export_adapter

OVERALL = Point(box_threshold=0.02, max_detections=3, further_threshold=0.25)
OF_CYSTS = Point(box_threshold=0.05, max_detections=2, further_threshold=0.1)
NOTED = OperatingPoint(overall=OVERALL, phrases={"cyst": OF_CYSTS}, evidence={"n": 3, "grid": [[0.1, 1, 0.5]]})


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("boxes count")]


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gdinousam")


def test_what_is_saved_is_found_again(tmp_path: Path) -> None:
    save_point(tmp_path / OPERATING_POINT, NOTED)
    assert noted_point(tmp_path) == noted_point(str(tmp_path)) == NOTED
    assert [path.name for path in tmp_path.iterdir()] == [OPERATING_POINT]
    assert "[0.1, 1, 0.5]" in (tmp_path / OPERATING_POINT).read_text()  # a row of the grid is a line


def test_a_calibration_comes_with_the_weights_unless_one_is_set(tmp_path: Path) -> None:
    theirs, own = Calibration(slope=2, offset=0.5), Calibration(slope=1, offset=0)
    save_point(tmp_path / OPERATING_POINT, NOTED.model_copy(update={"calibration": theirs}))
    assert resolve_prediction(PredictionSettings(), tmp_path).calibration == theirs
    assert resolve_prediction(PredictionSettings(calibration=own), tmp_path).calibration == own
    save_point(tmp_path / OPERATING_POINT, NOTED)
    assert resolve_prediction(PredictionSettings(), tmp_path).calibration is None


def test_weights_without_a_folder_have_none(tmp_path: Path) -> None:
    (tmp_path / "lora.pth").touch()
    for name in (tmp_path, tmp_path / "lora.pth", "someone/detector", "random-small"):
        assert noted_point(name) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable as JSON"),
        ("{}", "overall: Field required"),
        ('{"overall": {"box_threshold": 2, "max_detections": 1, "further_threshold": 0}}', "overall.box_threshold"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / OPERATING_POINT).write_text(text)
    with pytest.raises(InputError) as raised:
        noted_point(tmp_path)
    assert str(tmp_path / OPERATING_POINT) in str(raised.value) and message in str(raised.value)


def test_one_line_says_where_each_value_comes_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_prediction(PredictionSettings(), tmp_path).overall == UNCHOSEN
    save_point(tmp_path / OPERATING_POINT, NOTED)
    resolved = resolve_prediction(PredictionSettings(max_detections=1), tmp_path)
    assert resolved.overall == Point(box_threshold=0.02, max_detections=1, further_threshold=0.25)
    assert messages(caplog) == [
        "boxes count from 0.1, at most 5 per phrase, those after the best from 0.3 "
        "(default, no operating point chosen)",
        f"boxes count from 0.02 (operating point of {tmp_path}), at most 1 per phrase (as set), those after the best "
        f"from 0.25 (operating point of {tmp_path}); other values for cyst",
    ]


def test_the_pipeline_finds_it_beside_the_detector(
    small_detector: Path, small_mask_head: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(copytree(small_detector, tmp_path / "detector"))
    save_point(folder / OPERATING_POINT, NOTED)
    found = load_segmenter(str(folder), str(small_mask_head), device="cpu").box_finder.prediction
    assert (found.overall, found.of("Cyst")) == (OVERALL, OF_CYSTS)
    told = PredictionSettings(box_threshold=0.5, max_detections=4, further_threshold=0.6)
    finder = load_box_finder(str(folder), prediction=told, device="cpu")
    assert finder.prediction.overall == Point(box_threshold=0.5, max_detections=4, further_threshold=0.6)
    assert len(messages(caplog)) == 2
    load_box_finder(str(folder), prediction=told.model_copy(update={"maps": NO_MAPS}), device="cpu")
    assert len(messages(caplog)) == 2  # a caller who says everything knows it


def test_an_adapter_has_its_own_and_takes_it_along_when_merged(small_detector: Path, tmp_path: Path) -> None:
    base = Path(copytree(small_detector, tmp_path / "base"))
    save_point(base / OPERATING_POINT, OperatingPoint(overall=OF_CYSTS))
    model, _ = load_grounding_dino(str(base))
    save_adapter(add_lora(model, LoraSettings()), describe_base(model, str(base)), tmp_path / "adapter")
    loaded = load_box_finder(str(base), tmp_path / "adapter", device="cpu")
    assert loaded.prediction.overall == UNCHOSEN  # its scores are not those of the base
    save_point(tmp_path / "adapter" / OPERATING_POINT, NOTED)
    assert load_box_finder(str(base), tmp_path / "adapter", device="cpu").prediction.overall == OVERALL
    export_adapter(tmp_path / "adapter", tmp_path / "merged")
    assert noted_point(tmp_path / "merged") == NOTED


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    save_point(tmp_path / "point.json", NOTED)
    assert json.loads((tmp_path / "point.json").read_text())["phrases"]["cyst"]["max_detections"] == 2
