"""The settings of the U-Net: how it is tested, and how it is trained."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from gdinousam.data.contract.names import datasets_of
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import ByDataset, Method
from gdinousam.identity import same_name
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import ComparedMethod, Weights
from gdinousam.methods.unet.network import UNet, UNetDescription, UNetShape
from gdinousam.methods.unet.segmenter import UNetSegmenter
from gdinousam.methods.unet.task import UNetTask
from gdinousam.methods.unet.weights import DESCRIPTION, load_unet
from gdinousam.models.adapters.lora import count_parameters
from gdinousam.models.loading import pick_device
from gdinousam.models.weights.choice import BEST
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import ImageRecord, WeightsKind
from gdinousam.settings import SettingsPath
from gdinousam.training.checkpoints import LAST
from gdinousam.training.images import TrainData, TrainingImages, training_phrases
from gdinousam.training.learner import Learner, LearnerSettings
from gdinousam.training.sheets import segmenter_sheet

logger = logging.getLogger(__name__)


class UNetSettings(ComparedMethod):
    """A U-Net trained by baselines/trainUNet.py."""

    name: Literal["unet"] = Field(description="The method.")
    weights: SettingsPath = Field(
        description="Folder of one U-Net, or a folder with one U-Net for each dataset, named like the dataset."
    )

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> Method:
        """One U-Net for all images, or where the folder holds one for each dataset, those that the records need.

        Raises InputError where the folder holds none of any dataset of the records.
        """
        device = pick_device(config.evaluation.device)
        chosen = _folders_of_datasets(self.weights)
        if not chosen:
            return load_unet(self.weights).to(device)
        tested = datasets_of(records) or tuple(sorted(chosen))
        name_of = {dataset: name for dataset in tested if (name := same_name(dataset, chosen)) is not None}
        if not name_of:
            raise InputError(
                f"{self.weights}: no U-Net of {', '.join(tested)}, only of {', '.join(sorted(chosen))}; train one of "
                "them"
            )
        return ByDataset({dataset: load_unet(chosen[name]).to(device) for dataset, name in name_of.items()}, "U-Net")

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``; those of every dataset for itself."""
        of_datasets = _folders_of_datasets(self.weights)
        if not of_datasets:
            return {self.name: Weights(str(self.weights))}
        return {f"{self.name} of {dataset}": Weights(str(folder)) for dataset, folder in sorted(of_datasets.items())}

    def own_kind(self) -> WeightsKind:
        """It is small by design, and never published in another size."""
        return "full"


class UNetTraining(UNetShape, LearnerSettings):
    """A U-Net from random weights: one output channel for each phrase of the training images.

    An image that is known to lack a phrase teaches its channel to stay empty, so images without objects are used.
    """

    def learner(self, data: TrainData, images: TrainingImages) -> Learner:
        """See ``LearnerSettings``; InputError for validation images with phrases that no training image has."""
        phrases = training_phrases(data, images)
        unknown = {phrase for record in images.val for phrase in record.phrases} - set(phrases)
        if unknown:
            raise InputError(
                f"{data.val_ann}: phrases that no training image has: {', '.join(sorted(unknown))}; a U-Net has no "
                "channel for them, so add training images or leave these rows out"
            )
        network = UNet(self.channels, len(phrases))
        logger.info("U-Net of %d phrases: %s", len(phrases), count_parameters(network))
        description = UNetDescription(**self.model_dump(), phrases=phrases)
        segmenter = UNetSegmenter(network, description)
        return Learner(
            name=self.name,
            started_from=None,
            task=UNetTask(network, description),
            resize=ResizeSettings(size=self.size),
            sheet=lambda records, path: segmenter_sheet(
                lambda images, of: segmenter.segment(images, [record.phrases for record in of]), network, records, path
            ),
        )


def _folders_of_datasets(folder: Path) -> dict[str, Path]:
    """The U-Net of each dataset in a folder of several runs; empty for a folder of one U-Net."""
    of_datasets = sorted(path.parent for path in folder.glob(f"*/*/{DESCRIPTION}")) if folder.is_dir() else []
    # a run without validation images has no best weights, only the last
    return {path.parent.name: path for name in (LAST, BEST) for path in of_datasets if path.name == name}
