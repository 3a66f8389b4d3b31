"""A release becomes files and rows: what is written, what is left out, and what happens when something is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.layout import SPLIT_FOLDERS, SPLITS
from gdinousam.data.contract.reading import read_records, read_table
from gdinousam.data.images import read_image, read_mask
from gdinousam.data.preparation.prepare import prepare
from gdinousam.data.preparation.preview import write_preview
from gdinousam.data.preparation.report import Options, Report
from gdinousam.data.sources.public.busi import Busi
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH, ImageRecord

NUM_PER_CLASS = 12
TWO_LESIONS = "benign (2)"


def write_grey(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


def mask(*boxes_xywh: BoxXYWH) -> np.ndarray:
    pixels = np.zeros((60, 80), dtype=np.uint8)
    for x, y, width, height in boxes_xywh:
        pixels[y : y + height, x : x + width] = 255
    return pixels


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature of BUSI: 12 images of each class, smooth and unlike each other; one has two mask files."""
    root = tmp_path_factory.mktemp("release") / "Dataset_BUSI_with_GT"
    random = np.random.default_rng(0)
    for label in ("benign", "malignant", "normal"):
        for number in range(1, NUM_PER_CLASS + 1):
            coarse = PIL.Image.fromarray(random.integers(0, 256, (6, 8), dtype=np.uint8))
            stem = root / label / f"{label} ({number})"
            write_grey(
                stem.with_name(f"{stem.name}.png"), np.asarray(coarse.resize((80, 60), PIL.Image.Resampling.BICUBIC))
            )
            lesions = [] if label == "normal" else [(10 + number, 20, 15, 12)]
            write_grey(stem.with_name(f"{stem.name}_mask.png"), mask(*lesions))
    write_grey(root / "benign" / f"{TWO_LESIONS}_mask_1.png", mask((50, 40, 12, 10)))
    return root


@pytest.fixture
def release(pristine: Path, tmp_path: Path) -> Path:
    """A copy of the miniature that a test may change."""
    return Path(shutil.copytree(pristine, tmp_path / "raw" / pristine.name))


def records_of(data: Path) -> dict[str, tuple[ImageRecord, ...]]:
    found = {}
    for split in SPLITS:
        images, masks = SPLIT_FOLDERS[split]
        found[split] = read_records(data / f"{split}.CSV", data / images, data / masks)
    return found


def snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run(release: Path, data: Path, **settings: object) -> Report:
    return prepare(Busi(), release, data, Options(**settings))  # type: ignore[arg-type]


def test_what_is_written_is_sound_data_by_the_checker(release: Path, tmp_path: Path) -> None:
    run(release, tmp_path / "data", negatives=True)
    for split in SPLITS:
        images, masks = (tmp_path / "data" / name for name in SPLIT_FOLDERS[split])
        assert check_table(tmp_path / "data" / f"{split}.CSV", images, masks, masks_required=True) == []


def test_every_lesion_image_is_in_one_split_and_its_pixels_are_those_of_the_release(
    release: Path, tmp_path: Path
) -> None:
    run(release, tmp_path / "data")
    records = [record for split in records_of(tmp_path / "data").values() for record in split]
    assert len({record.path.name for record in records}) == len(records) == 2 * NUM_PER_CLASS
    record = next(record for record in records if record.path.stem == "busi_malignant_3")
    assert np.array_equal(read_image(record.path), read_image(release / "malignant" / "malignant (3).png"))
    (instance,) = record.instances
    assert instance.mask is not None
    assert np.array_equal(read_mask(instance.mask), mask((13, 20, 15, 12)) > 0)
    assert (instance.phrase, instance.box_xywh) == ("malignant breast lesion", (13, 20, 15, 12))


