"""Configs: what loads, and what a user is told about what does not."""

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from gdinousam.errors import InputError
from gdinousam.experiments.config import BaselineTrainConfig, TrainConfig, dump_config, load_config
from gdinousam.experiments.config import (
    TestConfig as EvaluateConfig,  # pytest would collect a class that is named Test...
)
from gdinousam.experiments.config_reference import all_setting_names, describe_config

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
BASELINE_TRAIN_CONFIGS = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.glob("baselines/train*.yaml"))
TRAIN_CONFIGS = sorted(
    {path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("train*.yaml")} - {*BASELINE_TRAIN_CONFIGS}
)
TEST_CONFIGS = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("test*.yaml"))


def train_tree() -> dict[str, Any]:
    """The least that train.py needs."""
    return {
        "data": {"train_dir": "train", "train_ann": "train.CSV"},
        "model": {"detector": "someone/detector"},
        "training": {"output_dir": "../runs/one"},
    }


def test_tree() -> dict[str, Any]:
    """The least that test.py needs."""
    return {
        "data": {"test_dir": "images", "test_ann": "test.CSV", "test_masks": "masks"},
        "model": {"detector": "./detector", "mask_head": "someone/mask-head"},
        "evaluation": {"output_dir": "results"},
    }


test_tree.__test__ = False


def write(folder: Path, tree: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree), encoding="utf-8")
    return path


def changed(key: str, value: object) -> dict[str, Any]:
    """``train_tree`` with one key set."""
    tree = train_tree()
    group, name = key.split(".")
    tree.setdefault(group, {})[name] = value
    return tree


def problem(tmp_path: Path, tree: object, *overrides: str) -> str:
    """The message for a train config that does not load; always one line that begins with the file or option."""
    path = write(tmp_path, tree)
    with pytest.raises(InputError) as caught:
        load_config(TrainConfig, path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def train_config_class(name: str) -> type[TrainConfig | BaselineTrainConfig]:
    return BaselineTrainConfig if name in BASELINE_TRAIN_CONFIGS else TrainConfig


@pytest.mark.parametrize("name", [*TRAIN_CONFIGS, *BASELINE_TRAIN_CONFIGS])
def test_our_training_configs_load_without_a_warning(name: str, caplog: pytest.LogCaptureFixture) -> None:
    config = load_config(train_config_class(name), CONFIGS / name)
    assert config.training.output_dir.is_relative_to(ROOT / "runs")
    assert not caplog.records


@pytest.mark.parametrize("name", TEST_CONFIGS)
def test_our_test_configs_load_without_a_warning(name: str, caplog: pytest.LogCaptureFixture) -> None:
    config = load_config(EvaluateConfig, CONFIGS / name)
    assert config.evaluation.output_dir.is_relative_to(ROOT / "results")
    assert not caplog.records


def test_the_default_config_has_the_settings_of_the_paper() -> None:
    config = load_config(TrainConfig, CONFIGS / "train_config.yaml")
    training = config.training
    assert (training.learning_rate, training.weight_decay, training.patience) == (5e-4, 1e-4, 20)
    assert (training.stop_on, training.part, training.tune) == ("val_loss", "detector", "lora")
    assert config.data.batch_size == 4
    assert (config.resize.mode, config.resize.size) == ("square", 800)
    assert (config.lora.rank, config.lora.alpha) == (32, 32)
    assert config.augmentation is not None
    assert not config.losses.earlier_layers


def test_the_config_of_the_public_code_has_its_settings() -> None:
    config = load_config(TrainConfig, CONFIGS / "train_config_public_code.yaml")
    training = config.training
    assert (training.learning_rate, training.schedule, training.stop_on) == (1e-3, "one_cycle", "train_loss")
    assert config.augmentation is None and config.resize.mode == "shortest_edge"


def test_paths_are_relative_to_the_config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "configs", train_tree())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load_config(TrainConfig, path)
    assert config.data.train_dir == tmp_path / "configs" / "train"
    assert config.training.output_dir == tmp_path / "runs" / "one"
    monkeypatch.chdir(tmp_path)
    assert load_config(TrainConfig, Path("configs/config.yaml")) == config


def test_paths_on_the_command_line_are_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "configs", train_tree())
    monkeypatch.chdir(tmp_path)
    config = load_config(TrainConfig, path, ["training.output_dir=here", "model.detector=./weights"])
    assert config.training.output_dir == tmp_path / "here"
    assert config.model.detector == str(tmp_path / "weights")


def test_model_names_are_folders_where_one_lies_there(tmp_path: Path) -> None:
    path = write(tmp_path, test_tree())
    config = load_config(EvaluateConfig, path)
    assert config.model.detector == str(tmp_path / "detector")  # "./" says that it is one
    assert config.model.mask_head == "someone/mask-head"
    (tmp_path / "someone" / "mask-head").mkdir(parents=True)
    assert load_config(EvaluateConfig, path).model.mask_head == str(tmp_path / "someone" / "mask-head")


