"""Label Studio's JSON: percent, brush strokes, addresses of images, and who submitted what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_files import HEIGHT, ROTATED, WIDTH, imported, objects_of, only, rectangle, write_image, write_json
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from gdinousam.data.contract.problems import DataProblems
from gdinousam.data.sources.annotations.brush import DAMAGED, LENGTH_BITS, LONGEST, decode_brush, encode_brush
from gdinousam.errors import InputError
from gdinousam.records import Mask


def bits_of(number: int, count: int) -> str:
    return format(number, f"0{count}b")


def result(kind: str, value: dict, label: str = "cyst", **more: Any) -> dict:
    common = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "id": f"{kind}-{label}"}
    named = {"type": f"{kind}labels", "from_name": "label", "to_name": "image", "origin": "manual"}
    return {**common, **named, "value": {**value, f"{kind}labels": [label]}, **more}


def annotation(*results: dict, **more: Any) -> dict:
    return {"id": 1, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False, **more}


def task(number: int, image: str, *annotations: dict, **data: Any) -> dict:
    drafts: dict[str, list] = {"drafts": [], "predictions": []}
    return {"id": number, "annotations": list(annotations), "data": {"image": image, **data}, "meta": {}, **drafts}


def exported(folder: Path, *tasks: dict, images: tuple[str, ...] = ("a.png",)) -> Path:
    for seed, name in enumerate(images):
        write_image(folder / name, seed)
    return write_json(folder / "project-1-at-2026-01-01.json", list(tasks))


SQUARE = {"points": [[12.5, 50 / 3], [37.5, 50 / 3], [37.5, 50.0], [12.5, 50.0]], "closed": True}  # 5, 5 to 15, 15
BOX = {"x": 62.5, "y": 100 / 3, "width": 25.0, "height": 40.0, "rotation": 0}
RING = rectangle(3, 3, 12, 10) & ~rectangle(6, 6, 4, 3) | rectangle(30, 20, 3, 3)


def test_polygons_rectangles_ellipses_and_brush_strokes(tmp_path: Path) -> None:
    turned = result("rectangle", {**BOX, "rotation": 90.0}, "turned")
    ellipse = result("ellipse", {"x": 50, "y": 50, "radiusX": 20.0, "radiusY": 10.0, "rotation": 0}, "mass")
    brush = result("brush", {"format": "rle", "rle": encode_brush(RING)}, "stroke")
    drawn = [result("polygon", SQUARE), result("rectangle", BOX, "mass"), ellipse, brush, turned]
    record = only(imported(exported(tmp_path / "s", task(1, "a.png", annotation(*drawn))), tmp_path / "data"))
    (_, square), (_, box), (_, disc), (_, stroke), (_, other) = objects_of(record)
    np.testing.assert_array_equal(square, rectangle(5, 5, 10, 10))
    assert box is None and record.instances[1].box_xywh == pytest.approx((25, 10, 10, 12))
    assert disc is not None and abs(disc.sum() - np.pi * 8 * 3) < 8
    np.testing.assert_array_equal(stroke, RING)
    np.testing.assert_array_equal(other, rectangle(13, 10, 12, 10))  # about its first corner


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/7/1a2b3c4d-a.png",
        "/data/local-files/?d=clinic/p1/a.png",
        "http://localhost:8080/data/upload/7/1a2b3c4d-a.png",
        "s3://bucket/clinic/a.png",
    ],
)
def test_images_are_found_under_the_addresses_that_it_writes(address: str, tmp_path: Path) -> None:
    source = exported(tmp_path / "s", task(1, address, annotation(result("polygon", SQUARE))))
    assert objects_of(only(imported(source, tmp_path / "data")))[0][0] == "cyst"


def test_the_uploaded_copy_with_its_prefix_and_a_name_in_another_script(tmp_path: Path) -> None:
    name = "0a1b2c3d-嚢胞 1.png"
    address = "/data/upload/1/0a1b2c3d-%E5%9A%A2%E8%83%9E%201.png"
    source = exported(
        tmp_path / "s", task(1, address, annotation(result("polygon", SQUARE))), images=(f"images/{name}",)
    )
    assert len(imported(source, tmp_path / "data", images=tmp_path / "s" / "images").records) == 1


def test_submitted_empty_is_a_negative_and_unlabelled_or_skipped_is_not(tmp_path: Path) -> None:
    choice = {"type": "choices", "value": {"choices": ["good"]}, "id": "q", "from_name": "quality", "to_name": "image"}
    tasks = [
        task(1, "a.png", annotation(result("polygon", SQUARE))),
        task(2, "b.png", annotation()),
        task(3, "c.png"),
        task(4, "d.png", annotation(was_cancelled=True)),
        task(5, "e.png", annotation(choice)),
    ]
    source = exported(tmp_path / "s", *tasks, images=tuple(f"{name}.png" for name in "abcde"))
    absent = {record.path.name: record.absent_phrases for record in imported(source, tmp_path / "data").records}
    assert absent == {"a.png": (), "b.png": ("cyst",), "e.png": ("cyst",)}


def test_negatives_alone_need_to_be_told_what_is_absent(tmp_path: Path) -> None:
    source = exported(tmp_path / "s", task(1, "a.png", annotation()))
    with pytest.raises(
        InputError, match="1 images are without a target, and no label is told; say with --absent PHRASE"
    ):
        imported(source, tmp_path / "data")
    report = imported(source, tmp_path / "data", absent=("cyst", "mass"))
    assert only(report).absent_phrases == ("cyst", "mass")


def test_controls_that_part_label_and_shape(tmp_path: Path) -> None:
    common = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "id": "x", "to_name": "image"}
    parts = [
        {**common, "type": "polygon", "from_name": "poly", "value": SQUARE},
        {**common, "type": "labels", "from_name": "label", "value": {**SQUARE, "labels": ["mass"]}},
    ]
    record = only(imported(exported(tmp_path / "s", task(1, "a.png", annotation(*parts))), tmp_path / "data"))
    assert [phrase for phrase, _ in objects_of(record)] == ["mass"]


def test_of_several_annotations_one_has_to_be_chosen(tmp_path: Path) -> None:
    first, second = annotation(result("polygon", SQUARE)), annotation(result("rectangle", BOX, "mass"))
    source = exported(tmp_path / "s", task(1, "a.png", first, second))
    with pytest.raises(DataProblems, match="2 annotations, so choose with --several"):
        imported(source, tmp_path / "data")
    for which, phrase in (("first", "cyst"), ("last", "mass")):
        assert only(imported(source, tmp_path / which, several=which)).phrases == (phrase,)
    truth = exported(tmp_path / "t", task(1, "a.png", {**first, "ground_truth": True}, second))
    assert only(imported(truth, tmp_path / "truth")).phrases == ("cyst",)


def test_group_and_dataset_of_a_task_are_kept(tmp_path: Path) -> None:
    source = exported(
        tmp_path / "s", task(1, "a.png", annotation(result("polygon", SQUARE)), patient_id=7, dataset="busi")
    )
    record = only(imported(source, tmp_path / "data"))
    assert (record.group, record.dataset) == ("7", "busi")


def test_an_image_turned_by_exif_is_written_upright(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "a.jpg", size=(HEIGHT, WIDTH), orientation=ROTATED)
    source = write_json(tmp_path / "s" / "p.json", [task(1, "a.jpg", annotation(result("polygon", SQUARE)))])
    record = only(imported(source, tmp_path / "data"))
    assert (record.width, record.height) == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(objects_of(record)[0][1], rectangle(5, 5, 10, 10))


def test_mistakes_are_one_table(tmp_path: Path) -> None:
    tasks = [
        task(1, "a.png", annotation(result("polygon", SQUARE, image_rotation=90))),
        task(2, "a.png", annotation({**result("polygon", SQUARE), "value": SQUARE})),
        task(3, "no picture", annotation(result("polygon", SQUARE))),
        task(4, "a.png", annotation(result("rectangle", {"x": 1, "width": 3, "height": 4}))),
        task(5, "a.png", annotation(result("brush", {"format": "rle", "rle": [1, 2]}))),
    ]
    with pytest.raises(DataProblems) as told:
        imported(exported(tmp_path / "s", *tasks), tmp_path / "data")
    assert [(problem.column, problem.value) for problem in told.value.problems] == [
        ("task 1", "result 1 was drawn on an image turned by 90 degrees; turn it back"),
        ("task 2", "result 1 has 0 labels, expected one"),
        ("task 3", "its data name 0 images, expected one"),
        ("task 4", "result 1: its shape is incomplete"),
        ("task 5", DAMAGED),
    ]


def test_the_minimal_export_is_asked_for_in_full(tmp_path: Path) -> None:
    source = write_json(tmp_path / "min.json", [{"image": "a.png", "label": [], "id": 1}])
    with pytest.raises(InputError, match="export from Label Studio as JSON"):
        imported(source, tmp_path / "data", "labelstudio")


@settings(max_examples=60, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)))
def test_a_brush_stroke_that_is_written_reads_as_it_was(mask_hw: Mask) -> None:
    np.testing.assert_array_equal(decode_brush(encode_brush(mask_hw), mask_hw.shape), mask_hw)


def test_runs_longer_than_a_block_are_parted() -> None:
    mask_hw = np.ones((1, 2 * LONGEST // 4 + 1), dtype=bool)
    np.testing.assert_array_equal(decode_brush(encode_brush(mask_hw), mask_hw.shape), mask_hw)


def test_a_brush_stroke_of_single_values_and_every_cut_off_one() -> None:
    values = [0, 0, 0, 255, 9, 9, 9, 0]  # two pixels: the first one is painted
    head = bits_of(8, 32) + bits_of(7, 5) + "".join(bits_of(length - 1, 4) for length in LENGTH_BITS)
    bits = head + "0" + bits_of(0, 2) + bits_of(7, 3) + "".join(bits_of(value, 8) for value in values)
    bits += "0" * (-len(bits) % 8)
    rle = [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]
    assert decode_brush(rle, (1, 2)).tolist() == [[True, False]]
    for length in range(len(rle) - 1):
        with pytest.raises(ValueError, match=DAMAGED):
            decode_brush(rle[:length], (1, 2))
    with pytest.raises(ValueError, match="8 values for an image of 3 x 1 pixels"):
        decode_brush(rle, (1, 3))
