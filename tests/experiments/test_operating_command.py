"""``scripts/operating_point.py``: chosen on validation images, used by test.py, never on the test."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.operating_point import operating_point_command
from gdinousam.commands.test import evaluate_command
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image, union_mask
from gdinousam.evaluation.scoring.protocols import score_image
from gdinousam.evaluation.scoring.results import read_results
from gdinousam.experiments.studies.operating_choice import query_curves
from gdinousam.models.detector.operating_point import OPERATING_POINT, Point, PredictionSettings, noted_point
from gdinousam.models.segmenter import load_segmenter
from gdinousam.phrase_book import phrase_book_sha256
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Query


@pytest.fixture
def tree(tmp_path: Path, validation_tree: dict[str, Any], small_detector: Path) -> dict[str, Any]:
    """With a detector of its own, beside which an operating point can be written."""
    own = shutil.copytree(small_detector, tmp_path / "detector").as_posix()
    return validation_tree | {"model": validation_tree["model"] | {"detector": own}}


def written(folder: Path, tree: dict[str, Any]) -> Path:
    (folder / "test.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return folder / "test.yaml"


def chosen(config: Path, *arguments: str) -> None:
    assert run(operating_point_command, ["--config", str(config), *arguments]) == 0


def refusal(capsys: pytest.CaptureFixture[str], config: Path, *arguments: str) -> str:
    capsys.readouterr()
    assert run(operating_point_command, ["--config", str(config), *arguments]) == BAD_INPUT
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1, said
    return said.err


@pytest.mark.parametrize("candidates", [1, 3])
def test_a_curve_says_what_the_pipeline_scores_at_every_point(
    phantom_data: Path, small_detector: Path, small_mask_head: Path, candidates: int
) -> None:
    records = read_records(phantom_data / "val.CSV", phantom_data / "val", phantom_data / "val_mask")
    records = tuple(replace(one, phrases=(*one.phrases, "spleen"), absent_phrases=("spleen",)) for one in records)

    def load(prediction: PredictionSettings) -> Any:
        return load_segmenter(
            str(small_detector), str(small_mask_head), None, ResizeSettings(size=64), prediction, "cpu"
        )

    curves = query_curves(load(PredictionSettings(candidates=candidates)), records, [0.0, 0.55, 0.99], 4)
    reached = set()
    for values in ((0.0, 1, 1.0), (0.0, 4, 0.0), (0.0, 3, 0.5), (0.55, 4, 0.5), (0.99, 4, 0.0)):
        point = Point(box_threshold=values[0], max_detections=values[1], further_threshold=values[2])
        segmenter = load(PredictionSettings(**point.model_dump(), candidates=candidates))
        expected = []
        for record in records:
            truth = {
                phrase: union_mask(Query(record, phrase).instances, (record.height, record.width))
                for phrase in record.phrases
            }
            (found,) = segmenter.segment([read_image(record.path)], [record.phrases])
            expected += [row for row in score_image(record, found, truth) if row.protocol == "strict"]
        for curve, row in zip(curves, expected, strict=True):
            assert (curve.num_found(point), curve.num_instances) == (row.num_detections, row.num_instances)
            if row.target_present:
                assert curve.dice_at(point) == pytest.approx(row.dice, abs=1e-3)
            reached.add(curve.num_found(point))
    assert len(reached) > 2


def test_what_is_chosen_is_what_test_py_uses(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, tree)
    assert (
        run(evaluate_command, ["--config", str(config), "--set", f"evaluation.output_dir={tmp_path / 'before'}"]) == 0
    )
    chosen(config)
    said = capsys.readouterr().out
    path = tmp_path / "detector" / OPERATING_POINT
    point = noted_point(tmp_path / "detector")
    assert point is not None and str(path) in said and "Gain" in said
    evidence = json.loads(path.read_text())["evidence"]
    assert evidence["before"] == {"box_threshold": 0.1, "max_detections": 5, "further_threshold": 0.3}
    dice = evidence["dice_percent"]
    assert dice["after"]["mean"] == max(line[3] for line in evidence["grid"]) >= dice["before"]["mean"]
    assert evidence["data"]["num_images"] == 4 and dice["after"]["n"] == 4
    assert len({evidence["data"]["csv_sha256"], ""}) == 2 and str(tmp_path) not in path.read_text()

    assert run(evaluate_command, ["--config", str(config)]) == 0
    used = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["prediction"]
    assert {name: used[name] for name in Point.model_fields} == point.overall.model_dump()
    # the rule of the paper's scripts is the same whatever was chosen
    before, after = (read_results(tmp_path / name) for name in ("before", "out"))
    papers = [[replace(row, seconds=0.0) for row in one.rows if row.protocol == "paper"] for one in (before, after)]
    assert papers[0] == papers[1] and papers[0]


def test_maps_are_kept_beside_the_weights_and_in_force_when_it_is_chosen_again(
    tree: dict[str, Any], tmp_path: Path
) -> None:
    maps = {"agreement": 1.0, "mask_weight": 0.5}
    config = written(tmp_path, tree | {"prediction": {"maps": maps}})
    chosen(config)
    path = tmp_path / "detector" / OPERATING_POINT
    assert json.loads(path.read_text())["maps"] == maps
    first = json.loads(path.read_text())["evidence"]["grid"]
    plain = written(tmp_path, tree)  # says nothing of maps
    assert run(evaluate_command, ["--config", str(plain)]) == 0
    assert yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["prediction"]["maps"] == maps
    noted = json.loads((tmp_path / "out" / "method.json").read_text())["thresholds"]
    assert noted["beyond"] == {"maps agreement": 1.0, "maps mask_weight": 0.5}
    assert run(operating_point_command, ["--config", str(plain), "--overwrite"]) == 0
    again = json.loads(path.read_text())
    assert again["maps"] == maps and again["evidence"]["grid"] == first


def test_what_the_config_sets_wins_and_is_said(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, tree | {"prediction": {"max_detections": 1}})
    chosen(config)
    assert "the config sets prediction.max_detections itself, which wins" in capsys.readouterr().out
    assert run(evaluate_command, ["--config", str(config)]) == 0
    used = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["prediction"]
    point = noted_point(tmp_path / "detector")
    assert point is not None and used["max_detections"] == 1 and used["box_threshold"] == point.overall.box_threshold


def test_a_run_is_not_resumed_under_another_point(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, tree)
    path = tmp_path / "detector" / OPERATING_POINT
    path.write_text('{"overall": {"box_threshold": 0.0, "max_detections": 2, "further_threshold": 0.5}}')
    assert run(evaluate_command, ["--config", str(config)]) == 0
    assert run(evaluate_command, ["--config", str(config), "--resume"]) == 0
    path.write_text('{"overall": {"box_threshold": 0.0, "max_detections": 3, "further_threshold": 0.5}}')
    capsys.readouterr()
    assert run(evaluate_command, ["--config", str(config), "--resume"]) == BAD_INPUT
    assert "prediction.max_detections in config.yaml" in capsys.readouterr().err
    assert run(evaluate_command, ["--config", str(config), "--print-config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["prediction"]["max_detections"] == 3


def test_test_images_are_refused(
    tree: dict[str, Any], tmp_path: Path, phantom_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(phantom_data / "test.CSV", tmp_path / "renamed.CSV")
    test_itself = {
        "val_dir": str(phantom_data / "test_image"),
        "val_ann": str(tmp_path / "renamed.CSV"),
        "val_masks": str(phantom_data / "test_mask"),
    }
    config = written(tmp_path, tree | {"validation": test_itself})
    assert "renamed.CSV is the test file" in refusal(capsys, config)
    # one test picture under another name, among the validation images
    folder = Path(shutil.copytree(phantom_data, tmp_path / "data"))
    records = read_records(folder / "test.CSV", folder / "test_image", folder / "test_mask")
    name = read_records(folder / "val.CSV", folder / "val")[1].path.name
    shutil.copy(records[0].path, folder / "val" / name)
    shutil.copy(folder / "test_mask" / records[0].path.name, folder / "val_mask" / name)
    lines = (folder / "val.CSV").read_text().splitlines()
    of_test = [
        line.replace(records[0].path.name, name)
        for line in (folder / "test.CSV").read_text().splitlines()
        if records[0].path.name in line
    ]
    (folder / "val.CSV").write_text("\n".join([*(line for line in lines if name not in line), *of_test]) + "\n")
    copied = {"val_dir": str(folder / "val"), "val_ann": str(folder / "val.CSV"), "val_masks": str(folder / "val_mask")}
    config = written(tmp_path, tree | {"validation": copied})
    message = refusal(capsys, config)
    assert "1 validation images are test images too" in message and name in message
    assert not (tmp_path / "detector" / OPERATING_POINT).exists()


def test_what_cannot_be_chosen_for_is_one_line(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = {key: value for key, value in tree.items() if key != "validation"}
    assert "name the images to choose on: validation.val_dir" in refusal(capsys, written(tmp_path, without))
    reference = tree["model"] | {"detector": "true-box"}
    named = tree["evaluation"] | {"method": "true box"}
    config = written(tmp_path, tree | {"model": reference, "evaluation": named})
    assert "chosen for a detector with its mask head" in refusal(capsys, config)
    bundled = written(tmp_path, tree | {"model": {"detector": "small", "mask_head": "small"}})
    assert "small is not a folder of yours" in refusal(capsys, bundled)
    phrases = {"by_phrase": {"cyst": {"box_threshold": 0.1, "max_detections": 1, "further_threshold": 1}}}
    assert "prediction.by_phrase sets what is to be chosen" in refusal(
        capsys, written(tmp_path, tree | {"prediction": phrases})
    )
    (tmp_path / "detector" / OPERATING_POINT).write_text("{}")
    assert "add --overwrite" in refusal(capsys, written(tmp_path, tree))


def test_a_limit_on_false_positives_is_kept_on_absent_phrases_that_are_asked(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tree["validation"] | {"absent_phrases": "other organs", "absent_from": ["fetal head", "left ventricle"]}
    chosen(written(tmp_path, tree | {"validation": asked | {"max_false_positives": 0.0, "max_images": 2}}))
    assert "at most 0 % of the absent phrases" in capsys.readouterr().out
    evidence = json.loads((tmp_path / "detector" / OPERATING_POINT).read_text())["evidence"]
    assert (evidence["absent_phrases"], evidence["max_false_positives"]) == (["other organs"], 0.0)
    assert evidence["absent_from"] == asked["absent_from"] and evidence["phrase_book_sha256"] == phrase_book_sha256()
    assert evidence["specificity_percent"]["after"]["n"] == 4
    specificities = [line[-1] for line in evidence["grid"]]
    assert evidence["specificity_percent"]["after"]["mean"] == max(specificities)


def test_a_limit_without_absent_phrases_is_refused(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, tree | {"validation": tree["validation"] | {"max_false_positives": 0.05}})
    assert "no absent phrase is asked" in refusal(capsys, config)


def test_it_can_be_written_elsewhere_and_replaced(tree: dict[str, Any], tmp_path: Path) -> None:
    config = written(tmp_path, tree | {"prediction": {"box_threshold": 0.123}})
    out = tmp_path / "point.json"
    chosen(config, "--out", str(out), "--per-phrase")
    assert not (tmp_path / "detector" / OPERATING_POINT).exists()
    content = json.loads(out.read_text())
    assert content["evidence"]["before"]["box_threshold"] == 0.123 and content["phrases"] == {}
    out.write_text("{}")
    chosen(config, "--out", str(out), "--overwrite")
    assert json.loads(out.read_text())["overall"] == content["overall"]
