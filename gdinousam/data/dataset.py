"""The datasets that training reads: image records in, normalised tensors, boxes, phrases and masks out."""

from __future__ import annotations

import multiprocessing
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch.utils.data import Dataset

from gdinousam.data.augmentation import Augmentation, seeded
from gdinousam.data.balance import BalancedOrder
from gdinousam.data.caption_phrases import PLAIN_CAPTIONS, CaptionRules
from gdinousam.data.images import read_mask, read_record_image
from gdinousam.data.samples import Sample, to_sample, with_objects
from gdinousam.errors import InputError
from gdinousam.preprocessing import ResizeSettings, boxes_cxcywh_norm, build_resize, normalize_image, pad_images
from gdinousam.records import ImageRecord
from gdinousam.runtime import derived_seed


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


@dataclass(frozen=True, eq=False)
class RawExample:
    """What an example is made of.

    sample: the image with the box, and where asked for the mask, of each of N instances. phrases: the distinct phrases
    that the image is known about. instance_phrases: N phrases, one per instance.
    """

    sample: Sample
    phrases: tuple[str, ...]
    instance_phrases: tuple[str, ...]


class Examples(Dataset[Example], ABC):
    """What becomes examples, drawn or read one by one.

    resize: as the model sees images. augmentation: ``None`` leaves images as they are. captions: which phrases stand in
    them. What is random about an example depends on the seed, the epoch and its place alone, so neither workers nor an
    interruption change it.
    """

    def __init__(
        self,
        resize: ResizeSettings,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        captions: CaptionRules = PLAIN_CAPTIONS,
    ) -> None:
        self._resize = build_resize(resize)
        self._augmentation = augmentation
        self._seed = seed
        self._captions = captions
        # in memory that processes share: workers stay from one epoch to the next, with the dataset as they got it
        self._epoch = multiprocessing.RawValue("q", 0)

    @property
    def epoch(self) -> int:
        """The epoch whose examples are drawn."""
        return int(self._epoch.value)

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch.value = epoch

    @abstractmethod
    def __len__(self) -> int:
        """Number of examples in an epoch."""

    @abstractmethod
    def raw(self, index: int, seed: int) -> RawExample:
        """What the example at a place is made of; seed: where it comes from a generator."""

    def __getitem__(self, index: int) -> Example:
        seed = derived_seed(self._seed, self.epoch, index)
        raw = self.raw(index, seed)
        if self._augmentation is not None:
            raw = _augmented(raw, seeded(self._augmentation, seed))
        caption = self._captions.choose(raw.phrases, raw.instance_phrases, random.Random(seed))
        sample = self._resize(with_objects(raw.sample, caption.objects))
        return Example(
            pixel_values=normalize_image(sample.image),
            boxes_cxcywh_norm=boxes_cxcywh_norm(sample.boxes_xyxy, tuple(sample.image.shape[-2:])),
            phrases=caption.phrases,
            phrase_indices=torch.tensor(caption.places, dtype=torch.int64),
            masks=None if sample.masks_nhw is None else sample.masks_nhw.as_subclass(torch.Tensor),
        )


def _augmented(raw: RawExample, augmentation: Augmentation) -> RawExample:
    """What an example is made of after its augmentation, which may change the sides that phrases name."""
    sample = augmentation(raw.sample._replace(phrases=raw.phrases))
    named = dict(zip(raw.phrases, sample.phrases, strict=True))
    return RawExample(sample, sample.phrases, tuple(named[phrase] for phrase in raw.instance_phrases))


class TrainingDataset(Examples):
    """Image records as examples; see ``Examples``.

    with_masks: also read the mask of every instance. balance: of ``BalancedOrder``; 0 shows every record once.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        resize: ResizeSettings,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        with_masks: bool = False,
        captions: CaptionRules = PLAIN_CAPTIONS,
        balance: float = 0.0,
    ) -> None:
        super().__init__(resize, augmentation, seed, captions)
        self.records = tuple(records)
        self._with_masks = with_masks
        self._order = BalancedOrder([record.dataset for record in records], balance, seed) if balance else None

    def __len__(self) -> int:
        return len(self.records)

    def raw(self, index: int, seed: int) -> RawExample:
        """The record at a place of the epoch, read from its files.

        Raises InputError for a file that cannot be read, is of another size than the record says, or has changed since
        it was checked, and for a mask without a pixel in its box.
        """
        record = self.records[self._order.of_epoch(self.epoch)[index] if self._order else index]
        masks = None
        if self._with_masks:
            references = [instance.mask for instance in record.instances]
            if None in references:
                raise InputError(f"{record.path}: an instance has no mask; give the mask folder in the config")
            masks = [read_mask(reference) for reference in references if reference is not None]
        image = read_record_image(record)
        try:
            sample = to_sample(image, [instance.box_xywh for instance in record.instances], masks)
        except InputError as error:
            raise InputError(f"{record.path}: {error}") from error
        return RawExample(sample, record.phrases, tuple(instance.phrase for instance in record.instances))


class JoinedExamples(Dataset[Example]):
    """Several sets of examples one after the other, as one; ``epoch`` is passed on to each."""

    def __init__(self, parts: Sequence[Examples]) -> None:
        self.parts = tuple(parts)
        self._ends = list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Example:
        part = bisect_right(self._ends, index)
        return self.parts[part][index - (self._ends[part - 1] if part else 0)]

    @property
    def epoch(self) -> int:
        """The epoch whose examples are drawn."""
        return self.parts[0].epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        for part in self.parts:
            part.epoch = epoch


def collate(examples: Sequence[Example]) -> Batch:
    """Stack examples into a batch, padding images of different size."""
    pixel_values, pixel_mask = pad_images([example.pixel_values for example in examples])
    return Batch(pixel_values, pixel_mask, tuple(examples))
