"""The settings of a learning curve, and the training and the evaluation that each of its runs is."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationInfo, model_validator

from gdinousam.data.contract.layout import SPLIT_FOLDERS, csv_name
from gdinousam.experiments.config import (
    BaselineTrainConfig,
    EvaluationSettings,
    ModelSettings,
    RunSettings,
    TestConfig,
    TestData,
    TrainConfig,
    TrainData,
    load_config,
)
from gdinousam.methods.unet.settings import UNetSettings, UNetTraining
from gdinousam.models.detector.operating_point import PredictionSettings, resolve_prediction
from gdinousam.settings import ModelName, Settings, SettingsPath, derive
from gdinousam.training.settings import LoopSettings

_PATH: TypeAdapter[Path] = TypeAdapter(SettingsPath)


def _from_file(value: object, info: ValidationInfo) -> object:
    """A config that is named by its path, read; anything else as it is."""
    if not isinstance(value, str | Path):
        return value
    return load_config(TrainConfig, _PATH.validate_python(value, context=info.context))


class FromScratch(Settings):
    """A U-Net trained from random weights on the same images: its shape, and what its training sets otherwise.

    Batch size, augmentation, precision and the number of steps are those of the tuning.
    """

    baseline: UNetTraining = Field(UNetTraining(name="unet"), description="Its shape.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay of AdamW.")
    schedule: Literal["constant", "linear", "cosine", "one_cycle"] = Field(
        "one_cycle", description="Learning rate over the run."
    )


class CurveSettings(RunSettings):
    """The runs of the curve, what it writes, and how its evaluations are run."""

    output_dir: SettingsPath = Field(description="Folder of the curve, with one folder per run.")
    num_pictures: int = Field(0, ge=0, description="Number of images drawn per evaluation.")
    count: Literal["groups", "images"] = Field(
        "groups",
        description="What sizes count: groups (patients, volumes or exams), or images. Where no training image has a "
        "group, images are counted.",
    )
    sizes: tuple[int | Literal["all"], ...] = Field(
        (10, 50, "all"), min_length=1, description="Training groups or images, rising; all: those of the whole file."
    )
    seeds: tuple[int, ...] = Field(
        (0, 1, 2), min_length=1, description="Each draws its own training images and trains once per size and method."
    )
    num_steps: int = Field(
        500,
        ge=1,
        description="Optimizer steps of every run, whatever its size and method, and the few more that fill its last "
        "epoch.",
    )

    @model_validator(mode="after")
    def _sizes_rise(self) -> CurveSettings:
        counts = [math.inf if size == "all" else size for size in self.sizes]
        if counts[0] < 1 or any(first >= second for first, second in pairwise(counts)):
            raise ValueError("sizes must be at least 1 and rise, with all at the end")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds must be numbers of 0 or more, each once")
        return self


class LearningCurveConfig(Settings):
    """Everything scripts/learning_curve.py needs."""

    images: SettingsPath = Field(
        description="Folder in the CSV layout (docs/data.md): train and train_mask are trained on, test_image and "
        "test_mask are scored; val is not used."
    )
    tuned: Annotated[TrainConfig, BeforeValidator(_from_file)] = Field(
        description="How the detector is tuned with LoRA: the path of a config of train.py, or its groups. Its images, "
        "seed and number of epochs are replaced; its datasets and batch size hold for everything."
    )
    unet: FromScratch = FromScratch()
    mask_head: ModelName = Field(description="SAM2 of the zero-shot and the tuned detector, as in test.py.")
    prediction: PredictionSettings = PredictionSettings()
    curve: CurveSettings

    @model_validator(mode="after")
    def _can_be_tuned(self) -> LearningCurveConfig:
        training = self.tuned.training
        if training.part != "detector" or training.tune != "lora":
            raise ValueError("tuned must tune the detector with LoRA (training.part: detector, training.tune: lora)")
        if self.tuned.data.phantoms is not None:
            raise ValueError("tuned must train on images alone; leave out its data.phantoms")
        return self

    def resolved(self) -> LearningCurveConfig:
        """The config with one operating point for everything: what it leaves open is that of the untuned detector."""
        prediction = resolve_prediction(self.prediction, str(self.tuned.model.detector))
        return self.model_copy(update={"prediction": prediction})


def pool_config(config: LearningCurveConfig) -> BaselineTrainConfig:
    """All training images, with masks, as a config that reads them."""
    images = config.images
    unlike_dir = None if config.tuned.data.unlike_dir is None else images / SPLIT_FOLDERS["test"][0]
    data = _train_data(config, images / csv_name("train"), unlike_dir=unlike_dir)
    return _from_scratch(config, data, config.curve.output_dir, 1, 0)


def tuning_config(config: LearningCurveConfig, csv: Path, folder: Path, num_images: int, seed: int) -> TrainConfig:
    """The tuning of the detector on the images of a CSV into a folder, as train.py would do it."""
    training = derive(type(config.tuned.training), config.tuned.training, **_of_run(config, folder, num_images, seed))
    return derive(TrainConfig, config.tuned, data=_train_data(config, csv, max_images=None), training=training)


def unet_config(
    config: LearningCurveConfig, csv: Path, folder: Path, num_images: int, seed: int
) -> BaselineTrainConfig:
    """The training of the U-Net on the images of a CSV into a folder, as baselines/trainUNet.py would do it."""
    return _from_scratch(config, _train_data(config, csv, max_images=None), folder, num_images, seed)


def _from_scratch(
    config: LearningCurveConfig, data: TrainData, folder: Path, num_images: int, seed: int
) -> BaselineTrainConfig:
    own = {name: getattr(config.unet, name) for name in ("learning_rate", "weight_decay", "schedule")}
    training = derive(
        LoopSettings, config.tuned.training, warmup_steps=0, **own, **_of_run(config, folder, num_images, seed)
    )
    # captions are what the detector reads
    plain = derive(TrainData, data, absent_phrases=None, rewording=0.0, captions="distinct_phrases")
    return derive(BaselineTrainConfig, config.tuned, data=plain, baseline=config.unet.baseline, training=training)


def _train_data(config: LearningCurveConfig, csv: Path, **changes: object) -> TrainData:
    """The data settings of the tuning with other training images and without validation images."""
    images, masks = SPLIT_FOLDERS["train"]
    paths = {"train_dir": config.images / images, "train_ann": csv, "train_masks": config.images / masks}
    without = dict.fromkeys(("val_dir", "val_ann", "val_masks", "unlike_dir"))
    return derive(TrainData, config.tuned.data, **(paths | without | changes))


def _of_run(config: LearningCurveConfig, folder: Path, num_images: int, seed: int) -> dict[str, object]:
    """What the training settings of a run have of their own. Its weights are the last: nothing chooses among epochs."""
    batches = math.ceil(num_images / config.tuned.data.batch_size)
    steps = math.ceil(batches / config.tuned.training.accumulation_steps)
    return {
        "output_dir": folder,
        "seed": seed,
        "num_epochs": math.ceil(config.curve.num_steps / steps),
        "stop_on": "val_loss",
        "patience": config.curve.num_steps,  # more than there are epochs
        "sample_pictures_every": 0,
    }


def detector_test(
    config: LearningCurveConfig, name: str, folder: Path, detector: str | None = None, adapter: Path | None = None
) -> TestConfig:
    """The evaluation of the tuned detector, before tuning where there is no adapter. detector: another one instead."""
    model = ModelSettings(
        detector=detector or str(config.tuned.model.detector), adapter=adapter, mask_head=config.mask_head
    )
    return _test_config(config, name, folder, model=model)


def unet_test(config: LearningCurveConfig, name: str, folder: Path, weights: Path) -> TestConfig:
    """The evaluation of a trained U-Net."""
    return _test_config(config, name, folder, baseline=UNetSettings(name="unet", weights=weights))


def _test_config(config: LearningCurveConfig, name: str, folder: Path, **method: object) -> TestConfig:
    images, masks = SPLIT_FOLDERS["test"]
    data = derive(
        TestData,
        config.tuned.data,
        test_dir=config.images / images,
        test_ann=config.images / csv_name("test"),
        test_masks=config.images / masks,
    )
    evaluation = derive(EvaluationSettings, config.curve, output_dir=folder, method=name)
    return derive(TestConfig, config, data=data, evaluation=evaluation, phrase_book=config.tuned.phrase_book, **method)
