"""The two YAML files of the paper's public repository, run as they are."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gdinousam.errors import InputError
from gdinousam.experiments.config import TestConfig as EvaluateConfig
from gdinousam.experiments.config import TrainConfig, load_config
from gdinousam.experiments.studies.ablation import AblationConfig

ROOT = Path(__file__).parent.parent
THEIRS = ROOT / "tests" / "public_code"
DATA = ("train", "val", "test_image", "test_mask")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the public repository's folder, as far as its files name it; the working folder is elsewhere."""
    folder = tmp_path / "study"
    for name in DATA:
        (folder / "multimodal-data" / name).mkdir(parents=True)
    for name in ("train.CSV", "val.CSV", "test.csv"):
        (folder / "multimodal-data" / name).touch()
    for name in ("groundingdino_swint_ogc.pth", "20250608_1606/best_model.pth"):
        (folder / "weights" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "weights" / name).touch()
    (folder / "configs").mkdir()
    for name in ("train_config.yaml", "test_config.yaml"):
        (folder / "configs" / name).write_text((THEIRS / name).read_text())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


def changed(path: Path, key: str, value: Any) -> Path:
    """The file with one setting changed, or left out where the value is ``None``."""
    tree = yaml.safe_load(path.read_text())
    group, name = key.split(".")
    tree[group][name] = value
    if value is None:
        del tree[group][name]
    path.write_text(yaml.safe_dump(tree))
    return path


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition(": ")[2] for record in caplog.records if record.levelno == logging.WARNING]


