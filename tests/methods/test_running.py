"""Compared methods from config to tables: whoever shows them where objects are, and what the tables then say."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from method_runs import evaluated, support_of, tree_of, write

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.predict import predict_command
from gdinousam.commands.test import evaluate_command
from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.table_files import as_plain
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.evaluation.scoring.results import read_results
from gdinousam.experiments.config import BaselineTrainConfig, load_config
from gdinousam.experiments.config import (
    TestConfig as EvaluateConfig,  # pytest would collect a class that is named Test...
)
from gdinousam.methods.hints import HintSettings
from gdinousam.methods.medsam.settings import MedSamSettings
from gdinousam.methods.samus.settings import SamusSettings
from gdinousam.methods.ultrasam.settings import UltraSamSettings
from gdinousam.methods.unet.network import UNet, UNetDescription
from gdinousam.methods.unet.weights import save_unet
from gdinousam.records import ImageRecord
from gdinousam.runtime import torch_seed

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "baselines").glob("*.yaml"))
SCRIPTS = sorted((ROOT / "baselines").glob("*.py"))
RANDOM = "Weights are random: the numbers mean nothing."
NOT_FOUND = "Where the objects are is shown from the true masks; nothing had to be found."


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_valid(path: Path) -> None:
    load_config(BaselineTrainConfig if path.stem.startswith("train_") else EvaluateConfig, path)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_finds_its_config(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [str(path), "--print-config"])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(str(path), run_name="__main__")
    config = yaml.safe_load(capsys.readouterr().out)
    assert ("evaluation" in config) == path.stem.startswith("test")


@pytest.mark.parametrize(
    ("baseline", "needs"),
    [
        ({"name": "medsam"}, ("box",)),
        ({"name": "medsam", "as_in_study": True}, ("box",)),
        ({"name": "ultrasam"}, ("box",)),
        ({"name": "ultrasam", "shown": "point", "masks": "plain"}, ("point",)),
        ({"name": "samus"}, ("point",)),
    ],
)
def test_the_truth_shows_every_object(
    phantom_data: Path, tmp_path: Path, baseline: dict[str, Any], needs: tuple[str, ...], capsys: pytest.CaptureFixture
) -> None:
    tree = tree_of(
        phantom_data,
        tmp_path / "out",
        weights="random-small",
        prompts={"source": "truth", "click": "random"},
        **baseline,
    )
    results = evaluated(tree, tmp_path)
    assert results.needs == needs and results.notes.remarks == (RANDOM, NOT_FOUND)
    strict = [row for row in results.rows if row.protocol == "strict" and row.target_present]
    assert strict and all(row.num_detections <= row.num_instances for row in strict)
    if needs == ("box",):
        assert all(row.box_iou == pytest.approx(1) for row in strict)
    printed = capsys.readouterr().out
    assert RANDOM in printed and NOT_FOUND in printed
    assert RANDOM in (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("baseline", [{"name": "medsam", "as_in_study": True}, {"name": "ultrasam"}, {"name": "samus"}])
def test_a_detector_makes_it_automatic(
    phantom_data: Path, tmp_path: Path, small_detector: Path, baseline: dict[str, Any]
) -> None:
    tree = tree_of(phantom_data, tmp_path / "out", weights="random-small", **baseline)
    tree |= {"model": {"detector": str(small_detector)}, "resize": {"size": 96}, "prediction": {"box_threshold": 0.0}}
    results = evaluated(tree, tmp_path)
    assert results.needs == ("text",)
    assert "Boxes come from the detector, which is given the phrase." in results.notes.remarks
    assert any(row.found for row in results.rows)


def test_a_person_shows_what_she_drew(phantom_data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(phantom_data / "test.CSV", dtype=str, keep_default_na=False)
    drawn = table[table["bbox_width"] != ""].iloc[:1]
    drawn.to_csv(tmp_path / "reader.csv", index=False)
    prompts = {"source": "user", "user_csv": str(tmp_path / "reader.csv")}
    tree = tree_of(phantom_data, tmp_path / "out", name="medsam", weights="random-small", prompts=prompts)
    results = evaluated(tree, tmp_path)
    found = {(row.image_name, row.phrase) for row in results.rows if row.found and row.protocol == "strict"}
    assert found == {(drawn.iloc[0]["image_name"], drawn.iloc[0]["label_name"])}
    assert "Where the objects are is shown by a person." in results.notes.remarks


def test_universeg_is_shown_examples_of_the_dataset(phantom_data: Path, tmp_path: Path) -> None:
    tree = tree_of(
        phantom_data, tmp_path / "out", name="universeg", weights="random-small", support=support_of(phantom_data)
    )
    results = evaluated(tree, tmp_path)
    assert results.needs == ("support set",) and results.notes.remarks == (RANDOM,)


def test_universeg_is_shown_images_set_aside_and_the_tables_say_so(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source = support_of(phantom_data)
    aside = {key: source.pop(key) for key in ("ann", "images", "masks")}
    support = source | {"set_aside": aside, "size": 16}
    tree = tree_of(phantom_data, tmp_path / "out", name="universeg", weights="random-small", support=support)
    results = evaluated(tree, tmp_path)
    note = "8 images of the dataset were set aside as UniverSeg's support set, and are not tested."
    assert results.notes.of_datasets == {"phantom": note}
    printed, table = capsys.readouterr().out, comparison_tables(compare([results]))["methods"]
    assert note in printed and note in as_plain(table)
    assert note in (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")


def test_universeg_is_not_shown_what_is_tested(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    support = support_of(phantom_data) | {
        "ann": str(phantom_data / "test.CSV"),
        "images": str(phantom_data / "test_image"),
        "masks": str(phantom_data / "test_mask"),
    }
    tree = tree_of(phantom_data, tmp_path / "out", name="universeg", weights="random-small", support=support)
    assert run(evaluate_command, ["--config", str(write(tree, tmp_path / "test.yaml"))]) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and "support images are not independent of the test" in error
    assert not (tmp_path / "out").exists()


def test_random_clicks_and_random_weights_are_the_same_in_every_run(phantom_data: Path, tmp_path: Path) -> None:
    prompts = {"source": "truth", "click": "random"}
    first, second = (
        evaluated(
            tree_of(phantom_data, tmp_path / name, name="samus", weights="random-small", prompts=prompts), tmp_path
        )
        for name in ("first", "second")
    )
    assert [(row.image_name, row.overlap_pixels) for row in first.rows] == [
        (row.image_name, row.overlap_pixels) for row in second.rows
    ]


def test_a_phrase_that_a_u_net_does_not_know_is_refused_before_anything_is_written(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    description = UNetDescription(name="unet", size=32, channels=(4, 8), phrases=("liver",))
    (tmp_path / "unet").mkdir()
    save_unet(UNet(description.channels, 1), description, tmp_path / "unet")
    tree = tree_of(phantom_data, tmp_path / "out", name="unet", weights=str(tmp_path / "unet"))
    assert run(evaluate_command, ["--config", str(write(tree, tmp_path / "test.yaml"))]) == BAD_INPUT
    error = capsys.readouterr().err
    assert "nothing of the test file can be asked of this method" in error
    assert "Not supported, because the network was not trained on the phrase: phantom (4)." in error
    assert not (tmp_path / "out").exists()


def test_one_u_net_per_dataset_is_found_by_its_folder(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    table = pd.read_csv(phantom_data / "test.CSV", dtype=str, keep_default_na=False)
    description = UNetDescription(name="unet", size=32, channels=(4, 8), phrases=tuple(table["label_name"].unique()))
    folder = tmp_path / "unets" / table["dataset"].iloc[0] / "last"
    folder.mkdir(parents=True)
    with torch_seed(0):
        save_unet(UNet(description.channels, len(description.phrases)), description, folder)
    by_dataset, alone = (
        evaluated(tree_of(phantom_data, tmp_path / name, name="unet", weights=str(weights)), tmp_path)
        for name, weights in (("by", folder.parents[1]), ("alone", folder))
    )
    (tmp_path / "unets" / "other").mkdir()
    folder.rename(tmp_path / "unets" / "other" / "best")
    tree = tree_of(phantom_data, tmp_path / "out", name="unet", weights=str(folder.parents[1]))
    assert run(evaluate_command, ["--config", str(write(tree, tmp_path / "test.yaml"))]) == BAD_INPUT
    assert "no U-Net of phantom, only of other; train one of them" in capsys.readouterr().err
    assert by_dataset.needs == alone.needs == ("text",) and by_dataset.notes.remarks == by_dataset.trace.remarks()
    assert [row.overlap_pixels for row in by_dataset.rows] == [row.overlap_pixels for row in alone.rows]


def of_two_datasets(phantom_data: Path, folder: Path) -> tuple[Path, str]:
    """The test file with its last image in a dataset of its own, and the phrase of the first row."""
    table = pd.read_csv(phantom_data / "test.CSV", dtype=str, keep_default_na=False)
    table.loc[table["image_name"] == table["image_name"].iloc[-1], "dataset"] = "other"
    table.to_csv(folder / "two.CSV", index=False)
    return folder / "two.CSV", table["label_name"].iloc[0]


@pytest.mark.parametrize(
    ("per_dataset", "reason"),
    [(False, "the network was not trained on the phrase"), (True, "there is no U-Net of the dataset")],
)
def test_what_a_u_net_does_not_know_is_marked_and_the_rest_scored(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, per_dataset: bool, reason: str
) -> None:
    csv_path, phrase = of_two_datasets(phantom_data, tmp_path)
    description = UNetDescription(name="unet", size=32, channels=(4, 8), phrases=(phrase,))
    folder = tmp_path / "unets" / "phantom" / "best"
    folder.mkdir(parents=True)
    with torch_seed(0):
        save_unet(UNet(description.channels, 1), description, folder)
    weights = folder.parents[1] if per_dataset else folder
    tree = tree_of(phantom_data, tmp_path / "out", name="unet", weights=str(weights))
    tree["data"]["test_ann"] = str(csv_path)
    results = evaluated(tree, tmp_path)
    assert {(row.dataset, row.supported) for row in results.rows} == {("phantom", True), ("other", False)}
    remark = f"Not supported, because {reason}: other (1)."
    assert results.notes.remarks == (remark, *results.trace.remarks())
    printed = capsys.readouterr().out
    assert remark in printed and "not supported" in printed
    assert remark in (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")
    assert run(evaluate_command, ["--config", str(tmp_path / "test.yaml"), "--resume"]) == 0


def test_universeg_is_asked_what_it_has_examples_of(phantom_data: Path, tmp_path: Path) -> None:
    csv_path, _ = of_two_datasets(phantom_data, tmp_path)
    tree = tree_of(
        phantom_data, tmp_path / "out", name="universeg", weights="random-small", support=support_of(phantom_data)
    )
    tree["data"]["test_ann"] = str(csv_path)
    results = evaluated(tree, tmp_path)
    assert {(row.dataset, row.supported) for row in results.rows} == {("phantom", True), ("other", False)}
    assert results.notes.remarks[1].startswith("Not supported, because there is no example of the dataset: other (")
    tree["data"]["datasets"] = ["other"]
    assert run(evaluate_command, ["--config", str(write(tree, tmp_path / "test.yaml")), "--overwrite"]) == BAD_INPUT


def test_notes_stand_in_the_method_s_file(phantom_data: Path, tmp_path: Path) -> None:
    tree = tree_of(phantom_data, tmp_path / "out", name="samus", weights="random-small", prompts={"source": "truth"})
    evaluated(tree, tmp_path)
    about = json.loads((tmp_path / "out" / "method.json").read_text(encoding="utf-8"))
    assert about["remarks"] == [NOT_FOUND] and "dataset_notes" not in about
    assert about["weights"] == "random" and read_results(tmp_path / "out").method == "A (random)"


def one_of(dataset: str) -> ImageRecord:
    return ImageRecord(Path("one.png"), 10, 10, dataset, phrases=("cyst",), last_phrase="cyst")


def test_published_weights_are_marked_where_they_were_trained(tmp_path: Path) -> None:
    records = [one_of("busi"), one_of("luminous")]
    shown = HintSettings(source="truth")
    for settings in (
        SamusSettings(name="samus", weights="weights/SAMUS.pth", prompts=shown),
        UltraSamSettings(name="ultrasam", weights="weights/UltraSam.pth", prompts=shown),
    ):
        notes = settings.notes(records)
        assert list(notes.of_datasets) == ["busi"] and notes.remarks == (NOT_FOUND,)
        random = settings.model_copy(update={"weights": "random"})
        assert random.notes(records) == Notes((NOT_FOUND,))
    own = SamusSettings(name="samus", weights=str(tmp_path), prompts=shown)  # a folder of baselines/trainSAMUS.py
    assert own.notes(records) == Notes((NOT_FOUND,))


def test_weights_of_unknown_training_data_are_said_to_be_so() -> None:
    settings = MedSamSettings(name="medsam", weights="wanglab/medsam-vit-base")
    notes = settings.notes([one_of("busi")])
    assert not notes.of_datasets and "It was not checked which public datasets" in notes.remarks[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": {"name": "samus"}}, "baseline.weights is missing"),
        ({"baseline": {"name": "sam", "weights": "random"}}, "'sam'"),
        ({"baseline": {"name": "medsam", "weights": "random", "masks": "plain"}}, "baseline.masks is not a setting"),
        ({"baseline": {"name": "samus", "weights": "random-small"}}, "name one in model.detector, or choose truth"),
        (
            {"baseline": {"name": "samus", "weights": "random-small", "prompts": {"source": "user"}}},
            "user_csv belongs to source: user",
        ),
        ({"model": {"detector": "small"}}, "samus is given no detector's boxes here; leave out model"),
        ({"evaluation": {"output_dir": "out"}}, "samus is not our method; name it in evaluation.method"),
        (
            {"evaluation": {"output_dir": "out", "method": "SAMUS", "precision": "auto"}},
            "samus runs in float32 as it was published",
        ),
        (
            {"evaluation": {"output_dir": "out", "method": "SAMUS", "tf32": True}},
            "samus runs in float32 as it was published; leave out evaluation.tf32",
        ),
        ({"evaluation": {"output_dir": "out", "method": "SAMUS", "compile": True}}, "samus is not compiled"),
        ({"baseline": None, "model": {"detector": "small"}}, "name model.mask_head, or the compared method"),
        (
            {
                "baseline": {"name": "samus", "weights": "random-small"},
                "model": {"detector": "small", "mask_head": "small"},
            },
            "samus makes the masks; leave out model.mask_head",
        ),
        (
            {"baseline": {"name": "samus", "weights": "nowhere.pth", "prompts": {"source": "truth"}}},
            "nowhere.pth: no such weight file",
        ),
        ({"baseline": {"name": "unet", "weights": "nowhere"}}, "nowhere has no unet.json"),
    ],
)
def test_wrong_settings_are_one_line(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, change: dict[str, Any], message: str
) -> None:
    right = tree_of(phantom_data, tmp_path / "out", name="samus", weights="random-small", prompts={"source": "truth"})
    assert run(evaluate_command, ["--config", str(write(right | change, tmp_path / "test.yaml"))]) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not (tmp_path / "out").exists()


def test_an_automatic_method_segments_an_image_of_the_user_s(
    phantom_data: Path, tmp_path: Path, small_detector: Path, capsys: pytest.CaptureFixture
) -> None:
    tree = tree_of(phantom_data, tmp_path / "out", name="ultrasam", weights="random-small")
    tree |= {"model": {"detector": str(small_detector)}, "resize": {"size": 96}, "prediction": {"box_threshold": 0.0}}
    config = write(tree, tmp_path / "test.yaml")
    image = phantom_data / "test_image" / "test_00000.png"
    arguments = [str(image), "--prompt", "cyst", "--config", str(config), "--output", str(tmp_path / "found")]
    assert run(predict_command, arguments) == 0
    assert (tmp_path / "found" / "test_00000_cyst.png").is_file()
    tree["baseline"]["prompts"] = {"source": "truth"}
    del tree["model"]
    write(tree, config)
    assert run(predict_command, arguments) == BAD_INPUT
    assert "ultrasam is shown more than an image and a phrase (box)" in capsys.readouterr().err
