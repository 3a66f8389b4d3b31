"""The segmenter that a config describes: our pipeline, or a compared method that can be asked about any image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gdinousam.experiments.config import PredictConfig
from gdinousam.methods.ours.settings import PipelineSettings
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.prediction.models import ModelNames, made_by, versions
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.records import PhraseSegmenter


def segmenter_of_config(config: PredictConfig, phrases: Sequence[str]) -> Segmenter:
    """Build what a config names, ready to predict, and warn of phrases that its training never had.

    Raises InputError for a method that has to be shown more than an image and a phrase, and for what cannot be loaded.
    """
    config = config.resolved()
    config.evaluation.prepare_process()
    method = config.method.build_for_images(config)
    if config.method.finds_by_phrase:
        config.warn_of_new_phrases(phrases)
    return Segmenter.of(method, _made_by(config, method))


def _made_by(config: PredictConfig, method: PhraseSegmenter) -> MadeBy:
    settings = config.method
    if isinstance(settings, PipelineSettings) and isinstance(method, TextSegmenter):
        model = config.named_model
        adapter = None if model.adapter is None else str(model.adapter)
        return made_by(ModelNames(model.detector, adapter, settings.mask_head), method)
    trace = settings.trace(config)
    adapter_used, mask_head_used = trace.models.get("adapter"), trace.models.get("mask head")
    return MadeBy(
        model=settings.name,
        adapter=adapter_used.name if adapter_used else None,
        mask_head=mask_head_used.name if mask_head_used else settings.name,
        thresholds=asdict(trace.thresholds) if trace.thresholds else {},
        weights={part: used.sha256 for part, used in trace.models.items() if used.sha256},
        versions=versions(),
    )
