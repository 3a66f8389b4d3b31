"""What both MedCLIP-SAMs share: a sentence gives a map, the map a region, the region a box, and SAM what is in the box.

Shapes: G tokens along a side of the square that BiomedCLIP sees, E numbers of a feature, L words of a sentence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import BatchEncoding, PreTrainedTokenizerBase

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import Untimed
from gdinousam.inputs import as_images, as_phrases
from gdinousam.methods.medclip_sam.biomedclip import BiomedClip
from gdinousam.methods.medclip_sam.frame import View, pixel_values
from gdinousam.methods.medclip_sam.kept_maps import KeptMaps
from gdinousam.methods.medclip_sam.regions import Levels
from gdinousam.methods.medclip_sam.weights import load_biomedclip
from gdinousam.methods.sentences import PLACE, Sentences
from gdinousam.models.loading import RANDOM_SMALL, load_mask_head
from gdinousam.models.mask_heads.random_sam import RANDOM, random_sam
from gdinousam.models.mask_heads.sam import OriginalFrame, SamMaskHead
from gdinousam.records import BoxXYXY, Detection, Image, Mask, Need

TEMPLATE = f"An ultrasound image showing {PLACE}."  # BiomedCLIP was trained on captions of figures
_MOST_TOKENS = 256  # of a sentence; BiomedCLIP learned from captions cut there


class SentenceReader:
    """Sentences as features of BiomedCLIP, each read once."""

    def __init__(self, model: BiomedClip, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._known: dict[str, torch.Tensor] = {}

    def tokens(self, sentences: Sequence[str]) -> BatchEncoding:
        """``input_ids`` and ``attention_mask``, (B, L) each, of B sentences; InputError for one of too many tokens."""
        tokens = self.tokenizer(list(sentences), padding=True, return_tensors="pt", verbose=False)
        counts = tokens["attention_mask"].sum(dim=1)
        if int(counts.max()) > _MOST_TOKENS:
            longest = int(counts.argmax())
            raise InputError(
                f"the sentence {sentences[longest][:60]!r}... takes {int(counts[longest])} tokens, BiomedCLIP reads "
                f"{_MOST_TOKENS}; shorten it in baseline.sentences"
            )
        return tokens

    def feature(self, sentence: str) -> torch.Tensor:
        """(E,) on the model's device, not normalised; InputError for a sentence of too many tokens."""
        if sentence not in self._known:
            tokens = self.tokens([sentence]).to(self.model.device)
            with torch.no_grad():
                self._known[sentence] = self.model.text_features(tokens["input_ids"], tokens["attention_mask"])[0]
        return self._known[sentence]


@dataclass(frozen=True)
class SegmenterParts:
    """What a MedCLIP-SAM is made of.

    reader: with BiomedCLIP, in eval mode. mask_head: SAM; without one, the region is the answer. maps: keeps what was
    computed. sentences: of phrases. view: how images are shown to BiomedCLIP.
    """

    reader: SentenceReader
    mask_head: SamMaskHead | None
    maps: KeptMaps
    sentences: Sentences
    view: View = "cropped"


