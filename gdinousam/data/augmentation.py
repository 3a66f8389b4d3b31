"""Random changes of training samples: flipping, cropping, resizing, padding, erasing (paper, section 2.5).

The paper names these five and gives no strengths; those here are ours. Changes of the grey values are ours too, and off
by default. Every change carries boxes and masks along and keeps their number and order; mirroring swaps the sides that
phrases name too. Random numbers come from
torch's global generator, as in torchvision; ``seeded`` makes a sample depend on its seed alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Annotated, NamedTuple

import torch
from pydantic import AfterValidator, Field
from torchvision import tv_tensors
from torchvision.ops import masks_to_boxes
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from gdinousam.data.samples import Sample
from gdinousam.data.sides import SIDE_WORDS, Sides
from gdinousam.preprocessing import box_scale, resize_part
from gdinousam.runtime import torch_seed
from gdinousam.settings import Settings

logger = logging.getLogger(__name__)

Augmentation = Callable[[Sample], Sample]

NUM_DRAWS = 10  # windows tried before a crop or an erasing is left out
ERASE_ASPECT = (0.3, 3.3)  # height / width of erased rectangles, as in Random Erasing (Zhong and others, 2020)


def _once_each(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    words = [word.strip().lower() for pair in pairs for word in pair]
    for word in words:
        if not word:
            raise ValueError("a word is empty; give two words for each pair of sides")
        if words.count(word) > 1:
            raise ValueError(f"{word!r} stands twice; each word has one opposite")
    return pairs


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"({bounds[0]}, {bounds[1]}) must be in rising order")
    return bounds


Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Amount = Annotated[float, Field(ge=0.0, lt=1.0)]
Scale = Annotated[float, Field(ge=0.25, le=4.0)]
Area = Annotated[float, Field(gt=0.0, le=0.5)]


class AugmentationSettings(Settings):
    """How training samples are changed, in the order of the fields. Grey values come first, so borders stay black."""

    horizontal_flip: Probability = Field(0.5, description="Probability of swapping left and right, in [0, 1].")
    side_words: Annotated[tuple[tuple[str, str], ...], AfterValidator(_once_each)] = Field(
        SIDE_WORDS,
        description="Pairs of words for sides. A horizontal flip swaps them in the phrases of the image; [] "
        "leaves phrases as they are.",
    )
    swap_sides: bool = Field(
        True,
        description="false: images whose phrases name a side are never flipped. true: only those are not "
        "flipped for which a swapped phrase does not occur in the training data (left ventricle, if no right "
        "ventricle is labelled).",
    )
    vertical_flip: Probability = Field(
        0.0,
        description="Probability of swapping top and bottom, in [0, 1]; off by default, because depth runs downwards.",
    )
    brightness: Amount = Field(0.0, description="Largest change b of brightness, factor in [1 - b, 1 + b]; 0 is off.")
    contrast: Amount = Field(0.0, description="Largest change c of contrast, factor in [1 - c, 1 + c]; 0 is off.")
    gamma: Amount = Field(0.0, description="Largest change g of gamma, exponent in [1 - g, 1 + g]; 0 is off.")
    crop_probability: Probability = Field(0.5, description="Probability of cropping the image, in [0, 1].")
    crop_min_scale: float = Field(
        0.7, ge=0.1, le=1.0, description="Smallest height and width of a crop as fractions of the image's, in [0.1, 1]."
    )
    resize_scale: Annotated[tuple[Scale, Scale], AfterValidator(_rising)] = Field(
        (0.8, 1.25),
        description="Range of the factor by which the content is scaled on a canvas that keeps its size, in "
        "[0.25, 4]; (1, 1) is off.",
    )
    pad_fraction: float = Field(
        0.1, ge=0.0, le=1.0, description="Largest black border on each side as a fraction of the image's, in [0, 1]."
    )
    erase_probability: Probability = Field(0.25, description="Probability of making one rectangle black, in [0, 1].")
    erase_area: Annotated[tuple[Area, Area], AfterValidator(_rising)] = Field(
        (0.02, 0.1), description="Range of the erased area as a fraction of the image's, in (0, 0.5]."
    )
    min_visible: float = Field(
        0.7,
        ge=0.05,
        le=1.0,
        description="Fraction of every object that must stay visible after each crop, enlargement and erasing, "
        "in [0.05, 1]. A change that would hide more is drawn again, and left out after several tries.",
    )


class Window(NamedTuple):
    """A rectangle of whole pixels on an image."""

    top: int
    left: int
    height: int
    width: int


def build_augmentation(settings: AugmentationSettings, known_phrases: Iterable[str] = ()) -> Augmentation:
    """Return the augmentation for samples of any size; the returned sample may have another size.

    known_phrases: of the training data, those that mirroring may turn a phrase into.
    An object is never lost: its box keeps area and lies on the canvas. The samples given are not changed.
    """
    visible = settings.min_visible
    return v2.Compose(
        [
            partial(
                random_mirror,
                probability=settings.horizontal_flip,
                sides=Sides(settings.side_words),
                known_phrases=_swappable(settings, known_phrases),
            ),
            v2.RandomVerticalFlip(settings.vertical_flip),
            partial(random_grey, brightness=settings.brightness, contrast=settings.contrast, gamma=settings.gamma),
            partial(
                random_crop,
                probability=settings.crop_probability,
                min_scale=settings.crop_min_scale,
                min_visible=visible,
            ),
            partial(random_resize, scale_range=settings.resize_scale, min_visible=visible),
            partial(random_pad, max_fraction=settings.pad_fraction),
            partial(
                random_erase,
                probability=settings.erase_probability,
                area_range=settings.erase_area,
                min_visible=visible,
            ),
        ]
    )


def phrases_never_flipped(settings: AugmentationSettings, known_phrases: Sequence[str]) -> list[str]:
    """The phrases of the training data whose images a horizontal flip leaves alone, in their order."""
    sides, known = Sides(settings.side_words), _swappable(settings, known_phrases)
    return [phrase for phrase in known_phrases if sides.mirrored_among((phrase,), known) is None]


def _swappable(settings: AugmentationSettings, known_phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(known_phrases if settings.swap_sides else ())


def seeded(transform: Augmentation, seed: int) -> Augmentation:
    """Return the transform with fixed random numbers: same seed, same result; torch's generator is left as it was."""

    def apply(sample: Sample) -> Sample:
        with torch_seed(seed):
            return transform(sample)

    return apply


