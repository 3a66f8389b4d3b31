"""What every method is: settings that build it, and that say what stands beside its numbers.

Ours, the references, saved masks and every compared method are subclasses of ``MethodSettings``, gathered by
``gdinousam.methods.registry``. Whoever evaluates knows nothing else of a method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import Method, RecordSegmenter
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes
from gdinousam.evaluation.scoring.trace import Thresholds, Trace, UsedWeights
from gdinousam.methods.config import ModelsConfig, ModelSettings
from gdinousam.models.bundled import Part, bundled_part
from gdinousam.models.loading import detector_and_adapter
from gdinousam.models.weights.origin import short_name, weights_hash, weights_kind, worst_kind
from gdinousam.records import ImageRecord, PhraseSegmenter, WeightsKind
from gdinousam.settings import Settings


@dataclass(frozen=True)
class Weights:
    """Weights of a part of a method. name: as in the config. part: of a bundled model, where the name may mean one."""

    name: str
    part: Part | None = None


class MethodSettings(Settings, ABC):
    """Settings of one method.

    Further groups of the config, the detector among them, come as ``config``. A subclass has a field ``name``, a
    Literal, by which a config chooses it.
    """

    name: str
    # whether models run here; of masks of another program nobody knows where they were made
    runs_models: ClassVar[bool] = True

    @property
    def finds_by_phrase(self) -> bool:
        """Whether the detector of the config finds the boxes, so that its thresholds and the words matter."""
        return False

    @property
    def whose(self) -> str | None:
        """Why tables cannot call it by the name of our method; ``None`` for ours."""
        return f"{self.name} is not our method"

    def is_reference(self) -> bool:
        """Whether it is a reference: told what methods have to find, so that it is no candidate for the best."""
        return False

    def check(self, config: ModelsConfig) -> None:
        """Raise ValueError where other groups of the config do not go with the method."""

    @abstractmethod
    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> Method:
        """Load the method, ready to run on these records, which are empty where only images will come.

        Raises InputError for what cannot be loaded and for what does not fit the records.
        """

    def notes(self, records: Sequence[ImageRecord]) -> Notes:
        """What every table with the method's numbers on these records must say, beside what its weights are."""
        return NO_NOTES

    @abstractmethod
    def own_weights(self) -> Mapping[str, Weights]:
        """The weights of the method itself, by what they are of; a detector of the config is none of them."""

    def own_kind(self) -> WeightsKind:
        """What the weights of the method itself are."""
        return worst_kind([weights_kind(one.name) for one in self.own_weights().values()])

    def kind(self, config: ModelsConfig) -> WeightsKind:
        """What all weights are together, those of a detector of the config included.

        Raises InputError where a note beside them cannot be read.
        """
        detector = [weights_kind(config.named_model.detector)] if self.finds_by_phrase else []
        return worst_kind([self.own_kind(), *detector])

    def trace(self, config: ModelsConfig) -> Trace:
        """What the results can be traced to; call it once the models have been loaded, and so fetched.

        config: with nothing left open in ``prediction``. Reads every weight file once per process: a second or two per
        gigabyte.
        """
        used: dict[str, UsedWeights] = detector_used(config.named_model) if self.finds_by_phrase else {}
        used |= {part: weights_used(one.name, one.part) for part, one in self.own_weights().items()}
        if not self.finds_by_phrase:
            return Trace(used)
        prediction = config.prediction.filled()
        return Trace(used, Thresholds(**prediction.overall.model_dump(), beyond=prediction.beyond_thresholds))

    def build_for_images(self, config: ModelsConfig) -> PhraseSegmenter:
        """The method for images of which nothing is known but phrases; InputError where it has to be shown more."""
        method = self.build(config, ())
        if isinstance(method, RecordSegmenter):
            raise InputError(
                f"{self.name} is shown more than an image and a phrase ({', '.join(sorted(method.needs))}); only "
                "test.py can give it that, from a test file"
            )
        return method


class ComparedMethod(MethodSettings):
    """A method that others published, run as they did."""

    def check(self, config: ModelsConfig) -> None:
        """Raise ValueError for other numbers than it was published with, and for a detector that it is not given."""
        compute = config.evaluation
        if compute.precision != "float32":
            raise ValueError(f"{self.name} runs in float32 as it was published; leave out evaluation.precision")
        if compute.tf32:
            raise ValueError(f"{self.name} runs in float32 as it was published; leave out evaluation.tf32")
        if compute.compile:
            raise ValueError(f"{self.name} is not compiled; leave out evaluation.compile")
        self.check_detector(config)

    def check_detector(self, config: ModelsConfig) -> None:
        """Raise ValueError where the config names models that the method does not use, or none where it does."""
        if config.model is not None:
            raise ValueError(f"{self.name} is given no detector's boxes here; leave out model")


def detector_used(model: ModelSettings) -> dict[str, UsedWeights]:
    """The detector and, where there is one, the adapter on it; both have been fetched."""
    name, folder = detector_and_adapter(model.detector, model.adapter)
    used = {"detector": weights_used(name, "detector")}
    if folder is None:
        return used
    # by the name in the config: the folder of a hub id is one of its cache
    return used | {"adapter": replace(weights_used(str(folder)), name=short_name(str(model.adapter or model.detector)))}


def weights_used(name: str, part: Part | None = None) -> UsedWeights:
    """A file, folder, hub id or own name with its hashes. part: of a bundled model, where the name may mean one."""
    found = weights_hash(str((part and bundled_part(name, part)) or name))
    if found is None:
        return UsedWeights(short_name(name), None, None)
    return UsedWeights(short_name(name), found.weights, found.settings)