def refusal(config_class: type, path: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_config(config_class, path, overrides)
    return str(caught.value).removeprefix(f"{path}: ")


def test_the_training_file_becomes_what_the_public_code_runs(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = load_config(TrainConfig, study / "configs" / "train_config.yaml")
    ours = load_config(TrainConfig, ROOT / "configs" / "train_config_public_code.yaml")
    assert (config.resize, config.augmentation, config.lora, config.losses) == (
        ours.resize,
        ours.augmentation,
        ours.lora,
        ours.losses,
    )
    same_folder = {"output_dir": ours.training.output_dir}
    assert config.training.model_copy(update=same_folder) == ours.training
    assert config.data.train_dir == study / "multimodal-data" / "train"
    assert config.data.val_ann == study / "multimodal-data" / "val.CSV"
    assert config.model.detector == str(study / "weights" / "groundingdino_swint_ogc.pth")
    assert re.fullmatch(r"\d{8}_\d{4}", config.training.output_dir.name)
    # results go below the working folder, as there
    assert config.training.output_dir.parent == Path.cwd() / "weights"
    assert warnings_of(caplog) == [
        "model.config_path: no effect; the architecture is read from the weights",
        "training.save_frequency: no effect; every epoch is saved here",
        "training.warmup_epochs: no effect; the public code reads and never uses it; its schedule rises by itself",
    ]


def test_the_loss_weights_and_costs_are_theirs(study: Path) -> None:
    config = load_config(TrainConfig, study / "configs" / "train_config.yaml")
    losses, costs, training = config.losses, config.losses.matching, config.training
    assert (losses.focal, losses.l1, losses.giou) == (1, 10, 1)
    assert (costs.tokens, costs.l1, costs.giou, costs.token_cost) == (2, 5, 1, "probability")
    assert (losses.token_targets, losses.focal_divisor) == ("shares", "images")
    assert (training.learning_rate, training.num_epochs, training.patience) == (1e-3, 500, 19)
    assert (training.max_gradient_norm, training.weight_decay, training.stop_on) == (0, 0.01, "train_loss")
    assert (training.one_cycle.pct_start, training.one_cycle.whole_batches) == (0.1, True)
    assert (training.frozen_parts, config.data.captions) == ("train", "phrase_per_box")


def test_the_test_file_becomes_what_the_public_script_runs(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = load_config(EvaluateConfig, study / "configs" / "test_config.yaml")
    ours = load_config(EvaluateConfig, ROOT / "configs" / "test_config_public_code.yaml")
    assert (config.resize, config.prediction) == (ours.resize, ours.prediction)
    assert config.data.masks_of_other_size == ours.data.masks_of_other_size == "resize"
    data = study / "multimodal-data"
    assert (config.data.test_dir, config.data.test_masks) == (data / "test_image", data / "test_mask")
    assert config.data.test_ann == data / "test.CSV"  # the letter case of its suffix is the reader's matter
    assert config.model is not None and config.model.adapter == study / "weights" / "20250608_1606" / "best_model.pth"
    assert config.model.mask_head == "facebook/sam2.1-hiera-large"
    assert config.model.trained_box_layer is False and ours.model is not None and not ours.model.trained_box_layer
    assert config.evaluation.output_dir == Path.cwd() / "results" / "public_code"
    assert warnings_of(caplog) == [
        "data.train_dir, data.train_ann: no effect; a test trains nothing",
        "model.config_path: no effect; the architecture is read from the weights",
        "training.learning_rate, training.num_epochs, training.save_dir, training.save_frequency, "
        "training.visualization_frequency, training.warmup_epochs: no effect; a test trains nothing",
    ]


def test_defaults_of_the_public_code_stand_where_a_file_leaves_keys_out(study: Path) -> None:
    path = study / "configs" / "train_config.yaml"
    for key in ("training.num_epochs", "training.patient", "data.num_workers", "training.learning_rate"):
        changed(path, key, None)
    config = load_config(TrainConfig, path)
    training = config.training
    assert (training.num_epochs, training.patience, training.learning_rate) == (1000, 9, 1e-3)
    assert config.data.num_workers == 8


def test_paths_are_found_in_the_working_folder_too(
    study: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (study.parent / "elsewhere" / "train_config.yaml").write_text((THEIRS / "train_config.yaml").read_text())
    monkeypatch.chdir(study)
    config = load_config(TrainConfig, study.parent / "elsewhere" / "train_config.yaml")
    assert config.data.train_dir == study / "multimodal-data" / "train"
    assert config.model.detector == str(study / "weights" / "groundingdino_swint_ogc.pth")
    assert not [text for text in warnings_of(caplog) if "is in none of" in text]


def test_a_path_that_is_nowhere_is_named_with_all_places(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = changed(study / "configs" / "train_config.yaml", "model.weights_path", "w.pth")
    load_config(TrainConfig, path)
    places = ", ".join(str(folder / "w.pth") for folder in (study / "configs", study, Path.cwd()))
    assert f"model.weights_path: w.pth is in none of: {places}" in warnings_of(caplog)


def test_a_path_that_is_in_two_places_is_said(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    (study / "configs" / "multimodal-data" / "train").mkdir(parents=True)
    config = load_config(TrainConfig, study / "configs" / "train_config.yaml")
    assert config.data.train_dir == study / "configs" / "multimodal-data" / "train"
    assert any("data.train_dir: multimodal-data/train is in several places" in text for text in warnings_of(caplog))


def test_a_local_mask_head_is_taken_before_the_hub(study: Path) -> None:
    (study / "weights" / "sam2.1_hiera_large.pt").touch()
    config = load_config(EvaluateConfig, study / "configs" / "test_config.yaml")
    assert config.model is not None
    assert config.model.mask_head == str(study / "weights" / "sam2.1_hiera_large.pt")


def test_the_command_line_replaces_their_keys_and_ours(study: Path) -> None:
    path = study / "configs" / "train_config.yaml"
    overrides = ["training.patient=5", "losses.l1=2", "training.output_dir=here", "model.weights_path=small"]
    config = load_config(TrainConfig, path, overrides)
    assert (config.training.patience, config.losses.l1, config.losses.giou) == (4, 2, 1)
    assert config.training.output_dir == Path.cwd() / "here"
    assert config.model.detector == "small"
    config = load_config(TrainConfig, path, ["training.patience=7", "model.detector=small"])
    assert (config.training.patience, config.model.detector) == (7, "small")
    tested = load_config(EvaluateConfig, study / "configs" / "test_config.yaml", ["model.mask_head=small"])
    assert tested.model is not None and tested.model.mask_head == "small"


@pytest.mark.parametrize("value", [False, None])
def test_training_without_lora_is_refused_unless_everything_is_to_be_trained(study: Path, value: bool | None) -> None:
    path = changed(study / "configs" / "train_config.yaml", "training.use_lora", value)
    assert "training.use_lora is false, and what the public code then trains is not known here" in refusal(
        TrainConfig, path
    )
    assert load_config(TrainConfig, path, ["training.tune=full"]).training.tune == "full"


def test_weights_of_an_adapter_and_use_lora_belong_together(study: Path) -> None:
    path = study / "configs" / "test_config.yaml"
    assert "belong together" in refusal(EvaluateConfig, changed(path, "training.use_lora", False))
    untuned = load_config(EvaluateConfig, changed(path, "model.lora_weights", None))
    assert untuned.model is not None and untuned.model.adapter is None


def test_each_file_belongs_to_its_program(study: Path) -> None:
    configs = study / "configs"
    assert "it is the public repository's test file; give it to test.py" in refusal(
        TrainConfig, configs / "test_config.yaml"
    )
    assert "does not hold test_image" in refusal(EvaluateConfig, configs / "train_config.yaml")
    with pytest.raises(InputError, match=r"which is for train\.py or test\.py"):
        load_config(AblationConfig, configs / "test_config.yaml")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.patient", "many", "training.patient = 'many': give a whole number of epochs, at least 1"),
        ("training.patient", 0, "training.patient = 0: give a whole number"),
        ("data.val_ann", None, "data.val_ann is missing, which the public code needs too"),
        ("model.weights_path", None, "model.weights_path is missing"),
        ("training.num_epoch", 3, "training.num_epoch is not a setting; did you mean training.num_epochs?"),
    ],
)
def test_what_cannot_be_run_is_one_line(study: Path, key: str, value: Any, message: str) -> None:
    assert message in refusal(TrainConfig, changed(study / "configs" / "train_config.yaml", key, value))


def test_another_test_file_than_theirs_is_read_and_said(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = changed(study / "configs" / "test_config.yaml", "data.val_ann", "multimodal-data/val.CSV")
    assert load_config(EvaluateConfig, path).data.test_ann == study / "multimodal-data" / "val.CSV"
    assert any("the public code reads test.CSV whatever it says" in text for text in warnings_of(caplog))


def test_several_processes_need_a_named_folder(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    path = study / "configs" / "train_config.yaml"
    assert "several processes need one folder" in refusal(TrainConfig, path)
    assert load_config(TrainConfig, path, ["training.output_dir=here"]).training.output_dir == Path.cwd() / "here"


def test_a_key_of_an_earlier_version_is_renamed_wherever_it_stands(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = yaml.safe_load((ROOT / "configs" / "train_config.yaml").read_text())
    tree["losses"]["matching"] = {"focal": 3.0}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    assert load_config(TrainConfig, tmp_path / "config.yaml").losses.matching.tokens == 3
    assert warnings_of(caplog) == ["losses.matching.focal is called losses.matching.tokens here"]
