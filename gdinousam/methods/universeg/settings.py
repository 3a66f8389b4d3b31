"""The settings of UniverSeg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from gdinousam.evaluation.scoring.methods import ByDataset, Method
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import ComparedMethod, Weights
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.universeg.segmenter import load_universeg_segmenters
from gdinousam.methods.universeg.support import SupportSettings, set_aside_notes
from gdinousam.models.loading import pick_device
from gdinousam.models.weights.origin import weights_kind
from gdinousam.records import ImageRecord, WeightsKind
from gdinousam.runtime import torch_seed
from gdinousam.settings import ModelName


class UniverSegSettings(ComparedMethod):
    """UniverSeg, given examples of the dataset."""

    name: Literal["universeg"] = Field(description="The method.")
    weights: ModelName = Field(description="Its official file, random or random-small.")
    support: SupportSettings = Field(description="They are images with masks from the same dataset.")

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> Method:
        """See ``MethodSettings``; InputError for examples that are among the records."""
        device = pick_device(config.evaluation.device)
        with torch_seed(0):  # random weights are the same every time
            return ByDataset(load_universeg_segmenters(self.weights, self.support, records, device), "example")

    def notes(self, records: Sequence[ImageRecord]) -> Notes:
        """Which images were set aside as examples, and that nobody has checked its training data."""
        datasets = dict.fromkeys(record.dataset for record in records)
        leaks = leak_notes("UniverSeg", self.weights, None, records)
        return Notes(leaks.remarks, set_aside_notes(self.support, datasets))

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``."""
        return {self.name: Weights(self.weights)}

    def own_kind(self) -> WeightsKind:
        """Its published size is small by design."""
        kind = weights_kind(self.weights)
        return "full" if kind == "small" else kind
