"""YAML files into checked settings, the only way in which settings reach the package.

A config is a YAML file of groups; ``--set group.key=value`` on the command line replaces single values. Unknown keys,
wrong types and impossible values are errors that name the key and the nearest correct one. The keys of the paper's
public repository keep loading, with a warning where the name changed here.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from gdinousam.data.augmentation import AugmentationSettings
from gdinousam.data.endless_phantoms import PhantomData
from gdinousam.errors import InputError
from gdinousam.models.box_finder import PredictionSettings
from gdinousam.models.boxes_to_masks import TRUE_BOX, WHOLE_IMAGE
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.lora import LoraSettings
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Need
from gdinousam.settings import CommandLineText, ModelName, Settings, SettingsPath
from gdinousam.training.settings import LossSettings, TrainingSettings

logger = logging.getLogger(__name__)

OUR_METHOD = "GroundingDINO-US-SAM"

# Names in the public repository's YAML files and what they are called here; ``None``: has no meaning here any more.
RENAMED_KEYS: dict[str, str | None] = {
    "model.weights_path": "model.detector",
    "model.lora_weights": "model.adapter",
    "model.config_path": None,  # the architecture comes with the weights
    "training.patient": "training.patience",
    "training.save_dir": "training.output_dir",
    "training.save_frequency": None,  # every epoch is saved
    "training.visualization_frequency": "training.sample_pictures_every",
    "training.lora_rank": "lora.rank",
    "training.lora_alpha": "lora.alpha",
    "training.lora_dropout": "lora.dropout",
}


class TrainData(Settings):
    """Where the training and validation images lie and how they are batched."""

    train_dir: SettingsPath | None = Field(None, description="Folder of the training images; none: phantoms alone.")
    train_ann: SettingsPath | None = Field(None, description="CSV of the training boxes and phrases.")
    train_masks: SettingsPath | None = Field(None, description="Folder of the training masks; the mask head needs it.")
    val_dir: SettingsPath | None = Field(None, description="Folder of the validation images; none: no validation.")
    val_ann: SettingsPath | None = Field(None, description="CSV of the validation boxes and phrases.")
    val_masks: SettingsPath | None = Field(None, description="Folder of the validation masks.")
    unlike_dir: SettingsPath | None = Field(
        None, description="Folder of test images; training images that are near-duplicates of one are left out."
    )
    phantoms: PhantomData | None = Field(None, description="null: none.")
    batch_size: int = Field(4, ge=1, description="Images per batch and process.")
    num_workers: int = Field(4, ge=0, description="Processes that read images; 0: the main process reads.")
    num_absent_phrases: int = Field(
        0, ge=0, description="Phrases of other images added to each caption as negatives (the public code: none)."
    )
    max_images: int | None = Field(None, ge=1, description="Use only the first so many images of each file.")

    @model_validator(mode="after")
    def _splits_are_whole(self) -> TrainData:
        if (self.val_dir is None) != (self.val_ann is None):
            raise ValueError("give both val_dir and val_ann, or neither")
        if self.train_dir is None and (self.train_ann is not None or self.phantoms is None):
            raise ValueError("data.train_dir is missing; add it, or leave out train_ann too and give phantoms")
        if self.train_ann is None and self.train_dir is not None:
            raise ValueError("data.train_ann is missing; add it")
        return self


class TestData(Settings):
    """Where the test images lie."""

    test_dir: SettingsPath = Field(description="Folder of the test images.")
    test_ann: SettingsPath = Field(description="CSV of the test boxes and phrases.")
    test_masks: SettingsPath = Field(description="Folder of the test masks, named as the images or in mask_name.")
    batch_size: int = Field(4, ge=1, description="Images given to the method at once.")
    num_workers: int = Field(4, ge=0, description="Threads that read images and masks ahead.")
    max_images: int | None = Field(None, ge=1, description="Use only the first so many images.")


class ModelSettings(Settings):
    """Which weights: a local folder or file, a hub id, ``small`` (bundled), or ``random-small``."""

    detector: ModelName = Field(
        description="Grounding DINO, or an adapter folder that names its base; true-box or whole-image for the two "
        "references without a detector: the boxes of the truth, or one box around every image."
    )
    adapter: SettingsPath | None = Field(None, description="LoRA folder to put on the detector.")
    mask_head: ModelName = Field(description="SAM2 of any size, SAM or MedSAM.")

    @model_validator(mode="after")
    def _adapter_has_a_detector(self) -> ModelSettings:
        if self.is_reference and self.adapter is not None:
            raise ValueError(f"{self.detector} is no detector that an adapter fits on; leave out adapter")
        return self

    @property
    def is_reference(self) -> bool:
        """Whether boxes are given to the mask head instead of found by a detector."""
        return self.detector in (TRUE_BOX, WHOLE_IMAGE)


class EvaluationSettings(Settings):
    """What test.py writes, and whose masks it scores."""

    output_dir: SettingsPath = Field(description="Folder of the results; new for every run.")
    method: str = Field(OUR_METHOD, min_length=1, description="Name of the method in tables and figures.")
    num_pictures: int = Field(20, ge=0, description="Images drawn with truth and prediction, spread over the file.")
    save_masks: bool = Field(False, description="Keep what was found as masks/, which --predictions can score again.")
    predictions: SettingsPath | None = Field(
        None, description="Folder of masks made by any other program, to score instead of running models."
    )
    needs: tuple[Need, ...] = Field(
        ("text",), description="What the method that made those masks was given beside the image."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to run.")


class TrainModelSettings(Settings):
    """What training starts from; the part that is trained must be named."""

    detector: ModelName | None = Field(None, description="Grounding DINO: folder, file, hub id, small or random-small.")
    mask_head: ModelName | None = Field(None, description="SAM2: folder, file, hub id, small or random-small.")


class TrainConfig(Settings):
    """Everything train.py needs."""

    data: TrainData
    resize: ResizeSettings = ResizeSettings()
    augmentation: AugmentationSettings | None = Field(AugmentationSettings(), description="null: none.")
    model: TrainModelSettings
    lora: LoraSettings = LoraSettings()
    losses: LossSettings = LossSettings()
    training: TrainingSettings

    @model_validator(mode="after")
    def _parts_fit(self) -> TrainConfig:
        part, tune = self.training.part, self.training.tune
        if getattr(self.model, part) is None:
            raise ValueError(f"training.part is {part}, so name the weights to start from in model.{part}")
        if part == "mask_head" and tune == "lora":
            raise ValueError("the mask head has no adapters; set training.tune to full")
        if part == "mask_head" and self.data.train_dir is not None and self.data.train_masks is None:
            raise ValueError("the mask head learns from masks; name their folder in data.train_masks")
        if part == "mask_head" and self.data.val_dir is not None and self.data.val_masks is None:
            raise ValueError("the mask head learns from masks; name their folder in data.val_masks")
        if part == "detector" and tune == "lora" and self.model.detector == RANDOM_SMALL:
            raise ValueError("adapters on random weights learn nothing; set training.tune to full or name a detector")
        return self

    @property
    def trains_mask_head(self) -> bool:
        """Whether the mask head is trained, not the detector."""
        return self.training.part == "mask_head"


class TestConfig(Settings):
    """Everything test.py needs."""

    data: TestData
    resize: ResizeSettings | None = Field(None, description="none: as the detector was trained.")
    model: ModelSettings | None = Field(None, description="Needed unless evaluation.predictions is given.")
    prediction: PredictionSettings = PredictionSettings()
    evaluation: EvaluationSettings

    @model_validator(mode="after")
    def _method_is_known(self) -> TestConfig:
        evaluation = self.evaluation
        if evaluation.predictions is None and self.model is None:
            raise ValueError("name model.detector and model.mask_head, or masks to score with --predictions")
        if evaluation.predictions is not None and "method" not in evaluation.model_fields_set:
            raise ValueError("the masks to score need the name of their method; give it in evaluation.method")
        if self.model is not None and self.model.is_reference and "method" not in evaluation.model_fields_set:
            raise ValueError(f"{self.model.detector} is a reference, not our method; name it in evaluation.method")
        if evaluation.predictions is None and evaluation.needs != ("text",):
            raise ValueError("evaluation.needs is for masks of another program; models say themselves what they need")
        return self

    @property
    def named_model(self) -> ModelSettings:
        """The models; InputError where the config names none because it scores a folder of masks."""
        if self.model is None:
            raise InputError("the config names no models; add model.detector and model.mask_head")
        return self.model


Config = TypeVar("Config", bound=Settings)


def load_config(config_class: type[Config], path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read and check a config.

    path: YAML file; paths in it are relative to it. overrides: ``a.b=value`` each, value as in YAML, paths relative to
    the working folder. Raises InputError that names file, key, value and what is allowed.
    """
    tree = _read_yaml(path)
    _rename_public_keys(tree, path)
    for override in overrides:
        _override(tree, override)
    try:
        return config_class.model_validate(tree, context={"folder": path.parent})
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error, config_class)}") from error