def random_mirror(sample: Sample, probability: float, sides: Sides, known_phrases: Collection[str]) -> Sample:
    """Swap left and right, in the phrases too; a sample stays as it is where a swapped phrase is not a known one."""
    phrases = sides.mirrored_among(sample.phrases, known_phrases)
    if not _happens(probability) or phrases is None:  # drawn in any case: what comes after does not depend on phrases
        return sample
    return _moved(sample, functional.horizontal_flip)._replace(phrases=phrases)


def random_grey(sample: Sample, brightness: float, contrast: float, gamma: float) -> Sample:
    """Change brightness, contrast and gamma by random factors within 1 +- the given amounts; 0 leaves one alone."""
    image = sample.image
    for change, amount in (
        (functional.adjust_brightness, brightness),
        (functional.adjust_contrast, contrast),
        (functional.adjust_gamma, gamma),
    ):
        if amount > 0.0:
            image = change(image, _uniform(1.0 - amount, 1.0 + amount))
    return sample._replace(image=image)


def random_crop(sample: Sample, probability: float, min_scale: float, min_visible: float) -> Sample:
    """Cut out a window of at least ``min_scale`` of height and width, unless it hides too much of an object."""
    height, width = sample.image.shape[-2:]

    def draw() -> Window:
        scales = (_uniform(min_scale, 1.0), _uniform(min_scale, 1.0))
        return _place((max(1, round(scales[0] * height)), max(1, round(scales[1] * width))), (height, width))

    if not _happens(probability):
        return sample
    window = _draw_until(draw, lambda window: bool((visible_fraction(sample, window) >= min_visible).all()))
    return sample if window is None else crop(sample, window)


def random_resize(sample: Sample, scale_range: tuple[float, float], min_visible: float) -> Sample:
    """Resize the content while the canvas keeps its size.

    The resize before the detector would undo a plain one; so smaller content is put somewhere on a black canvas, and
    larger content shows through a window that hides no more of any object than ``min_visible`` allows.
    """
    scale = _uniform(*scale_range)
    height, width = sample.image.shape[-2:]
    if scale < 1.0:
        inner = (max(1, round(scale * height)), max(1, round(scale * width)))
        top, left, _, _ = _place(inner, (height, width))
        borders = [left, top, width - left - inner[1], height - top - inner[0]]
        return _pad(_resize(sample, inner), borders)
    inner = (max(1, round(height / scale)), max(1, round(width / scale)))
    window = _draw_until(
        lambda: _place(inner, (height, width)),
        lambda window: bool((visible_fraction(sample, window) >= min_visible).all()),
    )
    return sample if window is None else _resize(crop(sample, window), (height, width))


def random_pad(sample: Sample, max_fraction: float) -> Sample:
    """Add a black border of up to ``max_fraction`` of the width left and right, of the height above and below."""
    height, width = sample.image.shape[-2:]
    return _pad(sample, [round(_uniform(0.0, max_fraction) * side) for side in (width, height, width, height)])


def random_erase(sample: Sample, probability: float, area_range: tuple[float, float], min_visible: float) -> Sample:
    """Blacken one rectangle of the image; boxes and masks stay, because the object is still there behind it."""
    height, width = sample.image.shape[-2:]

    def draw() -> Window:
        area = _uniform(*area_range) * height * width
        aspect = math.exp(_uniform(math.log(ERASE_ASPECT[0]), math.log(ERASE_ASPECT[1])))
        rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        return _place((min(max(rows, 1), height), min(max(columns, 1), width)), (height, width))

    if not _happens(probability):
        return sample
    window = _draw_until(draw, lambda window: bool((1.0 - visible_fraction(sample, window) >= min_visible).all()))
    if window is None:
        return sample
    black = torch.zeros((), dtype=sample.image.dtype)
    return sample._replace(image=functional.erase(sample.image, *window, v=black))


