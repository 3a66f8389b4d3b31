"""MedSAM (Ma and others, 2024): SAM ViT-B trained on medical images, shown a box.

As published by default, which is the pipeline's own ``SamMaskHead`` with the frame of MedSAM. The comparison study ran
it otherwise, by mistake in most points, which costs it accuracy; ``StudyFrame`` and ``FirstLabelFinder`` repeat that
under its name, so that both columns can be printed.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import torch
from transformers import SamModel

from gdinousam.errors import InputError
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.detector import LayerPrediction
from gdinousam.models.detector.phrase_maps import PhraseMaps
from gdinousam.models.loading import RANDOM_SMALL, load_mask_head
from gdinousam.models.mask_heads.random_sam import RANDOM, random_sam
from gdinousam.models.mask_heads.sam import Frame, MedSamFrame, SamMaskHead
from gdinousam.preprocessing import boxes_xyxy_pixels, image_to_tensor, normalize_image
from gdinousam.prompts import strongest_token
from gdinousam.records import Detection, Image


def load_medsam(weights: str, as_in_study: bool = False) -> SamMaskHead:
    """Load MedSAM, frozen, to be shown boxes.

    weights: the official file, a folder in transformers' format, a hub id, ``random`` or ``random-small``.
    as_in_study: show it images and boxes as the comparison study did (``StudyFrame``). Raises InputError where the
    weights cannot be loaded or are not those of a SAM.
    """
    frame: type[Frame] = StudyFrame if as_in_study else MedSamFrame
    return SamMaskHead(_load_sam(weights), frame).requires_grad_(False).eval()


def _load_sam(weights: str) -> SamModel:
    if weights in (RANDOM, RANDOM_SMALL):
        return random_sam(small=weights == RANDOM_SMALL)
    head = load_mask_head(weights)
    if not isinstance(head, SamMaskHead):
        raise InputError(f"{weights} holds a SAM2 model; baseline.weights of medsam names MedSAM's")
    return head.model


class StudyFrame(MedSamFrame):
    """How the study's script shows an image to MedSAM: normalised as for SAM and not as for MedSAM, and with height and
    width of the picture swapped, so that the box lies on another part of it; boxes are cut to whole pixels.
    """

    def pixel_values(self, image: Image) -> torch.Tensor:
        """Resize with Pillow's bilinear filter, normalise by ImageNet's statistics, transpose."""
        square = PIL.Image.fromarray(image).resize((self.side, self.side), PIL.Image.Resampling.BILINEAR)
        return normalize_image(image_to_tensor(np.asarray(square))).transpose(1, 2).contiguous()

    def boxes_in_square(self, boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Cut off the fractions, then stretch; the picture was transposed, the boxes are not."""
        return super().boxes_in_square(boxes_xyxy.trunc(), size_hw)


class FirstLabelFinder(BoxFinder):
    """Takes the box that the study's script took for MedSAM: of the first label, instead of the best of all.

    The script writes out the words above ``text_threshold`` of every box, suppresses overlaps among the boxes of each
    such label by itself and takes the first that is left: the best box of one label, which may be the empty one, as
    ``text_threshold`` (0.3) is far above ``box_threshold`` (0.05) there. Its order of labels is that of a Python set
    and changes from run to run; here it is that of the queries.
    """

    def choose(
        self,
        prediction: LayerPrediction,
        phrase_tokens: torch.Tensor,
        phrases: tuple[str, ...],
        size_hw: tuple[int, int],
        maps: PhraseMaps | None = None,
    ) -> dict[str, list[Detection]]:
        """At most one box for each phrase; shapes as in ``BoxFinder.choose``. maps: have no say here."""
        probabilities = prediction.logits.sigmoid()  # (Q, T)
        strongest = strongest_token(probabilities, phrase_tokens)  # (Q, P)
        found: dict[str, list[Detection]] = {}
        for place, phrase in enumerate(phrases):
            labels = probabilities[:, phrase_tokens[place]] > self.prediction.text_threshold
            kept = (strongest[:, place] >= self.prediction.of(phrase).box_threshold).nonzero()[:, 0]
            found[phrase] = []
            if not len(kept):
                continue
            alike = kept[(labels[kept] == labels[kept[0]]).all(dim=1)]
            query = alike[strongest[alike, place].argmax()]
            boxes_xyxy = boxes_xyxy_pixels(prediction.boxes_cxcywh_norm[query][None], size_hw)
            x0, y0, x1, y1 = boxes_xyxy[0].tolist()
            found[phrase].append(Detection(phrase, (x0, y0, x1, y1), float(strongest[query, place])))
        return found

    def choose_publicly(
        self, prediction: LayerPrediction, token_ids: torch.Tensor, phrase: str, size_hw: tuple[int, int]
    ) -> list[Detection]:
        """The boxes of the first label alone, best first; arguments as in ``BoxFinder.choose_publicly``."""
        kept = self.public_boxes(prediction, token_ids, size_hw)
        if not kept.labels:
            return []
        first = kept.labels[int(kept.queries.argmin())]
        return [one for one, label in zip(kept.detections(phrase), kept.labels, strict=True) if label == first]
