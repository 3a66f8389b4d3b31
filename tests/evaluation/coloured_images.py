"""Generated images whose objects have a colour of their own, and simple methods that find them by it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.records import Detection, ImageRecord, Instance, MaskReference, Need

CHANNEL = {"liver": 0, "cyst": 1, "stone": 2}
HEIGHT, WIDTH = 40, 60


class ByColor:
    """Finds each phrase by its colour: the true masks, exactly."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    def segment(self, images, phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        self.batch_sizes.append(len(images))
        return [
            [found for phrase in asked if (found := self.find(image, phrase)) is not None]
            for image, asked in zip(images, phrases, strict=True)
        ]

    def find(self, image, phrase: str) -> Detection | None:
        return detection(phrase, image[..., CHANNEL[phrase]] == 255)


class LeftHalf(ByColor):
    """Finds the left half of every object."""

    def find(self, image, phrase: str) -> Detection | None:
        mask_hw = image[..., CHANNEL[phrase]] == 255
        columns = np.nonzero(mask_hw.any(axis=0))[0]
        if columns.size:
            mask_hw = mask_hw & (np.arange(mask_hw.shape[1]) < columns.mean())
        return detection(phrase, mask_hw)


class LargeOnly(ByColor):
    """Finds objects of more than 100 pixels."""

    def find(self, image, phrase: str) -> Detection | None:
        mask_hw = image[..., CHANNEL[phrase]] == 255
        return detection(phrase, mask_hw) if mask_hw.sum() > 100 else None


class Silent(ByColor):
    """Never finds anything."""

    def find(self, image, phrase: str) -> Detection | None:
        return None


class Alarmist(ByColor):
    """Finds everything everywhere."""

    def find(self, image, phrase: str) -> Detection | None:
        return detection(phrase, np.ones(image.shape[:2], bool))


def detection(phrase: str, mask_hw: np.ndarray) -> Detection | None:
    rows, columns = np.nonzero(mask_hw)
    if not rows.size:
        return None
    return Detection(phrase, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), 0.5, mask_hw)


def write_image(
    folder: Path, name: str, boxes_xywh: dict[str, tuple[int, int, int, int]], absent=(), dataset="A"
) -> ImageRecord:
    """An image with one filled rectangle per phrase, and one mask file per phrase."""
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    instances = []
    for phrase, (x, y, width, height) in boxes_xywh.items():
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[y : y + height, x : x + width] = 255
        image[mask > 0, CHANNEL[phrase]] = 255
        mask_path = folder / f"{name}_{phrase}.png"
        cv2.imwrite(str(mask_path), mask)
        instances.append(Instance(phrase, (x, y, width, height), MaskReference(mask_path)))
    path = folder / f"{name}.png"
    cv2.imwrite(str(path), image[..., ::-1])
    phrases = (*boxes_xywh, *absent)
    return ImageRecord(path, WIDTH, HEIGHT, dataset, None, tuple(instances), tuple(absent), phrases, phrases[-1])


def write_mixed(folder: Path) -> list[ImageRecord]:
    """Seven images of two datasets, the last without any object."""
    records = [
        write_image(
            folder,
            f"mixed{k}",
            {"liver": (2, 3 + k, 10 + k, 12), "cyst": (35, 5, 8, 5 + 2 * k)},
            ("stone",) if k % 2 else (),
            "AB"[k % 2],
        )
        for k in range(6)
    ]
    return [*records, write_image(folder, "normal", {}, ("stone",))]


def untimed(rows: Sequence[ScoreRow]) -> str:
    """The rows without their seconds, as text, in which nan equals nan."""
    return repr([replace(row, seconds=0.0) for row in rows])
