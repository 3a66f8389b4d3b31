"""Phantoms as a dataset in the CSV layout: images, masks and one table per split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from gdinousam.data.contract.layout import SPLIT_FOLDERS, Split, csv_name
from gdinousam.data.contract.reading import mask_reference, write_records
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.mask_layers import layer_masks
from gdinousam.data.sources.phantoms.families import make_phantom, phrases_of
from gdinousam.data.sources.phantoms.imaging import Phantom
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.errors import InputError
from gdinousam.folders import replaced_folder
from gdinousam.records import ImageRecord, Instance, MaskReference

DATASET_NAME = "phantom"


def write_phantoms(
    folder: Path,
    num_train: int,
    num_val: int,
    num_test: int,
    seed: int = 0,
    settings: PhantomSettings | None = None,
    *,
    families: Sequence[str] = ("breast",),
    replace: bool = False,
    on_image: Callable[[], object] | None = None,
) -> None:
    """Write a dataset of phantoms in the CSV layout: images, masks and train.CSV, val.CSV, test.CSV.

    Image i of a split depends on the seed, the split and i alone, and is of the family ``families[i % len(families)]``;
    an image without targets has a row without a box for each phrase of its family. In a mask image the grey value k
    marks the k-th object; where objects overlap, each phrase has files of its own. replace: put the new dataset in the
    place of an older one that this function wrote. on_image is called after each image. The folder appears only once
    it is complete.
    Raises InputError for an unknown family, and where the folder exists and is not to be replaced, or holds anything
    else than phantoms.
    """
    counts: dict[Split, int] = {"train": num_train, "val": num_val, "test": num_test}
    for split, count in counts.items():
        if count < 0:
            raise InputError(f"number of {split} images is {count}: give 0 or more")
    if not families:
        raise InputError("no family of phantoms is given: name at least one")
    for family in families:
        phrases_of(family)
    _check_target(folder, replace)
    with replaced_folder(folder) as new:
        for split, count in counts.items():
            _write_split(new, split, count, seed, settings or PhantomSettings(), families, on_image)


def dataset_name(family: str) -> str:
    """What the CSV's dataset column says: ``phantom`` for breast, ``phantom_FAMILY`` for the others."""
    return DATASET_NAME if family == "breast" else f"{DATASET_NAME}_{family}"


def _check_target(folder: Path, replace: bool) -> None:
    if not folder.exists():
        return
    if not replace:
        raise InputError(f"{folder} exists already: choose another folder or ask for it to be replaced")
    ours = {name for names in SPLIT_FOLDERS.values() for name in names} | {csv_name(split) for split in SPLIT_FOLDERS}
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in ours) if folder.is_dir() else [""]
    if foreign:
        raise InputError(f"{folder / foreign[0]} is not a part of a phantom dataset: choose another folder")


def _write_split(
    folder: Path,
    split: Split,
    count: int,
    seed: int,
    settings: PhantomSettings,
    families: Sequence[str],
    on_image: Callable[[], object] | None,
) -> None:
    image_folder, mask_folder = (folder / name for name in SPLIT_FOLDERS[split])
    image_folder.mkdir(parents=True)
    mask_folder.mkdir(parents=True)
    split_index = list(SPLIT_FOLDERS).index(split)
    records = []
    for index in range(count):
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(split_index, index)))
        family = families[index % len(families)]
        phantom = make_phantom(generator, settings, family)
        records.append(_write_phantom(phantom, family, image_folder / f"{split}_{index:05d}.png", mask_folder))
        if on_image is not None:
            on_image()
    write_records(records, folder / csv_name(split))


def _write_phantom(phantom: Phantom, family: str, image_path: Path, mask_folder: Path) -> ImageRecord:
    height, width = phantom.image.shape[:2]
    PILImage.fromarray(phantom.image[..., 0]).save(image_path)
    references = _write_masks(phantom, image_path.stem, mask_folder)
    instances = tuple(
        Instance(phrase, tight_box_xywh(mask), reference)
        for (phrase, mask), reference in zip(phantom.instances, references, strict=True)
    )
    absent = () if instances else phrases_of(family)
    phrases = tuple(dict.fromkeys(instance.phrase for instance in instances)) or absent
    last_phrase = instances[-1].phrase if instances else absent[-1]
    name = dataset_name(family)
    return ImageRecord(image_path, width, height, name, None, instances, absent, phrases, last_phrase)


def _write_masks(phantom: Phantom, stem: str, mask_folder: Path) -> Sequence[MaskReference | None]:
    """Write the masks of an image; returns where the mask of each instance lies."""
    masks = [mask for _, mask in phantom.instances]
    if masks and np.sum(masks, axis=0).max() > 1:
        files, mask_names = layer_masks(phantom.instances, stem)
        for name, values in files.items():
            PILImage.fromarray(values).save(mask_folder / name)
        return [mask_reference(name, f"{stem}.png", mask_folder) for name in mask_names]
    path, values = mask_folder / f"{stem}.png", np.zeros(phantom.image.shape[:2], dtype=np.uint8)
    for value, mask in enumerate(masks, start=1):
        values[mask] = value
    PILImage.fromarray(values).save(path)
    return [MaskReference(path, value) for value in range(1, len(masks) + 1)]
