"""Generated ultrasound-like images with exact masks, for tests and for a first try without any data.

``make_phantom`` draws one image, ``write_phantoms`` a dataset in the CSV layout. Every image shows layered tissue with
one or two lesions of four kinds that a reader can tell apart (``LESION_KINDS``). They teach nothing about patients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PILImage

from gdinousam.data.contract import write_records
from gdinousam.data.layout import SPLIT_FOLDERS, Split, csv_name
from gdinousam.data.speckle import FloatMap, PointSpread, depth_loss_db, log_compress, speckle_envelope
from gdinousam.errors import InputError
from gdinousam.folders import replaced_folder
from gdinousam.records import BoxXYWH, Image, ImageRecord, Instance, Mask, MaskReference

Range = tuple[float, float]

DATASET_NAME = "phantom"


@dataclass(frozen=True)
class LesionKind:
    """How the lesions that one phrase names look; ranges are drawn from uniformly.

    phrase: the text. contrast_db: echo strength against the tissue. aspect: height / width of the box.
    loss_db: loss within the lesion in decibels per image height, negative for a bright band behind it.
    roughness: amplitude of the harmonics that bend the outline, as a fraction of the radius.
    num_spicules: lowest and highest number of spikes on the outline.
    """

    phrase: str
    contrast_db: Range
    aspect: Range
    loss_db: Range
    roughness: float = 0.0
    num_spicules: tuple[int, int] = (0, 0)


LESION_KINDS = (
    LesionKind("cyst", contrast_db=(-50.0, -44.0), aspect=(0.75, 1.0), loss_db=(-45.0, -30.0)),
    LesionKind("benign lesion", contrast_db=(-15.0, -12.0), aspect=(0.5, 0.72), loss_db=(-4.0, 4.0)),
    LesionKind(
        "malignant lesion",
        contrast_db=(-21.0, -16.0),
        aspect=(1.2, 1.6),
        loss_db=(35.0, 60.0),
        roughness=0.16,
        num_spicules=(0, 9),
    ),
    LesionKind("bright lesion", contrast_db=(11.0, 14.0), aspect=(0.6, 1.0), loss_db=(0.0, 8.0), roughness=0.04),
)


@dataclass(frozen=True)
class PhantomSettings:
    """What phantoms look like.

    height_range, width_range: lowest and highest image size in pixels, both included.
    dynamic_range_db: decibels between black and white. white_db: level shown as white; tissue lies at 0 dB.
    attenuation_db: loss from the top to the bottom of the image that the depth gain leaves.
    radius: size of a lesion (root of half height times half width) as a fraction of the image height.
    two_lesions: probability of a second lesion. point_spread: the beam, in pixels.
    """

    height_range: tuple[int, int] = (160, 192)
    width_range: tuple[int, int] = (160, 192)
    dynamic_range_db: float = 60.0
    white_db: float = 26.0
    attenuation_db: Range = (8.0, 20.0)
    radius: Range = (0.09, 0.2)
    two_lesions: float = 0.25
    point_spread: PointSpread = field(default_factory=PointSpread)

    def __post_init__(self) -> None:
        smallest = 64  # below this a lesion is a few speckles and its shape cannot be seen
        for name in ("height_range", "width_range"):
            low, high = getattr(self, name)
            if not smallest <= low <= high:
                raise InputError(f"{name} = ({low}, {high}): give a rising range of at least {smallest} pixels")


@dataclass(frozen=True, eq=False)
class Phantom:
    """One generated image and its objects.

    image: (H, W, 3) uint8, three equal channels. instances: phrase and (H, W) bool mask of each lesion, from left to
    right; masks are not empty and do not touch.
    """

    image: Image
    instances: tuple[tuple[str, Mask], ...]


def make_phantom(generator: np.random.Generator, settings: PhantomSettings | None = None) -> Phantom:
    """Draw one image; the same state of the generator gives the same image. ``None``: the default settings."""
    settings = settings or PhantomSettings()
    height = int(generator.integers(*settings.height_range, endpoint=True))
    width = int(generator.integers(*settings.width_range, endpoint=True))
    strength_db = _tissue_db(generator, (height, width))
    loss_db = np.full((height, width), generator.uniform(*settings.attenuation_db), dtype=np.float32)

    num_lesions = 2 if generator.random() < settings.two_lesions else 1
    instances = []
    for index in range(num_lesions):
        kind = LESION_KINDS[generator.integers(len(LESION_KINDS))]
        strip = (width * index // num_lesions, width * (index + 1) // num_lesions)
        mask = _draw_lesion(generator, kind, (height, width), strip, settings.radius)
        texture_db = _smooth_noise(generator, (height, width), (height // 6, width // 6))
        strength_db[mask] = generator.uniform(*kind.contrast_db) + texture_db[mask]
        loss_db[mask] += generator.uniform(*kind.loss_db)
        instances.append((kind.phrase, mask))

    envelope = speckle_envelope(generator, strength_db - depth_loss_db(loss_db), settings.point_spread)
    grey = log_compress(envelope, settings.dynamic_range_db, settings.white_db)
    return Phantom(np.repeat(grey[..., None], 3, axis=2), tuple(instances))


def write_phantoms(
    folder: Path,
    num_train: int,
    num_val: int,
    num_test: int,
    seed: int = 0,
    settings: PhantomSettings | None = None,
    *,
    replace: bool = False,
    on_image: Callable[[], object] | None = None,
) -> None:
    """Write a dataset of phantoms in the CSV layout: images, masks and train.CSV, val.CSV, test.CSV.

    Image i of a split depends on the seed, the split and i alone. In a mask image the grey value k marks the k-th
    object. replace: put the new dataset in the place of an older one that this function wrote. on_image is called
    after each image. The folder appears only once it is complete.
    Raises InputError where the folder exists and is not to be replaced, or holds anything else than phantoms.
    """
    counts: dict[Split, int] = {"train": num_train, "val": num_val, "test": num_test}
    for split, count in counts.items():
        if count < 0:
            raise InputError(f"number of {split} images is {count}: give 0 or more")
    _check_target(folder, replace)
    with replaced_folder(folder) as new:
        for split, count in counts.items():
            _write_split(new, split, count, seed, settings or PhantomSettings(), on_image)


def _check_target(folder: Path, replace: bool) -> None:
    if not folder.exists():
        return
    if not replace:
        raise InputError(f"{folder} exists already: choose another folder or ask for it to be replaced")
    ours = {name for names in SPLIT_FOLDERS.values() for name in names} | {csv_name(split) for split in SPLIT_FOLDERS}
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in ours) if folder.is_dir() else [""]
    if foreign:
        raise InputError(f"{folder / foreign[0]} is no part of a phantom dataset: choose another folder")


def _write_split(
    folder: Path, split: Split, count: int, seed: int, settings: PhantomSettings, on_image: Callable[[], object] | None
) -> None:
    image_folder, mask_folder = (folder / name for name in SPLIT_FOLDERS[split])
    image_folder.mkdir(parents=True)
    mask_folder.mkdir(parents=True)
    split_index = list(SPLIT_FOLDERS).index(split)
    records = []
    for index in range(count):
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(split_index, index)))
        phantom = make_phantom(generator, settings)
        name = f"{split}_{index:05d}.png"
        records.append(_write_phantom(phantom, image_folder / name, mask_folder / name))
        if on_image is not None:
            on_image()
    write_records(records, folder / csv_name(split))


def _write_phantom(phantom: Phantom, image_path: Path, mask_path: Path) -> ImageRecord:
    height, width = phantom.image.shape[:2]
    values = np.zeros((height, width), dtype=np.uint8)
    instances = []
    for value, (phrase, mask) in enumerate(phantom.instances, start=1):
        values[mask] = value
        instances.append(Instance(phrase, _tight_box_xywh(mask), MaskReference(mask_path, value)))
    PILImage.fromarray(phantom.image[..., 0]).save(image_path)
    PILImage.fromarray(values).save(mask_path)
    phrases = tuple(dict.fromkeys(instance.phrase for instance in instances))
    return ImageRecord(
        image_path,
        width,
        height,
        DATASET_NAME,
        None,
        tuple(instances),
        phrases=phrases,
        last_phrase=instances[-1].phrase,
    )


def _tight_box_xywh(mask: Mask) -> BoxXYWH:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def _tissue_db(generator: np.random.Generator, size_hw: tuple[int, int]) -> FloatMap:
    """Draw the echo strength of breast-like tissue: bright skin, darker fat, then glandular tissue with fibres."""
    height, width = size_hw
    depth = np.arange(height, dtype=np.float32)[:, None] / height
    bend = 0.04 * _smooth_noise(generator, (1, width), (1, 5))  # the layers undulate, the skin lies flat on the probe
    layer_depth = depth + bend * np.minimum(depth / 0.25, 1.0)
    skin, fat = generator.uniform(0.025, 0.05), generator.uniform(0.12, 0.22)
    strength_db = np.where(layer_depth < fat, -6.0, 0.0) + np.where(layer_depth < skin, 15.0, 0.0)
    strength_db += 7.0 * np.exp(-(((layer_depth - fat) / 0.012) ** 2))  # the fascia below the fat
    fibres = _smooth_noise(generator, size_hw, (height // 5, 6))
    rows = np.clip(np.rint(layer_depth * height), 0, height - 1).astype(np.intp)
    fibres = np.take_along_axis(fibres, rows, axis=0)
    strength_db += 1.5 * fibres + 5.0 * np.maximum(fibres - 0.8, 0.0)  # few, thin and clearly brighter
    strength_db += 1.8 * _smooth_noise(generator, size_hw, (8, 7))
    return strength_db.astype(np.float32)


def _draw_lesion(
    generator: np.random.Generator, kind: LesionKind, size_hw: tuple[int, int], strip: tuple[int, int], radius: Range
) -> Mask:
    """Draw a lesion of the kind between the columns of the strip, with tissue left round it on all sides."""
    margin = 5.0  # pixels between a lesion and the edge of its strip
    top, bottom = 0.16 * size_hw[0], 0.74 * size_hw[0]  # below the skin, with room to see a shadow or enhancement
    aspect = generator.uniform(*kind.aspect)
    half_height = generator.uniform(*radius) * size_hw[0] * np.sqrt(aspect)
    half_height = min(half_height, (bottom - top) / 2, aspect * ((strip[1] - strip[0]) / 2 - margin))
    half_width = half_height / aspect
    center_x = generator.uniform(strip[0] + margin + half_width, strip[1] - margin - half_width)
    center_y = generator.uniform(top + half_height, bottom - half_height)
    outline_xy = _unit_outline(generator, kind) * (half_width, half_height) + (center_x, center_y)
    filled = np.zeros(size_hw, dtype=np.uint8)
    cv2.fillPoly(filled, [np.rint(outline_xy).astype(np.int32)], 1)
    return filled.astype(bool)


def _unit_outline(generator: np.random.Generator, kind: LesionKind) -> np.ndarray:
    """Draw the outline of a lesion as (360, 2) points x, y that span [-1, 1] exactly in both directions."""
    angle = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)
    distance = np.ones_like(angle)
    for harmonic in range(2, 8):
        phase = generator.uniform(0.0, 2.0 * np.pi)
        distance += kind.roughness * generator.uniform(0.3, 1.0) / np.sqrt(harmonic) * np.cos(harmonic * angle + phase)
    for _ in range(generator.integers(*kind.num_spicules, endpoint=True)):
        away = np.angle(np.exp(1j * (angle - generator.uniform(0.0, 2.0 * np.pi))))  # in (-pi, pi]
        distance += generator.uniform(0.25, 0.5) * np.exp(-((away / 0.09) ** 2))
    tilt = generator.uniform(-0.2, 0.2)
    points = np.stack([distance * np.cos(angle), 0.8 * distance * np.sin(angle)], axis=1)
    points @= np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    low, high = points.min(axis=0), points.max(axis=0)
    return 2.0 * (points - low) / (high - low) - 1.0


def _smooth_noise(generator: np.random.Generator, size_hw: tuple[int, int], grid_hw: tuple[int, int]) -> FloatMap:
    """Draw (H, W) smooth noise of standard deviation near 1 whose detail is that of a grid of the given size."""
    grid = generator.standard_normal(grid_hw, dtype=np.float32)
    return np.asarray(cv2.resize(grid, size_hw[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.float32)
