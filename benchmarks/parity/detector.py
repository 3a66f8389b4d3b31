"""Grounding DINO: our detector against the official one at full size, live or from recorded outputs.

Each case goes through the whole of our side: phrases to caption and tokens, official names to ours, image to boxes. The
encoder's choice of proposals is compared on its own and then given to our decoder; ``topk`` says why.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.parity.official_grounding_dino import (
    PACKAGE,
    Backbone,
    OfficialOutput,
    build_official,
    official_output,
    official_version,
    write_text_encoder,
    write_vocabulary,
)
from benchmarks.parity.recorded import Recording, recording_of, save_recording
from benchmarks.parity.rows import ParityRow, largest_difference
from benchmarks.parity.topk import ReplayTopk
from gdinousam.data.sources.phantoms import PhantomSettings, make_phantom
from gdinousam.models.checkpoints.files import Tensors, read_tensors
from gdinousam.models.checkpoints.grounding_dino import grounding_dino_from, official_tokenizer
from gdinousam.models.detector.detector import Detector
from gdinousam.preprocessing import image_to_tensor, normalize_image, pad_images
from gdinousam.prompts import Caption, build_caption, tokenize_captions
from gdinousam.records import Image

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4
_SEVERAL = ("kidney", "kidney capsule", "left lobe of liver", "gallbladder wall")
_SHARED_WORDS = ("lesion", "benign lesion", "malignant lesion")


@dataclass(frozen=True)
class DetectorCase:
    """One batch. name: for the table. sizes_hw: height and width of each image. phrases: those of each image."""

    name: str
    sizes_hw: tuple[tuple[int, int], ...]
    phrases: tuple[tuple[str, ...], ...]

    @property
    def captions(self) -> list[Caption]:
        """The caption of each image."""
        return [build_caption(phrases) for phrases in self.phrases]

    def __str__(self) -> str:
        return f"{self.name}, {' and '.join(f'{height} x {width}' for height, width in dict.fromkeys(self.sizes_hw))}"


CASES = (
    DetectorCase("one phrase", ((480, 480),), (("cyst",),)),
    DetectorCase("several phrases", ((416, 544),), (_SEVERAL,)),
    DetectorCase("phrases that share words", ((480, 480),), (_SHARED_WORDS,)),
    DetectorCase("two images with one caption", ((288, 288),) * 2, (("thyroid nodule",),) * 2),
    DetectorCase("two captions of unequal length", ((256, 320),) * 2, (("cyst",), _SHARED_WORDS)),
    DetectorCase("two images of unequal size, padded", ((256, 320), (288, 224)), (("cyst",), _SEVERAL)),
)
# What depends on the size of the image backbone.
SWIN_B_CASES = (CASES[1],)


def detector_rows() -> Iterator[ParityRow]:
    """Compare all cases live, Swin-T and then Swin-B; raises InputError where groundingdino-py is missing."""
    against = f"{PACKAGE} {official_version()}"
    phantom = parity_phantom()
    cases_of: dict[Backbone, Sequence[DetectorCase]] = {"Swin-T": CASES, "Swin-B": SWIN_B_CASES}
    with tempfile.TemporaryDirectory() as folder:
        write_text_encoder(Path(folder))
        for backbone, cases in cases_of.items():
            state_dict, outputs = official_results(backbone, cases, phantom, Path(folder))
            detector = detector_from_official(state_dict, Path(folder))
            for case in cases:
                yield from compare(case, phantom, outputs[case.name], detector, _model_name(backbone), against)


def recorded_rows(recording: Recording) -> Iterator[ParityRow]:
    """Compare all cases with recorded outputs of Swin-T; needs no official package."""
    with tempfile.TemporaryDirectory() as folder:
        write_vocabulary(Path(folder))
        detector = detector_from_official(recording.state_dict(), Path(folder))
    for case in CASES:
        output = recording.outputs[case.name]
        yield from compare(case, recording.phantom, output, detector, _model_name("Swin-T"), recording.made_with)


def record(path: Path) -> None:
    """Save what the official Swin-T says of all cases; raises InputError where groundingdino-py is missing."""
    made_with = f"recorded {PACKAGE} {official_version()}"
    phantom = parity_phantom()
    with tempfile.TemporaryDirectory() as folder:
        write_text_encoder(Path(folder))
        state_dict, outputs = official_results("Swin-T", CASES, phantom, Path(folder))
    save_recording(recording_of(state_dict, phantom, outputs, made_with), path)


def official_results(
    backbone: Backbone, cases: Sequence[DetectorCase], phantom: Image, text_encoder: Path
) -> tuple[Tensors, dict[str, OfficialOutput]]:
    """Build the official model and run it on cases: its state dict, and case name -> output.

    text_encoder: folder of ``write_text_encoder``.
    """
    logger.info("building the official %s", _model_name(backbone))
    official = build_official(backbone, text_encoder)
    outputs = {}
    for case in cases:
        logger.info("official %s: %s", _model_name(backbone), case)
        texts = [caption.text for caption in case.captions]
        outputs[case.name] = official_output(official, *case_images(case, phantom), texts)
    return official.state_dict(), outputs


def parity_phantom() -> Image:
    """The generated image, (240, 240, 3) uint8, that the images of all cases are made from."""
    return make_phantom(np.random.default_rng(7), PhantomSettings((240, 240), (240, 240))).image


def case_images(case: DetectorCase, phantom: Image) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The pixel values and pixel mask of a case, as ``Detector`` takes them.

    Every second image is mirrored. Pixels are repeated or left out to reach a size, which unlike interpolation gives
    the same numbers on every machine.
    """
    images = []
    for index, (height, width) in enumerate(case.sizes_hw):
        rows = np.arange(height) * phantom.shape[0] // height
        columns = np.arange(width) * phantom.shape[1] // width
        image = phantom[rows][:, columns]
        images.append(normalize_image(image_to_tensor(image[:, ::-1] if index % 2 else image)))
    return pad_images(images)


def detector_from_official(state_dict: Tensors, folder: Path) -> Detector:
    """Our detector from the official weights, by way of a file as published: written to the folder, read, removed.

    folder: holds the tokenizer's vocabulary.
    """
    path = folder / "official.pth"
    torch.save({"model": state_dict}, path)
    model = grounding_dino_from(read_tensors(path), path).requires_grad_(False)
    path.unlink()
    return Detector(model, official_tokenizer(path)).eval()


def compare(
    case: DetectorCase, phantom: Image, official: OfficialOutput, detector: Detector, model: str, against: str
) -> Iterator[ParityRow]:
    """Run our detector on a case: a row each for the choice of proposals, the token logits and the boxes.

    official: the official output of the case; of its queries every n-th may have been kept.
    """
    logger.info("our %s: %s", model, case)
    pixel_values, pixel_mask = case_images(case, phantom)
    tokens = tokenize_captions(case.captions, detector.tokenizer, detector.max_tokens)
    replay = ReplayTopk([official.choices])
    with torch.no_grad(), replay:
        found = detector(pixel_values, tokens, pixel_mask).last
    assert not replay.remaining, "our detector chooses proposals once"
    step = official.choices.shape[1] // official.logits.shape[1]
    differences = {
        "scores of the proposals chosen": replay.largest_difference,
        "token logits": largest_difference(found.logits[:, ::step], official.logits),
        "boxes": largest_difference(found.boxes_cxcywh_norm[:, ::step], official.boxes_cxcywh_norm),
    }
    for output, difference in differences.items():
        yield ParityRow(model, str(case), output, against, difference, TOLERANCE)


def _model_name(backbone: Backbone) -> str:
    return f"Grounding DINO {backbone}"