def dump_config(config: Settings) -> str:
    """The config as YAML that ``load_config`` reads to the same settings, with absolute paths."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"config {path} does not exist; give one with --config") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"config {path} is not readable as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise InputError(f"config {path} must hold groups of settings such as 'data:' and 'model:'")
    return tree


def _override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override}: write it as group.key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override}: {text!r} is no YAML value") from error
    key_here = _name_here(key, "--set")
    if key_here is not None:
        _assign(tree, key_here, CommandLineText(value) if isinstance(value, str) else value)


def _assign(tree: dict[str, Any], key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for group in groups:
        if tree.get(group) is None:  # missing, or switched off with null
            tree[group] = {}
        if not isinstance(tree[group], dict):
            raise InputError(f"{key}: {group} is a value, not a group of settings")
        tree = tree[group]
    tree[last] = value


def _rename_public_keys(tree: dict[str, Any], path: Path) -> None:
    for old in RENAMED_KEYS:
        group, key = old.split(".")
        if not isinstance(tree.get(group), dict) or key not in tree[group]:
            continue
        value = tree[group].pop(key)
        new = _name_here(old, str(path))
        if new is None:
            continue
        new_group, new_key = new.split(".")
        if new_key in (tree.get(new_group) or {}):
            raise InputError(f"{path}: {old} and {new} are the same setting; keep {new}")
        _assign(tree, new, value)


def _name_here(key: str, source: str) -> str | None:
    """What a key is called here, ``None`` where it has no meaning; warns where that is news."""
    new = RENAMED_KEYS.get(key, key)
    if new is None:
        logger.warning("%s: %s has no effect here and is ignored", source, key)
    elif new != key:
        logger.warning("%s: %s is called %s here", source, key, new)
    return new


def _explain(error: ValidationError, config_class: type[Settings]) -> str:
    """All problems of a config in one line."""
    problems = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "the settings together"
        if problem["type"] == "extra_forbidden":
            problems.append(f"{key} is no setting{_nearest(key, config_class)}")
        elif problem["type"] == "missing":
            problems.append(f"{key} is missing; add it")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = "" if isinstance(problem["input"], dict) else f" = {problem['input']!r}"
            problems.append(f"{key}{given}: {message[:1].lower()}{message[1:]}")
    return "; ".join(problems)


def _nearest(key: str, config_class: type[Settings]) -> str:
    known = _keys(config_class)
    same_group = [one for one in known if one.rpartition(".")[0] == key.rpartition(".")[0]]
    last = key.rpartition(".")[2]
    values = [one for one in known if not any(other.startswith(f"{one}.") for other in known)]
    by_last = {one.rpartition(".")[2]: one for one in [*values, *same_group]}
    close = difflib.get_close_matches(last, by_last, n=1, cutoff=0.6)
    return f"; did you mean {by_last[close[0]]}?" if close else f"; known here: {', '.join(same_group) or 'nothing'}"


def _keys(settings: type[Settings], prefix: str = "") -> list[str]:
    keys = []
    for name, field in settings.model_fields.items():
        keys.append(prefix + name)
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Settings):
                keys += _keys(kind, f"{prefix}{name}.")
    return keys
