"""The settings of MedCLIP-SAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import ComparedMethod, Weights
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.medclip_sam.frame import View
from gdinousam.methods.medclip_sam.kept_maps import KeptMaps
from gdinousam.methods.medclip_sam.segmenter import SentenceReader, load_parts
from gdinousam.methods.medclip_sam.sentences import read_sentences
from gdinousam.methods.medclip_sam.v1 import MapForm, MedClipSam
from gdinousam.methods.medclip_sam.weights import fingerprint
from gdinousam.models.loading import pick_device
from gdinousam.records import ImageRecord
from gdinousam.runtime import torch_seed
from gdinousam.settings import ModelName, SettingsPath


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
        None, description="Folder that keeps the map of every image and sentence for later runs; null: none is kept."
    )

    def maps(self, reader: SentenceReader) -> KeptMaps:
        """The maps that are kept."""
        origin: dict[str, Any] = {"method": self.name, "view": self.view}
        if self.kept_maps is not None:
            origin["weights"] = fingerprint(reader.model)
        return KeptMaps(self.kept_maps, origin)

    def notes(self, records: Sequence[ImageRecord]) -> Notes:
        """Nobody has held the training data against public datasets."""
        return leak_notes("BiomedCLIP", self.weights, None, records)

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``."""
        return {"biomedclip": Weights(self.weights), "sam": Weights(self.sam)}


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

    def build(self, config: ModelsConfig, records: Sequence[ImageRecord]) -> MedClipSam:
        """See ``MethodSettings``."""
        sentences = read_sentences(self.sentences)
        device = pick_device(config.evaluation.device)
        with torch_seed(0):  # random weights are the same every time
            reader, mask_head = load_parts(self.weights, self.sam, device)
        return MedClipSam(
            reader,
            mask_head,
            self.maps(reader),
            sentences,
            self.view,
            self.map_form,
            self.num_channels,
            self.batch_size,
        )