def test_a_kernel_that_adds_up_in_any_order_is_not_deterministic(tmp_path: Path) -> None:
    overrides = ["training.deterministic=true", "training.deformable_kernel=triton"]
    with pytest.raises(InputError, match="the Triton kernel adds up in any order"):
        load_config(TrainConfig, write(tmp_path, train_tree()), overrides)


def test_overrides_are_typed_like_yaml(tmp_path: Path) -> None:
    overrides = [
        "training.learning_rate=3e-4",
        "training.num_epochs=7",
        "training.deterministic=true",
        "augmentation.resize_scale=[0.9, 1.1]",
        "data.max_images=null",
        "training.schedule=cosine",
        "training.schedule=linear",
    ]
    config = load_config(TrainConfig, write(tmp_path, train_tree()), overrides)
    training = config.training
    assert (training.learning_rate, training.num_epochs, training.deterministic) == (3e-4, 7, True)
    assert config.augmentation is not None and config.augmentation.resize_scale == (0.9, 1.1)
    assert config.data.max_images is None
    assert training.schedule == "linear"  # the last one counts


def test_a_group_that_the_file_switches_off_can_be_set(tmp_path: Path) -> None:
    path = write(tmp_path, train_tree() | {"augmentation": None})
    assert load_config(TrainConfig, path).augmentation is None
    config = load_config(TrainConfig, path, ["augmentation.horizontal_flip=0.25"])
    assert config.augmentation is not None and config.augmentation.horizontal_flip == 0.25


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data.bath_size", 2, "data.bath_size is not a setting; did you mean data.batch_size?"),
        ("training.lr", 2, "training.lr is not a setting; known here: training.output_dir, training.num_epochs"),
        ("training.patients", 2, "training.patients is not a setting; did you mean training.patience?"),
        ("lora.ranks", 2, "lora.ranks is not a setting; did you mean lora.rank?"),
        ("trainig.part", "detector", "trainig is not a setting; did you mean training?"),
        ("training.rank", 2, "training.rank is not a setting; did you mean lora.rank?"),
        ("data.batch_size", "four", "data.batch_size = 'four': input should be a valid integer"),
        ("data.batch_size", 0, "data.batch_size = 0: input should be greater than or equal to 1"),
        ("data.batch_size", 2.5, "data.batch_size = 2.5: input should be a valid integer"),
        ("training.learning_rate", -1, "training.learning_rate = -1: input should be greater than 0"),
        ("training.schedule", "step", "'constant', 'linear', 'cosine' or 'one_cycle'"),
        ("training.stop_on", None, "training.stop_on = None: input should be 'val_loss' or 'train_loss'"),
        ("data.train_dir", 3, "data.train_dir = 3: input is not a valid path"),
        ("augmentation.horizontal_flip", 1.5, "augmentation.horizontal_flip = 1.5: input should be less than or equal"),
        ("data.val_dir", "val", "give both val_dir and val_ann, or neither"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, key: str, value: object, message: str) -> None:
    assert message in problem(tmp_path, changed(key, value))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    tree = changed("data.batch_size", 0)
    del tree["training"]["output_dir"]
    told = problem(tmp_path, tree)
    assert "data.batch_size = 0: " in told and "training.output_dir is missing; add it" in told


@pytest.mark.parametrize("key", ["data.train_dir", "data.train_ann", "training.output_dir"])
def test_a_missing_required_key_is_named(tmp_path: Path, key: str) -> None:
    tree = train_tree()
    group, name = key.split(".")
    del tree[group][name]
    assert f"{key} is missing; add it" in problem(tmp_path, tree)


