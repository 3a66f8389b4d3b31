"""Folders of images and masks: values mean phrases, every pixel arrives, and what does not fit is told at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from annotation_files import HEIGHT, WIDTH, blank, imported, objects_of, only, rectangle, write_image, write_json

from gdinousam.data.contract.problems import DataProblems
from gdinousam.data.contract.reading import read_table
from gdinousam.data.sources.annotations.phrases import read_phrase_table
from gdinousam.errors import InputError
from gdinousam.records import Mask

RING = rectangle(3, 3, 12, 10) & ~rectangle(6, 6, 4, 3)
TWO_PARTS = rectangle(22, 3, 5, 5) | rectangle(30, 15, 6, 8)
LABELS = (RING * 1 + TWO_PARTS * 2).astype(np.uint8)
PHRASES = {"1": "cyst", "2": "solid lesion"}


def save_labels(path: Path, labels: np.ndarray = LABELS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(labels).save(path)
    return path


def pair(folder: Path, name: str = "a", labels: np.ndarray = LABELS) -> Path:
    write_image(folder / "images" / f"{name}.png")
    save_labels(folder / "masks" / f"{name}.png", labels)
    return folder


def assert_both(record_objects: list[tuple[str, Mask | None]]) -> None:
    assert [phrase for phrase, _ in record_objects] == ["cyst", "solid lesion"]
    for (_, mask), expected in zip(record_objects, (RING, TWO_PARTS), strict=True):
        np.testing.assert_array_equal(mask, expected)


def test_values_become_phrases_with_holes_and_parts(tmp_path: Path) -> None:
    report = imported(pair(tmp_path / "clinic"), tmp_path / "data", phrases=PHRASES)
    assert_both(objects_of(only(report)))
    assert only(report).dataset == "clinic"


def test_each_part_may_be_an_object(tmp_path: Path) -> None:
    objects = objects_of(only(imported(pair(tmp_path), tmp_path / "data", phrases=PHRASES, each_part=True)))
    assert [phrase for phrase, _ in objects] == ["cyst", "solid lesion", "solid lesion"]
    np.testing.assert_array_equal(objects[2][1], rectangle(30, 15, 6, 8))


def test_one_phrase_stands_for_all_that_is_not_black(tmp_path: Path) -> None:
    source = pair(tmp_path / "s", labels=(RING * 255).astype(np.uint8))
    ((phrase, mask),) = objects_of(only(imported(source, tmp_path / "data", phrase="fetal head")))
    assert phrase == "fetal head"
    np.testing.assert_array_equal(mask, RING)


def test_folders_may_lie_anywhere_and_masks_end_in_mask(tmp_path: Path) -> None:
    write_image(tmp_path / "pictures" / "Größe 1.png")
    save_labels(tmp_path / "drawn" / "Größe 1_mask.png")
    named = {"images": tmp_path / "pictures", "phrases": PHRASES, "format_name": "masks"}
    report = imported(tmp_path / "drawn", tmp_path / "data", **named)
    assert_both(objects_of(only(report)))
    assert set(read_table(tmp_path / "data" / "train.CSV")["source_name"]) == {"Größe 1.png"}


NAMED_VALUES = {"background": 0, "cyst": 1, "solid lesion": 2}


@pytest.mark.parametrize("labels", [NAMED_VALUES, {str(value): name for name, value in NAMED_VALUES.items()}])
def test_nnunet_names_and_labels(labels: dict, tmp_path: Path) -> None:
    write_image(tmp_path / "imagesTr" / "case_1_0000.png")
    save_labels(tmp_path / "labelsTr" / "case_1.png")
    write_json(tmp_path / "dataset.json", {"labels": labels, "file_ending": ".png", "channel_names": {"0": "US"}})
    assert_both(objects_of(only(imported(tmp_path, tmp_path / "data"))))


def test_nnunet_labels_may_be_renamed_and_regions_hold_several_values(tmp_path: Path) -> None:
    write_image(tmp_path / "imagesTr" / "c_0000.png")
    save_labels(tmp_path / "labelsTr" / "c.png", LABELS + (rectangle(0, 25, 5, 5) * 3).astype(np.uint8))
    labels = {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}
    write_json(tmp_path / "dataset.json", {"labels": labels})
    objects = objects_of(only(imported(tmp_path, tmp_path / "data", phrases={"whole": "tumour"})))
    assert [phrase for phrase, _ in objects] == ["tumour", "core"]
    np.testing.assert_array_equal(objects[0][1], RING | TWO_PARTS)


def test_nnunet_channels_are_not_guessed(tmp_path: Path) -> None:
    for channel in (0, 1):
        write_image(tmp_path / "imagesTr" / f"c_000{channel}.png")
    save_labels(tmp_path / "labelsTr" / "c.png")
    with pytest.raises(DataProblems, match=r"one image per mask; there is c_0000\.png too"):
        imported(tmp_path, tmp_path / "data", phrases=PHRASES)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_one_plane_label_maps_of_clinical_programs(suffix: str, tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    write_volume(tmp_path / "masks" / f"a{suffix}", LABELS[None])
    assert_both(objects_of(only(imported(tmp_path, tmp_path / "data", phrases=PHRASES))))


def write_volume(path: Path, planes: np.ndarray) -> None:
    """planes: (N, H, W), as SimpleITK and the programs built on ITK lay them out."""
    itk = pytest.importorskip("SimpleITK", reason="needs the extra medical")
    itk.WriteImage(itk.GetImageFromArray(planes), str(path))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_planes_of_a_volume_become_images_of_one_group(suffix: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, HEIGHT, WIDTH), dtype=np.uint8)
    (tmp_path / "images").mkdir(), (tmp_path / "masks").mkdir()
    write_volume(tmp_path / "images" / f"v1{suffix}", pixels)
    write_volume(tmp_path / "masks" / f"v1{suffix}", np.stack([LABELS, np.zeros_like(LABELS), LABELS]))
    report = imported(tmp_path, tmp_path / "data", phrases=PHRASES, negatives=True)
    assert [record.path.name for record in report.records] == ["v1-0001.png", "v1-0002.png", "v1-0003.png"]
    assert {record.group for record in report.records} == {"v1"}
    assert report.records[1].absent_phrases == ("cyst", "solid lesion")
    assert_both(objects_of(report.records[2]))
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(report.records[2].path)), pixels[2])


def test_a_black_mask_is_a_negative_only_if_told_so(tmp_path: Path) -> None:
    pair(tmp_path, "a"), pair(tmp_path, "b", blank().astype(np.uint8))
    report = imported(tmp_path, tmp_path / "data", phrases=PHRASES)
    assert [record.path.name for record in report.records] == ["a.png"]
    assert "left out: 1 images without annotations" in report.text()
    report = imported(tmp_path, tmp_path / "more", phrases=PHRASES, negatives=True, absent=("cyst",))
    assert report.records[1].absent_phrases == ("cyst",) and not report.records[1].instances


def test_everything_that_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    pair(tmp_path, "a", LABELS + 3), pair(tmp_path, "b", LABELS[:20])
    save_labels(tmp_path / "masks" / "c.png")
    PIL.Image.fromarray(LABELS * 100).save(tmp_path / "masks" / "d.jpg")
    write_image(tmp_path / "images" / "d.png")
    with pytest.raises(DataProblems) as told:
        imported(tmp_path, tmp_path / "data", phrases=PHRASES)
    expected = [problem.expected for problem in told.value.problems]
    assert sorted(expected) == sorted(
        [
            "values with a phrase (1, 2); it has 3, 4, 5 too",
            f"{WIDTH} x {HEIGHT}, as the image; it is {WIDTH} x 20",
            f"an image of the same name in {tmp_path / 'images'}",
            "labels, which a JPEG cannot hold; save it as PNG, or give --phrase for all of it",
        ]
    )
    assert not (tmp_path / "data").exists()


def test_values_without_a_meaning_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody says what the values of the masks mean; give --phrases"):
        imported(pair(tmp_path), tmp_path / "data")


TABLES = {
    "labels.yaml": "1: cyst\n2: solid lesion\n",
    "labels.csv": "value;phrase\n1;cyst\n2;solid lesion\n",
    "labels.txt": '# ITK-SnAP Label Description File\n    0     0    0    0        0  0  0    "Clear Label"\n'
    '    1   255    0    0        1  1  1    "cyst"\n    2     0  255    0      0.5  1  1    "solid lesion"\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_phrases(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(TABLES[name], encoding="utf-8")
    assert read_phrase_table(path) == PHRASES


BAD_TABLES = [
    ("a.yaml", "- cyst\n", "holds no mapping"),
    ("a.yaml", "1: [cyst]\n", "are not a value or name and a phrase"),
    ("a.csv", "id,phrase\n1,cyst\n", "needs the columns value"),
    ("a.csv", "value,phrase\n1,cyst\n1,mass\n", "'1' is 'cyst' and 'mass'; keep one"),
    ("a.csv", "value,phrase\n1,\n", "are not a value or name and a phrase"),
    ("a.txt", "1 cyst\n", "is no label description as ITK-SNAP saves it"),
    ("a.csv", "value,phrase\n", "holds no phrase"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD_TABLES)
def test_a_bad_table_is_one_line(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_phrase_table(tmp_path / name)


def test_labels_of_dataset_json_that_are_none_are_named(tmp_path: Path) -> None:
    pair(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"cyst": "one"}}), encoding="utf-8")
    with pytest.raises(InputError, match="label 'cyst' has the value 'one', expected a whole number"):
        imported(tmp_path, tmp_path / "data")
