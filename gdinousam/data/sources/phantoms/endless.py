"""Phantoms drawn while training goes on: new ones in every epoch, so that none is seen twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field, field_validator

from gdinousam.data.augmentation import Augmentation
from gdinousam.data.caption_phrases import PLAIN_CAPTIONS, CaptionRules
from gdinousam.data.dataset import Examples, RawExample
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.samples import to_sample
from gdinousam.data.sources.phantoms import VARIED, make_phantom, phrases_of
from gdinousam.preprocessing import ResizeSettings
from gdinousam.settings import Settings


class PhantomData(Settings):
    """Phantoms drawn during training, in addition to the images or instead of them."""

    families: tuple[str, ...] = Field(min_length=1, description="Families of phantoms, used in turn.")
    num_train: int = Field(ge=1, description="Number of new phantoms in every epoch.")
    num_val: int = Field(0, ge=0, description="Number of phantoms for validation, the same in every epoch.")

    @field_validator("families")
    @classmethod
    def _are_known(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        for family in families:
            phrases_of(family)
        return families


class EndlessPhantoms(Examples):
    """Phantoms with much variety as examples; see ``Examples``.

    families: drawn in turn, by place. num_images: examples in an epoch. with_masks: with the mask of every object, and
    no image without objects. A phantom without objects knows of one phrase of its family that it is absent.
    """

    def __init__(
        self,
        families: Sequence[str],
        num_images: int,
        resize: ResizeSettings,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        with_masks: bool = False,
        captions: CaptionRules = PLAIN_CAPTIONS,
    ) -> None:
        super().__init__(resize, augmentation, seed, captions)
        self._families = tuple(families)
        self._num_images = num_images
        self._with_masks = with_masks
        self._look = replace(VARIED, empty=0.0) if with_masks else VARIED

    def __len__(self) -> int:
        return self._num_images

    def raw(self, index: int, seed: int) -> RawExample:
        """The phantom that the seed gives, of the family whose turn it is."""
        generator = np.random.default_rng(seed)
        family = self._families[index % len(self._families)]
        phantom = make_phantom(generator, self._look, family)
        masks = [mask for _, mask in phantom.instances]
        instance_phrases = tuple(phrase for phrase, _ in phantom.instances)
        sample = to_sample(phantom.image, [tight_box_xywh(mask) for mask in masks], masks if self._with_masks else None)
        phrases = tuple(dict.fromkeys(instance_phrases)) or (str(generator.choice(phrases_of(family))),)
        return RawExample(sample, phrases, instance_phrases)