def crop(sample: Sample, window: Window) -> Sample:
    """Cut out a window. Boxes are clipped to it; a clipped one with a mask becomes tight round what is left of that."""
    cropped = _moved(sample, functional.crop, *window)
    if cropped.masks_nhw is None:
        return cropped
    clipped = _box_fraction(sample.boxes_xyxy, window) < 1.0
    chosen = clipped & cropped.masks_nhw.flatten(1).any(dim=1)
    boxes_xyxy = cropped.boxes_xyxy.as_subclass(torch.Tensor).clone()
    boxes_xyxy[chosen] = _tight_boxes(cropped.masks_nhw.as_subclass(torch.Tensor)[chosen])
    return cropped._replace(boxes_xyxy=tv_tensors.wrap(boxes_xyxy, like=cropped.boxes_xyxy))


def visible_fraction(sample: Sample, window: Window) -> torch.Tensor:
    """Return which fraction of each object lies in the window, (N,) float32 in [0, 1]; no objects give shape (0,).

    Measured on the mask where there is one with any pixel (a small one may vanish in resizing), else on the box.
    """
    by_box = _box_fraction(sample.boxes_xyxy, window)
    if sample.masks_nhw is None:
        return by_box
    masks_nhw = sample.masks_nhw.as_subclass(torch.Tensor)
    rows, columns = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
    num_pixels = masks_nhw.flatten(1).sum(dim=1)
    by_mask = masks_nhw[:, rows, columns].flatten(1).sum(dim=1) / num_pixels.clamp(min=1)
    return torch.where(num_pixels > 0, by_mask, by_box)


def _box_fraction(boxes_xyxy: torch.Tensor, window: Window) -> torch.Tensor:
    x0, y0, x1, y1 = boxes_xyxy.as_subclass(torch.Tensor).unbind(dim=1)
    right, bottom = window.left + window.width, window.top + window.height
    width = x1.clamp(window.left, right) - x0.clamp(window.left, right)
    height = y1.clamp(window.top, bottom) - y0.clamp(window.top, bottom)
    return (width / (x1 - x0)) * (height / (y1 - y0))


def _moved(sample: Sample, function: Callable[..., torch.Tensor], *arguments: object) -> Sample:
    image, boxes_xyxy, masks_nhw, _ = sample
    moved_masks = None if masks_nhw is None else function(masks_nhw, *arguments)
    return sample._replace(
        image=function(image, *arguments), boxes_xyxy=function(boxes_xyxy, *arguments), masks_nhw=moved_masks
    )


def _resize(sample: Sample, size_hw: tuple[int, int]) -> Sample:
    """Resize a sample; where a speck of an object vanishes in it, its box shrinks to what is left."""
    resized = _moved(sample, resize_part, size_hw)
    if sample.masks_nhw is None or resized.masks_nhw is None:
        return resized
    masks_nhw, left_nhw = (one.as_subclass(torch.Tensor) for one in (sample.masks_nhw, resized.masks_nhw))
    there = left_nhw.flatten(1).any(dim=1)
    if not there.any():
        return resized
    scale = box_scale(resized.boxes_xyxy, size_hw) / box_scale(sample.boxes_xyxy, masks_nhw.shape[-2:])
    shrunk = _tight_boxes(left_nhw[there]) - _tight_boxes(masks_nhw[there]) * scale
    # up to a pixel is the rounding of outlines, more is a part that is gone
    inwards = torch.tensor([1.0, 1.0, -1.0, -1.0])
    boxes_xyxy = resized.boxes_xyxy.as_subclass(torch.Tensor).clone()
    boxes_xyxy[there] += torch.where(shrunk * inwards > 1.0, shrunk, 0.0)
    return resized._replace(boxes_xyxy=tv_tensors.wrap(boxes_xyxy, like=resized.boxes_xyxy))


def _tight_boxes(masks_nhw: torch.Tensor) -> torch.Tensor:
    """(N, 4) x0, y0, x1, y1 round the pixels of each of N masks, which hold one at least."""
    boxes_xyxy = masks_to_boxes(masks_nhw)
    boxes_xyxy[:, 2:] += 1.0  # masks_to_boxes gives the last pixel, our boxes end at its outer edge
    return boxes_xyxy


def _pad(sample: Sample, left_top_right_bottom: list[int]) -> Sample:
    return _moved(sample, functional.pad, left_top_right_bottom)


def _draw_until(draw: Callable[[], Window], is_allowed: Callable[[Window], bool]) -> Window | None:
    for _ in range(NUM_DRAWS):
        window = draw()
        if is_allowed(window):
            return window
    logger.debug("no window in %d draws leaves enough of every object visible: change left out", NUM_DRAWS)
    return None


def _place(inner_hw: tuple[int, int], outer_hw: tuple[int, int]) -> Window:
    """Draw where a rectangle lies on one that is at least as large."""
    top, left = (int(torch.randint(outer - inner + 1, ())) for inner, outer in zip(inner_hw, outer_hw, strict=True))
    return Window(top, left, *inner_hw)


def _happens(probability: float) -> bool:
    return float(torch.rand(())) < probability


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
