"""The settings of MedCLIP-SAM and MedCLIP-SAMv2."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from gdinousam import __version__
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.evaluation.scoring.trace import Trace
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import ComparedMethod, Weights
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.medclip_sam.bottleneck import BottleneckSettings
from gdinousam.methods.medclip_sam.frame import View
from gdinousam.methods.medclip_sam.kept_maps import KeptMaps
from gdinousam.methods.medclip_sam.segmenter import (
    TEMPLATE,
    SegmenterParts,
    SentenceSegmenter,
    WithKeptMaps,
    load_parts,
)
from gdinousam.methods.medclip_sam.v1 import MapForm, MedClipSam
from gdinousam.methods.medclip_sam.v2 import MedClipSamV2, RegionRule
from gdinousam.methods.medclip_sam.weights import fingerprint
from gdinousam.methods.sentences import read_sentences, traced_with
from gdinousam.models.loading import pick_device
from gdinousam.records import ImageRecord, PhraseSegmenter
from gdinousam.runtime import torch_seed
from gdinousam.settings import ModelName, Settings, SettingsPath


class SentenceMethod(ComparedMethod):
    """A method that is given a sentence for each phrase; what both MedCLIP-SAMs share."""

    weights: ModelName = Field(
        description="BiomedCLIP: hub id, folder or file in open_clip's layout or in that of MedCLIP-SAMv2's fine-tuned "
        "file, with its tokenizer beside it; random or random-small."
    )
    sam: ModelName = Field(description="SAM: official file, folder, hub id, random or random-small.")
    sentences: SettingsPath | None = Field(
        None, description="YAML with a sentence for each phrase, and a template for the others; null: the template."
    )
    view: View = Field(
        "cropped",
        description="How images are shown to BiomedCLIP. cropped: the middle square alone, while its map is stretched "
        "over the whole image, as published; whole: all of the image, squeezed into the square.",
    )
    kept_maps: SettingsPath | None = Field(
        None,
        description="Folder that keeps the map of every image and sentence for later runs, which then tell no time per "
        "image; null: none is kept.",
    )

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> PhraseSegmenter:
        """See ``MethodSettings``."""
        sentences = read_sentences(self.sentences, TEMPLATE)
        with torch_seed(0):  # random weights are the same every time
            reader, mask_head = load_parts(self.weights, self.sam, pick_device(config.evaluation.device))
        if self.kept_maps is None:
            return self.segmenter(SegmenterParts(reader, mask_head, KeptMaps(None, {}), sentences, self.view))
        origin = {
            "method": self.name,
            "view": self.view,
            "weights": fingerprint(reader.model),
            "gdinousam": __version__,
        }
        maps = KeptMaps(self.kept_maps, origin)
        return WithKeptMaps(self.segmenter(SegmenterParts(reader, mask_head, maps, sentences, self.view)))

    @abstractmethod
    def segmenter(self, parts: SegmenterParts) -> SentenceSegmenter:
        """The method, of parts that both share; InputError for settings that do not fit them."""

    def notes(self, records: Sequence[ImageRecord]) -> Notes:
        """Nobody has held the training data against public datasets."""
        return leak_notes("BiomedCLIP", self.weights, None, records)

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``."""
        return {"biomedclip": Weights(self.weights), "sam": Weights(self.sam)}

    def trace(self, config: ModelsConfig) -> Trace:
        """See ``MethodSettings``; the file of sentences too."""
        return traced_with(super().trace(config), self.sentences)


class MedClipSamSettings(SentenceMethod):
    """MedCLIP-SAM, given a sentence for each phrase."""

    name: Literal["medclip_sam"] = Field(description="The method.")
    map_form: MapForm = Field(
        "plain",
        description="What the region is found in. plain: the map; colours: the map painted over the image and read as "
        "grey, as the published scripts do.",
    )
    num_channels: int = Field(300, gt=0, description="Channels that gScoreCAM tries out, a forward pass for each.")
    batch_size: int = Field(128, gt=0, description="Of these forward passes at once; changes time and memory alone.")

    def segmenter(self, parts: SegmenterParts) -> MedClipSam:
        """See ``SentenceMethod``."""
        return MedClipSam(parts, self.map_form, self.num_channels, self.batch_size)


class BottleneckGroup(Settings):
    """The information bottleneck that makes a map."""

    layer: int = Field(7, ge=0, description="Block of the image tower, counted from 0, behind which it sits.")
    beta: float = Field(0.1, gt=0, description="What letting something through costs.")
    seed: int = Field(
        42, ge=0, description="Of its noise, drawn anew from it for every image and phrase, whatever came before."
    )

    def plain(self) -> BottleneckSettings:
        """The same for the code that computes."""
        return BottleneckSettings(self.layer, self.beta, self.seed)


# published for breast ultrasound; the variance published beside them is read by the authors' code and never used
BREAST = BottleneckGroup(layer=9, beta=1.0, seed=12)


class MedClipSamV2Settings(SentenceMethod):
    """MedCLIP-SAMv2, given a sentence for each phrase."""

    name: Literal["medclip_samv2"] = Field(description="The method.")
    bottleneck: BottleneckGroup = BottleneckGroup()
    organs: dict[str, BottleneckGroup] = Field(
        {"breast": BREAST},
        description="In place of bottleneck for phrases with this word; the first that fits counts. breast: as "
        "published, the only one that is. What is set here takes the place of all of it.",
    )
    region: RegionRule = Field(
        "kmeans", description="What of a map is the region: the brighter of two groups, above threshold, or by a CRF."
    )
    threshold: float = Field(0.3, ge=0, lt=1, description="For region: threshold, as a share of the map's range.")
    num_parts: int = Field(1, gt=0, description="The largest parts of the region are kept, as many as this.")

    def segmenter(self, parts: SegmenterParts) -> MedClipSamV2:
        """See ``SentenceMethod``; InputError for a layer that the image tower does not have."""
        depth = parts.reader.model.size.depth
        by_place = {"bottleneck": self.bottleneck, **{f"organs.{organ}": one for organ, one in self.organs.items()}}
        for place, group in by_place.items():
            if group.layer >= depth:
                raise InputError(
                    f"baseline.{place}.layer = {group.layer}, but the image tower has {depth} blocks, counted from 0; "
                    f"set it to {depth - 1} or less"
                )
        of_organs = {organ: group.plain() for organ, group in self.organs.items()}
        return MedClipSamV2(parts, self.bottleneck.plain(), of_organs, self.region, self.threshold, self.num_parts)
