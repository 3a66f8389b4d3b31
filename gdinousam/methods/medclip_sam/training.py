"""The settings of fine-tuning BiomedCLIP for MedCLIP-SAMv2, on the images of a CSV with sentences for its phrases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from gdinousam.methods.medclip_sam.dhn_nce import DhnNce
from gdinousam.methods.medclip_sam.kept_maps import KeptMaps
from gdinousam.methods.medclip_sam.segmenter import TEMPLATE, SegmenterParts, SentenceReader
from gdinousam.methods.medclip_sam.task import PairsTask
from gdinousam.methods.medclip_sam.v2 import MedClipSamV2
from gdinousam.methods.medclip_sam.weights import load_biomedclip
from gdinousam.methods.sentences import read_sentences
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Detection, Image, ImageRecord
from gdinousam.settings import ModelName, SettingsPath
from gdinousam.training.images import TrainData, TrainingImages
from gdinousam.training.learner import Learner, LearnerSettings
from gdinousam.training.sheets import segmenter_sheet


class MedClipSamV2Training(LearnerSettings):
    """BiomedCLIP, fine-tuned with the loss DHN-NCE; every image is paired with the sentence of one of its objects."""

    needs_objects: ClassVar[bool] = True  # there is no sentence otherwise
    needs_masks: ClassVar[bool] = False

    name: Literal["medclip_samv2"] = Field(description="The method.")
    start: ModelName = Field(description="BiomedCLIP, as weights of the method; random-small for a first run.")
    sentences: SettingsPath | None = Field(
        None, description="YAML with a sentence for each phrase, and a template for the others; null: the template."
    )
    temperature: float = Field(0.6, gt=0, description="Of the cosines of images and sentences.")
    beta_image: float = Field(0.15, ge=0, description="How much harder sentences count among those of an image.")
    beta_text: float = Field(0.15, ge=0, description="How much harder images count among those of a sentence.")
    alpha: float = Field(0.0, ge=0, description="Weight of the pair itself among its negatives; 0 decouples it.")

    def learner(self, data: TrainData, images: TrainingImages) -> Learner:
        """See ``LearnerSettings``."""
        sentences = read_sentences(self.sentences, TEMPLATE)
        reader = SentenceReader(*load_biomedclip(self.start))
        reader.model.requires_grad_(True)
        loss = DhnNce(self.temperature, self.beta_image, self.beta_text, self.alpha)

        def draw(records: Sequence[ImageRecord], path: Path) -> None:
            # a reader of its own, which knows no features of earlier weights
            now = SentenceReader(reader.model, reader.tokenizer)
            segmenter = MedClipSamV2(SegmenterParts(now, None, KeptMaps(None, {}), sentences))

            def find(pictures: Sequence[Image], of: Sequence[ImageRecord]) -> list[list[Detection]]:
                return segmenter.segment(pictures, [record.phrases for record in of])

            segmenter_sheet(find, reader.model, records, path)

        return Learner(
            name=self.name,
            started_from=self.start,
            task=PairsTask(reader, sentences, loss),
            resize=ResizeSettings(size=reader.model.size.image_size),
            sheet=draw,
        )
