"""The ablation on phantoms with small random models: five evaluations and the table of them."""

import csv
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from gdinousam.commands.ablation import ablation_command
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.test import evaluate_command
from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.paper_numbers import paper_table
from gdinousam.evaluation.scoring.results import Results, read_results
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.experiments.config import EvaluationSettings, load_config
from gdinousam.experiments.config import (
    TestConfig as EvaluateConfig,  # pytest would collect a class that is named Test...
)
from gdinousam.experiments.studies.ablation import NAMES, AblationConfig, column_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def config(study_data, small_detector: Path, small_mask_head: Path, tmp_path_factory) -> Path:
    """The config of an ablation that writes into ``output`` beside it."""
    folder = tmp_path_factory.mktemp("ablation")
    tree = {
        "data": study_data,
        "resize": {"size": 64},
        "model": {
            "detector": str(small_detector),
            "tuned_detector": str(small_detector),
            "mask_head": str(small_mask_head),
            "medsam": str(small_mask_head),
        },
        "prediction": {"box_threshold": 0.0},
        "ablation": {"output_dir": "output"},
    }
    (folder / "ablation.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return folder / "ablation.yaml"


@pytest.fixture(scope="module")
def output(config: Path) -> Path:
    """The folder of a finished ablation; tests that change it work on a copy."""
    assert run(ablation_command, ["--config", str(config)]) == 0
    return config.parent / "output"


@pytest.fixture(scope="module")
def results(output: Path) -> Mapping[str, Results]:
    return {column: read_results(output / column) for column in NAMES}


def strict(results: Results) -> list[ScoreRow]:
    return [row for row in results.rows if row.protocol == "strict"]


def test_the_columns_of_the_paper_are_called_as_in_its_table_2() -> None:
    assert list(NAMES.values())[:3] == list(paper_table(2).methods)


def test_everything_a_config_says_reaches_every_column(config: Path) -> None:
    overrides = ["precision=bfloat16", "compile=true", "save_masks=true", "num_pictures=3", "device=cpu"]
    overrides += ["absent_phrases=other organs", "absent_per_image=2"]
    ablation = load_config(AblationConfig, config, [f"ablation.{one}" for one in overrides])
    for column in NAMES:
        derived = column_config(ablation, column)
        # what the columns themselves differ in, and what only masks of other programs and compared methods have
        own = {"model", "evaluation", "baseline", "saved_masks", "validation"}
        for name in EvaluateConfig.model_fields.keys() - own:
            assert getattr(derived, name) == getattr(ablation, name), name
        for name in EvaluationSettings.model_fields.keys() - {"output_dir", "method", "predictions", "needs"}:
            assert getattr(derived.evaluation, name) == getattr(ablation.ablation, name), name
        assert derived.evaluation.precision == "bfloat16" and derived.evaluation.compile


def test_every_column_holds_the_same_queries(results: Mapping[str, Results]) -> None:
    queries = {tuple((row.image_name, row.phrase, row.protocol) for row in one.rows) for one in results.values()}
    assert len(queries) == 1 and len(strict(results["tuned"])) == 5


def test_every_column_is_asked_for_absent_phrases(config: Path, tmp_path: Path) -> None:
    settings = ["columns=[true_box, whole_image]", "absent_phrases=other organs", "absent_from=[fetal head]"]
    options = [part for one in (*settings, f"output_dir={tmp_path / 'out'}") for part in ("--set", f"ablation.{one}")]
    assert run(ablation_command, ["--config", str(config), *options, "--set", "data.max_images=1"]) == 0
    for column, is_answered in (("true_box", False), ("whole_image", True)):
        rows = [row for row in strict(read_results(tmp_path / "out" / column)) if row.phrase == "fetal head"]
        assert [(row.target_present, row.found) for row in rows] == [(False, is_answered)]


def test_the_detections_of_the_true_box_column_are_the_true_boxes(results: Mapping[str, Results]) -> None:
    rows = strict(results["true_box"])
    assert {row.box_iou for row in rows if row.target_present} == {1.0}
    assert [row.found for row in rows] == [row.target_present for row in rows]
    assert all(tuple(box[:4] for box in row.detected_boxes) == row.true_boxes for row in rows)
    assert results["true_box"].needs == ("box",)


def test_the_box_of_the_whole_image_column_is_the_whole_image(results: Mapping[str, Results]) -> None:
    rows = strict(results["whole_image"])
    for row in rows:
        assert [box[:4] for box in row.detected_boxes] == [(0, 0, row.image_width, row.image_height)]
    assert results["whole_image"].needs == ()


def test_a_column_is_what_test_py_makes_of_its_config(
    output: Path, results: Mapping[str, Results], tmp_path: Path
) -> None:
    for column in ("tuned", "true_box"):
        again = tmp_path / column
        arguments = ["--config", str(output / column / "config.yaml"), "--set", f"evaluation.output_dir={again}"]
        assert run(evaluate_command, arguments) == 0
        assert untimed(read_results(again)) == untimed(results[column])


def untimed(results: Results) -> list[list[str]]:
    with (results.folder / "rows.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    place = header.index("seconds")
    return [[cell for number, cell in enumerate(line) if number != place] for line in lines]


def test_the_tables_come_in_three_forms(output: Path) -> None:
    for protocol in ("strict", "paper"):
        forms = {path.name.removeprefix(f"table2_{protocol}") for path in output.glob(f"table2_{protocol}*")}
        assert forms == {".md", ".tex", "_methods.csv", "_numbers.csv", "_tests.csv"}


def test_references_are_told_from_methods(results: Mapping[str, Results]) -> None:
    assert [column for column, one in results.items() if one.is_reference] == ["true_box", "whole_image"]
    far_ahead = [
        replace(one, rows=[replace(row, image_name=f"{number}-{row.image_name}", dice=0.9 if one.is_reference else 0.2)
                           for number in range(6) for row in strict(one) if row.target_present])
        for one in results.values()
    ]  # fmt: skip
    table = comparison_tables(compare(far_ahead), 2)["methods"]
    assert not any(cell.best for line in table.lines for cell in line)


def test_no_name_hides_that_the_weights_are_small(output: Path) -> None:
    for path in output.glob("table2_*"):
        text = path.read_text(encoding="utf-8")
        for name in NAMES.values():
            assert text.count(name) == text.count(f"{name} (small)"), path.name
        if path.suffix in (".md", ".tex"):
            assert text.count("not the published ones of full size") == 3  # once below each table


def test_the_table_says_which_method_is_given_boxes(output: Path) -> None:
    assert "true box+SAM2 (small) is given beside the image: box." in (output / "table2_strict.md").read_text(
        encoding="utf-8"
    )


def test_resuming_keeps_finished_columns_and_makes_the_others(config: Path, output: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(output, copy)
    shutil.rmtree(copy / "whole_image")
    (copy / "true_box" / "rows.csv").unlink()
    kept = (copy / "tuned" / "rows.csv").stat().st_mtime_ns
    arguments = ["--config", str(config), "--set", f"ablation.output_dir={copy}", "--resume"]
    assert run(ablation_command, arguments) == 0
    assert (copy / "tuned" / "rows.csv").stat().st_mtime_ns == kept
    for name in ("table2_strict.md", "table2_paper.tex", "table2_strict_methods.csv"):
        assert (copy / name).read_bytes() == (output / name).read_bytes()
    for column in ("true_box", "whole_image"):
        assert untimed(read_results(copy / column)) == untimed(read_results(output / column))


def test_finished_columns_of_other_weights_at_the_same_path_are_not_kept(
    config: Path, output: Path, small_mask_head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = tmp_path / "head"
    shutil.copytree(small_mask_head, head)
    columns = ["ablation.columns=[untuned]", f"model.mask_head={head}", f"ablation.output_dir={tmp_path / 'out'}"]
    arguments = ["--config", str(config), *(word for one in columns for word in ("--set", one))]
    assert run(ablation_command, arguments) == 0
    tensors = load_file(head / "model.safetensors")
    save_file({name: tensor / 2 for name, tensor in tensors.items()}, head / "model.safetensors", {"format": "pt"})
    assert run(ablation_command, [*arguments, "--resume"]) == BAD_INPUT
    assert "weights of the mask head in method.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "output holds an earlier run", id="in use"),
        pytest.param(["--resume", "--overwrite"], "give one of them", id="both"),
        pytest.param(["--resume", "--set", "prediction.nms_threshold=0.5"], "prediction.nms_threshold", id="changed"),
        pytest.param(["--resume", "--set", "ablation.output_dir=none"], "no study to go on with", id="nothing there"),
        pytest.param(["--overwrite", "--set", "model.medsam=null"], "name model.medsam", id="no MedSAM"),
        pytest.param(["--overwrite", "--set", "model.medsam=./none"], "none: no such folder", id="missing weights"),
        pytest.param(["--overwrite", "--set", "model.tuned_detector=null"], "either model.adapter or", id="untuned"),
        pytest.param(["--overwrite", "--set", "ablation.columns=[tune]"], "ablation.columns", id="no column"),
        pytest.param(["--overwrite", "--set", "ablation.columns=[tuned, tuned]"], "stands twice", id="column twice"),
        pytest.param(["--overwrite", "--set", "data.test_ann=none.CSV"], "no such CSV file", id="no data"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_the_results(
    config: Path,
    output: Path,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert run(ablation_command, ["--config", str(config), *arguments]) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and message in said
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == before
    assert not list(tmp_path.iterdir())


def test_random_weights_are_the_same_in_every_run(config: Path, tmp_path: Path) -> None:
    rows = []
    for number in range(2):
        settings = [f"ablation.output_dir={tmp_path / str(number)}", "ablation.columns=[untuned]"]
        settings += ["model.detector=random-small", "model.mask_head=random-small"]
        arguments = [part for one in settings for part in ("--set", one)]
        assert run(ablation_command, ["--config", str(config), *arguments]) == 0
        rows.append(untimed(read_results(tmp_path / str(number) / "untuned")))
    assert rows[0] == rows[1]


def test_the_printed_config_loads_to_itself_and_nothing_runs(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    folder = f"ablation.output_dir={tmp_path / 'output'}"
    assert run(ablation_command, ["--config", str(config), "--print-config", "--set", folder]) == 0
    printed = capsys.readouterr().out
    again = tmp_path / "again.yaml"
    again.write_text(printed, encoding="utf-8")
    assert run(ablation_command, ["--config", str(again), "--print-config"]) == 0
    assert capsys.readouterr().out == printed
    assert not (tmp_path / "output").exists()


def test_the_paper_s_numbers_of_table_2_stand_beside_ours(results: Mapping[str, Results]) -> None:
    renamed = [  # as if the weights were the paper's
        replace(one, method=NAMES[column], weights="full", rows=[replace(row, dataset="busi") for row in one.rows])
        for column, one in results.items()
    ]
    table = comparison_tables(compare(renamed, "strict"), 2)["numbers"]
    place = [column.title for column in table.columns].index("paper")  # of Dice
    paper = {line[1].text: line[place].text for line in table.lines if line[0].text == "busi"}
    assert paper == {
        "GroundingDINO+SAM2": "29.55",
        "fine-tuned GroundingDINO+MedSAM": "51.35",
        "fine-tuned GroundingDINO+SAM2": "77.79",
        "true box+SAM2": "-",
        "whole-image box+SAM2": "-",
    }


def test_the_config_of_the_paper_names_all_columns() -> None:
    config = load_config(AblationConfig, ROOT / "configs" / "ablation.yaml")
    columns = {column: column_config(config, column) for column in config.ablation.columns}
    assert list(columns) == list(NAMES)
    heads = {column: one.named_model.mask_head for column, one in columns.items()}
    assert heads.pop("tuned_medsam").endswith("medsam_vit_b.pth") and len(set(heads.values())) == 1
    adapted = [column for column, one in columns.items() if one.named_model.adapter is not None]
    assert adapted == ["tuned_medsam", "tuned"]
