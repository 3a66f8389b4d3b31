"""What numbers can be traced to: the weights behind them, by name and hash, and from when on a box counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

MODELS, THRESHOLDS = "models", "thresholds"  # keys of method.json that earlier versions did not write
_DIGITS_SHOWN = 8


@dataclass(frozen=True)
class UsedWeights:
    """name: short, for tables. sha256: of the weights, ``None`` for random ones and where no file was found.

    settings_sha256: of what lies beside them and shapes their answers, ``None`` where nothing does.
    """

    name: str
    sha256: str | None
    settings_sha256: str | None

    def __str__(self) -> str:
        return f"{self.name} ({self.sha256[:_DIGITS_SHOWN] if self.sha256 else 'no hash'})"


@dataclass(frozen=True)
class Thresholds:
    """From which score on a box counts, how many count per phrase, and from which score on those after the best.

    further_threshold: ``None`` in results of versions that did not have it. beyond: what else shapes scores and masks,
    by name, such as ``maps agreement``.
    """

    box_threshold: float
    max_detections: int
    further_threshold: float | None = None
    beyond: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        boxes = "one box counts" if self.max_detections == 1 else f"{self.max_detections} boxes count"
        text = f"at most {boxes} per phrase, from a score of {self.box_threshold:g}"
        if self.max_detections > 1 and self.further_threshold is not None:
            text += f", those after the best from {self.further_threshold:g}"
        return "; ".join([text, *(f"{name} {value:g}" for name, value in self.beyond.items())])


@dataclass(frozen=True)
class Trace:
    """models: by their part of the method, such as ``detector``, ``adapter`` and ``mask head``. thresholds: of all
    phrases without values of their own; ``None`` where no detector looks for boxes.
    """

    models: Mapping[str, UsedWeights]
    thresholds: Thresholds | None = None

    def remarks(self) -> tuple[str, ...]:
        """The sentence that stands below tables; none where nothing is known, nor of random weights alone."""
        parts = [f"{part} {one}" for part, one in self.models.items()]
        are_files = any(one.sha256 for one in self.models.values())
        said = [f"Weights (sha256): {', '.join(parts)}"] if are_files else []
        if self.thresholds is not None:
            text = str(self.thresholds)
            said.append(text if said else text.capitalize())
        return (f"{'; '.join(said)}.",) if said else ()

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``method.json``; nothing stands for nothing known."""
        content: dict[str, Any] = {}
        if self.models:
            content[MODELS] = {part: asdict(one) for part, one in self.models.items()}
        if self.thresholds is not None:
            content[THRESHOLDS] = asdict(self.thresholds)
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Trace:
        """What ``to_json`` wrote into an object; results of earlier versions have nothing.

        Raises ValueError where it was edited into something else.
        """
        models = _MODELS.validate_python(content.get(MODELS, {}))
        return cls(models, _THRESHOLDS.validate_python(content.get(THRESHOLDS)))


_MODELS = TypeAdapter(dict[str, UsedWeights])
_THRESHOLDS = TypeAdapter(Thresholds | None)
NO_TRACE = Trace({})
