"""The official stack, as somebody without this package runs it: groundingdino-py, then sam2, in float32.

One image and one prompt at a time, and everything anew for every prompt, as the public test script does: read the file,
resize and normalise it, both of the detector's encoders and its decoder, SAM2's image encoder and its decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from benchmarks.machine import weights_bytes
from benchmarks.parity.official_grounding_dino import (
    build_official,
    official_version,
    quiet_torch,
    write_text_encoder,
)
from benchmarks.parity.official_sam import official_sam2, official_sam2_version
from benchmarks.speed.comparison import OFFICIAL
from benchmarks.speed.programs import (
    BACKBONE,
    DECODE,
    ENCODER_DECODER,
    MASK_DECODER,
    MASK_ENCODER,
    POSTPROCESS,
    PREPROCESS,
    TEXT,
)
from gdinousam.evaluation.timing.clock import Clock, Place
from gdinousam.models.checkpoints.grounding_dino import official_tokenizer
from gdinousam.preprocessing import boxes_xyxy_pixels
from gdinousam.prompts import build_caption, phrase_scores, tokenize_captions
from gdinousam.records import BoxXYXY, Detection

# The public script's own sizes and ImageNet's statistics.
_SHORTEST_EDGE, _LONGEST_EDGE = 800, 1333
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
# Configurations inside the package by the size that is asked for.
SAM2_CONFIGS = {
    "tiny": "sam2.1/sam2.1_hiera_t",
    "small": "sam2.1/sam2.1_hiera_s",
    "base_plus": "sam2.1/sam2.1_hiera_b+",
    "large": "sam2.1/sam2.1_hiera_l",
}


@dataclass(frozen=True, eq=False)
class OfficialAnswer:
    """What the official stack says of one prompt.

    logits: (Q, T) float32 of all queries and the caption's tokens. boxes_cxcywh_norm: (Q, 4) in [0, 1]. box_xyxy: that
    of the query with the highest score, in pixels of the image, not cut off at its edges. score: its mean probability
    over the tokens of the phrase. mask_logits: (H, W) float32 of the image; above 0 is inside.
    """

    logits: torch.Tensor
    boxes_cxcywh_norm: torch.Tensor
    box_xyxy: BoxXYXY
    score: float
    mask_logits: torch.Tensor


class OfficialStack:
    """Both official models with random weights of full size.

    folder: gets the text encoder and tokenizer of ``write_text_encoder``; it has to stay. sam2: a key of
    ``SAM2_CONFIGS``. Raises InputError where a package is missing.
    """

    name = OFFICIAL
    precision: str = "float32"
    takes_prompts_together = False

    def __init__(self, folder: Path, sam2: str, device: torch.device) -> None:
        require_official()
        from groundingdino.datasets import transforms
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        write_text_encoder(folder)
        self.device = device
        self.detector: Any = build_official("Swin-T", folder).to(device)
        self.sam2 = official_sam2(SAM2_CONFIGS[sam2]).to(device)
        with quiet_torch():
            self.predictor = SAM2ImagePredictor(self.sam2)
        self.transform = transforms.Compose(
            [
                transforms.RandomResize([_SHORTEST_EDGE], max_size=_LONGEST_EDGE),
                transforms.ToTensor(),
                transforms.Normalize(_MEAN, _STD),
            ]
        )
        # finds the tokens of a phrase; the model has its own
        self._tokenizer = official_tokenizer(folder / "vocab.txt")

    @property
    def places(self) -> list[Place]:
        """Work inside ``set_image`` that is no network's is resizing and normalising."""
        return [
            (self, "pixel_values", PREPROCESS),
            (self.detector, "forward", ENCODER_DECODER),
            (self.detector.backbone, "forward", BACKBONE),
            (self.detector.bert, "forward", TEXT),
            (self.predictor, "set_image", PREPROCESS),
            (self.sam2, "forward_image", MASK_ENCODER),
            (self.predictor, "predict", MASK_DECODER),
            # watched only: the one place where masks are resized
            (self.predictor._transforms, "postprocess_masks", POSTPROCESS),
        ]

    @cached_property
    def weights_bytes(self) -> int:
        """Bytes of the weights of both networks."""
        return weights_bytes(self.detector, self.sam2)

    def answer(self, path: Path, phrases: Sequence[str], clock: Clock) -> list[Detection]:
        """The detection of each phrase, everything anew for each; see ``Program``."""
        found = []
        for phrase in phrases:
            with clock.running(DECODE):
                picture = PIL.Image.open(path).convert("RGB")
            with clock.running(POSTPROCESS):
                answer = self.segment(picture, phrase)
                mask_hw = (answer.mask_logits > 0).numpy()
                found.append(Detection(phrase, answer.box_xyxy, answer.score, mask_hw))
        return found

    @torch.no_grad()
    def segment(self, picture: PIL.Image.Image, phrase: str) -> OfficialAnswer:
        """Find the best box for a phrase in an RGB picture, and the mask in it."""
        caption = build_caption([phrase])
        with quiet_torch():
            output = self.detector(self.pixel_values(picture)[None], captions=[caption.text])
        tokens = tokenize_captions([caption], self._tokenizer, self.detector.max_text_len)
        logits = output["pred_logits"][0, :, : tokens.input_ids.shape[1]].float().cpu()
        boxes = output["pred_boxes"][0].float().cpu()
        scores = phrase_scores(logits.sigmoid(), tokens.phrase_tokens[0])[:, 0]
        best = int(scores.argmax())
        size_hw = (picture.height, picture.width)
        box = boxes_xyxy_pixels(boxes[best], size_hw)
        with quiet_torch():
            self.predictor.set_image(np.asarray(picture))
            mask_logits, _, _ = self.predictor.predict(box=box.numpy(), multimask_output=False, return_logits=True)
        x0, y0, x1, y1 = box.tolist()
        return OfficialAnswer(logits, boxes, (x0, y0, x1, y1), float(scores[best]), torch.from_numpy(mask_logits[0]))

    def pixel_values(self, picture: PIL.Image.Image) -> torch.Tensor:
        """(3, H, W) float32 as the detector sees the picture, on the device."""
        pixel_values: torch.Tensor = self.transform(picture, None)[0]
        return pixel_values.to(self.device)


def require_official() -> None:
    """Raise InputError where groundingdino-py or sam2 is missing or cannot run."""
    official_version()
    official_sam2_version()
