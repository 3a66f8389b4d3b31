"""Phantoms as files: records that agree with the masks, overlapping objects, files that repeat byte for byte."""

from pathlib import Path

import numpy as np
import pytest
from phantom_regions import box_of
from PIL import Image as PILImage

from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_mask
from gdinousam.data.sources.phantoms import FAMILIES, PhantomSettings, make_phantom, phrases_of, write_phantoms
from gdinousam.errors import InputError


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_written_records_agree_with_masks_and_sizes(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "phantoms", 6, 2, 3, seed=1)
    for split, images, masks, count in (
        ("train", "train", "train_mask", 6),
        ("val", "val", "val_mask", 2),
        ("test", "test_image", "test_mask", 3),
    ):
        folder = tmp_path / "phantoms"
        records = read_records(folder / f"{split}.CSV", folder / images, folder / masks)
        assert len(records) == count
        for record in records:
            assert record.dataset == "phantom" and record.group is None
            with PILImage.open(record.path) as image:
                assert image.size == (record.width, record.height)
            for value, instance in enumerate(record.instances, start=1):
                assert instance.mask is not None and instance.mask.value == value
                with PILImage.open(instance.mask.path) as image:
                    assert image.mode == "L"
                    x0, y0, x1, y1 = box_of(np.asarray(image) == value)
                assert instance.box_xywh == (x0, y0, x1 - x0, y1 - y0)


def test_an_image_depends_on_seed_split_and_number_alone(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "few", 2, 1, 1, seed=5)
    write_phantoms(tmp_path / "again", 2, 1, 1, seed=5)
    write_phantoms(tmp_path / "many", 4, 3, 1, seed=5)
    few, many = files_of(tmp_path / "few"), files_of(tmp_path / "many")
    assert few == files_of(tmp_path / "again")
    pictures = {name for name in few if name.endswith(".png")}
    assert {name: few[name] for name in pictures} == {name: many[name] for name in pictures}
    assert few["train/train_00000.png"] != few["val/val_00000.png"]
    assert few["train/train_00000.png"] != few["train/train_00001.png"]


def test_existing_folder_is_replaced_only_on_request_and_only_if_it_holds_phantoms(tmp_path: Path) -> None:
    folder = tmp_path / "phantoms"
    write_phantoms(folder, 1, 1, 1, seed=0)
    before = files_of(folder)
    with pytest.raises(InputError, match="exists already"):
        write_phantoms(folder, 1, 1, 1, seed=9)
    assert files_of(folder) == before
    write_phantoms(folder, 2, 0, 1, seed=9, replace=True)
    assert len(list((folder / "train").iterdir())) == 2 and not list((folder / "val").iterdir())
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        write_phantoms(folder, 1, 1, 1, replace=True)
    assert (folder / "thesis.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["phantoms"]


def test_a_file_in_the_way_and_a_negative_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is not a part of a phantom dataset"):
        write_phantoms(tmp_path / "file", 1, 1, 1, replace=True)
    with pytest.raises(InputError, match="val"):
        write_phantoms(tmp_path / "new", 1, -1, 1)


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantoms(tmp_path / "phantoms", 2, 1, 1, on_image=interrupt)
    assert not list(tmp_path.iterdir())


def written(folder: Path) -> tuple:
    return read_records(folder / "train.CSV", folder / "train", folder / "train_mask")


def test_families_come_in_turn_and_each_has_a_dataset_name_of_its_own(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "phantoms", 8, 0, 0, seed=2, families=FAMILIES)
    names = ["phantom", *(f"phantom_{family}" for family in FAMILIES[1:])]
    records = written(tmp_path / "phantoms")
    assert [record.dataset for record in records] == (names * 2)[:8]
    for index, record in enumerate(records):
        assert set(record.phrases) <= set(phrases_of(FAMILIES[index % len(FAMILIES)]))


@pytest.mark.parametrize("family", FAMILIES)
def test_masks_read_back_as_they_were_drawn_overlapping_ones_too(tmp_path: Path, family: str) -> None:
    write_phantoms(tmp_path / "phantoms", 3, 0, 0, seed=3, families=(family,))
    for index, record in enumerate(written(tmp_path / "phantoms")):
        drawn = make_phantom(np.random.default_rng(np.random.SeedSequence(3, spawn_key=(0, index))), family=family)
        assert [instance.phrase for instance in record.instances] == [phrase for phrase, _ in drawn.instances]
        for instance, (_, mask) in zip(record.instances, drawn.instances, strict=True):
            assert instance.mask is not None
            np.testing.assert_array_equal(read_mask(instance.mask), mask)


def test_an_image_without_targets_says_that_all_phrases_of_its_family_are_absent(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "phantoms", 2, 0, 0, settings=PhantomSettings(empty=1.0), families=("liver", "kidney"))
    liver, kidney = written(tmp_path / "phantoms")
    assert not liver.instances and liver.absent_phrases == phrases_of("liver")
    assert not kidney.instances and kidney.absent_phrases == phrases_of("kidney")


def test_unknown_families_and_none_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'spleen'.*breast, thyroid"):
        write_phantoms(tmp_path / "phantoms", 1, 1, 1, families=("breast", "spleen"))
    with pytest.raises(InputError, match="at least one"):
        write_phantoms(tmp_path / "phantoms", 1, 1, 1, families=())
    assert not list(tmp_path.iterdir())
