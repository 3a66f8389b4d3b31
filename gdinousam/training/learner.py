"""What is trained: a model with its loss, how its images are sized, and how what it finds is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import ImageRecord
from gdinousam.settings import Settings
from gdinousam.training.images import TrainData, TrainingImages
from gdinousam.training.tasks import Task


@dataclass(frozen=True)
class Learner:
    """What is trained.

    name: as noted beside its weights. started_from: the weights it starts from, ``None`` where they are random.
    resize: how its images are sized. sheet: draws what it finds on some images into a file.
    """

    name: str
    started_from: str | None
    task: Task
    resize: ResizeSettings
    sheet: Callable[[Sequence[ImageRecord], Path], None]


class LearnerSettings(Settings, ABC):
    """Settings of a compared method that can be trained; it has a field ``name``, a Literal, by which it is chosen."""

    name: str
    needs_objects: ClassVar[bool] = False  # whether an image without objects teaches nothing

    @abstractmethod
    def learner(self, data: TrainData, images: TrainingImages) -> Learner:
        """Build or load what is trained; InputError for weights that do not load or images that do not fit it."""
