"""An evaluation that is killed at any of its file operations can be gone on with, to the files of one that was not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kills import done, each_kill, kill, kill_points

from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import union_mask
from gdinousam.evaluation.scoring.kept import mask_names, write_masks
from gdinousam.experiments.config import TestConfig as EvaluateConfig
from gdinousam.experiments.evaluate import evaluate_config
from gdinousam.folders import CONFIG_COPY
from gdinousam.records import Detection

SOME_OR_ALL = pytest.mark.parametrize(
    "most", [pytest.param(3, id="some"), pytest.param(None, id="all", marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "out"


@pytest.fixture
def config(tmp_path: Path, phantom_data: Path, out: Path) -> EvaluateConfig:
    """Scores masks that are exact where an object is and say nothing elsewhere; writes pictures and masks too."""
    csv_path, images, masks = (phantom_data / name for name in ("test.CSV", "test_image", "test_mask"))
    records = read_records(csv_path, images, masks)
    names = mask_names(records)
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for record in records:
        found = [
            Detection(one.phrase, one.box_xyxy, 0.5, union_mask([one], (record.height, record.width)))
            for one in record.instances
        ]
        write_masks(predictions, names[record.path], record, found)
    tree = {
        "data": {"test_dir": images, "test_ann": csv_path, "test_masks": masks, "batch_size": 1, "num_workers": 1},
        "evaluation": {
            "output_dir": out,
            "predictions": predictions,
            "needs": ["text"],
            "method": "theirs",
            "num_pictures": 2,
            "save_masks": True,
        },
    }
    return EvaluateConfig.model_validate(tree)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def expected(config: EvaluateConfig, out: Path) -> dict[str, bytes]:
    """The files of the evaluation that nothing stopped."""
    done(lambda: evaluate_config(config))
    files = tree(out)
    assert {"config.yaml", "data.json", "files.json", "method.json", "rows.csv", "tables.md"} <= files.keys()
    shutil.rmtree(out)
    return files


def go_on(config: EvaluateConfig, out: Path) -> None:
    """As the user is told: by --resume where there is a run to go on with, by the same command where there is none."""
    evaluate_config(config, resume=(out / CONFIG_COPY).is_file())


@SOME_OR_ALL
def test_a_new_one(config: EvaluateConfig, out: Path, expected: dict[str, bytes], most: int | None) -> None:
    for point in each_kill(lambda: evaluate_config(config), out, lambda: None, most):
        go_on(config, out)
        assert tree(out) == expected, point


@SOME_OR_ALL
def test_one_that_goes_on(config: EvaluateConfig, out: Path, expected: dict[str, bytes], most: int | None) -> None:
    stopped = out.with_name("stopped")
    points = kill_points(lambda: evaluate_config(config), out)
    shutil.rmtree(out)
    kill(lambda: evaluate_config(config), out, points[len(points) // 2])
    assert len((out / "rows.csv.part").read_text(encoding="utf-8").splitlines()) > 2
    shutil.copytree(out, stopped)
    for point in each_kill(lambda: go_on(config, out), out, lambda: shutil.copytree(stopped, out), most):
        go_on(config, out)
        assert tree(out) == expected, point


@SOME_OR_ALL
def test_one_that_replaces_another(
    config: EvaluateConfig, out: Path, expected: dict[str, bytes], most: int | None
) -> None:
    def begin() -> None:
        for name, content in expected.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(content)

    for point in each_kill(lambda: evaluate_config(config, overwrite=True), out, begin, most):
        evaluate_config(config, overwrite=True)
        assert tree(out) == expected, point
