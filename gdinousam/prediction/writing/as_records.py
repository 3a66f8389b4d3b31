"""What was found as a record that JSON can hold; the tables are made of records, at any time again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.data.sources.medical.frames import Spacing
from gdinousam.prediction.clips.answers import Following
from gdinousam.prediction.measuring import Measurement, measure
from gdinousam.prediction.results import MadeBy, Prediction
from gdinousam.prediction.sources import Clip
from gdinousam.records import Detection

Record = dict[str, Any]  # what JSON can hold

_OF_DETECTION = ("phrase", "score", "box_xyxy")  # of a measurement, which the detection has as well
SIZES = tuple(field.name for field in fields(Measurement) if field.name not in _OF_DETECTION)


def as_record(prediction: Prediction) -> Record:
    """All of a prediction but the pixels of its image.

    Keys: ``image`` (its name), ``width``, ``height``, ``spacing_mm`` ([across, down] or null), ``notes``, ``phrases``,
    ``detections`` and ``made_by`` (see ``MadeBy``). A detection has ``phrase``, ``score``, ``box_xyxy`` in pixels,
    ``segmentation`` (COCO run lengths, {size, counts}) and ``measurement`` (see ``Measurement``), both null where the
    method gives no mask.
    """
    height, width = prediction.size_hw
    return {
        "image": prediction.source,
        "width": width,
        "height": height,
        "spacing_mm": prediction.spacing_mm and list(prediction.spacing_mm),
        "notes": list(prediction.notes),
        "phrases": list(prediction.phrases),
        "detections": [detection_record(one, prediction.spacing_mm) for one in prediction.detections],
        "made_by": asdict(prediction.made_by),
    }


def detection_record(detection: Detection, spacing_mm: Spacing | None) -> Record:
    """A detection as ``as_record`` has it. spacing_mm: of its image, (across, down)."""
    content: Record = {
        "phrase": detection.phrase,
        "score": float(detection.score),
        "box_xyxy": [float(edge) for edge in detection.box_xyxy],
        "segmentation": None,
        "measurement": None,
    }
    if detection.mask_hw is None:
        return content
    sizes = asdict(measure(detection, spacing_mm))
    return content | {
        "segmentation": encode_rle(detection.mask_hw),
        "measurement": {name: sizes[name] for name in SIZES},
    }


def clip_record(
    clip: Clip, phrases: Sequence[str], objects: Sequence[Following], notes: Sequence[str], made_by: MadeBy
) -> Record:
    """What is kept of a clip; single frames are in its table.

    Keys: those of ``as_record``, without detections, and ``num_frames``, ``fps`` (or null) and ``objects``, each with
    ``track``, ``phrase``, ``first_frame``, ``last_frame``, ``num_frames``, ``largest_area`` and ``unit``.
    """
    return {
        "image": clip.name,
        "width": clip.width,
        "height": clip.height,
        "num_frames": clip.num_frames,
        "fps": clip.fps,
        "spacing_mm": clip.spacing_mm and list(clip.spacing_mm),
        "notes": list(notes),
        "phrases": list(phrases),
        "detections": [],
        "objects": [
            {
                "track": one.track,
                "phrase": one.phrase,
                "first_frame": one.frames[0],
                "last_frame": one.frames[-1],
                "num_frames": len(one.frames),
                "largest_area": max(one.areas),
                "unit": one.unit,
            }
            for one in objects
        ],
        "made_by": asdict(made_by),
    }


def is_of_clip(record: Record) -> bool:
    """Whether a record is one of ``clip_record``."""
    return "num_frames" in record


def json_line(record: Record) -> str:
    """A record as one line of JSON, without its end; letters of every script stay as they are."""
    return json.dumps(record, ensure_ascii=False)


def is_record(content: object) -> bool:
    """Whether something from a file looks like what ``as_record`` makes."""
    wanted = {"image": str, "width": int, "height": int, "phrases": list, "detections": list, "made_by": dict}
    return isinstance(content, Mapping) and all(isinstance(content.get(key), kind) for key, kind in wanted.items())
