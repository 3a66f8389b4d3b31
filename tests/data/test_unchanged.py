"""Files that change after they were checked are named when they are read, whoever reads them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from torch.utils.data import DataLoader

from gdinousam.data.contract.unchanged import checked_records
from gdinousam.data.dataset import TrainingDataset
from gdinousam.data.images import read_mask, read_record_image, union_mask
from gdinousam.errors import InputError
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import ImageRecord

CHANGED = "has changed since this run looked through its data"


@pytest.fixture
def data(tmp_path: Path, phantom_data: Path) -> Path:
    """A copy of the training phantoms that a test may spoil."""
    for name in ("train", "train_mask"):
        shutil.copytree(phantom_data / name, tmp_path / "data" / name)
    shutil.copyfile(phantom_data / "train.CSV", tmp_path / "data" / "train.CSV")
    return tmp_path / "data"


def checked(data: Path, check: Callable[[], object] = lambda: None) -> tuple[ImageRecord, ...]:
    return checked_records(data / "train.CSV", data / "train", data / "train_mask", check)


def read_everything(record: ImageRecord) -> None:
    TrainingDataset([record], ResizeSettings(size=64), with_masks=True)[0]


def repaint(path: Path) -> None:
    """Another picture of the same size."""
    with PIL.Image.open(path) as picture:
        pixels = np.asarray(picture).copy()
    pixels[::2] = 255 - pixels[::2]
    PIL.Image.fromarray(pixels).save(path)


def touch(path: Path) -> None:
    """The same bytes at another time."""
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def cut(path: Path) -> None:
    """As it is while another program writes it."""
    path.write_bytes(path.read_bytes()[:200])


def with_masks(records: tuple[ImageRecord, ...]) -> ImageRecord:
    return next(record for record in records if record.instances)


@pytest.mark.parametrize("change", [repaint, touch, cut])
def test_an_image_that_changes_is_named(data: Path, change: Callable[[Path], None]) -> None:
    record = with_masks(checked(data))
    read_everything(record)
    change(record.path)
    for read in (read_everything, read_record_image):
        with pytest.raises(InputError, match=rf"^{record.path}: {CHANGED}"):
            read(record)


@pytest.mark.parametrize("change", [repaint, touch, cut])
def test_a_mask_that_changes_is_named(data: Path, change: Callable[[Path], None]) -> None:
    record = with_masks(checked(data))
    mask = record.instances[0].mask
    assert mask is not None
    change(mask.path)
    readers: list[Callable[[], object]] = [
        lambda: read_everything(record),
        lambda: read_mask(mask),
        lambda: union_mask(record.instances, (record.height, record.width)),
    ]
    for read in readers:
        with pytest.raises(InputError, match=rf"^{mask.path}: {CHANGED}"):
            read()


def test_a_file_that_is_gone_is_said_to_be_gone(data: Path) -> None:
    record = with_masks(checked(data))
    record.path.unlink()
    with pytest.raises(InputError, match=r"no such image file"):
        read_record_image(record)


@pytest.mark.parametrize("name", ["train.CSV", "image", "mask"])
def test_what_changes_while_it_is_checked_is_noticed(data: Path, name: str) -> None:
    record = with_masks(checked(data))
    mask = record.instances[0].mask
    assert mask is not None
    path = {"train.CSV": data / "train.CSV", "image": record.path, "mask": mask.path}[name]
    with pytest.raises(InputError, match=rf"^{path}: {CHANGED}"):
        read_everything(with_masks(checked(data, lambda: touch(path))))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_image_of_another_size_than_its_rows_say_is_refused(data: Path, num_workers: int) -> None:
    record = with_masks(checked(data))
    PIL.Image.new("L", (record.width + 3, record.height), 90).save(record.path)
    unknown = replace(record, state=None)  # as from a caller who checks nothing
    line = f"{record.width + 3} x {record.height} pixels, but the CSV says {record.width} x {record.height}"
    dataset = TrainingDataset([unknown], ResizeSettings(size=64))
    with pytest.raises(InputError, match=line):
        next(iter(DataLoader(dataset, batch_size=None, num_workers=num_workers)))


def test_a_mask_that_does_not_fit_is_named_with_its_image(data: Path) -> None:
    record = with_masks(checked(data))
    mask = record.instances[0].mask
    assert mask is not None
    PIL.Image.new("L", (5, 4), 255).save(mask.path)
    instances = tuple(replace(one, mask=replace(mask, state=None)) for one in record.instances)
    with pytest.raises(InputError, match=rf"^{record.path}: a mask is \(height, width\) = \(4, 5\)"):
        read_everything(replace(record, instances=instances))


def test_states_change_nothing_about_what_a_record_is(data: Path) -> None:
    record = with_masks(checked(data))
    mask = record.instances[0].mask
    assert mask is not None and mask.state is not None and record.state is not None
    assert replace(record, state=None) == record and hash(replace(mask, state=None)) == hash(mask)
    assert "FileState" not in repr(record)
