"""Which detections belong to a label of a tool: those of its phrase, however that is spelt."""

from __future__ import annotations

from gdinousam.identity import phrase_identity
from gdinousam.prediction.results import Prediction
from gdinousam.records import Detection


def found_for(phrase: str, prediction: Prediction) -> list[Detection]:
    """The detections of a phrase that was asked, by falling score; of phrases that read alike one spelling was asked
    for all. Empty where nothing was found."""
    wanted = phrase_identity(phrase)
    return [one for one in prediction.detections if phrase_identity(one.phrase) == wanted]
