"""The prompt study on phantoms with small random models."""

import csv
import shutil
from pathlib import Path

import pytest
import yaml

from gdinousam.command_line.common import BAD_INPUT, run
from gdinousam.command_line.prompt_study import prompt_study_command
from gdinousam.command_line.test import evaluate_command
from gdinousam.config import load_config
from gdinousam.evaluation.results import read_results
from gdinousam.studies.prompt_study import PromptStudyConfig

ROOT = Path(__file__).parents[2]
PROMPTS = {"cyst": ["cyst", "a dark round thing"], "bright lesion": ["bright lesion"]}


@pytest.fixture(scope="module")
def config(study_data, small_detector: Path, small_mask_head: Path, tmp_path_factory) -> Path:
    """The config of a study that writes into ``output`` beside it."""
    folder = tmp_path_factory.mktemp("prompt_study")
    tree = {
        "prompts": "prompts.yaml",
        # one image and one caption at a time: another batch changes the last digits
        "data": study_data | {"batch_size": 1},
        "resize": {"size": 64},
        "model": {"detector": str(small_detector), "mask_head": str(small_mask_head)},
        "prediction": {"box_threshold": 0.0, "batch_size": 1},
        "evaluation": {"output_dir": "output", "num_pictures": 0},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    (folder / "prompts.yaml").write_text(yaml.safe_dump(PROMPTS), encoding="utf-8")
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def output(config: Path) -> Path:
    """The folder of a finished study; tests that change it work on a copy."""
    assert run(prompt_study_command, ["--config", str(config)]) == 0
    return config.parent / "output"


def strict_lines(folder: Path, phrase: str | None = None) -> list[dict[str, str]]:
    """The strict rows of a folder without their times."""
    with (folder / "rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        {name: cell for name, cell in row.items() if name != "seconds"}
        for row in rows
        if row["protocol"] == "strict" and phrase in (None, row["phrase"])
    ]


def test_asking_for_the_phrase_itself_gives_the_rows_of_test_py(config: Path, output: Path, tmp_path: Path) -> None:
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    del tree["prompts"]
    tree["evaluation"]["output_dir"] = str(tmp_path / "output")
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert run(evaluate_command, ["--config", str(tmp_path / "test.yaml")]) == 0
    for phrase in PROMPTS:
        folder = phrase.replace(" ", "_")
        expected = strict_lines(tmp_path / "output", phrase)
        assert expected and strict_lines(output / folder / folder) == expected


def test_another_prompt_is_another_question_about_the_same_truth(output: Path) -> None:
    same, other = strict_lines(output / "cyst" / "cyst"), strict_lines(output / "cyst" / "a_dark_round_thing")
    truth = ("image_name", "phrase", "true_pixels", "true_boxes", "target_present")
    assert [[row[name] for name in truth] for row in same] == [[row[name] for name in truth] for row in other]
    assert [row["detected_boxes"] for row in same] != [row["detected_boxes"] for row in other]


def test_an_image_without_the_phrase_is_asked_for_it(output: Path) -> None:
    present = [row["target_present"] for row in strict_lines(output / "bright_lesion" / "bright_lesion")]
    assert sorted(present) == ["False", "True"]


def test_a_folder_says_what_was_asked_instead_of_what(output: Path) -> None:
    folder = output / "cyst" / "a_dark_round_thing"
    settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert (settings["phrase"], settings["prompt"]) == ("cyst", "a dark round thing")
    assert read_results(folder).method == "GroundingDINO-US-SAM: a dark round thing (small)"


def test_the_tables_hold_one_line_per_prompt(output: Path) -> None:
    for protocol in ("strict", "paper"):
        forms = {path.name.removeprefix(f"table5_{protocol}") for path in output.glob(f"table5_{protocol}*")}
        assert forms == {".md", ".tex", "_prompts.csv"}
    with (output / "table5_strict_prompts.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(line["phrase"], line["prompt"]) for line in lines] == [
        (phrase, prompt) for phrase in ("bright lesion", "cyst") for prompt in PROMPTS[phrase]
    ]
    scored = [float(row["dice"]) for row in strict_lines(output / "cyst" / "cyst") if row["target_present"] == "True"]
    assert float(lines[1]["Dice %"]) == pytest.approx(100 * sum(scored) / len(scored))


def test_resuming_keeps_finished_prompts_and_asks_the_missing_one(config: Path, output: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(output, copy)
    shutil.rmtree(copy / "cyst" / "cyst")
    (copy / "table5_strict.md").unlink()
    kept = (copy / "cyst" / "a_dark_round_thing" / "rows.csv").stat().st_mtime_ns
    arguments = ["--config", str(config), "--set", f"evaluation.output_dir={copy}", "--resume"]
    assert run(prompt_study_command, arguments) == 0
    assert (copy / "cyst" / "a_dark_round_thing" / "rows.csv").stat().st_mtime_ns == kept
    assert (copy / "table5_strict.md").read_bytes() == (output / "table5_strict.md").read_bytes()
    assert strict_lines(copy / "cyst" / "cyst") == strict_lines(output / "cyst" / "cyst")


def test_a_prompt_can_be_added_to_a_finished_study(config: Path, output: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(output, copy)
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump(PROMPTS | {"bright lesion": ["bright lesion", "white spot"]}), encoding="utf-8")
    arguments = ["--config", str(config), "--set", f"evaluation.output_dir={copy}", "--prompts", str(more), "--resume"]
    assert run(prompt_study_command, arguments) == 0
    assert "white spot" in (copy / "table5_strict.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "output holds an earlier run", id="in use"),
        pytest.param(["--resume", "--overwrite"], "give one of them", id="both"),
        pytest.param(["--resume", "--set", "prediction.nms_threshold=0.5"], "prediction.nms_threshold", id="changed"),
        pytest.param(["--overwrite", "--prompts", "none.yaml"], "none.yaml: no such file", id="no file"),
        pytest.param(
            ["--overwrite", "--prompts", str(ROOT / "configs/prompts/kidney.yaml")],
            "only in the data: bright",
            id="other phrases",
        ),
        pytest.param(
            ["--overwrite", "--set", "dataset=mine"],
            "no image of 'mine' in the test file; it holds phantom",
            id="other dataset",
        ),
        pytest.param(
            ["--overwrite", "--set", "model.detector=true-box", "--set", "evaluation.method=A"],
            "reads no prompts",
            id="reference",
        ),
        pytest.param(["--overwrite", "--set", "model.mask_head=./none"], "none: no such folder", id="missing weights"),
        pytest.param(["--overwrite", "--set", "evaluation.predictions=masks"], "evaluation.method", id="masks"),
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
    assert run(prompt_study_command, ["--config", str(config), *arguments]) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and message in said
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == before


def test_a_prompt_that_is_too_long_to_read_is_refused_before_anything_is_asked(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / "long.yaml"
    long.write_text(yaml.safe_dump(PROMPTS | {"cyst": ["word " * 400]}), encoding="utf-8")
    arguments = ["--prompts", str(long), "--set", f"evaluation.output_dir={tmp_path / 'out'}"]
    capsys.readouterr()
    assert run(prompt_study_command, ["--config", str(config), *arguments]) == BAD_INPUT
    assert "tokens, the model reads" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_config_of_the_paper_asks_the_kidney_prompts_on_kidneyus() -> None:
    config = load_config(PromptStudyConfig, ROOT / "configs" / "prompt_study.yaml")
    assert config.prompts == ROOT / "configs" / "prompts" / "kidney.yaml"
    assert config.dataset == "kidnyus"
