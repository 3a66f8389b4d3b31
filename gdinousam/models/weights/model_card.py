"""The model card of a folder of weights, ``README.md``: what a hub shows of it and what people should know of it.

It is written from the notes of a training and says nothing that is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from gdinousam.files import write_text
from gdinousam.models.adapters.base_note import BASE_NOTE
from gdinousam.models.adapters.files import MODEL_CARD, is_adapter
from gdinousam.models.weights.origin import TRAINING_NOTE
from gdinousam.models.weights.training_note import DATASETS, PHRASES
from gdinousam.reading import read_json_object

LICENSE = "license"  # in the note of a training
_UNKNOWN = "unknown"  # a licence that hubs know
_OWN = "gdinousam"
_JUDGED = {"val_loss": "validation loss", "train_loss": "training loss"}  # metrics of a training, for people


@dataclass(frozen=True)
class _Kind:
    """title: what the weights are. library: that opens them. task: on a hub, ``None``: none of theirs. setting: of a
    config, that names the folder; ``None``: of a method of its own. argument: of ``Segmenter.load``, likewise."""

    title: str
    library: str
    task: str | None = None
    setting: str | None = None
    argument: str = ""


_ADAPTER = _Kind("A LoRA adapter on Grounding DINO", "peft", "zero-shot-object-detection", "model.adapter", '"./"')
_KINDS = {
    "detector": _Kind("A Grounding DINO", "transformers", "zero-shot-object-detection", "model.detector", '"./"'),
    "mask_head": _Kind("A SAM2", "transformers", "mask-generation", "model.mask_head", 'mask_head="./"'),
}


def write_model_card(folder: Path, notes: Mapping[str, Any]) -> None:
    """Write the card of a folder that holds weights, over an earlier one.

    notes: of the training, as they stand in ``training.json``; what is not there is left out.
    """
    trained = str(notes.get("trained", "detector"))
    kind = _ADAPTER if is_adapter(folder) else _KINDS.get(trained, _Kind(f"A {trained}", _OWN))
    base = _base(folder, notes)
    metadata = ModelCardData(
        base_model=base,
        library_name=kind.library,
        license=str(notes.get(LICENSE, _UNKNOWN)),
        pipeline_tag=kind.task,
        tags=[_OWN, "ultrasound", "medical", *(["lora"] if kind is _ADAPTER else [])],
        **_measured(kind, notes),
    )
    front = f"---\n{metadata.to_yaml()}\n---"
    parts = [front, _what(kind, base, notes), _use(kind, base), _training(notes)]
    write_text(folder / MODEL_CARD, "\n\n".join(part for part in parts if part) + "\n")


def _base(folder: Path, notes: Mapping[str, Any]) -> str | None:
    """What the weights started from, as adapters call it; ``None`` where it was random or nobody knows."""
    note = folder / BASE_NOTE
    base = read_json_object(note).get("name") if note.is_file() else notes.get("started_from")
    return str(base) if base else None


def _measured(kind: _Kind, notes: Mapping[str, Any]) -> dict[str, Any]:
    """The losses of the epoch in the form of a hub's model index."""
    results = [
        EvalResult(
            task_type=kind.task or "image-segmentation",
            dataset_type=_OWN,
            dataset_name=", ".join(map(str, notes.get(DATASETS, ()))) or "own images",
            metric_type="loss",
            metric_name=_JUDGED[name],
            metric_value=value,
        )
        for name, value in _losses(notes).items()
    ]
    return {"model_name": kind.title, "eval_results": results, "metrics": ["loss"]} if results else {}


def _losses(notes: Mapping[str, Any]) -> dict[str, float]:
    metrics = notes.get("metrics", {})
    return {name: float(metrics[name]) for name in _JUDGED if name in metrics and math.isfinite(float(metrics[name]))}


def _what(kind: _Kind, base: str | None, notes: Mapping[str, Any]) -> str:
    started = f" It started from `{base}`." if base else ""
    rights = (
        "Its licence is that of the weights it was made from."
        if LICENSE not in notes
        else f"Licence: `{notes[LICENSE]}`; the training images have their own terms."
    )
    return f"# {kind.title} for ultrasound images\n\nWritten by gdinousam. Not for diagnosis.{started} {rights}"


def _use(kind: _Kind, base: str | None) -> str:
    if kind.setting is None:
        return ""
    on = f" beside `model.detector: {base}`" if kind is _ADAPTER and base else ""
    return f"""## Use

```python
from gdinousam import Segmenter

segmenter = Segmenter.load({kind.argument})  # in this folder; elsewhere its path, or its hub id
```

A config of gdinousam names this folder in `{kind.setting}`{on}."""


def _training(notes: Mapping[str, Any]) -> str:
    """Data, its fingerprint, phrases and what was measured; empty where nothing was noted."""
    facts = [
        ("training images", notes.get("num_train_images")),
        ("datasets", _listed(notes.get(DATASETS, ()))),
        ("phrases", _listed(notes.get(PHRASES, ()))),
        ("CSV of the training images, sha256", notes.get("train_csv_sha256")),
        ("epoch", notes.get("metrics", {}).get("epoch")),
        *((_JUDGED[name], f"{value:.4g}") for name, value in _losses(notes).items()),
        *(notes.get("libraries", {}).items()),
    ]
    lines = [f"| {name} | {value} |" for name, value in facts if value not in (None, "")]
    if not lines:
        return ""
    table = "\n".join(["| | |", "| --- | --- |", *lines])
    return f"## Training\n\n{table}\n\nLosses do not say how well it segments. All notes: `{TRAINING_NOTE}`."


def _listed(names: Sequence[object]) -> str:
    return ", ".join(str(name).replace("|", "\\|") for name in names)
