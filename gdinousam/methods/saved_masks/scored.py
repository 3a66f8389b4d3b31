"""Saved masks among the methods: which are scored, and what an evaluation of ours that kept them says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.kept import MASKS_NAME
from gdinousam.evaluation.scoring.results import METHOD_NAME, REFERENCE, read_note, weights_of
from gdinousam.evaluation.scoring.trace import NO_TRACE, Trace
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import MethodSettings, Weights
from gdinousam.methods.saved_masks.method import SavedMasks
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.reading import reading
from gdinousam.records import ImageRecord, Need, PhraseSegmenter, WeightsKind
from gdinousam.settings import SettingsPath


class ScoredMasks(MethodSettings):
    """Masks on disk, from another program or an earlier run of ours.

    For those of ours, the evaluation that saved them says what their weights are; for others this is unknown.
    """

    runs_models: ClassVar[bool] = False

    name: Literal["saved-masks"] = Field("saved-masks", description="The method.")
    predictions: SettingsPath = Field(description="Folder of the masks, or a COCO results file.")
    needs: tuple[Need, ...] = Field(
        ("text",), description="What the method that made them was given besides the image."
    )
    allowed: SavedMasksSettings = SavedMasksSettings()

    @property
    def whose(self) -> str:
        """Of some other program, or of a run that has a name already."""
        return "the masks to score need the name of their method"

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> SavedMasks:
        """See ``MethodSettings``; InputError for masks that do not fit the records."""
        return SavedMasks(self.predictions, records, frozenset(self.needs), self.allowed)

    def build_for_images(self, config: ModelsConfig) -> PhraseSegmenter:
        """Raises InputError: finished masks segment nothing."""
        raise InputError("evaluation.predictions names finished masks; leave it out to segment images")

    def own_weights(self) -> Mapping[str, Weights]:
        """None: nothing runs."""
        return {}

    def own_kind(self) -> WeightsKind:
        """As the evaluation that kept the masks says; InputError where its note cannot be read."""
        path = self._origin
        return "unknown" if path is None else weights_of(read_note(path), path)

    def is_reference(self) -> bool:
        """Whether the evaluation that kept the masks was one of a reference."""
        return self._origin is not None and bool(read_note(self._origin).get(REFERENCE, False))

    def trace(self, config: ModelsConfig) -> Trace:
        """As the evaluation that kept the masks was traced."""
        if self._origin is None:
            return NO_TRACE
        with reading(self._origin, "what an evaluation says of its method", "evaluate again with this version"):
            return Trace.from_json(read_note(self._origin))

    @property
    def _origin(self) -> Path | None:
        """``method.json`` of the evaluation that kept the masks; ``None`` for those of another program."""
        path = self.predictions.parent / METHOD_NAME
        return path if self.predictions.name == MASKS_NAME and path.is_file() else None