def test_two_lesions_of_an_image_have_a_row_and_a_mask_each(release: Path, tmp_path: Path) -> None:
    run(release, tmp_path / "data")
    records = [record for split in records_of(tmp_path / "data").values() for record in split]
    first, second = next(record for record in records if record.path.stem == "busi_benign_2").instances
    assert (first.box_xywh, second.box_xywh) == ((12, 20, 15, 12), (50, 40, 12, 10))
    assert first.mask is not None and second.mask is not None
    assert read_mask(first.mask).sum() == 15 * 12 and read_mask(second.mask).sum() == 12 * 10


def test_normal_images_are_left_out_and_counted(release: Path, tmp_path: Path) -> None:
    report = run(release, tmp_path / "data")
    assert report.found == {"benign": NUM_PER_CLASS, "malignant": NUM_PER_CLASS, "normal": NUM_PER_CLASS}
    assert len(report.left_out) == NUM_PER_CLASS
    assert f"{NUM_PER_CLASS:>8}  normal; --negatives takes it in: normal (1), normal (2)" in report.text()


def test_normal_images_become_rows_without_a_target_when_asked_for(release: Path, tmp_path: Path) -> None:
    report = run(release, tmp_path / "data", negatives=True)
    records = [record for split in records_of(tmp_path / "data").values() for record in split]
    normal = [record for record in records if not record.instances]
    assert len(normal) == NUM_PER_CLASS and not report.left_out
    assert {record.absent_phrases for record in normal} == {("benign breast lesion", "malignant breast lesion")}


def test_the_paper_split_writes_the_words_of_the_paper_unless_told_otherwise(release: Path, tmp_path: Path) -> None:
    run(release, tmp_path / "paper", split="paper")
    run(release, tmp_path / "own", split="paper", vocabulary="qualified")
    assert set(read_table(tmp_path / "paper" / "train.CSV")["label_name"]) == {"benign", "malignant"}
    assert set(read_table(tmp_path / "own" / "train.CSV")["label_name"]) == {
        "benign breast lesion",
        "malignant breast lesion",
    }


def test_the_paper_split_of_a_small_release_has_the_published_shares(release: Path, tmp_path: Path) -> None:
    report = run(release, tmp_path / "data", split="paper")
    # 12 rows a class: floor(0.7 * 12) = 8, floor(0.2 * 12) = 2, the rest 2
    assert [report.written[split].counted for split in SPLITS] == [16, 4, 4]


def test_look_alikes_of_both_class_folders_stay_together(release: Path, tmp_path: Path) -> None:
    for label in ("benign", "malignant"):
        for number in range(1, 6):
            source = release / "benign" / f"benign ({number}).png"
            shutil.copyfile(source, release / label / f"{label} ({100 + number}).png")
            write_grey(release / label / f"{label} ({100 + number})_mask.png", mask((5, 5, 20, 20)))
    run(release, tmp_path / "data")
    split_of = {
        record.path.stem: (split, record.group)
        for split, records in records_of(tmp_path / "data").items()
        for record in records
    }
    for number in range(1, 6):
        copies = [f"busi_benign_{number}", f"busi_benign_{100 + number}", f"busi_malignant_{100 + number}"]
        assert len({split_of[name] for name in copies}) == 1
    assert set(read_table(tmp_path / "data" / "train.CSV")["group_kind"]) == {"image", "duplicate cluster"}


def test_the_same_release_gives_the_same_files_again(release: Path, tmp_path: Path) -> None:
    run(release, tmp_path / "data", negatives=True)
    before = snapshot(tmp_path / "data")
    run(release, tmp_path / "data", negatives=True)
    run(release, tmp_path / "other", negatives=True)
    assert snapshot(tmp_path / "data") == before == snapshot(tmp_path / "other")


def test_the_list_of_members_carries_the_reported_hash(release: Path, tmp_path: Path) -> None:
    report = run(release, tmp_path / "data")
    saved = json.loads((tmp_path / "data" / "splits" / "busi.json").read_text())
    assert saved["split_sha256"] == report.split_hash
    assert set(saved["files"]) == set(snapshot(tmp_path / "data")) - {f"{split}.CSV" for split in SPLITS}


