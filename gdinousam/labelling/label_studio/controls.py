"""The labelling config of a Label Studio project: which of its tags take rectangles and brush strokes of an image.

Two forms are understood: ``RectangleLabels`` and ``BrushLabels``, and ``Rectangle`` or ``Brush`` beside ``Labels``. Two
attributes are ours, or as Label Studio's own example backends have them: ``model_score_threshold`` of a control, and
``predicted_values`` of a label, the phrase to ask for where that is not the label's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, ParseError, fromstring

from gdinousam.errors import InputError
from gdinousam.reading import reason_of

WHERE = "labelling config"
_OWN_LABELS: dict[str, Literal["rectangle", "brush"]] = {"rectanglelabels": "rectangle", "brushlabels": "brush"}
_WITHOUT_LABELS = ("rectangle", "brush")
_LABELS = "labels"


@dataclass(frozen=True)
class Control:
    """A tag of the config that takes what is found.

    shape: what it draws. name: of the tag. to_name: of its ``Image`` tag. image_key: of the image in a task's data.
    phrase_of: by label, as its results are to name it, the phrase to ask for, in the order of the config. labels_name:
    of the ``Labels`` tag, where label and shape are results of their own; ``None``: one result says both. threshold: in
    [0, 1]; ``None``: as the model has it.
    """

    shape: Literal["rectangle", "brush"]
    name: str
    to_name: str
    image_key: str
    phrase_of: dict[str, str]
    labels_name: str | None = None
    threshold: float | None = None


def read_controls(config: str) -> tuple[Control, ...]:
    """The controls of a labelling config, in its order.

    Raises InputError for a text that is no XML, a threshold outside [0, 1], and where nothing in it takes rectangles or
    brush strokes of an image by labels that it lists.
    """
    try:
        root = fromstring(config)
    except (ParseError, ValueError) as error:  # ValueError: halves of surrogate pairs, which JSON can hold
        raise InputError(f"{WHERE}: not readable as XML ({reason_of(error)}); correct it in the project") from error
    controls = tuple(_controls(root))
    if not controls:
        raise InputError(
            f"{WHERE}: no RectangleLabels or BrushLabels with labels for an Image whose value is a field of the task; "
            "add one to the project"
        )
    return controls


def phrases_of(controls: tuple[Control, ...]) -> dict[str, str]:
    """The phrase of every label of the controls; of a label that two of them have the first one's."""
    return {label: phrase for control in reversed(controls) for label, phrase in control.phrase_of.items()}


def _controls(root: Element) -> Iterator[Control]:
    images = {one.get("name", ""): one.get("value", "") for one in root.iter() if one.tag.lower() == "image"}
    keys = {name: value[1:] for name, value in images.items() if value.startswith("$")}
    parted: dict[str, Element] = {}  # by image, the first tag of labels for controls that have none
    for tag in root.iter():
        if tag.tag.lower() == _LABELS:
            for name in tag.get("toName", "").split(","):
                parted.setdefault(name, tag)
    for tag in root.iter():
        kind = tag.tag.lower()
        to_name = next((name for name in tag.get("toName", "").split(",") if name in keys), None)
        if to_name is None:
            continue
        labels = tag if kind in _OWN_LABELS else parted.get(to_name) if kind in _WITHOUT_LABELS else None
        phrase_of = {} if labels is None else _phrases(labels)
        if labels is not None and phrase_of:
            yield Control(
                "brush" if kind.startswith("brush") else "rectangle",
                tag.get("name", ""),
                to_name,
                keys[to_name],
                phrase_of,
                None if labels is tag else labels.get("name", ""),
                _threshold(tag) if _threshold(tag) is not None else _threshold(labels),
            )


def _phrases(labels: Element) -> dict[str, str]:
    """Results name a label by its alias where it has one."""
    found = {}
    for one in labels.iter():
        name = one.get("alias") or one.get("value")
        if one.tag.lower() == "label" and name:
            found[name] = one.get("predicted_values") or one.get("value") or name
    return found


def _threshold(tag: Element) -> float | None:
    text = tag.get("model_score_threshold")
    try:
        number = None if text is None else float(text)
    except ValueError:
        number = -1
    if number is not None and not 0 <= number <= 1:
        raise InputError(f"{WHERE}: model_score_threshold is {text!r}; give a number in [0, 1]")
    return number
