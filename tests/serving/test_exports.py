"""What is taken away from the page is what ``gdinousam predict`` writes of the same objects."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.errors import InputError
from gdinousam.prediction.results import MadeBy, Prediction
from gdinousam.prediction.writing.as_records import as_record
from gdinousam.prediction.writing.tables import write_tables
from gdinousam.records import Detection, Mask
from gdinousam.serving.exports import ToExport, export

SIZE_HW = 40, 60
MOST = 10_000


def square(x0: int, y0: int, x1: int, y1: int) -> Mask:
    mask_hw = np.zeros(SIZE_HW, dtype=bool)
    mask_hw[y0:y1, x0:x1] = True
    return mask_hw


OBJECTS = [
    ("cyst", square(5, 6, 20, 18), 0.75),
    ("cyst", square(30, 6, 50, 30), 0.5),
    ("mass", square(0, 0, 8, 8), 0.9),
]


def content(*sources: str, size_hw: tuple[int, int] = SIZE_HW) -> ToExport:
    objects = [{"phrase": phrase, "score": score, "mask": encode_rle(mask)} for phrase, mask, score in OBJECTS]
    picture = {"size_hw": size_hw, "spacing_mm": [0.5, 0.25], "phrases": ["cyst", "mass", "vein"], "objects": objects}
    return ToExport.model_validate({"pictures": [picture | {"source": source} for source in sources]})


def test_masks_of_each_phrase_and_picture() -> None:
    name, made = export(content("a/scan.png", "b\\scan.png", "../../x.dcm"), "masks", MOST)
    assert name == "masks.zip"
    archive = zipfile.ZipFile(io.BytesIO(made))
    assert archive.namelist() == [
        *("scan_cyst.png", "scan_mass.png", "scan_2_cyst.png", "scan_2_mass.png", "x_cyst.png", "x_mass.png")
    ]
    cyst = np.asarray(PIL.Image.open(archive.open("scan_cyst.png")))
    assert np.array_equal(cyst, (OBJECTS[0][1] | OBJECTS[1][1]) * np.uint8(255))


def test_tables_are_those_of_predict(tmp_path: Path) -> None:
    boxes = [(5.0, 6.0, 20.0, 18.0), (30.0, 6.0, 50.0, 30.0), (0.0, 0.0, 8.0, 8.0)]
    found = [Detection(phrase, box, score, mask) for (phrase, mask, score), box in zip(OBJECTS, boxes, strict=True)]
    image = np.zeros((*SIZE_HW, 3), np.uint8)
    made_by = MadeBy("small", None, "small", {}, {}, {})
    prediction = Prediction(image, ("cyst", "mass", "vein"), tuple(found), made_by, "scan.png", (0.5, 0.25))
    write_tables(tmp_path, [as_record(prediction)])
    table = export(content("scan.png"), "csv", MOST)[1].decode()
    assert table == (tmp_path / "measurements.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["area"] for row in rows] == ["22.5", "60.0", "8.0"]
    coco = json.loads(export(content("scan.png"), "coco", MOST)[1])
    assert coco["annotations"] == json.loads((tmp_path / "coco_results.json").read_text())
    assert [one["name"] for one in coco["categories"]] == ["cyst", "mass", "vein"]
    assert np.array_equal(coco_mask.decode(coco["annotations"][2]["segmentation"]), OBJECTS[2][1])


@pytest.mark.parametrize(
    ("size_hw", "most", "expected"),
    [
        (SIZE_HW, 100, "a picture of 60 x 40 pixels; 100 at most are taken"),
        ((60, 40), MOST, "object 1: its mask has size"),
    ],
)
def test_what_is_refused(size_hw: tuple[int, int], most: int, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        export(content("a.png", size_hw=size_hw), "coco", most)
    assert str(raised.value).startswith(expected)


def test_no_mask_to_take_away() -> None:
    empty = ToExport.model_validate({"pictures": [{"source": "a.png", "size_hw": SIZE_HW, "phrases": ["cyst"]}]})
    with pytest.raises(InputError, match="there is no mask to download"):
        export(empty, "masks", MOST)
    assert json.loads(export(empty, "coco", MOST)[1])["annotations"] == []
