"""Who shows a method where the objects lie, when it cannot read: a detector, the truth, or a person."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator

from gdinousam.evaluation.scoring.methods import Method
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import ComparedMethod
from gdinousam.methods.true_hints import ClickRule, TrueHints, centroid_click, fixed_click, random_click
from gdinousam.methods.user_hints import UserHints, read_user_hints
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.loading import pick_device
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.records import HintedSegmenter, ImageRecord
from gdinousam.runtime import torch_seed
from gdinousam.settings import Settings, SettingsPath

_REMARKS = {
    "detector": "Boxes come from the detector, which is given the phrase.",
    "truth": "Where the objects are is shown from the true masks; nothing had to be found.",
    "user": "Where the objects are is shown by a person.",
}
_CLICKS: dict[str, ClickRule] = {
    "fixed": lambda mask_hw, seed: fixed_click(mask_hw),
    "random": lambda mask_hw, seed: random_click(mask_hw, np.random.RandomState(seed % 2**32)),
    "centroid": lambda mask_hw, seed: centroid_click(mask_hw),
}


class HintSettings(Settings):
    """Who shows the method where the objects are."""

    source: Literal["detector", "truth", "user"] = Field(
        "detector",
        description="detector: the boxes that model.detector finds for the phrase, or their centres as clicks, "
        "so that only the phrase is given; truth: boxes or clicks from the true masks, as these methods were "
        "published; user: boxes or clicks from user_csv.",
    )
    click: Literal["fixed", "random", "centroid"] = Field(
        "fixed",
        description="Position of a click in a true mask. fixed: the middle one of its pixels, row by row "
        "(SAMUS's test code); random: any of its pixels (SAMUS's training, the study's text); centroid: the "
        "mean of its pixels, which may lie outside it (UltraSam).",
    )
    seed: int = Field(0, ge=0, description="Seed of random clicks; each depends only on it, the image and the object.")
    user_csv: SettingsPath | None = Field(None, description="CSV of what a person drew, for source user.")

    @model_validator(mode="after")
    def _source_has_its_file(self) -> HintSettings:
        if (self.source == "user") != (self.user_csv is not None):
            raise ValueError("user_csv belongs to source: user; give both or neither")
        return self


class HintedMethod(ComparedMethod):
    """A method that is shown a box or a click of each object."""

    prompts: HintSettings = HintSettings()

    @property
    def finds_by_phrase(self) -> bool:
        """Whether a detector shows it the boxes."""
        return self.prompts.source == "detector"

    def check_detector(self, config: ModelsConfig) -> None:
        """Raise ValueError where a detector is to show the boxes and none is named, and the reverse."""
        if not self.finds_by_phrase:
            super().check_detector(config)
            return
        model = config.model
        if model is None or model.is_reference:
            raise ValueError("baseline.prompts.source is detector; name one in model.detector, or choose truth")
        if model.mask_head is not None:
            raise ValueError(f"{self.name} makes the masks; leave out model.mask_head")

    @abstractmethod
    def load(self, device: torch.device) -> HintedSegmenter:
        """The method itself, on the device; InputError for weights that do not load."""

    @property
    def finder_kind(self) -> type[BoxFinder]:
        """Which of the detector's boxes it is shown."""
        return BoxFinder

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> Method:
        """Load the method with whoever shows it where the objects are. Random weights are the same every time."""
        with torch_seed(0):
            segmenter = self.load(pick_device(config.evaluation.device))
            if self.finds_by_phrase:
                return TextSegmenter(config.load_finder(self.finder_kind), segmenter)
        (need,) = segmenter.needs
        if self.prompts.user_csv is not None:
            return UserHints(segmenter, read_user_hints(self.prompts.user_csv, records, need))
        return TrueHints(segmenter, _CLICKS[self.prompts.click] if need == "point" else None, self.prompts.seed)

    def notes(self, records: Sequence[ImageRecord]) -> Notes:
        """Who shows it the objects, and what is known of its training data."""
        return self.leaks(records).after([_REMARKS[self.prompts.source]])

    @abstractmethod
    def leaks(self, records: Sequence[ImageRecord]) -> Notes:
        """What tables must say of its weights on these records."""
