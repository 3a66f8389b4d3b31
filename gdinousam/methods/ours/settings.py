"""The settings of the paper's pipeline and of its references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from gdinousam.evaluation.scoring.methods import Method
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import MethodSettings, Weights
from gdinousam.methods.ours.references import WholeImageSegmenter
from gdinousam.methods.true_hints import TrueHints
from gdinousam.models.loading import load_mask_head, place
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.records import ImageRecord
from gdinousam.settings import ModelName


class WithMaskHead(MethodSettings):
    """A mask head, and whatever gives it boxes."""

    mask_head: ModelName = Field(description="SAM2 of any size, SAM or MedSAM.")

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``."""
        return {"mask head": Weights(self.mask_head, "mask_head")}

    def load_mask_head(self, config: ModelsConfig) -> MaskHead:
        """The mask head where and in what numbers the config wants it."""
        compute = config.evaluation
        return place(load_mask_head(self.mask_head), compute.device, compute.precision, compute.compile)


class PipelineSettings(WithMaskHead):
    """Phrase -> Grounding DINO -> boxes -> mask head -> masks (paper, section 2)."""

    name: Literal["grounding-dino-us-sam"] = Field("grounding-dino-us-sam", description="The method.")

    @property
    def whose(self) -> None:
        """Ours."""
        return None

    @property
    def finds_by_phrase(self) -> bool:
        """Always."""
        return True

    def check(self, config: ModelsConfig) -> None:
        """Raise ValueError where no detector is named."""
        if config.model is None or config.model.is_reference:
            raise ValueError("name a Grounding DINO in model.detector")

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> TextSegmenter[MaskHead]:
        """See ``MethodSettings``."""
        model, compute = config.named_model, config.evaluation
        return load_segmenter(
            model.detector,
            self.mask_head,
            model.adapter,
            config.resize,
            config.prediction,
            compute.device,
            compute.precision,
            compute.compile,
            model.trained_box_layer,
            config.public_rule,
        )


class ReferenceSettings(WithMaskHead):
    """What the mask head reaches with boxes that nobody had to find."""

    @property
    def whose(self) -> str:
        """Nobody's."""
        return f"{self.name} is a reference, not our method"

    def is_reference(self) -> bool:
        """Always."""
        return True


class TrueBoxSettings(ReferenceSettings):
    """The mask head with the true boxes: what a perfect detector would reach."""

    name: Literal["true-box"] = Field(description="The method.")

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> Method:
        """See ``MethodSettings``."""
        return TrueHints(self.load_mask_head(config))


class WholeImageSettings(ReferenceSettings):
    """The mask head with one box around every image: what it reaches without being told anything."""

    name: Literal["whole-image"] = Field(description="The method.")

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> Method:
        """See ``MethodSettings``."""
        return WholeImageSegmenter(self.load_mask_head(config))
