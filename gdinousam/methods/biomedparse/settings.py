"""The settings of BiomedParse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from gdinousam.data.contract.names import phrases_of
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.evaluation.scoring.trace import Trace
from gdinousam.methods.biomedparse.absence import AbsenceSettings, load_absence_test
from gdinousam.methods.biomedparse.segmenter import BiomedParseSegmenter
from gdinousam.methods.biomedparse.weights import load_biomedparse
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import ComparedMethod, Weights
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.sentences import PLACE, read_sentences, traced_with
from gdinousam.models.loading import pick_device
from gdinousam.models.weights.origin import weights_kind
from gdinousam.records import ImageRecord, WeightsKind
from gdinousam.runtime import torch_seed
from gdinousam.settings import ModelName, SettingsPath

# The ultrasound in its training data (Zhao and others, 2024), where BUSI goes by another name, if it is BUSI.
TRAINED_ON, PROBABLY_TRAINED_ON = ("CAMUS", "FH-PS-AOP"), ("BUSI",)
_PROBABLY = (
    "The published weights of BiomedParse were trained on images called BreastUS, which are probably of this dataset: "
    "the score may be optimistic."
)


class BiomedParseSettings(ComparedMethod):
    """BiomedParse, asked by a sentence for each phrase."""

    name: Literal["biomedparse"] = Field(description="The method.")
    weights: ModelName = Field(description="Its official file of version 1, random or random-small.")
    sentences: SettingsPath | None = Field(
        None,
        description="YAML with what is asked in place of a phrase, and a template for phrases that are not in it; "
        "null, or no template: those are asked as they are.",
    )
    absence: AbsenceSettings | None = Field(
        None,
        description="The authors' test for objects that are absent, which takes back what was found; null: no test.",
    )

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> BiomedParseSegmenter:
        """See ``MethodSettings``; InputError for what is asked for a phrase of the records but is too long."""
        sentences = read_sentences(self.sentences, PLACE)
        device = pick_device(config.evaluation.device)
        phrases = phrases_of(records)
        absence = load_absence_test(self.absence, phrases) if self.absence else None
        with torch_seed(0):  # random weights are the same every time
            network = load_biomedparse(self.weights)
        segmenter = BiomedParseSegmenter(network, sentences, absence).to(device)
        for phrase in phrases:
            segmenter.token_ids(phrase)
        return segmenter

    def notes(self, records: Sequence[ImageRecord]) -> Notes:
        """Marks the ultrasound datasets that it was trained on, or probably was."""
        certain, probable = (
            leak_notes("BiomedParse", self.weights, names, records).of_datasets
            for names in (TRAINED_ON, PROBABLY_TRAINED_ON)
        )
        return Notes(of_datasets={**certain, **dict.fromkeys(probable, _PROBABLY)})

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``; the distributions of the authors' test are numbers that were fitted too."""
        weights: dict[str, Weights] = {self.name: Weights(self.weights)}
        if self.absence:
            weights["distributions"] = Weights(str(self.absence.distributions))
        return weights

    def trace(self, config: ModelsConfig) -> Trace:
        """See ``MethodSettings``; the file of sentences too."""
        return traced_with(super().trace(config), self.sentences)

    def own_kind(self) -> WeightsKind:
        """That of the network: the file of distributions is small by nature."""
        return weights_kind(self.weights)
