"""The prompt study on phantoms with small random models."""

import csv
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.prompt_study import prompt_study_command
from gdinousam.commands.test import evaluate_command
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.results import read_results
from gdinousam.experiments.config import EvaluationSettings, load_config
from gdinousam.experiments.config import (
    TestConfig as EvaluateConfig,  # pytest would collect a class that is named Test...
)
from gdinousam.experiments.studies.prompt_study import PromptStudyConfig, wording_config
from gdinousam.experiments.studies.prompts_file import Wording, read_prompts

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


def lines_of(folder: Path, phrase: str | None = None, protocol: str = "strict") -> list[dict[str, str]]:
    """The rows of a folder under a protocol without their times."""
    with (folder / "rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        {name: cell for name, cell in row.items() if name != "seconds"}
        for row in rows
        if row["protocol"] == protocol and phrase in (None, row["phrase"])
    ]


def test_asking_for_the_phrase_itself_gives_the_rows_of_test_py(config: Path, output: Path, tmp_path: Path) -> None:
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    del tree["prompts"]
    tree["evaluation"]["output_dir"] = str(tmp_path / "output")
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert run(evaluate_command, ["--config", str(tmp_path / "test.yaml")]) == 0
    for phrase in PROMPTS:
        folder = phrase.replace(" ", "_")
        expected = lines_of(tmp_path / "output", phrase)
        assert expected and lines_of(output / folder / folder) == expected
        # the phantoms hold objects of one phrase, so that the whole mask of an image is that of its phrase
        expected = lines_of(tmp_path / "output", phrase, "paper")
        assert expected and lines_of(output / folder / folder, protocol="paper") == expected


def test_another_prompt_is_another_question_about_the_same_truth(output: Path) -> None:
    same, other = lines_of(output / "cyst" / "cyst"), lines_of(output / "cyst" / "a_dark_round_thing")
    truth = ("image_name", "phrase", "true_pixels", "true_boxes", "target_present")
    assert [[row[name] for name in truth] for row in same] == [[row[name] for name in truth] for row in other]
    assert [row["detected_boxes"] for row in same] != [row["detected_boxes"] for row in other]