class SentenceSegmenter(ABC):
    """A MedCLIP-SAM as a ``gdinousam.records.PhraseSegmenter``."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self, parts: SegmenterParts) -> None:
        self.parts = parts

    @property
    def model(self) -> BiomedClip:
        """BiomedCLIP."""
        return self.parts.reader.model

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """See ``gdinousam.records.PhraseSegmenter``.

        At most one detection for each phrase. A map always has a highest place, so that a phrase is found in nearly
        every image, whether it is there or not. The score is the mean of the map, in [0, 1], in the region that gave
        the box. Raises InputError for a phrase that cannot be asked.
        """
        images = as_images(images)
        rows = as_phrases(phrases, len(images))
        with torch.inference_mode(False), torch.no_grad():  # maps need gradients, whatever the caller switched off
            return [self._segment(image, row) for image, row in zip(images, rows, strict=True)]

    def levels(self, image: Image, phrase: str) -> Levels:
        """Where the phrase is, (H, W) uint8: the map of its sentence from 0 to 255."""
        sentence = self.parts.sentences.of(phrase)

        def compute() -> torch.Tensor:
            values = pixel_values(image, self.model.size.image_size, self.parts.view).to(self.model.device)
            return self.map_of(values, self.parts.reader.feature(sentence), phrase)

        return self.on_image(self.parts.maps.get(image, f"{sentence}\n{self.map_settings(phrase)}", compute), image)

    @abstractmethod
    def map_settings(self, phrase: str) -> str:
        """What of the settings of a map depends on the phrase, as a text."""

    @abstractmethod
    def map_of(self, pixel_values: torch.Tensor, text_feature: torch.Tensor, phrase: str) -> torch.Tensor:
        """Where a sentence is in an image, (G, G) float32. pixel_values: (3, S, S). text_feature: (E,)."""

    @abstractmethod
    def on_image(self, map_gg: torch.Tensor, image: Image) -> Levels:
        """The map in the image's size."""

    @abstractmethod
    def regions_in(self, image: Image) -> Callable[[Levels], Mask]:
        """What makes of a map of this image the region that it stands out in, which may be empty."""

    @abstractmethod
    def box_of(self, region_hw: Mask) -> BoxXYXY | None:
        """The box that SAM is shown; ``None``: nothing is found."""

    def finished(self, mask_hw: Mask, region_hw: Mask) -> Mask:
        """What becomes of SAM's mask."""
        return mask_hw

    def _segment(self, image: Image, phrases: Sequence[str]) -> list[Detection]:
        if not phrases:
            return []
        regions, boxes, scores = {}, {}, {}
        region_of = self.regions_in(image)
        for phrase in phrases:
            levels_hw = self.levels(image, phrase)
            region_hw = region_of(levels_hw)
            box_xyxy = self.box_of(region_hw)
            if box_xyxy is not None:
                regions[phrase], boxes[phrase] = region_hw, box_xyxy
                scores[phrase] = float(levels_hw[region_hw if region_hw.any() else ...].mean()) / 255
        masks = list(regions.values())
        if self.parts.mask_head is not None:
            (masks,) = self.parts.mask_head.masks_in_boxes([image], [list(boxes.values())])
        found = []
        for phrase, mask_hw in zip(boxes, masks, strict=True):
            mask_hw = self.finished(mask_hw, regions[phrase])
            tight_xyxy = tight_box_xyxy(mask_hw)
            if tight_xyxy is not None:
                found.append(Detection(phrase, tight_xyxy, scores[phrase], mask_hw))
        return found


class WithKeptMaps(Untimed):
    """A segmenter whose maps may have been computed by an earlier run, so that its time for an image says nothing."""

    def __init__(self, segmenter: SentenceSegmenter) -> None:
        self.segmenter = segmenter
        self.needs = segmenter.needs

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """See ``SentenceSegmenter``."""
        return self.segmenter.segment(images, phrases)


def load_parts(weights: str, sam: str, device: torch.device) -> tuple[SentenceReader, SamMaskHead]:
    """Load BiomedCLIP with its tokenizer (``load_biomedclip``) and SAM, frozen.

    sam: official file, folder in transformers' format, hub id, ``random`` or ``random-small``. Raises InputError for
    what does not load.
    """
    model, tokenizer = load_biomedclip(weights)
    return SentenceReader(model.to(device), tokenizer), _load_sam(sam).to(device)


def _load_sam(sam: str) -> SamMaskHead:
    if sam in (RANDOM, RANDOM_SMALL):
        return SamMaskHead(random_sam(small=sam == RANDOM_SMALL), OriginalFrame).requires_grad_(False).eval()
    head = load_mask_head(sam)
    if not isinstance(head, SamMaskHead):
        raise InputError(f"{sam} holds a SAM2 model; baseline.sam names a SAM")
    return head
