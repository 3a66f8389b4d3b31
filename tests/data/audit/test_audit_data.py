"""What the audit finds in a folder: every kind of leak, what is not a leak, counts, sizes, and bad folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from audit_folders import Row, scan, write_folder

from gdinousam.data.audit.audit import audit_data
from gdinousam.data.audit.picture_windows import FOUND
from gdinousam.data.audit.report import Place, UntrainedPhrase
from gdinousam.data.contract.reading import read_table, write_table
from gdinousam.errors import InputError


def test_splits_that_share_nothing_have_no_leaks(tmp_path: Path) -> None:
    rows = {
        split: [Row(f"{split}{n}.png", 10 * k + n, group=f"{split}{n}") for n in range(4)]
        for k, split in enumerate(("train", "val", "test"))
    }
    report = audit_data(write_folder(tmp_path, rows))
    assert report.num_leaks == 0
    assert report.num_images == {"train": 4, "val": 4, "test": 4}
    assert (
        report.unknown_patients
        == report.repeats_within
        == report.near_pairs_within
        == {"train": 0, "val": 0, "test": 0}
    )


def test_an_image_under_one_name_in_two_splits_is_found_by_name_and_by_pixels(tmp_path: Path) -> None:
    report = audit_data(
        write_folder(tmp_path, {"train": [Row("a.png", 1), Row("b.png", 2)], "test": [Row("a.png", 1)]})
    )
    (by_name,), (by_pixels,) = report.shared_names, report.shared_pixels
    assert (by_name.dataset, by_name.image_name, by_name.splits, by_name.same_pixels) == (
        "busi",
        "a.png",
        ("train", "test"),
        True,
    )
    assert by_pixels.places == (Place("train", "busi", "a.png"), Place("test", "busi", "a.png"))
    assert report.near_pairs == ()
    assert report.num_leaks == 2


def test_one_name_for_two_pictures_is_found_and_told_apart(tmp_path: Path) -> None:
    report = audit_data(write_folder(tmp_path, {"train": [Row("aul_12.png", 1)], "val": [Row("aul_12.png", 2)]}))
    (by_name,) = report.shared_names
    assert not by_name.same_pixels
    assert report.shared_pixels == ()


def test_equal_names_of_two_datasets_are_no_leak(tmp_path: Path) -> None:
    rows = {"train": [Row("1.png", 1, dataset="busi")], "test": [Row("1.png", 2, dataset="aul")]}
    assert audit_data(write_folder(tmp_path, rows)).num_leaks == 0


def test_the_same_pixels_are_found_under_other_names_datasets_and_formats(tmp_path: Path) -> None:
    rows = {"train": [Row("1.png", 1)], "val": [Row("2.png", 3)], "test": [Row("other.bmp", 1, dataset="buid")]}
    (by_pixels,) = audit_data(write_folder(tmp_path, rows)).shared_pixels
    assert by_pixels.places == (Place("train", "busi", "1.png"), Place("test", "buid", "other.bmp"))


def test_a_recompressed_copy_in_another_split_is_a_near_duplicate(tmp_path: Path) -> None:
    rows = {"val": [Row("copy.png", 2)], "test": [Row("scan.png", 1)]}
    folder = write_folder(tmp_path, rows)
    picture = PIL.Image.fromarray(scan(1))
    picture.resize((picture.width // 2, picture.height // 2)).save(folder / "val" / "copy.png")
    report = audit_data(folder)
    (pair,) = report.near_pairs
    assert (pair.first, pair.second) == (Place("val", "busi", "copy.png"), Place("test", "busi", "scan.png"))
    assert FOUND <= pair.correlation <= 1 and not pair.is_mirrored
    assert report.num_leaks == 1


def test_copies_and_near_duplicates_inside_a_split_are_counted_but_no_leak(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path, {"train": [Row("a.png", 1), Row("a2.png", 1), Row("b.png", 2)], "val": [Row("c.png", 3)]}
    )
    noise = np.random.default_rng(0).integers(0, 4, scan(1).shape, dtype=np.uint8)
    PIL.Image.fromarray(scan(1) // 2 + noise).save(folder / "train" / "b.png")
    report = audit_data(folder)
    assert report.num_leaks == 0
    assert report.repeats_within == {"train": 1, "val": 0}
    assert report.near_pairs_within == {"train": 2, "val": 0}  # b with both copies of a


def test_a_patient_in_two_splits_is_found_with_the_number_of_images(tmp_path: Path) -> None:
    rows = {
        "train": [Row("a_1.png", 1, group="a"), Row("a_2.png", 2, group="a"), Row("b_1.png", 3, group="b")],
        "test": [Row("a_3.png", 4, group="a"), Row("c_1.png", 5, group="c")],
    }
    report = audit_data(write_folder(tmp_path, rows))
    (shared,) = report.shared_groups
    assert (shared.dataset, shared.group, shared.num_images) == ("busi", "a", {"train": 2, "test": 1})
    assert report.num_leaks == 1


def test_equal_group_names_of_two_datasets_are_no_shared_group(tmp_path: Path) -> None:
    rows = {"train": [Row("a.png", 1, group="7")], "test": [Row("b.png", 2, group="7", dataset="aul")]}
    assert audit_data(write_folder(tmp_path, rows)).shared_groups == ()


@pytest.mark.parametrize("group_column", [True, False])
def test_images_without_a_group_are_counted_and_share_none(tmp_path: Path, group_column: bool) -> None:
    rows = {"train": [Row("a.png", 1), Row("b.png", 2)], "test": [Row("c.png", 3)]}
    report = audit_data(write_folder(tmp_path, rows, group_column=group_column))
    assert report.unknown_patients == {"train": 2, "test": 1}
    assert report.shared_groups == ()
    assert not report.checks_patients


@pytest.mark.parametrize(("kind", "checks"), [("patient", True), ("subject", True), ("", True), ("video", False)])
def test_a_group_that_is_no_patient_by_its_kind_leaves_patients_unchecked(
    kind: str, checks: bool, tmp_path: Path
) -> None:
    rows = {"train": [Row("a.png", 1, group="a"), Row("b.png", 2, group="b")], "test": [Row("c.png", 3, group="c")]}
    folder = write_folder(tmp_path, rows)
    table = read_table(folder / "train.CSV")
    table["group_kind"] = ["patient", kind]
    write_table(table, folder / "train.CSV")
    report = audit_data(folder)
    assert report.unknown_patients == {"train": 0 if checks else 1, "test": 0}
    assert report.checks_patients == checks


def test_one_split_alone_has_no_patients_to_compare(tmp_path: Path) -> None:
    report = audit_data(write_folder(tmp_path, {"train": [Row("a.png", 1)], "test": []}))
    assert report.unknown_patients == {"train": 1, "test": 0}
    assert report.checks_patients


def test_a_mirrored_and_cropped_copy_in_another_split_is_a_near_duplicate(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"train": [Row("scan.png", 1)], "test": [Row("copy.png", 2), Row("other.png", 3)]})
    PIL.Image.fromarray(scan(1)[8:, ::-1]).save(folder / "test_image" / "copy.png")
    (pair,) = audit_data(folder).near_pairs
    assert (pair.first, pair.second) == (Place("train", "busi", "scan.png"), Place("test", "busi", "copy.png"))
    assert pair.is_mirrored and "mirrored" in str(pair)


def test_phrases_that_are_absent_from_training_are_told_with_their_images(tmp_path: Path) -> None:
    rows = {
        "train": [Row("a.png", 1, "benign  Lesion"), Row("b.png", 2, "cyst", None)],
        "val": [Row("c.png", 3, "Benign lesion")],
        "test": [Row("d.png", 4, "cyst"), Row("e.png", 5, "stone"), Row("f.png", 6, "stone", None)],
    }
    report = audit_data(write_folder(tmp_path / "all", rows))
    assert report.untrained_phrases == (UntrainedPhrase("stone", "test", 2),)
    assert report.num_leaks == 0
    without = audit_data(write_folder(tmp_path / "without", {"test": rows["test"]}))
    assert without.untrained_phrases == ()


def test_names_that_differ_by_letter_case_only_are_told(tmp_path: Path) -> None:
    rows = {"train": [Row("Case1.png", 1), Row("b.png", 2)], "test": [Row("case1.png", 3)]}
    report = audit_data(write_folder(tmp_path, rows))
    assert report.case_twins == (("Case1.png", "case1.png"),)
    assert report.num_leaks == 0


def test_images_and_boxes_are_counted_by_dataset_phrase_and_split(tmp_path: Path) -> None:
    rows = {
        "train": [
            Row("a.png", 1, "benign"),
            Row("a.png", 1, "benign", (50, 50, 10, 10)),
            Row("a.png", 1, "malignant"),
            Row("b.png", 2, "benign", None),
            Row("z.png", 3, "nodule", dataset="tn3k"),
        ],
        "test": [Row("c.png", 4, "malignant")],
    }
    contents = audit_data(write_folder(tmp_path, rows)).contents
    assert [(content.dataset, content.phrase) for content in contents] == [
        ("busi", None),
        ("busi", "benign"),
        ("busi", "malignant"),
        ("tn3k", None),
        ("tn3k", "nodule"),
    ]
    whole, benign, malignant = contents[:3]
    assert (whole.num_images, whole.num_boxes) == ({"train": 2, "test": 1}, {"train": 3, "test": 1})
    assert (benign.num_images, benign.num_boxes, benign.num_absent) == (
        {"train": 1, "test": 0},
        {"train": 2, "test": 0},
        1,
    )
    assert (malignant.num_images, malignant.num_boxes) == ({"train": 1, "test": 1}, {"train": 1, "test": 1})


def test_box_sizes_are_shares_of_the_image_as_it_is_stored(tmp_path: Path) -> None:
    height, width, _ = scan(1).shape
    boxes = [(0, 0, width, height * share) for share in (0.2, 0.4, 0.6, 0.8, 1.0)]
    report = audit_data(write_folder(tmp_path, {"train": [Row("a.png", 1, box_xywh=box) for box in boxes]}))
    assert report.contents[0].box_areas == pytest.approx({5: 0.24, 25: 0.4, 50: 0.6, 75: 0.8, 95: 0.96})


def test_a_phrase_without_boxes_has_no_box_sizes(tmp_path: Path) -> None:
    report = audit_data(write_folder(tmp_path, {"train": [Row("a.png", 1, box_xywh=None)]}))
    assert report.contents[1].box_areas == {}


def test_lower_case_csvs_are_read_and_missing_splits_left_aside(tmp_path: Path) -> None:
    report = audit_data(write_folder(tmp_path, {"val": [Row("a.png", 1)]}, suffix=".csv"))
    assert report.num_images == {"val": 1}


def test_csvs_without_rows_are_audited(tmp_path: Path) -> None:
    report = audit_data(write_folder(tmp_path, {"train": [], "test": []}))
    assert report.num_images == {"train": 0, "test": 0}
    assert report.contents == ()
    assert report.num_leaks == 0


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        audit_data(tmp_path / "nowhere")


def test_a_folder_without_csvs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds none of train\.CSV, val\.CSV, test\.CSV"):
        audit_data(tmp_path)


def test_missing_images_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"train": [Row("a.png", 1), Row("b.png", 2)], "test": [Row("c.png", 3)]})
    (folder / "train" / "b.png").unlink()
    (folder / "test_image" / "c.png").unlink()
    with pytest.raises(InputError, match=r"b\.png: no such image, 2 are missing in all"):
        audit_data(folder)


def test_an_image_that_does_not_decode_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"train": [Row("a.png", 1), Row("b.png", 2)]})
    (folder / "train" / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b\.png: not readable as an image"):
        audit_data(folder)
