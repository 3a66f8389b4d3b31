"""Saved corrections are a folder that the checker and training take: splits by case, and no name of any file in it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from kills import each_kill

from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.layout import SPLIT_FOLDERS, Split, csv_name
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.errors import InputError
from gdinousam.records import Image, ImageRecord, Mask
from gdinousam.serving.corrections import Corrected, Corrections

PHRASE = "breast tumor"
SPLITS: tuple[Split, ...] = ("train", "val")


def image_of(seed: int) -> Image:
    return make_phantom(np.random.default_rng(seed)).image


def disc(image: Image, x: int, y: int, radius: int) -> Mask:
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 < radius**2)


def corrected(seed: int, group: str | None = None, radius: int = 12) -> Corrected:
    image = image_of(seed)
    return Corrected(image, [(PHRASE, disc(image, 60, 50, radius))], ["fetal head"], group)


def records(folder: Path, split: Split) -> list[ImageRecord]:
    if not (folder / csv_name(split)).is_file():
        return []
    return list(read_records(folder / csv_name(split), *(folder / name for name in SPLIT_FOLDERS[split])))


def require_sound(folder: Path) -> None:
    """All CSVs pass the check of a training, and no file lies there that no row names."""
    named = set()
    for split in SPLITS:
        if (folder / csv_name(split)).is_file():
            image_dir, mask_dir = (folder / name for name in SPLIT_FOLDERS[split])
            assert check_table(folder / csv_name(split), image_dir, mask_dir, True, progress=False) == []
            for record in records(folder, split):
                named |= {record.path, *(one.mask.path for one in record.instances if one.mask)}
    files = {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".CSV"}
    assert files == named


def test_a_picture_with_two_objects_and_a_missing_one(tmp_path: Path) -> None:
    image = image_of(1)
    masks = [disc(image, 50, 50, 14), disc(image, 56, 50, 14)]  # they overlap
    saved = Corrections(tmp_path).save(Corrected(image, [(PHRASE, one) for one in masks], ["fetal head"]))
    assert (saved.split, saved.num_rows, saved.num_images, saved.replaced) == ("train", 3, 1, False)
    (record,) = records(tmp_path, "train")
    assert record.absent_phrases == ("fetal head",) and len(record.instances) == 2
    assert np.array_equal(read_image(record.path), image)
    for instance, mask_hw in zip(record.instances, masks, strict=True):
        assert instance.mask is not None
        values = read_image(instance.mask.path)[:, :, 0]
        assert np.array_equal(values == instance.mask.value, mask_hw)
    require_sound(tmp_path)


def test_cases_go_to_training_and_to_validation(tmp_path: Path) -> None:
    folder = Corrections(tmp_path)
    splits = [folder.save(corrected(seed)).split for seed in range(7)]
    assert splits == ["train", "val", "train", "train", "train", "train", "val"]
    assert len(folder) == 7
    require_sound(tmp_path)


def test_all_pictures_of_a_case_are_in_one_split(tmp_path: Path) -> None:
    folder = Corrections(tmp_path)
    groups = ["a", "b", "a", "b", "b", "c"]
    splits = [folder.save(corrected(seed, group)).split for seed, group in enumerate(groups)]
    assert splits == ["train", "val", "train", "val", "val", "train"]
    assert {record.group for record in records(tmp_path, "val")} == {"b"}


def test_a_picture_saved_again_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    folder = Corrections(tmp_path)
    folder.save(corrected(1, "a"))
    folder.save(corrected(2, "b"))
    again = folder.save(corrected(1, "a", radius=20))
    assert (again.replaced, again.num_images, again.split) == (True, 2, "train")
    (record,) = records(tmp_path, "train")
    assert record.instances[0].box_xywh[2] == 39
    moved = folder.save(corrected(1, "b"))
    assert (moved.split, moved.num_images) == ("val", 2)
    assert records(tmp_path, "train") == [] and len(records(tmp_path, "val")) == 2
    require_sound(tmp_path)


def test_what_training_would_refuse_changes_nothing(tmp_path: Path) -> None:
    folder = Corrections(tmp_path)
    folder.save(corrected(1))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    image = image_of(2)
    mask = disc(image, 60, 50, 12)
    for wrong, expected in (
        (Corrected(image, [], []), "nothing to save"),
        (Corrected(image, [(PHRASE, np.zeros_like(mask))]), "object 1 ('breast tumor') has no pixel"),
        (Corrected(image, [(PHRASE, mask[:-1])]), "object 1 ('breast tumor') has no pixel in the picture"),
        (Corrected(image, [("...", mask)]), "training would refuse this: label_name ..."),
        (Corrected(image, [(PHRASE, mask)], [PHRASE]), "training would refuse this: label_name breast tumor"),
    ):
        with pytest.raises(InputError) as raised:
            folder.save(wrong)
        assert str(raised.value).startswith(expected)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_threads_that_save_at_the_same_time(tmp_path: Path) -> None:
    threads = [threading.Thread(target=Corrections(tmp_path).save, args=(corrected(seed),)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Corrections(tmp_path)) == 6
    require_sound(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write the corrections"):
        Corrections(tmp_path / "file").save(corrected(1))


@pytest.mark.parametrize("most", [12, pytest.param(None, marks=pytest.mark.exhaustive)])
def test_a_server_that_is_killed_while_it_saves(tmp_path: Path, most: int | None) -> None:
    """The picture is there, in whole, before and after, wherever the kill; and it can be saved again."""
    before, folder = tmp_path / "before", tmp_path / "corrections"
    for seed, group in ((1, "a"), (2, "b")):
        Corrections(before).save(corrected(seed, group))
    name = records(before, "train")[0].path.name

    def save() -> object:
        return Corrections(folder).save(corrected(1, "b", radius=20))  # goes to the other split

    num_kills = 0
    for point in each_kill(save, folder, lambda: shutil.copytree(before, folder), most):
        num_kills += 1
        found = []
        for split in SPLITS:
            if (folder / csv_name(split)).is_file():
                image_dir, mask_dir = (folder / one for one in SPLIT_FOLDERS[split])
                problems = check_table(folder / csv_name(split), image_dir, mask_dir, True, progress=False)
                assert problems == [], point
                found += [record.path.name for record in records(folder, split)]
        assert name in found, point
        save()
        assert [record.path.name for record in records(folder, "val")].count(name) == 1, point
        assert records(folder, "train") == [], point
    assert num_kills > 10
