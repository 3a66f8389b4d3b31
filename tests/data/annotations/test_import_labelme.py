"""LabelMe files: every shape that encloses something, images turned by EXIF, and mistakes told at once."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from annotation_files import (
    HEIGHT,
    ROTATED,
    WIDTH,
    imported,
    objects_of,
    only,
    rectangle,
    write_image,
    write_json,
)

from gdinousam.data.contract.problems import DataProblems
from gdinousam.data.sources.coco.instances import NO_AREA
from gdinousam.errors import InputError


def shape(kind: str, points: list, label: str = "cyst", **fields: Any) -> dict:
    """As LabelMe 5 writes it."""
    common = {"label": label, "points": points, "group_id": None, "description": "", "shape_type": kind, "flags": {}}
    return {**common, "mask": None, **fields}


def labelme(folder: Path, shapes: list, name: str = "a", **fields: Any) -> Path:
    size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png", "imageData": None, **size}
    if not (folder / f"{name}.png").exists():
        write_image(folder / f"{name}.png")
    return write_json(folder / f"{name}.json", {**content, **fields})


SQUARE = [[5.0, 5.0], [15.0, 5.0], [15.0, 15.0], [5.0, 15.0]]


def encoded(mask: np.ndarray) -> str:
    file = io.BytesIO()
    PIL.Image.fromarray(mask).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def test_polygons_rectangles_circles_and_masks(tmp_path: Path) -> None:
    ring = np.ones((7, 9), dtype=bool)
    ring[2:4, 2:5] = False
    shapes = [
        shape("polygon", SQUARE),
        shape("rectangle", [[35.0, 20.0], [25.0, 10.0]], "mass"),
        shape("circle", [[10.0, 22.0], [14.0, 22.0]], "vessel"),
        shape("mask", [[30.0, 1.0], [38.0, 7.0]], "ring", mask=encoded(ring)),
    ]
    labelme(tmp_path / "s", shapes)
    record = only(imported(tmp_path / "s", tmp_path / "data"))
    (_, square), (_, box), (_, circle), (_, mask) = objects_of(record)
    np.testing.assert_array_equal(square, rectangle(5, 5, 10, 10))
    assert box is None and record.instances[1].box_xywh == (25, 10, 10, 10)
    assert circle is not None and abs(circle.sum() - np.pi * 16) < 4 and circle[22, 10]
    assert mask is not None
    np.testing.assert_array_equal(mask[1:8, 30:39], ring)
    assert [one.phrase for one in record.instances] == ["cyst", "mass", "vessel", "ring"]


def test_shapes_of_one_label_and_group_are_one_object(tmp_path: Path) -> None:
    other = [[20.0, 5.0], [30.0, 5.0], [30.0, 9.0], [20.0, 9.0]]
    drawn = [(SQUARE, "cyst"), (other, "cyst"), (other, "mass")]
    labelme(tmp_path / "s", [shape("polygon", points, label, group_id=1) for points, label in drawn])
    (phrase, mask), (other_phrase, _) = objects_of(only(imported(tmp_path / "s", tmp_path / "data")))
    assert (phrase, other_phrase) == ("cyst", "mass")
    np.testing.assert_array_equal(mask, rectangle(5, 5, 10, 10) | rectangle(20, 5, 10, 4))


def test_points_are_counted_and_never_make_a_negative(tmp_path: Path) -> None:
    labelme(tmp_path / "s", [shape("polygon", SQUARE)])
    labelme(tmp_path / "s", [shape("point", [[1.0, 1.0]]), shape("linestrip", SQUARE)], "b")
    report = imported(tmp_path / "s", tmp_path / "data", negatives=True)
    assert [record.path.name for record in report.records] == ["a.png"] and report.remarks[NO_AREA] == 2


def test_an_image_without_shapes_is_a_negative_only_if_told_so(tmp_path: Path) -> None:
    labelme(tmp_path / "s", [shape("polygon", SQUARE)]), labelme(tmp_path / "s", [], "b")
    write_image(tmp_path / "s" / "unlabelled.png")
    assert len(imported(tmp_path / "s", tmp_path / "data").records) == 1
    first, second = imported(tmp_path / "s", tmp_path / "more", negatives=True).records
    assert second.absent_phrases == ("cyst",) and first.absent_phrases == ()


def test_an_image_turned_by_exif_is_written_upright(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "a.jpg", size=(HEIGHT, WIDTH), orientation=ROTATED)
    labelme(tmp_path / "s", [shape("polygon", SQUARE)], imagePath="a.jpg")
    record = only(imported(tmp_path / "s", tmp_path / "data"))
    with PIL.Image.open(record.path) as written, PIL.Image.open(tmp_path / "s" / "a.jpg") as stored:
        assert (record.path.name, written.size) == ("a.png", (WIDTH, HEIGHT)) and not written.getexif()
        np.testing.assert_array_equal(np.asarray(written), np.rot90(np.asarray(stored), -1))
    np.testing.assert_array_equal(objects_of(record)[0][1], rectangle(5, 5, 10, 10))


@pytest.mark.parametrize(
    "path", ["..\\pictures\\Zyste ä.png", "../pictures/Zyste ä.png", "C:\\Users\\x\\pictures\\Zyste ä.png"]
)
def test_image_paths_of_other_machines_are_found_below_the_folder(path: str, tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "pictures" / "Zyste ä.png")
    labelme(tmp_path / "s" / "drawn", [shape("polygon", SQUARE)], "x", imagePath=path)
    assert objects_of(only(imported(tmp_path / "s", tmp_path / "data")))[0][0] == "cyst"


def test_an_accent_in_another_unicode_form_is_the_same_name(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "Zyste a\u0308.png")
    labelme(tmp_path / "s", [shape("polygon", SQUARE)], "x", imagePath="Zyste \u00e4.png")
    (tmp_path / "s" / "x.png").unlink()
    assert len(imported(tmp_path / "s", tmp_path / "data").records) == 1


def test_an_image_outside_the_folder_is_not_taken(tmp_path: Path) -> None:
    write_image(tmp_path / "secret.png")
    labelme(tmp_path / "s", [shape("polygon", SQUARE)], "x", imagePath="../secret.png")
    with pytest.raises(InputError, match=r"1 of 1 images are not there: \.\./secret\.png"):
        imported(tmp_path / "s", tmp_path / "data")


def test_a_polygon_that_leaves_the_image_is_cut(tmp_path: Path) -> None:
    labelme(tmp_path / "s", [shape("polygon", [[30.0, 20.0], [55.0, 20.0], [55.0, 45.0], [30.0, 45.0]])])
    ((_, mask),) = objects_of(only(imported(tmp_path / "s", tmp_path / "data")))
    np.testing.assert_array_equal(mask, rectangle(30, 20, 10, 10))


def test_mistakes_of_all_files_are_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    labelme(folder, [shape("polygon", [[1.0, "x"]])], "a")
    labelme(folder, [shape("rectangle", [[1.0, 1.0]])], "b")
    labelme(folder, [shape("polygon", SQUARE, label="")], "c")
    labelme(folder, [shape("polygon", SQUARE)], "d")
    labelme(folder, [shape("polygon", SQUARE)], "e", imagePath="d.png")
    labelme(folder, [shape("mask", [[1.0, 1.0], [3.0, 3.0]], mask="AAAA")], "f")
    with pytest.raises(DataProblems) as told:
        imported(folder, tmp_path / "data")
    assert [(problem.file.name, problem.value) for problem in told.value.problems] == [
        ("a.json", "[1.0, 'x'] is not 2 numbers"),
        ("b.json", "shape 1 has 1 points, expected 2"),
        ("c.json", "shape 1 has no label"),
        ("e.json", "d.png"),
        ("f.json", "shape 1: its mask is damaged"),
    ]
    assert not (tmp_path / "data").exists()


def test_another_size_than_the_image_is_one_line(tmp_path: Path) -> None:
    labelme(tmp_path / "s", [shape("polygon", SQUARE)], imageWidth=WIDTH * 2)
    with pytest.raises(InputError, match=r"1 images have another size: a\.png"):
        imported(tmp_path / "s", tmp_path / "data")
