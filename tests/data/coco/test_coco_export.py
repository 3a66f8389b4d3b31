"""The contract as a COCO file: pycocotools opens it, and the way back gives the same records."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from coco_files import HEIGHT, WIDTH, annotation, image, masks_of, rectangle, split_paths, write_coco
from pycocotools.coco import COCO

from gdinousam.data.contract.problems import DataProblems
from gdinousam.data.contract.reading import read_records, read_table, write_records, write_table
from gdinousam.data.sources.coco.exporting import HOLES, NO_MASK, SHARED, export_coco
from gdinousam.data.sources.coco.importing import import_coco
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.data.sources.coco.writing import ImportOptions
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord, Instance, MaskReference

REAL = Path(__file__).parents[4] / "shared" / "data" / "multimodal-data"

RING = rectangle(3, 3, 9, 8) & ~rectangle(6, 5, 2, 2)
MASKS = {"ring.png#255": RING, "ring.png#7": rectangle(20, 3, 4, 9), "other.png": rectangle(0, 0, 30, 2)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images: two phrases and absent ones between; boxes with fractions; one without masks; one of negatives."""
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    labels[MASKS["ring.png#255"]], labels[MASKS["ring.png#7"]] = 255, 7
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    PIL.Image.fromarray(labels).save(tmp_path / "masks" / "ring.png")
    PIL.Image.fromarray(MASKS["other.png"].astype(np.uint8) * 255).save(tmp_path / "masks" / "other.png")
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        pixels = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "images" / name)

    def reference(name: str, value: int | None = None) -> MaskReference:
        return MaskReference(tmp_path / "masks" / name, value)

    first = ImageRecord(
        tmp_path / "images" / "a.png", WIDTH, HEIGHT, "busi", "patient 7",
        (
            Instance("zystic lesion, left", (3.125, 3.0, 8.7, 22 / 3), reference("ring.png", 255)),
            Instance("cyst", (0.0, 0.0, 30.0, 2.0), reference("other.png")),
            Instance("zystic lesion, left", (20.0, 3.0, 4.0, 9.0), reference("ring.png", 7)),
        ),
        ("fetal head", "胎儿"),
        ("fetal head", "zystic lesion, left", "cyst", "胎儿"), "zystic lesion, left",
    )  # fmt: skip
    boxes = (Instance("cyst", (1.0, 1.0, 4.0, 4.0)), Instance("cyst", (9.5, 1.0, 4.0, 4.0)))
    second = ImageRecord(tmp_path / "images" / "b.png", WIDTH, HEIGHT, "tn3k", None, boxes, (), ("cyst",), "cyst")
    third = ImageRecord(
        tmp_path / "images" / "c.png", WIDTH, HEIGHT, "tn3k", "12", (), ("cyst", "goitre"), ("cyst", "goitre"), "goitre"
    )
    write_records([first, second, third], tmp_path / "all.CSV")
    return tmp_path


def export(folder: Path, masks: bool = True, **options: bool) -> dict:
    """Export the folder and return the file's content."""
    out = folder / "all.json"
    export_coco(folder / "all.CSV", folder / "images", folder / "masks" if masks else None, out, **options)
    return json.loads(out.read_text(encoding="utf-8"))


def without_paths(record: ImageRecord) -> ImageRecord:
    """The record without the folders of its files, and without its masks, which are compared pixel by pixel."""
    instances = tuple(dataclasses.replace(instance, mask=None) for instance in record.instances)
    return dataclasses.replace(record, path=Path(record.path.name), instances=instances)


def assert_same_masks(first: ImageRecord, second: ImageRecord) -> None:
    for ours, theirs in zip(masks_of(first), masks_of(second), strict=True):
        np.testing.assert_equal(ours, theirs)


def test_records_come_back_the_same_with_every_pixel(folder: Path) -> None:
    records = read_records(folder / "all.CSV", folder / "images", folder / "masks")
    export(folder)
    report = import_coco(folder / "all.json", folder / "images", folder / "data", ImportOptions("train"))
    assert [without_paths(record) for record in report.records] == [without_paths(record) for record in records]
    assert any(instance.mask for record in records for instance in record.instances)
    for before, after in zip(records, report.records, strict=True):
        assert_same_masks(before, after)
    assert not report.remarks.total()


def test_group_kind_and_source_name_travel_along(folder: Path) -> None:
    table = read_table(folder / "all.CSV")
    table["group_kind"] = ["patient"] * (len(table) - 4) + [""] * 2 + ["video"] * 2
    table["source_name"] = "p1/" + table["image_name"]
    write_table(table, folder / "all.CSV")
    export(folder)
    import_coco(folder / "all.json", folder / "images", folder / "data", ImportOptions("train"))
    back = read_table(folder / "data" / "train.CSV")
    for column in ("group_kind", "source_name", "label_name", "image_name"):
        assert list(back[column]) == list(table[column])