def test_an_image_without_the_phrase_is_asked_for_it(output: Path) -> None:
    present = [row["target_present"] for row in lines_of(output / "bright_lesion" / "bright_lesion")]
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
    scored = [float(row["dice"]) for row in lines_of(output / "cyst" / "cyst") if row["target_present"] == "True"]
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
    assert lines_of(copy / "cyst" / "cyst") == lines_of(output / "cyst" / "cyst")


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
            "has no prompts for these phrases of the data: bright lesion, cyst",
            id="other phrases",
        ),
        pytest.param(
            ["--overwrite", "--set", "data.datasets=[mine]"],
            "no image of dataset 'mine' (data.datasets); it has: phantom",
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


@pytest.mark.parametrize(
    ("name", "prompts", "datasets", "num_prompts"),
    [
        ("prompt_study", ["kidney", "ill_conceived"], ("kidnyus",), 36),
        ("prompt_study_thyroid", ["thyroid", "ill_conceived"], ("tn3k", "tg3k"), 18),
        ("small/prompt_study", ["fetal_head"], ("hc18",), 5),
        ("quickstart/prompt_study", ["muscle"], None, 4),
    ],
)
def test_our_configs_name_their_prompts_and_datasets(
    name: str, prompts: list[str], datasets: tuple[str, ...] | None, num_prompts: int, caplog: pytest.LogCaptureFixture
) -> None:
    config = load_config(PromptStudyConfig, ROOT / "configs" / f"{name}.yaml")
    assert config.prompts == tuple(ROOT / "configs" / "prompts" / f"{one}.yaml" for one in prompts)
    assert config.data.datasets == datasets and not caplog.messages
    assert sum(len(group.wordings) for group in read_prompts(config.prompts)) == num_prompts


def test_the_dataset_of_earlier_versions_loads_with_a_warning(
    config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load = partial(load_config, PromptStudyConfig, config)
    assert load(["dataset=phantom"]).data.datasets == ("phantom",)
    assert caplog.messages == ["dataset is called data.datasets now, and is a list: data.datasets=[phantom]"]
    assert load(["dataset=null"]) == load()
    with pytest.raises(InputError, match=r"dataset and data\.datasets are the same setting; keep data\.datasets"):
        load(["dataset=phantom", "data.datasets=[phantom]"])


def test_everything_a_config_says_reaches_every_prompt(config: Path) -> None:
    overrides = ["evaluation.precision=bfloat16", "evaluation.compile=true", "prediction.nms_threshold=0.7"]
    study = load_config(PromptStudyConfig, config, [*overrides, "data.datasets=[phantom]"])
    derived = wording_config(study, Wording("cyst", "a round thing"))
    for name in EvaluateConfig.model_fields:
        if name != "evaluation":
            assert getattr(derived, name) == getattr(study, name), name
    for name in EvaluationSettings.model_fields:
        if name not in ("output_dir", "method"):
            assert getattr(derived.evaluation, name) == getattr(study.evaluation, name), name
    assert (derived.phrase, derived.prompt) == ("cyst", "a round thing")
    assert derived.evaluation.output_dir == study.evaluation.output_dir / "cyst" / "a_round_thing"


@pytest.fixture
def two_datasets(config: Path, study_data: dict[str, Any], tmp_path: Path) -> Path:
    """The study on a file whose last image is of another dataset and calls the cyst otherwise."""
    table = pd.read_csv(study_data["test_ann"], dtype=str, keep_default_na=False)
    of_cyst = table.index[(table["label_name"] == "cyst") & (table["bbox_x"] != "")]
    assert len(set(table.loc[of_cyst, "image_name"])) > 1
    other = table["image_name"] == table.loc[of_cyst[-1], "image_name"]
    table.loc[other, "dataset"] = "other"
    table.loc[other & (table["label_name"] == "cyst"), "label_name"] = "Renal cyst"
    table.to_csv(tmp_path / "two.CSV", index=False)
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    tree["data"]["test_ann"] = str(tmp_path / "two.CSV")
    tree["prompts"] = ["own.yaml", "all.yaml"]
    own = {"any cyst": {"contains": "cyst", "prompts": ["a dark round thing"]}, "bright lesion": [], "stone": ["x"]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    (tmp_path / "all.yaml").write_text("- segment the car\n", encoding="utf-8")
    return write(tree, tmp_path)


def write(tree: dict[str, Any], folder: Path) -> Path:
    (folder / "study.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return folder / "study.yaml"


def test_a_study_runs_over_several_datasets_and_spellings_at_once(two_datasets: Path, tmp_path: Path) -> None:
    assert run(prompt_study_command, ["--config", str(two_datasets)]) == 0
    for prompt in ("a_dark_round_thing", "segment_the_car"):
        rows = lines_of(tmp_path / "output" / "any_cyst" / prompt)
        assert {(row["dataset"], row["phrase"]) for row in rows} == {("phantom", "cyst"), ("other", "Renal cyst")}
    with (tmp_path / "output" / "table5_strict_prompts.csv").open(newline="", encoding="utf-8") as file:
        lines = [(line["phrase"], line["dataset"], line["prompt"]) for line in csv.DictReader(file)]
    prompts = ("a dark round thing", "segment the car")
    assert {dataset for _, dataset, _ in lines} == {"phantom", "other", "average"}
    assert len(lines) == 6 and [prompt for _, _, prompt in lines] == [*prompts] * 3
    page = (tmp_path / "output" / "table5_strict.md").read_text(encoding="utf-8")
    assert "No phrase of these images belongs to: stone." in page and "Asked of every phrase" in page
    arguments = ["--config", str(two_datasets), "--overwrite", "--set", "data.datasets=[other]"]
    assert run(prompt_study_command, arguments) == 0
    rows = lines_of(tmp_path / "output" / "any_cyst" / "segment_the_car")
    assert {row["dataset"] for row in rows} == {"other"}


@pytest.mark.parametrize("baseline", [{"name": "medsam", "as_in_study": True}, {"name": "ultrasam"}, {"name": "samus"}])
def test_a_method_that_takes_a_detector_s_boxes_is_asked_too(
    config: Path, tmp_path: Path, baseline: dict[str, Any]
) -> None:
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    tree["baseline"] = {"weights": "random-small", **baseline}
    tree["evaluation"] |= {"method": "other", "output_dir": str(tmp_path / "output")}
    del tree["model"]["mask_head"], tree["prompts"]
    arguments = ["--set", f"evaluation.output_dir={tmp_path / 'test'}"]
    assert run(evaluate_command, ["--config", str(write(tree, tmp_path)), *arguments]) == 0
    tree["prompts"] = str(config.parent / "prompts.yaml")
    assert run(prompt_study_command, ["--config", str(write(tree, tmp_path))]) == 0
    folder = tmp_path / "output" / "cyst" / "cyst"
    assert lines_of(folder) == lines_of(tmp_path / "test", "cyst")
    assert read_results(folder).method == "other: cyst (random)"
    settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert settings["baseline"]["name"] == baseline["name"]
    for protocol in ("strict", "paper"):
        page = (tmp_path / "output" / f"table5_{protocol}.md").read_text(encoding="utf-8")
        assert "Boxes come from the detector" in page and "Weights are random" in page


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (
            {"name": "samus", "weights": "random-small", "prompts": {"source": "truth"}},
            "samus reads no prompts; name a Grounding DINO in model.detector, alone or with a method that takes its",
        ),
        (
            {"name": "medsam", "weights": "random-small", "prompts": {"source": "user", "user_csv": "a.csv"}},
            "medsam reads no prompts",
        ),
        ({"name": "unet", "weights": "unet"}, "unet reads no prompts"),
        (
            {
                "name": "universeg",
                "weights": "random-small",
                "support": {"ann": "a.csv", "images": "a", "masks": "a"},
            },
            "universeg reads no prompts",
        ),
    ],
)
def test_a_method_that_reads_no_prompts_is_refused_in_one_line(
    config: Path, tmp_path: Path, baseline: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    tree |= {"baseline": baseline, "model": None}
    tree["evaluation"]["method"] = "other"
    capsys.readouterr()
    assert run(prompt_study_command, ["--config", str(write(tree, tmp_path))]) == BAD_INPUT
    said = capsys.readouterr().err
    assert message in said and said.startswith("error: ") and said.count("\n") == 1


def test_several_files_on_the_command_line_are_relative_to_the_working_folder(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert run(prompt_study_command, ["--config", str(config), "--print-config", "--prompts", "a.yaml", "b.yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["prompts"] == [str(tmp_path / name) for name in ("a.yaml", "b.yaml")]
