"""CVAT XML for images, of tasks, jobs and projects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotation_files import HEIGHT, WIDTH, imported, objects_of, only, rectangle, write_image

from gdinousam.data.contract.problems import DataProblems
from gdinousam.data.sources.coco.instances import NO_AREA
from gdinousam.errors import InputError

LABELS = "".join(f"<label><name>{name}</name><color>#ff0000</color><attributes/></label>" for name in ("cyst", "mass"))
CORNERS = "5.00,5.00;15.00,5.00;15.00,15.00;5.00,15.00"
SQUARE = f'<polygon label="cyst" source="manual" occluded="0" points="{CORNERS}" z_order="0"{{}}></polygon>'
BOX = '<box label="mass" source="manual" xtl="25.00" ytl="10.00" xbr="35.00" ybr="22.00" z_order="0"{}></box>'


def image(name: str, *shapes: str, number: int = 0, **more: str) -> str:
    fields = "".join(f' {key}="{value}"' for key, value in more.items())
    return f'<image id="{number}" name="{name}"{fields} width="{WIDTH}" height="{HEIGHT}">{"".join(shapes)}</image>'


def cvat(folder: Path, *images: str, level: str = "task", files: tuple[str, ...] = ("a.png",)) -> Path:
    """As "CVAT for images 1.1" writes it, images in the folder beside it."""
    for seed, name in enumerate(files):
        write_image(folder / "images" / name, seed)
    meta = f"<meta><{level}><id>1</id><name>t</name><labels>{LABELS}</labels></{level}><dumped>x</dumped></meta>"
    content = f"<annotations><version>1.1</version>{meta}{''.join(images)}</annotations>"
    text = f'<?xml version="1.0" encoding="utf-8"?>\n{content}'
    path = folder / "annotations.xml"
    path.write_text(text, encoding="utf-8")
    return path


def test_polygons_boxes_ellipses_and_masks(tmp_path: Path) -> None:
    mask = '<mask label="mass" rle="9, 3, 2, 1, 2, 3, 4" left="1" top="20" width="6" height="4"></mask>'
    ellipse = '<ellipse label="cyst" cx="28.00" cy="8.00" rx="8.00" ry="3.00" rotation="90.00"></ellipse>'
    turned = BOX.format(' rotation="90.00"')
    cvat(tmp_path / "s", image("a.png", SQUARE.format(""), BOX.format(""), mask, ellipse, turned))
    record = only(imported(tmp_path / "s", tmp_path / "data"))
    (_, square), (_, box), (_, pixels), (_, upright), (_, lying) = objects_of(record)
    np.testing.assert_array_equal(square, rectangle(5, 5, 10, 10))
    assert box is None and record.instances[1].box_xywh == (25, 10, 10, 12)
    # rows of 6: ......, ...xxx, ..x..x, xx....
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    expected[20:24, 1:7] = [[0] * 6, [0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 0, 1], [1, 1, 0, 0, 0, 0]]
    np.testing.assert_array_equal(pixels, expected)
    assert upright is not None and upright[2, 28] and not upright[8, 22]
    np.testing.assert_array_equal(lying, rectangle(24, 11, 12, 10))
    assert record.dataset == "s"


@pytest.mark.parametrize("level", ["task", "job", "project"])
def test_exports_of_every_level_are_read(level: str, tmp_path: Path) -> None:
    source = cvat(tmp_path / "s", image("a.png", SQUARE.format("")), level=level)
    assert len(only(imported(source, tmp_path / "data")).instances) == 1


def test_shapes_of_one_label_and_group_are_one_object(tmp_path: Path) -> None:
    other = SQUARE.replace(CORNERS, "20,5;30,5;30,9;20,9")
    shapes = [SQUARE.format(' group_id="3"'), other.format(' group_id="3"'), BOX.format(' group_id="3"')]
    cvat(tmp_path / "s", image("a.png", *shapes))
    (_, mask), (phrase, _) = objects_of(only(imported(tmp_path / "s", tmp_path / "data")))
    np.testing.assert_array_equal(mask, rectangle(5, 5, 10, 10) | rectangle(20, 5, 10, 4))
    assert phrase == "mass"


def test_an_image_without_shapes_is_a_negative_only_if_told_so(tmp_path: Path) -> None:
    point = '<points label="cyst" source="manual" occluded="0" points="3.00,3.00" z_order="0"></points>'
    tag = '<tag label="mass" source="manual"></tag>'
    shapes_of = {"a.png": [SQUARE.format("")], "b.png": [], "c.png": [point], "d.png": [tag]}
    images = [image(name, *shapes, number=n) for n, (name, shapes) in enumerate(shapes_of.items())]
    source = cvat(tmp_path / "s", *images, files=("a.png", "b.png", "c.png", "d.png"))
    assert len(imported(source, tmp_path / "data").records) == 1
    report = imported(source, tmp_path / "more", negatives=True)
    absent = {record.path.name: record.absent_phrases for record in report.records}
    assert absent == {"a.png": (), "b.png": ("cyst", "mass"), "d.png": ("cyst", "mass")}
    assert report.remarks[NO_AREA] == 1


def test_subsets_are_the_given_splits(tmp_path: Path) -> None:
    names = ("p1/a.png", "p1/b.png", "p2/a.png")
    subsets = ("Train", "Validation", "Test")
    images = [
        image(name, SQUARE.format(""), number=n, subset=part)
        for n, (name, part) in enumerate(zip(names, subsets, strict=True))
    ]
    source = cvat(tmp_path / "s", *images, level="project", files=names)
    report = imported(source, tmp_path / "data", split="given")
    assert [(path.name, len(records)) for path, records in report.written.items()] == [
        ("train.CSV", 1), ("val.CSV", 1), ("test.CSV", 1),
    ]  # fmt: skip
    unnamed = cvat(tmp_path / "t", image("a.png", SQUARE.format("")))
    with pytest.raises(InputError, match=r"tells no split of 1 images: a\.png; name one split"):
        imported(unnamed, tmp_path / "more", split="given")


def test_shares_part_by_group_and_nothing_of_a_patient_is_in_two_splits(tmp_path: Path) -> None:
    names = tuple(f"p{patient:02d}_{view}.png" for patient in range(20) for view in "ab")
    source = cvat(
        tmp_path / "s", *[image(name, SQUARE.format(""), number=n) for n, name in enumerate(names)], files=names
    )
    report = imported(source, tmp_path / "data", split=(0.7, 0.15, 0.15), group="^(p[0-9]+)_")
    patients = {path.stem: {record.group for record in records} for path, records in report.written.items()}
    assert {name: len(groups) for name, groups in patients.items()} == {"train": 14, "val": 3, "test": 3}
    assert len(set.union(*patients.values())) == 20  # type: ignore[arg-type]
    again = imported(source, tmp_path / "again", split=(0.7, 0.15, 0.15), group="^(p[0-9]+)_")
    assert [len(records) for records in again.written.values()] == [28, 6, 6]
    with pytest.raises(InputError, match=r"finds nothing in 40 file names: p00_a\.png"):
        imported(source, tmp_path / "more", group="^case")


def test_mistakes_are_one_table(tmp_path: Path) -> None:
    mask = '<mask label="mass" rle="3, 3" left="1" top="2" width="6" height="4"></mask>'
    images = [
        image("a.png", SQUARE.format("").replace('label="cyst"', 'label="Cyst"')),
        image("b.png", mask),
        image("c.png", BOX.format("").replace(' xtl="25.00"', "")),
        image("d.png"),
        image("d.png"),
    ]
    with pytest.raises(DataProblems) as told:
        imported(cvat(tmp_path / "s", *images), tmp_path / "data")
    assert [(problem.column, problem.value) for problem in told.value.problems] == [
        ("a.png", "Cyst"),
        ("b.png", "the run lengths of a mask are cut off or damaged"),
        ("c.png", "box 1 has no xtl"),
        ("image", "d.png"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><track/></annotations>", "holds tracks of a video; export as CVAT for images"),
        ("<svg/>", "its root is <svg>, not <annotations>"),
        ("<annotations>", "not readable as XML"),
        ("<annotations/>", "names no image"),
    ],
)
def test_another_file_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=message):
        imported(tmp_path / "a.xml", tmp_path / "data", "cvat")


def test_missing_images_are_counted(tmp_path: Path) -> None:
    source = cvat(tmp_path / "s", image("a.png", SQUARE.format("")), image("x/ä.png", BOX.format(""), number=1))
    with pytest.raises(InputError, match=r"1 of 2 images are not there: x/ä\.png"):
        imported(source, tmp_path / "data")
