"""The dataset that training reads: image records in, normalised tensors, boxes, phrases and masks out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import Dataset

from gdinousam.data.augmentation import Augmentation, seeded
from gdinousam.data.images import read_image, read_mask
from gdinousam.data.samples import Sample, to_sample
from gdinousam.errors import InputError
from gdinousam.preprocessing import ResizeSettings, boxes_cxcywh_norm, build_resize, normalize_image, pad_images
from gdinousam.records import ImageRecord
from gdinousam.seeding import derived_seed


@dataclass(frozen=True, eq=False)
class Example:
    """One image as a model is trained on it; N instances, P phrases in its caption.

    pixel_values: (3, H, W) float32, normalised. boxes_cxcywh_norm: (N, 4) float32, centre and size in fractions of the
    image. phrases: the P distinct phrases of the caption, absent ones included. phrase_indices: (N,) int64, the phrase
    of each instance. masks: (N, H, W) bool, or ``None`` where not asked for.
    """

    pixel_values: torch.Tensor
    boxes_cxcywh_norm: torch.Tensor
    phrases: tuple[str, ...]
    phrase_indices: torch.Tensor
    masks: torch.Tensor | None


@dataclass(frozen=True, eq=False)
class Batch:
    """B examples. pixel_values: (B, 3, H, W), smaller images padded with zeros at the right and bottom.

    pixel_mask: (B, H, W) int64, one on the image and zero on padding, or ``None`` where nothing is padded. Boxes remain
    fractions of the image without its padding.
    """

    pixel_values: torch.Tensor
    pixel_mask: torch.Tensor | None
    examples: tuple[Example, ...]

    @property
    def num_boxes(self) -> int:
        """Number of instances in all examples."""
        return sum(len(example.boxes_cxcywh_norm) for example in self.examples)


class TrainingDataset(Dataset[Example]):
    """Image records as examples.

    augmentation: ``None`` leaves images as they are. What it does to an image depends on the seed, the epoch and the
    image's place alone, so neither workers nor an interruption change it. with_masks: also read the mask of every
    instance. num_absent_phrases: phrases of other images added to each caption as negatives. Which are absent is known
    from the records only: an image is never given a phrase that one of its own rows has.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        resize: ResizeSettings,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        with_masks: bool = False,
        num_absent_phrases: int = 0,
    ) -> None:
        self.records = tuple(records)
        self._resize = build_resize(resize)
        self._augmentation = augmentation
        self._seed = seed
        self._with_masks = with_masks
        self._num_absent_phrases = num_absent_phrases
        self._all_phrases = tuple(dict.fromkeys(phrase for record in records for phrase in record.phrases))
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Example:
        record = self.records[index]
        seed = derived_seed(self._seed, self.epoch, index)
        sample = self._read(record)
        if self._augmentation is not None:
            sample = seeded(self._augmentation, seed)(sample)
        sample = self._resize(sample)
        phrases = (*record.phrases, *self._absent_phrases(record, random.Random(seed)))
        return Example(
            pixel_values=normalize_image(sample.image),
            boxes_cxcywh_norm=boxes_cxcywh_norm(sample.boxes_xyxy, tuple(sample.image.shape[-2:])),
            phrases=phrases,
            phrase_indices=torch.tensor([phrases.index(one.phrase) for one in record.instances], dtype=torch.int64),
            masks=None if sample.masks_nhw is None else sample.masks_nhw.as_subclass(torch.Tensor),
        )

    def _read(self, record: ImageRecord) -> Sample:
        masks = None
        if self._with_masks:
            references = [instance.mask for instance in record.instances]
            if None in references:
                raise InputError(f"{record.path}: an instance has no mask; give the mask folder in the config")
            masks = [read_mask(reference) for reference in references if reference is not None]
        return to_sample(read_image(record.path), [instance.box_xywh for instance in record.instances], masks)

    def _absent_phrases(self, record: ImageRecord, generator: random.Random) -> list[str]:
        others = [phrase for phrase in self._all_phrases if phrase not in record.phrases]
        return generator.sample(others, min(self._num_absent_phrases, len(others)))


def collate(examples: Sequence[Example]) -> Batch:
    """Stack examples into a batch, padding images of different size."""
    pixel_values, pixel_mask = pad_images([example.pixel_values for example in examples])
    return Batch(pixel_values, pixel_mask, tuple(examples))
