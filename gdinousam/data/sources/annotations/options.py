"""What a reader of annotations may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class ReadOptions:
    """How to read a source.

    images, masks: their folders; ``None``: where the format has them. phrases: the phrase of each value of a label map.
    phrase: of every object of masks. attribute: of VIA, the one that holds the label. several: which annotation of a
    task in Label Studio counts; ``None``: only one may be there. each_part: each connected part of a label map is an
    object. one_based: the first pixel of Pascal VOC boxes is 1. scratch: an empty folder for images that are made while
    reading; it lasts until they are written (``import_annotations`` gives one). progress: a bar in a terminal.
    """

    scratch: Path = Path()
    images: Path | None = None
    masks: Path | None = None
    phrases: Mapping[str, str] = field(default_factory=dict)
    phrase: str | None = None
    attribute: str | None = None
    several: Literal["first", "last"] | None = None
    each_part: bool = False
    one_based: bool = False
    progress: bool = False
