"""Pascal VOC as labelImg, Roboflow and CVAT write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from annotation_files import HEIGHT, ROTATED, WIDTH, imported, objects_of, only, rectangle, write_image

from gdinousam.data.contract.problems import DataProblems
from gdinousam.errors import InputError

RING = rectangle(3, 3, 12, 10) & ~rectangle(6, 6, 4, 3)


def voc_object(name: str, box: tuple[int, int, int, int], more: str = "") -> str:
    edges = "".join(
        f"<{edge}>{value}</{edge}>" for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name><pose>Unspecified</pose><bndbox>{edges}</bndbox>{more}</object>"


def voc(
    path: Path, *objects: str, filename: str = "a.png", verified: str = "", size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>1</depth></size>"
    head = f"<folder>x</folder><filename>{filename}</filename><path>C:\\x\\{filename}</path>{sides}"
    path.write_text(f"<annotation{verified}>{head}{''.join(objects)}</annotation>", encoding="utf-8")
    return path


CYST = voc_object("cyst", (3, 3, 15, 13))


def test_files_beside_their_images(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "ä.png")
    voc(tmp_path / "s" / "ä.xml", CYST, voc_object("mass", (25, 10, 35, 22)), filename="ä.png")
    record = only(imported(tmp_path / "s", tmp_path / "data"))
    assert [(one.phrase, one.box_xywh) for one in record.instances] == [
        ("cyst", (3, 3, 12, 10)),
        ("mass", (25, 10, 10, 12)),
    ]
    assert only(imported(tmp_path / "s", tmp_path / "more", one_based=True)).instances[0].box_xywh == (2, 2, 13, 11)


def test_the_folders_of_the_challenge_with_masks_of_objects_and_splits(tmp_path: Path) -> None:
    source = tmp_path / "VOC"
    numbers = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    numbers[RING], numbers[rectangle(25, 10, 10, 12)], numbers[rectangle(0, 29, 40, 1)] = 1, 2, 255
    for name, part in (("a", "train"), ("b", "val")):
        write_image(source / "JPEGImages" / f"{name}.jpg")
        voc(source / "Annotations" / f"{name}.xml", CYST, voc_object("mass", (25, 10, 35, 22)), filename=f"{name}.jpg")
        (source / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (source / "ImageSets" / "Main" / f"{part}.txt").write_text(f"{name}\n")
    (source / "SegmentationObject").mkdir()
    indexed = PIL.Image.fromarray(numbers, mode="P")
    indexed.putpalette(voc_palette().ravel().tolist())
    indexed.save(source / "SegmentationObject" / "a.png")
    PIL.Image.fromarray(voc_palette()[numbers]).save(source / "SegmentationObject" / "b.png")
    report = imported(source, tmp_path / "data", split="given")
    assert [path.name for path in report.written] == ["train.CSV", "val.CSV"]
    for record in report.records:
        (_, ring), (_, other) = objects_of(record)
        np.testing.assert_array_equal(ring, RING)
        np.testing.assert_array_equal(other, rectangle(25, 10, 10, 12))


def voc_palette() -> np.ndarray:
    """(256, 3) uint8, the colours as the development kit of the challenge makes them."""
    palette = np.zeros((256, 3), dtype=np.uint8)
    for index in range(256):
        rest = index
        for place in range(7, -1, -1):
            for channel in range(3):
                palette[index, channel] |= (rest >> channel & 1) << place
            rest >>= 3
    return palette


def test_masks_of_classes_are_said_to_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = tmp_path / "VOC"
    write_image(source / "JPEGImages" / "a.jpg")
    voc(source / "Annotations" / "a.xml", CYST, filename="a.jpg")
    (source / "SegmentationClass").mkdir()
    assert only(imported(source, tmp_path / "data")).instances[0].mask is None
    assert "SegmentationClass: is not read" in caplog.text
    (source / "SegmentationObject").mkdir()
    caplog.clear()
    imported(source, tmp_path / "more")
    assert "SegmentationClass" not in caplog.text


def test_polygons_of_roboflow(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "a.png")
    corners = [(5, 5), (15, 5), (15, 15), (5, 15)]
    text = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(corners, start=1))
    voc(tmp_path / "s" / "a.xml", voc_object("cyst", (5, 5, 15, 15), f"<polygon>{text}</polygon>"))
    ((_, mask),) = objects_of(only(imported(tmp_path / "s", tmp_path / "data")))
    np.testing.assert_array_equal(mask, rectangle(5, 5, 10, 10))


def test_a_file_without_objects_is_a_negative_where_somebody_verified_it(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / "s" / f"{name}.png")
    voc(tmp_path / "s" / "a.xml", CYST)
    voc(tmp_path / "s" / "b.xml", filename="b.png", verified=' verified="yes"')
    voc(tmp_path / "s" / "c.xml", filename="c.png")
    absent = {record.path.name: record.absent_phrases for record in imported(tmp_path / "s", tmp_path / "data").records}
    assert absent == {"a.png": (), "b.png": ("cyst",)}
    assert len(imported(tmp_path / "s", tmp_path / "more", negatives=True).records) == 3


def test_an_image_that_the_tool_turned_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "a.jpg", size=(HEIGHT, WIDTH), orientation=ROTATED)
    voc(tmp_path / "s" / "a.xml", CYST, filename="a.jpg")
    with pytest.raises(InputError, match=f"a.jpg .{WIDTH} x {HEIGHT} there, {HEIGHT} x {WIDTH} in the file"):
        imported(tmp_path / "s", tmp_path / "data")


def test_mistakes_are_one_table(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "a.png")
    voc(tmp_path / "s" / "a.xml", "<object><name>cyst</name></object>")
    voc(tmp_path / "s" / "b.xml", voc_object("", (1, 2, 3, 4)))
    voc(tmp_path / "s" / "c.xml", CYST), voc(tmp_path / "s" / "d.xml", CYST)
    voc(tmp_path / "s" / "e.xml", CYST, filename="")
    with pytest.raises(DataProblems) as told:
        imported(tmp_path / "s", tmp_path / "data", "voc")
    assert [(problem.file.name, problem.value) for problem in told.value.problems] == [
        ("a.xml", "bndbox/xmin is None, expected a number"),
        ("b.xml", "object 1 has no name"),
        ("d.xml", "a.png"),
        ("e.xml", "filename is empty"),
    ]


def test_masks_of_more_objects_than_the_file_names_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "JPEGImages" / "a.png")
    voc(tmp_path / "s" / "Annotations" / "a.xml", CYST)
    (tmp_path / "s" / "SegmentationObject").mkdir()
    PIL.Image.fromarray(np.full((HEIGHT, WIDTH), 2, dtype=np.uint8)).save(
        tmp_path / "s" / "SegmentationObject" / "a.png"
    )
    with pytest.raises(DataProblems, match=r"2 objects in a\.png of SegmentationObject"):
        imported(tmp_path / "s", tmp_path / "data")