def test_run_lengths_come_back_letter_by_letter(tmp_path: Path) -> None:
    masks = [RING, rectangle(0, 0, WIDTH, HEIGHT), rectangle(29, 19, 1, 1), np.eye(HEIGHT, WIDTH, dtype=bool)]
    entries = [annotation(2**100 + number, "x", mask, bbox=[0.5, 0, 29.5, 20]) for number, mask in enumerate(masks)]
    file = write_coco(tmp_path, [image("x", "p1/x.png", group="g")], entries)
    import_coco(file, tmp_path / "images", tmp_path / "data", ImportOptions("test", allow_odd=True))
    csv_path, image_dir, mask_dir = split_paths(tmp_path / "data", "test")
    export_coco(csv_path, image_dir, mask_dir, tmp_path / "back.json", allow_odd=True)
    content = json.loads((tmp_path / "back.json").read_text(encoding="utf-8"))
    assert [entry["segmentation"] for entry in content["annotations"]] == [encode_rle(mask) for mask in masks]
    assert [entry["bbox"] for entry in content["annotations"]] == [[0.5, 0, 29.5, 20]] * 4
    assert [entry["area"] for entry in content["annotations"]] == [mask.sum() for mask in masks]
    assert content["images"][0] | {"source_name": "p1/x.png", "group": "g"} == content["images"][0]
    assert content["categories"] == [{"id": 1, "name": "cyst", "supercategory": ""}]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11, NumPy 2
def test_pycocotools_opens_the_file_and_sees_the_same_masks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = read_records(folder / "all.CSV", folder / "images", folder / "masks")
    content = export(folder)
    coco = COCO(str(folder / "all.json"))
    assert coco.loadCats(coco.getCatIds()) == content["categories"]
    names = [entry["name"] for entry in content["categories"]]
    assert names == ["cyst", "fetal head", "goitre", "zystic lesion, left", "胎儿"]
    with_mask = [entry for entry in content["annotations"] if "segmentation" in entry]
    results = coco.loadRes([entry | {"score": 1.0} for entry in with_mask])
    expected = [mask for record in records for mask in masks_of(record) if mask is not None]
    assert len(expected) == len(with_mask) == 3
    for entry, mask in zip(with_mask, expected, strict=True):
        np.testing.assert_array_equal(coco.annToMask(entry), mask)
        np.testing.assert_array_equal(results.annToMask(results.anns[entry["id"]]), mask)
        assert entry["area"] == mask.sum() and entry["iscrowd"] == 0


def test_polygons_fill_holes_and_say_so(folder: Path) -> None:
    out = folder / "polygons.json"
    report = export_coco(folder / "all.CSV", folder / "images", folder / "masks", out, polygons=True)
    assert report.remarks[HOLES] == 1 and "1 masks with holes, which polygons fill" in report.text()
    back = import_coco(out, folder / "images", folder / "data", ImportOptions("train"))
    filled, other, bar = masks_of(back.records[0])
    np.testing.assert_array_equal(filled, rectangle(3, 3, 9, 8))
    np.testing.assert_array_equal(other, MASKS["other.png"])
    np.testing.assert_array_equal(bar, MASKS["ring.png#7"])


def test_without_masks_there_is_no_segmentation(folder: Path) -> None:
    content = export(folder, masks=False)
    assert not [entry for entry in content["annotations"] if "segmentation" in entry]
    assert [entry["area"] for entry in content["annotations"]][1:3] == [60.0, 36.0]
    report = import_coco(folder / "all.json", folder / "images", folder / "data", ImportOptions("val"))
    assert not (folder / "data" / "val_mask").exists()
    assert not [mask for record in report.records for mask in masks_of(record) if mask is not None]


def test_objects_that_share_a_mask_are_counted(folder: Path) -> None:
    table = read_table(folder / "all.CSV")
    table["mask_name"] = table["mask_name"].replace({"ring.png#7": "ring.png"})
    write_table(table, folder / "all.CSV")
    report = export_coco(folder / "all.CSV", folder / "images", folder / "masks", folder / "all.json")
    assert (report.remarks[SHARED], report.remarks[NO_MASK]) == (2, 2)


def test_an_existing_file_is_replaced_only_if_asked(folder: Path) -> None:
    (folder / "all.json").write_text("mine")
    with pytest.raises(InputError, match=r"all.json: exists; name another file or add --overwrite"):
        export(folder)
    assert (folder / "all.json").read_text() == "mine"
    assert export(folder, overwrite=True)["images"]


def test_data_that_breaks_the_contract_is_not_exported(folder: Path) -> None:
    (folder / "images" / "b.png").unlink()
    with pytest.raises(DataProblems, match=r"problems in the data: 1\n.*\n.*b\.png"):
        export(folder)
    assert not (folder / "all.json").exists()


def test_a_file_that_cannot_be_written_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"all.CSV/all.json: cannot be written"):
        export_coco(folder / "all.CSV", folder / "images", None, folder / "all.CSV" / "all.json")


def test_the_same_table_gives_the_same_file(folder: Path) -> None:
    assert export(folder) == export(folder, overwrite=True)


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real images is not here")
def test_real_rows_come_back_the_same_although_they_share_masks(tmp_path: Path) -> None:
    table = read_table(REAL / "test.CSV")
    several = [name for name, rows in table.groupby("image_name") if len(rows) > 1]
    names = [*several, *dict.fromkeys(table["image_name"])][:12]
    table = table[table["image_name"].isin(names)]
    write_table(table, tmp_path / "few.CSV")
    (tmp_path / "images").mkdir()
    for name in set(names):
        shutil.copyfile(REAL / "test_image" / name, tmp_path / "images" / name)
    export_coco(tmp_path / "few.CSV", tmp_path / "images", REAL / "test_mask", tmp_path / "few.json")
    report = import_coco(tmp_path / "few.json", tmp_path / "images", tmp_path / "data", ImportOptions("test"))
    records = read_records(tmp_path / "few.CSV", tmp_path / "images", REAL / "test_mask")
    assert len(records) == len(report.records) == len(set(names)) and several
    for before, after in zip(records, report.records, strict=True):
        renamed = dataclasses.replace(before, path=after.path)
        assert without_paths(after) == without_paths(renamed)
        assert_same_masks(before, after)
