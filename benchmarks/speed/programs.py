"""A program that finds and segments prompts in an image, as it is timed; and ours as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from benchmarks.machine import weights_bytes
from gdinousam.data.images import read_image
from gdinousam.evaluation.timing.clock import Clock, Place
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Detection, Image

Precision = Literal["float32", "bfloat16"]

# The stages that all programs are timed in, under one name each.
DECODE = "decode"
PREPROCESS = "preprocess"
TEXT = "text"
BACKBONE = "backbone"
ENCODER_DECODER = "encoder and decoder"
MASK_ENCODER = "mask encoder"
MASK_DECODER = "mask decoder"
POSTPROCESS = "post-processing"
STAGES = (DECODE, PREPROCESS, TEXT, BACKBONE, ENCODER_DECODER, MASK_ENCODER, MASK_DECODER, POSTPROCESS)


class Program(Protocol):
    """Answers prompts on an image file. Always one box and one mask per prompt, whatever its score.

    name: for tables. precision: of its matrix products. takes_prompts_together: whether more prompts are another kind
    of work to it, and not only more of the same. places: its methods that count as a stage; what runs outside of them
    is post-processing.
    """

    name: str
    precision: str
    takes_prompts_together: bool

    @property
    def places(self) -> list[Place]: ...

    @property
    def weights_bytes(self) -> int: ...

    def answer(self, path: Path, phrases: Sequence[str], clock: Clock) -> list[Detection]:
        """The detection of each distinct phrase, in order; a phrase without a box that has an area has none."""
        ...


class OurPipeline:
    """Our pipeline with SAM2, all prompts of an image in one call."""

    takes_prompts_together = True

    def __init__(self, segmenter: TextSegmenter[Sam2MaskHead], precision: Precision) -> None:
        self.segmenter = segmenter
        self.precision: str = precision
        self.name = f"ours, {precision}"

    @property
    def places(self) -> list[Place]:
        """Work inside ``encode`` and ``find`` that is no network's is resizing, normalising and tokens."""
        finder, mask_head = self.segmenter.box_finder, self.segmenter.mask_head
        layers = finder.detector.grounding_dino.model
        return [
            (finder, "find", PREPROCESS),
            (finder.detector, "forward", ENCODER_DECODER),
            (finder.detector, "encode", BACKBONE),
            (layers.backbone, "forward", BACKBONE),
            (layers.text_backbone, "forward", TEXT),
            (finder, "choose", POSTPROCESS),
            (mask_head, "encode", PREPROCESS),
            (mask_head.image_encoder, "forward", MASK_ENCODER),
            (mask_head, "answer", MASK_DECODER),
        ]

    @property
    def weights_bytes(self) -> int:
        """Bytes of the weights of both networks."""
        return weights_bytes(self.segmenter.box_finder.detector, self.segmenter.mask_head)

    def answer(self, path: Path, phrases: Sequence[str], clock: Clock) -> list[Detection]:
        """The detection of each phrase; see ``Program``."""
        with clock.running(DECODE):
            image = read_image(path)
        with clock.running(POSTPROCESS):
            return self.segment(image, phrases)

    def segment(self, image: Image, phrases: Sequence[str]) -> list[Detection]:
        """The same for an image in memory, (H, W, 3) uint8 RGB."""
        return self.segmenter.segment([image], [tuple(phrases)])[0]


def load_ours(
    detector: str, mask_head: str, resize: ResizeSettings | None, batch_size: int, precision: Precision, device: str
) -> OurPipeline:
    """Load our pipeline to give one box per phrase.

    detector, mask_head, resize, precision, device: see ``load_segmenter``; the mask head is a SAM2. batch_size: prompts
    that go through the detector at once.
    """
    prediction = PredictionSettings(box_threshold=0.0, max_detections=1, batch_size=batch_size)
    loaded = load_segmenter(detector, mask_head, None, resize, prediction, device, precision)
    assert isinstance(loaded.mask_head, Sam2MaskHead), "benchmarks load a SAM2"
    return OurPipeline(TextSegmenter(loaded.box_finder, loaded.mask_head), precision)
