"""S1 (Guo 2021): breast images in a training and a test folder, with two sets of labels that must agree.

The General labels hold a class as 1 or 2, the Expanded ones as 127 or 255. Which of 1 and 2 is benign is said nowhere:
the paper's script takes 1 for malignant, while two others who read the Expanded labels take 127 for benign. Objects
come from the General labels, which the script reads too, and are named as the Expanded label of the same image says.
All images for training must give one and the same reading of 1 and 2; it then holds for the test folder as well. Its
Expanded labels belong to another folder of images, and both are left aside.

Rows of the paper's script lead to the objects that it means, by their right name: with the name that the script gives
them they would lead nowhere if that is wrong. A remark tells where it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from gdinousam.data.contract.layout import Split
from gdinousam.data.images import read_image, read_mask_file
from gdinousam.data.sources.public.interface import DatasetFacts, PublicDataset, RawCase, RawImage, RawInstance
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import (
    RESIZED,
    GreyMask,
    instances,
    num_script_contours,
    paper_rows,
    resize_labels,
)
from gdinousam.errors import InputError
from gdinousam.records import Mask

TRAINING, TESTING = "training", "testing"
TRAINING_IMAGES = "TrainingDataSet/BreastTumourImages"
GENERAL_LABELS = "TrainingDataSet/General-1-channel-Labels"
EXPANDED_LABELS = "TrainingDataSet/Expanded-3-channel-Labels"
TEST_IMAGES = "TestingDataSet/Test-General-1-BreastTumourImages"
TEST_LABELS = "TestingDataSet/Test-General-1-channel-Labels"

EXPANDED_VALUES = {"benign": 127, "malignant": 255}
Reading = Mapping[int, str]  # what the General values mean
SCRIPT_READING: Reading = {1: "malignant", 2: "benign"}
READINGS: tuple[Reading, ...] = (SCRIPT_READING, {1: "benign", 2: "malignant"})
MIN_OVERLAP = 0.5  # intersection over union of one class in both labels: outlines may differ, lesions may not

OTHER_WORD = "class named as in the Expanded labels, the paper's script names the other one"

_one_at_a_time = Lock()


class LabelPair(NamedTuple):
    """General and Expanded label of one image. changed_ns: when one of them was last changed."""

    general: Path
    expanded: Path
    changed_ns: int


class S1(PublicDataset):
    facts = DatasetFacts(
        name="S1",
        aliases=("Guo 2021",),
        tag="s1",
        organ="breast",
        role="seen",
        homepage="https://www.ncbi.nlm.nih.gov/pmc/articles/PMC8205136/",
        licence="public, supplement of an open-access article; cite the paper",
        phrases={"benign": "benign breast lesion", "malignant": "malignant breast lesion"},
        expected={TRAINING: 201},
        paper_counts=(140, 40, 22),
    )
    signature = (f"{TRAINING_IMAGES}/*.jpg", f"{GENERAL_LABELS}/*.png")

    def cases(self, root: Path) -> list[RawCase]:
        """The images for training, then the official test images, in which numbers may come again.

        Classes are known only when the labels are opened, so that cases are counted by folder. How many test images
        the release holds is not known.
        """
        training = self._pairs(root, TRAINING_IMAGES, (GENERAL_LABELS, EXPANDED_LABELS))
        testing = self._pairs(root, TEST_IMAGES, (TEST_LABELS,))
        return [_case(TRAINING, *pair, None) for pair in training] + [_case(TESTING, *pair, "test") for pair in testing]

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """One picture; each component of each class of its General label is an object.

        Raises ``InputError`` also where the labels of the image, or those of two images, contradict each other.
        """
        image = read_image(case.image)
        general_hw = _read_labels(case.masks[0], SCRIPT_READING)
        if case.label == TRAINING:
            _reading_of(*case.masks)
        with _one_at_a_time:  # a cache alone would let every thread work the same out
            reading = _release_reading(_label_pairs(case.image.parents[2]))
        labels_hw = resize_labels(general_hw, image.shape[:2], case.masks[0])
        remarks = [RESIZED] if labels_hw.shape != general_hw.shape else []
        objects: list[RawInstance] = []
        for value, phrase in reading.items():
            parts, dropped = instances(labels_hw == value, phrase)
            objects += parts
            remarks += dropped
        if case.label == TESTING or not general_hw.any():  # the script knows the training folder only
            yield RawImage(case.name, image, tuple(objects), remarks=tuple(dict.fromkeys(remarks)))
            return
        # it gives all contours of an image the class of the largest value
        rows = paper_rows(num_script_contours(general_hw), reading[int(general_hw.max())], case.name)
        remarks += [OTHER_WORD] if reading != SCRIPT_READING else []
        yield RawImage(case.name, image, tuple(objects), rows, tuple(dict.fromkeys(remarks)))

    def _pairs(self, root: Path, image_folder: str, label_folders: tuple[str, ...]) -> list[tuple[Path, list[Path]]]:
        """Each image with its label in every one of the folders; ``InputError`` where any lacks a partner."""
        images = release_files(root / image_folder, r".*\.jpg")
        require_any(images, f"{image_folder}/<n>.jpg", root, self.facts.name)
        labels = [[root / folder / f"{image.stem}.png" for folder in label_folders] for image in images]
        stored = [path for folder in label_folders for path in release_files(root / folder, r".*\.png")]
        images_of_labels = [root / image_folder / f"{path.stem}.jpg" for path in stored]
        require_files([*(path for paths in labels for path in paths), *images_of_labels], root, self.facts.name)
        return list(zip(images, labels, strict=True))


def _case(part: str, image: Path, labels: list[Path], split: Split | None) -> RawCase:
    name = f"{part}_{image.stem}"
    return RawCase(name, part, image, tuple(labels), name, "image", split)


def _label_pairs(root: Path) -> tuple[LabelPair, ...]:
    pairs = []
    for general in release_files(root / GENERAL_LABELS, r".*\.png"):
        expanded = root / EXPANDED_LABELS / general.name
        if expanded.is_file():
            changed_ns = max(general.stat().st_mtime_ns, expanded.stat().st_mtime_ns)
            pairs.append(LabelPair(general, expanded, changed_ns))
    return tuple(pairs)


@lru_cache(maxsize=1)
def _release_reading(pairs: tuple[LabelPair, ...]) -> Reading:
    """The one reading of the General values that the labels of all images give."""
    first_with: list[tuple[Reading, Path]] = []
    for pair in pairs:
        try:
            reading = _reading_of(pair.general, pair.expanded)
        except InputError:
            continue  # told when that image is read, which --skip-bad may leave out
        if reading is not None and all(reading != known for known, _ in first_with):
            first_with.append((reading, pair.general))
    if not first_with:
        raise InputError(f"no pair of General and Expanded labels agrees, so that no class of {S1.facts.name} is known")
    if len(first_with) > 1:
        named = " and ".join(f"{reading[1]} in {path}" for reading, path in first_with)
        raise InputError(f"value 1 of the General labels is {named}; their classes cannot be told, fetch them again")
    return first_with[0][0]


def _reading_of(general: Path, expanded: Path) -> Reading | None:
    """What the values of a General label mean according to the Expanded one; ``None`` where both are empty.

    Raises ``InputError`` where they outline different objects.
    """
    general_hw = _read_labels(general, SCRIPT_READING)
    expanded_hw = _read_labels(expanded, EXPANDED_VALUES.values())
    expanded_hw = resize_labels(expanded_hw, general_hw.shape, expanded)
    if not general_hw.any() and not expanded_hw.any():
        return None
    for reading in READINGS:
        if all(_same_objects(general_hw == value, expanded_hw == EXPANDED_VALUES[reading[value]]) for value in reading):
            return reading
    raise InputError(f"{general}: outlines other objects or classes than {expanded}; fetch both again")


def _same_objects(first_hw: Mask, second_hw: Mask) -> bool:
    union = int((first_hw | second_hw).sum())
    return union == 0 or int((first_hw & second_hw).sum()) > MIN_OVERLAP * union


def _read_labels(path: Path, allowed: Collection[int]) -> GreyMask:
    """The (H, W) values of a label file; ``InputError`` for values that it should not hold."""
    values = read_mask_file(path).values
    if values is None:
        raise InputError(f"{path}: is in colour, expected the grey values 0, {_listed(allowed)}; fetch it again")
    others = ~np.isin(values, (0, *allowed))
    if others.any():
        value = values[others].min()
        raise InputError(f"{path}: holds the value {value}, expected 0, {_listed(allowed)}; fetch it again")
    return np.asarray(values, dtype=np.uint8)


def _listed(values: Collection[int]) -> str:
    return ", ".join(map(str, values))