def test_an_archive_gives_the_same_as_its_folder(release: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "busi"), "zip", release.parent)
    run(release, tmp_path / "folder")
    run(Path(archive), tmp_path / "archive")
    assert snapshot(tmp_path / "folder") == snapshot(tmp_path / "archive")


def test_another_dataset_is_recognised_and_nothing_is_written(release: Path, tmp_path: Path) -> None:
    for path in release.rglob("*"):
        if path.is_file():
            path.unlink()
    hospital = tmp_path / "raw" / "Hospital"
    write_grey(hospital / "Test_Image_1.png", mask())
    write_grey(hospital / "mask_1.png", mask((1, 1, 30, 30)))
    with pytest.raises(InputError, match=r"not the release of BUSI \(it looks like STU\)"):
        run(tmp_path / "raw", tmp_path / "data")
    assert not snapshot(tmp_path / "data")


def test_a_missing_mask_is_an_incomplete_download(release: Path, tmp_path: Path) -> None:
    run(release, tmp_path / "data")
    before = snapshot(tmp_path / "data")
    (release / "benign" / "benign (3)_mask.png").unlink()
    with pytest.raises(
        InputError, match=r"incomplete download of BUSI, 1 files missing: benign/benign \(3\)_mask\.png"
    ):
        run(release, tmp_path / "data")
    assert snapshot(tmp_path / "data") == before


def test_an_image_that_cannot_be_read_stops_everything_and_is_named(release: Path, tmp_path: Path) -> None:
    broken = release / "malignant" / "malignant (4).png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(InputError, match=r"malignant \(4\)\.png: .*--skip-bad"):
        run(release, tmp_path / "data")
    assert not snapshot(tmp_path / "data")


def test_a_bad_image_is_left_out_and_counted_when_asked_for(release: Path, tmp_path: Path) -> None:
    (release / "malignant" / "malignant (4).png").write_bytes(b"no picture")
    report = run(release, tmp_path / "data", skip_bad=True)
    assert ("malignant (4)", "not readable") in report.left_out
    assert sum(size.num_images for size in report.written.values()) == 2 * NUM_PER_CLASS - 1


def test_an_image_whose_mask_is_empty_is_left_out_with_the_reason(release: Path, tmp_path: Path) -> None:
    write_grey(release / "benign" / "benign (7)_mask.png", mask())
    report = run(release, tmp_path / "data")
    assert ("benign (7)", "no object in its mask") in report.left_out


def test_two_files_of_one_name_are_refused(release: Path, tmp_path: Path) -> None:
    for suffix in ("", "_mask"):
        source = release / "benign" / f"benign (1){suffix}.png"
        shutil.copyfile(source, release / "benign" / f"Benign (1){suffix}.png")
    with pytest.raises(InputError, match="would be written under one name"):
        run(release, tmp_path / "data")


def test_the_preview_shows_images_of_every_split(release: Path, tmp_path: Path) -> None:
    run(release, tmp_path / "data", negatives=True)
    write_preview(tmp_path / "data", "busi", tmp_path / "sheet.png", num_images=8)
    sheet = np.asarray(PIL.Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 296, 6 * 256, 3)
    assert (sheet.max(axis=2) != sheet.min(axis=2)).sum() > 500  # coloured outlines over grey pictures


def test_a_preview_of_nothing_is_refused(release: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image of busi"):
        write_preview(tmp_path, "busi", tmp_path / "sheet.png")


def test_a_speck_counts_in_the_paper_split_although_no_image_is_written_for_it(release: Path, tmp_path: Path) -> None:
    write_grey(release / "malignant" / "malignant (5)_mask.png", mask((40, 30, 1, 1)))
    report = run(release, tmp_path / "data", split="paper")
    assert sum(report.written[split].counted or 0 for split in SPLITS) == 2 * NUM_PER_CLASS
    assert sum(report.written[split].num_images for split in SPLITS) == 2 * NUM_PER_CLASS - 1
    assert ("malignant (5): rows of 'malignant'", "its annotation has no such object") in report.left_out
