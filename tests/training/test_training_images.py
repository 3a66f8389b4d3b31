"""Which images of the files a run trains on."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

from gdinousam.errors import InputError
from gdinousam.experiments.config import BaselineTrainConfig
from gdinousam.preprocessing import ResizeSettings
from gdinousam.training.examples import training_examples
from gdinousam.training.images import (
    TrainingImages,
    read_training_images,
    training_datasets,
    training_phrases,
)


@pytest.fixture
def folder(tmp_path: Path, phantom_data: Path) -> Path:
    """A folder with CSVs of the phantoms in which every second image is of dataset b, the others of a."""
    for split in ("train", "val"):
        table = pd.read_csv(phantom_data / f"{split}.CSV", dtype=str, keep_default_na=False)
        place = table["image_name"].map({name: place for place, name in enumerate(table["image_name"].unique())})
        table["dataset"] = place.map(lambda one: "ab"[one % 2])
        table.to_csv(tmp_path / f"{split}.CSV", index=False)
    return tmp_path


def images_of(folder: Path, phantom_data: Path, **data: object) -> TrainingImages:
    return read_training_images(config_of(folder, phantom_data, **data))


def config_of(folder: Path, phantom_data: Path, **data: object) -> BaselineTrainConfig:
    paths = {f"{split}_dir": phantom_data / split for split in ("train", "val")}
    paths |= {f"{split}_masks": phantom_data / f"{split}_mask" for split in ("train", "val")}
    paths |= {f"{split}_ann": folder / f"{split}.CSV" for split in ("train", "val")}
    tree = {"data": paths | data, "baseline": {"name": "unet"}, "training": {"output_dir": folder / "run"}}
    return BaselineTrainConfig.model_validate(tree)


def test_without_datasets_all_images_are_used(folder: Path, phantom_data: Path) -> None:
    images = images_of(folder, phantom_data)
    assert (len(images.train), len(images.val)) == (8, 4)


def test_datasets_choose_from_both_files_in_their_order(folder: Path, phantom_data: Path) -> None:
    every, chosen = images_of(folder, phantom_data), images_of(folder, phantom_data, datasets=["b"])
    assert (len(chosen.train), len(chosen.val)) == (4, 2)
    assert chosen.train == every.train[1::2] and chosen.val == every.val[1::2]
    assert images_of(folder, phantom_data, datasets=["b", "a"]) == every
    assert images_of(folder, phantom_data, datasets=["B "]) == chosen


def test_the_first_images_are_counted_among_the_datasets_named(folder: Path, phantom_data: Path) -> None:
    images = images_of(folder, phantom_data, datasets=["b"], max_images=2)
    assert [record.dataset for record in (*images.train, *images.val)] == ["b"] * 4


@pytest.mark.parametrize("name", ["c", "bb"])
def test_an_unknown_dataset_is_named_with_the_known_ones(folder: Path, phantom_data: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"train\.CSV: no image of dataset '{name}' \(data\.datasets\); it has: a, b"):
        images_of(folder, phantom_data, datasets=["a", name])


def test_a_dataset_that_the_validation_file_lacks_is_named(folder: Path, phantom_data: Path) -> None:
    text = (folder / "val.CSV").read_text().replace(",b,", ",a,")
    (folder / "val.CSV").write_text(text)
    with pytest.raises(InputError, match=r"val\.CSV: no image of dataset 'b'"):
        images_of(folder, phantom_data, datasets=["b"])


def test_images_that_only_lack_a_phrase_are_kept_for_what_learns_from_them(folder: Path, phantom_data: Path) -> None:
    table = pd.read_csv(folder / "train.CSV", dtype=str, keep_default_na=False)
    first = table["image_name"] == table["image_name"][0]
    boxes = ["bbox_x", "bbox_y", "bbox_width", "bbox_height", "mask_name"]
    table.loc[first, [column for column in boxes if column in table]] = ""
    table.to_csv(folder / "train.CSV", index=False)
    images = images_of(folder, phantom_data)
    assert len(images.train) == 8 and not images.train[0].instances and images.train[0].absent_phrases


def test_the_phrases_are_those_of_the_images_then_of_the_phantoms_each_once(folder: Path, phantom_data: Path) -> None:
    phantoms = {"families": ["liver", "breast"], "num_train": 2}
    config = config_of(folder, phantom_data, phantoms=phantoms)
    images = read_training_images(config)
    of_images = list(dict.fromkeys(phrase for record in images.train for phrase in record.phrases))
    phrases = training_phrases(config.data, images)
    assert list(phrases[: len(of_images)]) == of_images
    assert len(set(phrases)) == len(phrases) > len(of_images)
    of_images = {record.dataset for record in images.train}
    assert set(training_datasets(config.data, images)) == {*of_images, "phantom", "phantom_liver"}


def test_flips_swap_sides_among_the_phrases_of_the_run_and_what_is_never_flipped_is_told(
    folder: Path, phantom_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = pd.read_csv(folder / "train.CSV", dtype=str, keep_default_na=False)
    sides = ["left kidney", "right kidney", "left atrium"]
    place = table["image_name"].map({name: place for place, name in enumerate(table["image_name"].unique())})
    table["label_name"] = place.map(lambda one: sides[one % 3])
    table.to_csv(folder / "train.CSV", index=False)
    config = config_of(folder, phantom_data)
    images = read_training_images(config)
    caplog.set_level(logging.INFO, logger="gdinousam")
    examples = training_examples(config, images, ResizeSettings(size=64))
    (told,) = [record.getMessage() for record in caplog.records if "not flipped" in record.getMessage()]
    assert told.endswith(": left atrium")
    seen = {side: set() for side in sides}
    for examples.epoch in range(4):
        for index, record in enumerate(images.train):
            seen[record.phrases[0]].add(examples[index].phrases[0])
    assert seen["left kidney"] == seen["right kidney"] == {"left kidney", "right kidney"}
    assert seen["left atrium"] == {"left atrium"}
