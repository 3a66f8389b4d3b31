"""A COCO file becomes a split of the contract: nothing is lost, nothing half written, every oddity is told."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from coco_files import HEIGHT, WIDTH, annotation, image, masks_of, rectangle, split_paths, visible_files, write_coco
from pycocotools.coco import COCO

from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.reading import read_table
from gdinousam.data.sources.coco import instances as remarks
from gdinousam.data.sources.coco.file_names import locate_images
from gdinousam.data.sources.coco.importing import ImportReport, import_coco
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.data.sources.coco.writing import NO_ANNOTATIONS, NONE_LEFT, ImportOptions
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord

REAL = Path(__file__).parents[4] / "shared" / "data" / "raw" / "UltraSam_sample_coco"

BLOB, OTHER, OVERLAP = rectangle(2, 3, 6, 5), rectangle(15, 3, 6, 5), rectangle(5, 5, 6, 5)


def imported(
    tmp_path: Path, images: list, annotations: list, categories: list | None = None, **options
) -> ImportReport:
    """Write a COCO file and import it as train split; what was written must pass the checker."""
    file = write_coco(tmp_path, images, annotations, *([] if categories is None else [categories]))
    report = import_coco(file, tmp_path / "images", tmp_path / "data", ImportOptions("train", **options))
    csv_path, image_dir, mask_dir = split_paths(tmp_path / "data", "train")
    assert check_table(csv_path, image_dir, mask_dir if mask_dir.exists() else None) == []
    return report


def only(report: ImportReport) -> ImageRecord:
    (record,) = report.records
    return record


def test_boxes_masks_and_phrases_arrive_as_they_are(tmp_path: Path) -> None:
    first = annotation(1, 7, BLOB, bbox=[2.25, 3, 5.5, 4.75])
    report = imported(tmp_path, [image(7, "a.png")], [first, annotation(2, 7, OTHER, category_id=2)])
    record = only(report)
    assert (record.path.name, record.width, record.height, record.dataset) == ("a.png", WIDTH, HEIGHT, "instances")
    assert [instance.phrase for instance in record.instances] == ["cyst", "left kidney"]
    assert [instance.box_xywh for instance in record.instances] == [(2.25, 3, 5.5, 4.75), (15, 3, 6, 5)]
    for mask, expected in zip(masks_of(record), (BLOB, OTHER), strict=True):
        np.testing.assert_array_equal(mask, expected)
    assert record.path.read_bytes() == (tmp_path / "images" / "a.png").read_bytes()
    assert report.remarks[remarks.BOX_FROM_MASK] == 1


def test_objects_of_two_phrases_never_share_a_mask_file(tmp_path: Path) -> None:
    entries = [annotation(1, 1, BLOB), annotation(2, 1, OTHER, category_id=2), annotation(3, 1, rectangle(0, 15, 3, 3))]
    imported(tmp_path, [image(1, "a.png")], entries)
    table = read_table(tmp_path / "data" / "train.CSV")
    assert list(table["mask_name"]) == ["a.cyst.png#255", "a.left-kidney.png#255", "a.cyst.png#254"]


def test_overlapping_objects_keep_all_their_pixels(tmp_path: Path) -> None:
    record = only(imported(tmp_path, [image(1, "a.png")], [annotation(1, 1, BLOB), annotation(2, 1, OVERLAP)]))
    for mask, expected in zip(masks_of(record), (BLOB, OVERLAP), strict=True):
        np.testing.assert_array_equal(mask, expected)


def test_an_object_without_a_mask_does_not_inherit_that_of_its_neighbour(tmp_path: Path) -> None:
    entries = [annotation(1, 1, BLOB), annotation(2, 1, bbox=[15, 3, 6, 5])]
    first, second = masks_of(only(imported(tmp_path, [image(1, "a.png")], entries)))
    assert first is not None and second is None


def test_ids_may_be_of_128_bits_or_text_and_7_is_the_same_as_text_7(tmp_path: Path) -> None:
    large = 2**127 + 5
    images = [image(large, "a.png"), image(large + 1, "b.png"), image("x/1", "c.png"), image(7, "d.png")]
    entries = [annotation(2**127, large + 1, BLOB), annotation("é", "x/1", OTHER), annotation(None, "7", OVERLAP)]
    report = imported(tmp_path, images, [*entries, annotation(1, large, BLOB, category_id="1")])
    assert [record.path.name for record in report.records] == ["a.png", "b.png", "c.png", "d.png"]


def test_equal_stems_in_two_folders_stay_two_images(tmp_path: Path) -> None:
    names = ["p1/us/1.png", "p2/us/1.png", "p2\\us\\2.png", "P1/US/1.PNG", "p1-us/1.bmp", "b.tar.png", "胎儿.png"]
    images = [image(number, name) for number, name in enumerate(names)]
    entries = [annotation(number, number, rectangle(number, 1, 3, 3)) for number in range(len(names))]
    report = imported(tmp_path, images, entries)
    expected = ["p1-us-1.png", "p2-us-1.png", "p2-us-2.png", "p1-us-1-2.png", "p1-us-1-3.bmp", "b_tar.png", "image.png"]
    assert [record.path.name for record in report.records] == expected
    for number, record in enumerate(report.records):
        np.testing.assert_array_equal(masks_of(record)[0], rectangle(number, 1, 3, 3))
        source = tmp_path / "images" / names[number].replace("\\", "/")
        assert record.path.read_bytes() == source.read_bytes()
    sources = read_table(tmp_path / "data" / "train.CSV")["source_name"]
    assert list(sources) == [name.replace("\\", "/") for name in names]


def test_images_without_annotations_are_left_out_and_counted(tmp_path: Path) -> None:
    report = imported(tmp_path, [image(1, "a.png"), image(2, "b.png")], [annotation(1, 1, BLOB)])
    assert [record.path.name for record in report.records] == ["a.png"]
    assert report.remarks[NO_ANNOTATIONS] == 1 and "left out: 1 images without annotations" in report.text()
    assert not (tmp_path / "data" / "train" / "b.png").exists()


def test_negatives_say_that_no_category_is_there(tmp_path: Path) -> None:
    images = [image(1, "a.png"), image(2, "b.png"), image(3, "c.png", absent_phrases=["cyst"])]
    entries = [annotation(1, 1, BLOB)]
    first, second, third = imported(tmp_path, images, entries, negatives=True, unused_categories=True).records
    assert (first.absent_phrases, second.absent_phrases) == ((), ("cyst", "left kidney"))
    assert third.absent_phrases == ("cyst",) and not third.instances


def test_an_image_whose_annotations_are_all_unusable_is_no_negative(tmp_path: Path) -> None:
    entries = [annotation(1, 1, BLOB), annotation(2, 2, bbox=[3, 3, 0, 0])]
    report = imported(tmp_path, [image(1, "a.png"), image(2, "b.png")], entries, negatives=True)
    assert len(report.records) == 1
    assert report.remarks[NONE_LEFT] == report.remarks[remarks.NO_AREA] == 1


def test_a_box_that_leaves_the_image_is_cut_and_counted(tmp_path: Path) -> None:
    entries = [annotation(1, 1, bbox=[-2, 3, 10, 40]), annotation(2, 1, bbox=[-0.005, 0, 30.01, 5])]
    report = imported(tmp_path, [image(1, "a.png")], entries)
    assert [instance.box_xywh for instance in only(report).instances] == [(0, 3, 8, 17), (-0.005, 0, 30.01, 5)]
    assert report.remarks[remarks.BOX_CUT] == 1


def test_a_box_without_area_is_taken_from_the_mask(tmp_path: Path) -> None:
    report = imported(tmp_path, [image(1, "a.png")], [annotation(1, 1, BLOB, bbox=[50, 50, 3, 3])])
    assert only(report).instances[0].box_xywh == (2, 3, 6, 5)


def test_a_mask_without_a_pixel_leaves_the_box(tmp_path: Path) -> None:
    empty = annotation(1, 1, rectangle(0, 0, 0, 0), bbox=[2, 3, 6, 5])
    report = imported(tmp_path, [image(1, "a.png")], [empty, annotation(2, 1, OTHER)])
    assert masks_of(only(report))[0] is None
    assert report.remarks[remarks.MASK_EMPTY] == 1


def test_a_crowd_region_is_one_object_and_counted(tmp_path: Path) -> None:
    report = imported(tmp_path, [image(1, "a.png")], [annotation(1, 1, BLOB, iscrowd=1)])
    assert len(only(report).instances) == 1 and report.remarks[remarks.CROWD] == 1


def test_an_annotation_that_repeats_another_is_taken_once(tmp_path: Path) -> None:
    entries = [annotation(1, 1, bbox=[2, 3, 6, 5]), annotation(2, 1, bbox=[2, 3, 6, 5])]
    report = imported(tmp_path, [image(1, "a.png")], entries)
    assert len(only(report).instances) == 1 and report.remarks[remarks.REPEATED] == 1


def test_polygons_and_uncompressed_run_lengths_are_masks_too(tmp_path: Path) -> None:
    runs = encode_rle(OTHER) | {"counts": [15 * HEIGHT + 3, *[5, 15] * 5, 5, HEIGHT * (WIDTH - 21) + 12]}
    polygons = [[2, 3, 8, 3, 8, 8, 2, 8], [20, 12, 24, 12, 24, 18, 20, 18]]
    entries = [annotation(1, 1, segmentation=polygons), annotation(2, 1, segmentation=runs)]
    first, second = masks_of(only(imported(tmp_path, [image(1, "a.png")], entries)))
    np.testing.assert_array_equal(first, BLOB | rectangle(20, 12, 4, 6))
    np.testing.assert_array_equal(second, OTHER)


def test_categories_get_the_phrases_of_a_mapping(tmp_path: Path) -> None:
    entries = [annotation(1, 1, BLOB), annotation(2, 1, OTHER, category_id=2)]
    images = [image(1, "a.png", absent_phrases=["spleen"]), image(2, "b.png", absent_phrases=["left kidney"])]
    report = imported(tmp_path, images, entries, phrases={"cyst": "simple cyst"})
    assert report.records[0].phrases == ("simple cyst", "left kidney", "spleen")


def test_two_categories_of_one_phrase_are_present_where_one_is(tmp_path: Path) -> None:
    entry = image(1, "a.png", absent_phrases=["left kidney"])
    report = imported(tmp_path, [entry], [annotation(1, 1, BLOB)], phrases={"cyst": "object", "left kidney": "object"})
    assert only(report).phrases == ("object",) and only(report).absent_phrases == ()


def test_group_dataset_and_kind_come_from_the_image_record(tmp_path: Path) -> None:
    images = [
        image(1, "a.png", dataset="mmotu", group="exam 1", group_kind="volume", patient_id="P9"),
        image(2, "b.png", patient_id=12),
        image(3, "c.png"),
    ]
    entries = [annotation(number, number, BLOB) for number in (1, 2, 3)]
    report = imported(tmp_path, images, entries, dataset="ours")
    assert [(record.dataset, record.group) for record in report.records] == [
        ("mmotu", "exam 1"), ("ours", "12"), ("ours", None),
    ]  # fmt: skip
    assert list(read_table(tmp_path / "data" / "train.CSV")["group_kind"]) == ["volume", "patient", ""]


def test_another_split_is_added_and_the_first_stays_as_it_is(tmp_path: Path) -> None:
    imported(tmp_path, [image(1, "a.png")], [annotation(1, 1, BLOB)])
    before = visible_files(tmp_path / "data")
    file = write_coco(tmp_path / "more", [image(1, "a.png")], [annotation(1, 1, OTHER)])
    import_coco(file, tmp_path / "more" / "images", tmp_path / "data", ImportOptions("test"))
    after = visible_files(tmp_path / "data")
    assert after.items() >= before.items()
    assert after.keys() - before.keys() == {"test.CSV", "test_image/a.png", "test_mask/a.png"}


@pytest.mark.parametrize("taken", ["train.csv", "train/b.png", "train_mask/b.png"])
def test_a_split_that_exists_is_never_touched(taken: str, tmp_path: Path) -> None:
    (tmp_path / "data" / taken).parent.mkdir(parents=True)
    (tmp_path / "data" / taken).write_text("mine")
    with pytest.raises(InputError, match="of an earlier train split; name another folder or another split"):
        imported(tmp_path, [image(1, "a.png")], [annotation(1, 1, BLOB)])
    assert visible_files(tmp_path / "data") == {taken: b"mine"}


def test_the_same_file_gives_the_same_split(tmp_path: Path) -> None:
    file = write_coco(
        tmp_path, [image(1, "a.png"), image(2, "b.png")], [annotation(1, 1, BLOB), annotation(1, 2, BLOB)]
    )
    for name in ("one", "two"):
        import_coco(file, tmp_path / "images", tmp_path / name, ImportOptions("val"))
    assert visible_files(tmp_path / "one") == visible_files(tmp_path / "two") != {}


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(tmp_path, [image(1, "a.png")], [annotation(1, 1, BLOB)])
    before = visible_files(tmp_path / "data")
    copy, num_copied = shutil.copyfile, []

    def copy_until_full(source: Path, target: Path) -> None:
        if num_copied:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        num_copied.append(copy(source, target))

    images = [image(number, f"{number}.png") for number in range(4)]
    file = write_coco(tmp_path / "more", images, [annotation(1, number, BLOB) for number in range(4)])
    monkeypatch.setattr(shutil, "copyfile", copy_until_full)
    with pytest.raises(InputError, match="No space left on device"):
        import_coco(file, tmp_path / "more" / "images", tmp_path / "data", ImportOptions("test"))
    assert visible_files(tmp_path / "data") == before
    assert [path.name for path in (tmp_path / "data").glob(".*.new")] == []


BROKEN_RUNS = encode_rle(BLOB)
BROKEN_RUNS["counts"] = BROKEN_RUNS["counts"][:-2]
GOOD_IMAGE, GOOD = image(1, "a.png"), annotation(1, 1, BLOB)


@pytest.mark.parametrize(
    ("images", "entries", "message"),
    [
        ([GOOD_IMAGE], [annotation(5, 1, BLOB, category_id=9)], r"that it does not list: annotation 5 \(category_id 9"),
        ([GOOD_IMAGE], [annotation(5, 9, BLOB)], r"images that it does not list: annotation 5 \(image_id 9\)"),
        ([GOOD_IMAGE, image(1, "b.png")], [GOOD], "two images have the id 1"),
        ([GOOD_IMAGE, image(2, "a.png")], [GOOD], "images 1 and 2 are both a.png"),
        ([image(None, "a.png")], [GOOD], "an image has id None"),
        ([image(1, "a.png", width=31)], [GOOD], r"1 images have another size: a.png \(31 x 20 there, 30 x 20 in"),
        ([image(1, "a.png", height="20")], [GOOD], "image 1 has height '20'"),
        ([image(1, "a.png", patient_id=["secret"])], [GOOD], "image 1: its patient_id is a list"),
        ([image(1, "a.png", absent_phrases=["cyst"])], [GOOD], "'cyst' is annotated and among its absent_phrases"),
        ([GOOD_IMAGE], [annotation(5, 1, bbox=[1, 2, 3])], "annotation 5: its bbox .* not four numbers"),
        ([GOOD_IMAGE], [annotation(5, 1, bbox=[1, 2, 3, float("nan")])], "annotation 5: its bbox .* not four numbers"),
        ([GOOD_IMAGE], [annotation(5, 1, segmentation=BROKEN_RUNS)], "a.png, annotation 5: its run lengths are cut"),
        ([GOOD_IMAGE], [annotation(5, 1, BLOB, bbox=[20, 3, 28, 18])], "in a.png: mask_name .*pixels of this row"),
        ([GOOD_IMAGE], [], "no image has an annotation that can be used; --negatives"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_one_line_and_writes_nothing(
    images: list, entries: list, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        imported(tmp_path, images, entries)
    assert "\n" not in str(raised.value) and "secret" not in str(raised.value)
    assert visible_files(tmp_path / "data") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable as JSON"),
        ("\xff", "not readable as JSON"),
        ("[" * 10**6, "not readable as JSON"),
        ("[]", "a list, as results of a detector are"),
        ("3", "no COCO file"),
        ('{"annotations": []}', "it has no images"),
        ('{"images": [], "annotations": {}}', "its annotations are not a list of objects"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "category 1 has no name"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": "1", "name": "b"}]}', "id 1"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "--"}]}', "map it to one with letters"),
    ],
)
def test_a_file_that_is_no_coco_file_is_one_line_and_writes_nothing(text: str, message: str, tmp_path: Path) -> None:
    file = write_coco(tmp_path, [image(1, "a.png")], [])
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message) as raised:
        import_coco(file, tmp_path / "images", tmp_path / "data", ImportOptions("train"))
    assert "\n" not in str(raised.value) and not (tmp_path / "data").exists()


def test_missing_images_are_counted_and_named(tmp_path: Path) -> None:
    file = write_coco(tmp_path, [image(number, f"{number}.png") for number in range(6)], [annotation(1, 1, BLOB)])
    for number in range(1, 6):
        (tmp_path / "images" / f"{number}.png").unlink()
    with pytest.raises(InputError, match=r"5 of 6 images are not there: 1.png, 2.png, 3.png and 2 more"):
        import_coco(file, tmp_path / "images", tmp_path / "data", ImportOptions("train"))
    with pytest.raises(InputError, match="no such folder"):
        import_coco(file, tmp_path / "pictures", tmp_path / "data", ImportOptions("train"))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png", "/etc/secret.png", "C:\\secret.png", "a/../../secret.png", "http://host/../secret.png",
        "%2e%2e/secret.png", "%2e%2e%2fsecret.png",
    ],
)  # fmt: skip
def test_a_file_name_never_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    PIL.Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "secret.png")
    file = tmp_path / "instances.json"
    file.write_text(json.dumps({"images": [image(1, name)], "annotations": [], "categories": []}))
    with pytest.raises(InputError, match="1 of 1 images are not there"):
        import_coco(file, tmp_path / "images", tmp_path / "data", ImportOptions("train"))


@pytest.mark.parametrize(
    "name",
    [
        "http://localhost:8080/data/upload/1/b%201.png?token=1",
        "https://host/us/b%201.png",
        "us/b%201.png",
        "/home/somebody/us/b 1.png",
        "C:\\Users\\somebody\\us\\b 1.png",
        "..\\..\\label-studio\\upload\\1\\1a2b3c4d-b 1.png",
        "/data/local-files/?d=us/b 1.png",
    ],
)
def test_names_of_labelling_tools_lead_to_the_image_with_their_end(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "images" if "upload" in name else tmp_path / "images" / "us"
    folder.mkdir(parents=True)
    PIL.Image.new("L", (WIDTH, HEIGHT)).save(folder / "b 1.png")
    (path,) = locate_images([name.replace("\\", "/")], tmp_path / "images")
    assert path == folder / "b 1.png"


def test_two_names_that_end_alike_are_refused(tmp_path: Path) -> None:
    PIL.Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"the images /x/a\.png and /y/a\.png both lead to a\.png"):
        locate_images(["/x/a.png", "/y/a.png"], tmp_path)


def test_a_category_that_nothing_is_annotated_with_is_absent_only_if_said_so(tmp_path: Path) -> None:
    images = [image(1, "a.png"), image(2, "b.png")]
    report = imported(tmp_path, images, [annotation(1, 1, BLOB)], negatives=True)
    assert report.records[1].absent_phrases == ("cyst",)
    assert "left out: 1 categories without any annotation" in report.text()


def test_a_cut_off_image_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    file = write_coco(tmp_path, [image(1, "us/a.png")], [annotation(1, 1, BLOB)])
    path = tmp_path / "images" / "us" / "a.png"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"the first in us/a.png: image_name us-a.png, expected a sound") as raised:
        import_coco(file, tmp_path / "images", tmp_path / "data", ImportOptions("train"))
    assert "\n" not in str(raised.value) and visible_files(tmp_path / "data") == {}


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="the UltraSam excerpt is not here")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11, NumPy 2
def test_the_ultrasam_excerpt_arrives_with_every_pixel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = REAL / "sample_coco_MMOTU2D.json"
    options = ImportOptions("test", dataset="mmotu_2d", phrases={"object": "ovarian lesion"})
    report = import_coco(file, REAL / "sample_images", tmp_path / "data", options)
    assert len(report.records) == 10 and not report.remarks.total()
    csv_path, image_dir, mask_dir = split_paths(tmp_path / "data", "test")
    assert check_table(csv_path, image_dir, mask_dir, masks_required=True) == []
    coco = COCO(str(file))
    annotation_of = {entry["image_id"]: entry for entry in coco.anns.values()}
    assert len(annotation_of) == 10
    for record, entry in zip(report.records, coco.imgs.values(), strict=True):
        (instance,), (mask,) = record.instances, masks_of(record)
        theirs = annotation_of[entry["id"]]
        assert (record.width, record.height) == (entry["width"], entry["height"])
        assert (instance.phrase, list(instance.box_xywh)) == ("ovarian lesion", theirs["bbox"])
        np.testing.assert_array_equal(mask, coco.annToMask(theirs).astype(bool))
        assert mask is not None and mask.sum() == theirs["area"]
        assert record.path.read_bytes() == (REAL / "sample_images" / entry["file_name"]).read_bytes()