def test_phantoms_stand_in_for_training_images_but_nothing_does_not(tmp_path: Path) -> None:
    tree = train_tree()
    del tree["data"]["train_dir"], tree["data"]["train_ann"]
    assert "data.train_dir is missing; add it" in problem(tmp_path, tree)
    path = tmp_path / "phantoms.yaml"
    tree["data"]["phantoms"] = {"families": ["liver"], "num_train": 8}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert load_config(TrainConfig, path).data.train_dir is None
    tree["data"]["phantoms"]["families"] = ["spleen"]
    assert "choose from breast" in problem(tmp_path, tree)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.part=mask_head"], "training.part is mask_head, so name the weights to start from in model.mask_he"),
        (["training.part=mask_head", "model.mask_head=random-small"], "no adapters; set training.tune to full"),
        (["training.part=mask_head", "model.mask_head=small", "training.gradient_checkpointing=true"], "the detector;"),
        (["training.part=mask_head", "model.mask_head=small", "training.tune=full"], "folder in data.train_masks"),
        (
            [
                *("training.part=mask_head", "model.mask_head=random-small", "training.tune=full"),
                *("data.train_masks=m", "data.val_dir=v", "data.val_ann=v.CSV"),
            ],
            "name their folder in data.val_masks",
        ),
        (["model.detector=null"], "name the weights to start from in model.detector"),
        (["model.detector=random-small"], "adapters on random weights learn nothing"),
        (["training.schedule=one_cycle", "training.warmup_steps=5"], "one_cycle has a warm-up of its own"),
        (["resize.mode=shortest_edge", "resize.longest_edge=800"], "longest_edge = 800 must be larger than size = 800"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, overrides: list[str], message: str) -> None:
    assert message in problem(tmp_path, train_tree(), *overrides)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.num_epochs", "--set training.num_epochs: write it as group.key=value"),
        ("=3", "--set =3: write it as group.key=value"),
        ("training.num_epochs=[1", "--set training.num_epochs=[1: '[1' is not a YAML value"),
        ("training.num_epochs.more=1", "training.num_epochs.more"),
        ("training.num_epoch=1", "training.num_epoch is not a setting; did you mean training.num_epochs?"),
        ("num_epochs=1", "num_epochs is not a setting; did you mean training.num_epochs?"),
    ],
)
def test_an_override_that_cannot_be_is_refused(tmp_path: Path, override: str, message: str) -> None:
    assert message in problem(tmp_path, changed("training.num_epochs", 3), override)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [", "is not readable as YAML"),
        ("data: a: b", "is not readable as YAML"),
        ("", "must hold groups of settings"),
        ("just text", "must hold groups of settings"),
        ("data:\nmodel:\ntraining:\n", "data"),
        ("1: 2\n", "1"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in problem(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(InputError, match=f"^config {path} does not exist; give one with --config$"):
        load_config(TrainConfig, path)
    with pytest.raises(InputError, match="is not readable"):
        load_config(TrainConfig, tmp_path)


OUR_FILE_WITH_PUBLIC_KEYS = """
data:
  train_dir: train
  train_ann: train.CSV
  val_dir: val
  val_ann: val.CSV
  batch_size: 2
  num_workers: 8
model:
  detector: ./weights
training:
  num_epochs: 100
  learning_rate: 1e-3
  patient: 15
  save_dir: runs
  save_frequency: 10
  visualization_frequency: 7
  lora_rank: 16
  lora_alpha: 8
  lora_dropout: 0.1
"""


def test_keys_of_the_public_repository_in_a_file_of_ours_load_with_a_warning_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="gdinousam"):
        config = load_config(TrainConfig, write(tmp_path, OUR_FILE_WITH_PUBLIC_KEYS))
    training = config.training
    assert (training.learning_rate, training.num_epochs, training.patience) == (1e-3, 100, 15)
    assert (training.output_dir, training.sample_pictures_every) == (tmp_path / "runs", 7)
    assert (config.lora.rank, config.lora.alpha, config.lora.dropout) == (16, 8, 0.1)
    assert config.model.detector == str(tmp_path / "weights")
    assert (config.data.batch_size, config.data.num_workers) == (2, 8)
    warned = [record.getMessage().removeprefix(f"{tmp_path / 'config.yaml'}: ") for record in caplog.records]
    assert sorted(warned) == [
        "training.lora_alpha is called lora.alpha here",
        "training.lora_dropout is called lora.dropout here",
        "training.lora_rank is called lora.rank here",
        "training.patient is called training.patience here",
        "training.save_dir is called training.output_dir here",
        "training.save_frequency has no effect here and is ignored",
        "training.visualization_frequency is called training.sample_pictures_every here",
    ]


def test_a_public_key_beside_its_name_here_is_refused(tmp_path: Path) -> None:
    tree = changed("training.patience", 3)
    tree["training"]["patient"] = 5
    assert problem(tmp_path, tree) == (
        "training.patient and training.patience are the same setting; keep training.patience"
    )


def test_the_command_line_replaces_a_setting_under_either_name(tmp_path: Path) -> None:
    path = write(tmp_path, changed("training.patient", 5))
    assert load_config(TrainConfig, path, ["training.patience=7"]).training.patience == 7
    assert load_config(TrainConfig, path, ["training.patient=8"]).training.patience == 8
    load_config(TrainConfig, path, ["training.save_frequency=2"])


@pytest.mark.parametrize("name", [*TRAIN_CONFIGS, *BASELINE_TRAIN_CONFIGS, *TEST_CONFIGS])
def test_a_written_config_reads_back_to_the_same_settings(tmp_path: Path, name: str) -> None:
    config_class = EvaluateConfig if name in TEST_CONFIGS else train_config_class(name)
    config = load_config(config_class, CONFIGS / name)
    assert load_config(config_class, write(tmp_path, dump_config(config))) == config


def test_settings_never_change_after_loading(tmp_path: Path) -> None:
    config = load_config(TrainConfig, write(tmp_path, train_tree()))
    with pytest.raises(ValueError, match="frozen"):
        config.training.patience = 3


def test_the_reference_page_is_what_the_settings_say() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == describe_config(), "run: python scripts/describe_config.py > docs/configuration.md"


def test_the_list_of_setting_names_is_what_the_settings_say() -> None:
    written = (ROOT / "gdinousam" / "assets" / "setting_names.txt").read_text(encoding="utf-8")
    assert written == all_setting_names(), "run: gdinousam config --names > gdinousam/assets/setting_names.txt"
