"""Making the small model: training runs one after the other, then both parts in half precision in one folder."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from pydantic import Field, model_validator

from gdinousam.data.contract.layout import SPLIT_FOLDERS, csv_name
from gdinousam.errors import InputError
from gdinousam.experiments.config import TrainConfig
from gdinousam.folders import replaced_folder, surviving_folder
from gdinousam.models.imagenet_encoder import with_imagenet_encoder
from gdinousam.models.loading import load_grounding_dino, load_mask_head, save_resize, trained_resize
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.models.weights.origin import TRAINING_NOTE
from gdinousam.preprocessing import ResizeSettings
from gdinousam.runtime import torch_seed
from gdinousam.settings import ModelName, Settings, SettingsPath

logger = logging.getLogger(__name__)


class BundleSettings(Settings):
    """The two parts of the finished model and where they go."""

    detector: SettingsPath = Field(description="Folder of the detector's weights, in the run of a stage.")
    mask_head: SettingsPath = Field(description="Folder of the mask head's weights, in the run of a stage.")
    output_dir: SettingsPath = Field(description="Folder that gets detector/ and mask_head/ in half precision.")


class StartSettings(Settings):
    """What a detector starts from whose image encoder was trained on ImageNet."""

    rest: ModelName = Field(description="Small Grounding DINO with all other weights: folder, small-v1, random-small.")
    size: int = Field(224, ge=32, description="Side in pixels of the square that it is to see.")
    seed: int = Field(0, ge=0, description="Seed of the layers between encoder and rest, which start at random.")
    output_dir: SettingsPath = Field(description="Folder that gets it.")


class PretrainConfig(Settings):
    """Everything scripts/pretrain_small.py needs."""

    images: SettingsPath | None = Field(
        None,
        description="Folder of real images in the CSV layout, with masks; trained on train, chosen on val.",
    )
    start: StartSettings | None = Field(
        None,
        description="Written before the first stage, which names its folder. null: nothing is.",
    )
    stages: dict[str, TrainConfig] = Field(
        min_length=1, description="Training runs in order; each is a config of train.py without its image paths."
    )
    bundle: BundleSettings

    @model_validator(mode="after")
    def _stages_fit(self) -> PretrainConfig:
        precisions = {stage.training.mixed_precision for stage in self.stages.values()}
        if len(precisions) > 1:
            raise ValueError("every stage needs the same training.mixed_precision: they run in one process")
        return self

    def stage(self, name: str) -> TrainConfig:
        """The config of a stage with the paths of the real images; InputError for an unknown name."""
        if name not in self.stages:
            raise InputError(f"{name} is not a stage; stages: {', '.join(self.stages)}")
        config = self.stages[name]
        if self.images is None:
            return config
        return config.model_copy(update={"data": config.data.model_copy(update=_image_paths(self.images))})


def _image_paths(folder: Path) -> dict[str, Path]:
    """The fields of ``TrainData`` for a folder in the CSV layout."""
    paths = {"unlike_dir": folder / SPLIT_FOLDERS["test"][0]}
    for split in ("train", "val"):
        images, masks = SPLIT_FOLDERS[split]
        paths |= {
            f"{split}_dir": folder / images,
            f"{split}_ann": folder / csv_name(split),
            f"{split}_masks": folder / masks,
        }
    return paths


def write_start(settings: StartSettings) -> None:
    """Write the detector that training starts from, unless it is there already.

    Raises InputError where the weights of the image encoder are not installed, or ``rest`` does not load.
    """
    folder = settings.output_dir
    if surviving_folder(folder).is_dir():
        return
    rest, tokenizer = load_grounding_dino(str(settings.rest))
    with torch_seed(settings.seed):
        model = with_imagenet_encoder(rest)
    with replaced_folder(folder) as new:
        model.save_pretrained(new)
        tokenizer.save_pretrained(new)
        save_resize(new, ResizeSettings(size=settings.size))


def bundle(settings: BundleSettings) -> None:
    """Write both parts in half precision, as ``load_detector`` and ``load_mask_head`` read them, and their notes.

    Other files of the folder, such as its model card, stay; an operating point of earlier weights does not. Raises
    InputError where a part is missing.
    """
    model, tokenizer = load_grounding_dino(str(settings.detector))
    mask_head = load_mask_head(str(settings.mask_head))
    if not isinstance(mask_head, Sam2MaskHead):
        raise InputError(f"{settings.mask_head} is no SAM2")
    with replaced_folder(settings.output_dir / "detector") as new:
        model.half().save_pretrained(new)
        tokenizer.save_pretrained(new)
        save_resize(new, trained_resize(settings.detector))
        _copy_note(settings.detector, new)
    with replaced_folder(settings.output_dir / "mask_head") as new:
        mask_head.half().save(new)
        _copy_note(settings.mask_head, new)
    size = sum(path.stat().st_size for path in settings.output_dir.rglob("*") if path.is_file())
    logger.info("small model in %s: %.1f MB", settings.output_dir, size / 1e6)


def _copy_note(weights: Path, folder: Path) -> None:
    """What the weights were trained on, where a note says so."""
    note = weights / TRAINING_NOTE
    if note.is_file():
        shutil.copyfile(note, folder / TRAINING_NOTE)
