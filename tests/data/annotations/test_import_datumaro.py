"""datumaro: what comes in through it, and why three formats have readers of their own. It needs pandas 2 and pillow 12,
so these tests run in the second environment (make test-newer)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_files import HEIGHT, WIDTH, imported, objects_of, rectangle, write_image
from test_import_cvat import BOX, SQUARE, cvat, image
from test_import_voc import CYST, voc
from test_import_yolo import NAMES, ultralytics, write
from test_import_yolo import SQUARE as YOLO_SQUARE

from gdinousam.data.sources.annotations.formats import find_format
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.medical.libraries import MissingLibraryError
from gdinousam.errors import InputError

try:
    from datumaro.components.dataset import Dataset
except ImportError:
    Dataset = None
needs_datumaro = pytest.mark.skipif(Dataset is None, reason="needs datumaro, which needs pandas < 3 and pillow < 13")


def items(source: Path, name: str) -> list[Any]:
    return list(Dataset.import_from(str(source), name))


def label_me(folder: Path) -> Path:
    """As the LabelMe of the web writes its XML: one object of two parts."""

    def drawn(number: int, parts: str, box: tuple[int, int, int, int]) -> str:
        x, y, width, height = box
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in corners)
        head = f"<name>cyst</name><deleted>0</deleted><id>{number}</id><parts>{parts}</parts>"
        return f"<object>{head}<polygon>{points}<username>x</username></polygon><attributes></attributes></object>"

    whole = drawn(0, "<hasparts>1</hasparts><ispartof></ispartof>", (5, 5, 10, 10))
    part = drawn(1, "<hasparts></hasparts><ispartof>0</ispartof>", (20, 5, 10, 4))
    size = f"<imagesize><nrows>{HEIGHT}</nrows><ncols>{WIDTH}</ncols></imagesize>"
    for number, (name, objects) in enumerate({"a": whole + part, "b": ""}.items()):
        write_image(folder / "Images" / f"{name}.png", number)
        text = f"<annotation><filename>{name}.png</filename><folder></folder>{objects}{size}</annotation>"
        write(folder / f"{name}.xml", text)
    return folder


@needs_datumaro
def test_another_format_comes_in_through_datumaro(tmp_path: Path) -> None:
    report = imported(label_me(tmp_path / "s"), tmp_path / "data", "datumaro:label_me", negatives=True)
    first, second = sorted(report.records, key=lambda record: record.path.name)
    ((phrase, mask),) = objects_of(first)
    assert phrase == "cyst" and second.absent_phrases == ("cyst",)
    np.testing.assert_array_equal(mask, rectangle(5, 5, 10, 10) | rectangle(20, 5, 10, 4))


@needs_datumaro
def test_a_source_that_datumaro_cannot_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not readable as datumaro's label_me"):
        imported(tmp_path, tmp_path / "data", "datumaro:label_me")


def test_without_datumaro_a_line_says_what_to_install(tmp_path: Path) -> None:
    if Dataset is not None:
        pytest.skip("datumaro is installed")
    with pytest.raises(MissingLibraryError, match=r'pip install "gdinousam\[import\]"'):
        find_format("datumaro:label_me").read(tmp_path, ReadOptions())


OWN = {
    "cvat": "--format cvat",
    "voc_detection": "--format voc",
    "yolo_ultralytics": "--format yolo",
    "coco": "gdinousam coco import",
}


@pytest.mark.parametrize(("name", "remedy"), OWN.items())
def test_formats_with_a_reader_here_do_not_go_through_datumaro(name: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"datumaro drops some of it; use {remedy}"):
        find_format(f"datumaro:{name}").read(tmp_path, ReadOptions())


def test_an_unknown_format_is_one_line() -> None:
    with pytest.raises(InputError, match="--format labelbox: no such format; name one of masks, labelme"):
        find_format("labelbox")


# Should one of these fail, datumaro has learnt it, and our reader may go.


@needs_datumaro
def test_datumaro_reads_what_we_read_of_cvat(tmp_path: Path) -> None:
    mask = '<mask label="mass" rle="9, 3, 2, 1, 2, 3, 4" left="1" top="20" width="6" height="4"></mask>'
    source = cvat(tmp_path / "s", image("a.png", SQUARE.format(""), BOX.format(""), mask))
    (theirs,) = items(source.parent, "cvat")
    (record,) = imported(source, tmp_path / "data").records
    polygon, box, pixels = theirs.annotations
    assert tuple(box.get_bbox()) == record.instances[1].box_xywh
    assert polygon.points == [5, 5, 15, 5, 15, 15, 5, 15]
    np.testing.assert_array_equal(objects_of(record)[0][1], rectangle(5, 5, 10, 10))
    np.testing.assert_array_equal(objects_of(record)[2][1], pixels.image > 0)


@needs_datumaro
def test_datumaro_drops_ellipses_and_labels_of_cvat_and_refuses_jobs(tmp_path: Path) -> None:
    ellipse = '<ellipse label="cyst" cx="28.00" cy="8.00" rx="8.00" ry="3.00" z_order="0"></ellipse>'
    unknown = SQUARE.format("").replace('label="cyst"', 'label="other"')
    (item,) = items(cvat(tmp_path / "s", image("a.png", ellipse, unknown)).parent, "cvat")
    assert [(one.type.name, one.label) for one in item.annotations] == [("polygon", None)]
    with pytest.raises(Exception, match="should have a <meta> -> <task> or <meta> -> <project>"):
        items(cvat(tmp_path / "j", image("a.png", SQUARE.format("")), level="job").parent, "cvat")


@needs_datumaro
def test_datumaro_needs_lists_and_the_labels_of_voc(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "JPEGImages" / "a.png")
    voc(tmp_path / "s" / "Annotations" / "a.xml", CYST)
    with pytest.raises(Exception, match="Failed to find dataset 'voc'"):
        items(tmp_path / "s", "voc")
    write(tmp_path / "s" / "ImageSets" / "Main" / "train.txt", "a\n")
    with pytest.raises(Exception, match="Undeclared label 'cyst'"):
        items(tmp_path / "s", "voc")


@needs_datumaro
def test_datumaro_takes_the_names_of_yolo_in_the_order_of_the_file_and_no_polygons(tmp_path: Path) -> None:
    source = write(ultralytics(tmp_path / "s", "1 0.5 0.5 0.5 0.5"), f"train: images/train\n{NAMES}")
    dataset = Dataset.import_from(str(source.parent), "yolo")
    (item,) = dataset
    names = [label.name for label in next(iter(dataset.categories().values())).items]
    assert names[item.annotations[0].label] == "cyst"  # 1 is mass
    polygons = write(ultralytics(tmp_path / "p", YOLO_SQUARE), f"train: images/train\n{NAMES}")
    with pytest.raises(Exception, match="Failed to find dataset 'yolo'"):
        items(polygons.parent, "yolo")
