"""The settings of BiomedParse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, field_validator

from gdinousam.data.contract.names import phrases_of
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.identity import phrase_identity
from gdinousam.methods.biomedparse.absence import AbsenceSettings, load_absence_test
from gdinousam.methods.biomedparse.segmenter import BiomedParseSegmenter
from gdinousam.methods.biomedparse.weights import load_biomedparse
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import ComparedMethod, Weights
from gdinousam.methods.leaks import leak_notes
from gdinousam.models.loading import pick_device
from gdinousam.models.weights.origin import weights_kind
from gdinousam.records import ImageRecord, WeightsKind
from gdinousam.runtime import torch_seed
from gdinousam.settings import ModelName

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
    sentences: dict[str, str] = Field(
        {}, description="What is asked instead of a phrase; phrases that are not listed are asked as they are."
    )
    absence: AbsenceSettings | None = Field(
        None,
        description="The authors' test for objects that are absent, which takes back what was found; null: no test.",
    )

    @field_validator("sentences")
    @classmethod
    def _each_phrase_has_one(cls, sentences: dict[str, str]) -> dict[str, str]:
        first: dict[str, str] = {}
        for phrase, sentence in sentences.items():
            other = first.setdefault(phrase_identity(phrase), phrase)
            if other != phrase:
                raise ValueError(f"{other!r} and {phrase!r} are one phrase; leave one of them out")
            if not sentence.strip():
                raise ValueError(f"the sentence for {phrase!r} is empty; leave it out to ask for the phrase itself")
        return sentences

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> BiomedParseSegmenter:
        """See ``MethodSettings``; InputError for what is asked for a phrase of the records but is too long."""
        device = pick_device(config.evaluation.device)
        phrases = phrases_of(records)
        absence = load_absence_test(self.absence, phrases) if self.absence else None
        with torch_seed(0):  # random weights are the same every time
            network = load_biomedparse(self.weights)
        segmenter = BiomedParseSegmenter(network, self.sentences, absence).to(device)
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

    def own_kind(self) -> WeightsKind:
        """That of the network: the file of distributions is small by nature."""
        return weights_kind(self.weights)
