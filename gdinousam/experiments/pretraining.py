"""Making the small model: training runs one after the other, then both parts in half precision in one folder."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import Field, model_validator

from gdinousam.data.contract.layout import SPLIT_FOLDERS, csv_name
from gdinousam.errors import InputError
from gdinousam.experiments.config import TrainConfig
from gdinousam.folders import replaced_folder
from gdinousam.models.loading import load_grounding_dino, load_mask_head, save_resize, trained_resize
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.settings import Settings, SettingsPath

logger = logging.getLogger(__name__)


class BundleSettings(Settings):
    """The two parts of the finished model and where they go."""

    detector: SettingsPath = Field(description="Folder of the detector's weights, in the run of a stage.")
    mask_head: SettingsPath = Field(description="Folder of the mask head's weights, in the run of a stage.")
    output_dir: SettingsPath = Field(description="Folder that gets detector/ and mask_head/ in half precision.")


class PretrainConfig(Settings):
    """Everything scripts/pretrain_small.py needs."""

    images: SettingsPath | None = Field(
        None,
        description="Folder of real images in the CSV layout, with masks; trained on train, chosen on val.",
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


def bundle(settings: BundleSettings) -> None:
    """Write both parts in half precision, as ``load_detector`` and ``load_mask_head`` read them.

    Other files of the folder, such as its model card, stay. Raises InputError where a part is missing.
    """
    model, tokenizer = load_grounding_dino(str(settings.detector))
    mask_head = load_mask_head(str(settings.mask_head))
    if not isinstance(mask_head, Sam2MaskHead):
        raise InputError(f"{settings.mask_head} is no SAM2")
    with replaced_folder(settings.output_dir / "detector") as new:
        model.half().save_pretrained(new)
        tokenizer.save_pretrained(new)
        save_resize(new, trained_resize(settings.detector))
    with replaced_folder(settings.output_dir / "mask_head") as new:
        mask_head.half().save(new)
    size = sum(path.stat().st_size for path in settings.output_dir.rglob("*") if path.is_file())
    logger.info("small model in %s: %.1f MB", settings.output_dir, size / 1e6)
